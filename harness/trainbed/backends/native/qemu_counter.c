/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A TCG plugin: counts what a QEMU guest executes, tells the harness when the guest waits, and stops one that spent its budget.
 *
 * QEMU's plugin interface can neither stop the machine nor read its memory. Both happen here all the same: a guest beyond its limit
 * is held inside the callback of its next block, and the harness, which knows from QEMU's monitor where the guest's RAM lies in this
 * process, has a thread of ours read and write it.
 *
 *   shared memory   what the harness wants (limits, addresses) and what was counted; see trn_shared_t
 *   control socket  to the harness: notices of 16 bytes (trn_notice_t); from it: requests (trn_request_t), answered in order
 *
 * Counters are kept per translated block and phase: executions, entries by a jump, exits by a jump. What they cost is worked out in
 * Python afterwards. The interface is declared here because the distributions ship no header for it; source: QEMU's documentation,
 * "QEMU TCG Plugins": version 1 of the interface (QEMU 6 to 8), and what later ones changed of it. QEMU 9.0 refuses versions below 2;
 * from version 3 on (QEMU 9.1) the bytes of an instruction are copied.
 */
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

/* --- QEMU's side --------------------------------------------------------------------------------------------------- */

#define EXPORT __attribute__((visibility("default")))

typedef uint64_t qemu_plugin_id_t;
struct qemu_plugin_tb;
struct qemu_plugin_insn;
enum { QEMU_PLUGIN_CB_NO_REGS };
typedef void (*tb_translated_t)(qemu_plugin_id_t id, struct qemu_plugin_tb *tb);
typedef void (*executed_t)(unsigned int cpu, void *user);

void qemu_plugin_register_vcpu_tb_trans_cb(qemu_plugin_id_t id, tb_translated_t callback);
void qemu_plugin_register_vcpu_tb_exec_cb(struct qemu_plugin_tb *tb, executed_t callback, int flags, void *user);
void qemu_plugin_register_vcpu_insn_exec_cb(struct qemu_plugin_insn *insn, executed_t callback, int flags, void *user);
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *tb);
uint64_t qemu_plugin_tb_vaddr(const struct qemu_plugin_tb *tb);
struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *tb, size_t i);
const void *qemu_plugin_insn_data(const struct qemu_plugin_insn *insn);
size_t qemu_plugin_insn_size(const struct qemu_plugin_insn *insn);
uint64_t qemu_plugin_insn_vaddr(const struct qemu_plugin_insn *insn);

/* The same function as interface 3 has it. */
typedef size_t (*copy_insn_data_t)(const struct qemu_plugin_insn *insn, void *to, size_t n_bytes);
enum { INTERFACE_COPIES = 3, INSN_BYTES = 4 };

/* Came with interface 2, and is only asked for. */
__attribute__((weak)) void *qemu_plugin_scoreboard_new(size_t element_size);

/* How what QEMU tells a plugin begins, in every version. */
typedef struct {
    const char *target_name;
    struct {
        int min;
        int cur;
    } version;
} qemu_info_t;

EXPORT extern int qemu_plugin_version;
EXPORT int qemu_plugin_version = 1;
EXPORT int qemu_plugin_install(qemu_plugin_id_t id, const qemu_info_t *info, int argc, char **argv);

/* --- the harness's side: mirrored in qemu/control.py ----------------------------------------------------------------- */

enum { PHASES = 6, PARK = 254, NO_PHASE = 255, BLOCKS = 32768, RANGES = 32, MARKS = 16 };

typedef struct {
    uint64_t executed[PHASES];
    uint64_t entered[PHASES]; /* not by running on from the block before; in the phase that was left */
    uint64_t left[PHASES];    /* the next block was entered so */
    uint32_t start;
    uint32_t end;
    uint32_t n_instructions;
    uint32_t phase;  /* the phase it begins, PARK, or NO_PHASE */
    uint32_t target; /* of the branch at its end, where the instruction tells; else 0 */
    uint32_t reserved;
} trn_block_t;

typedef struct {
    uint32_t begin;
    uint32_t end;
} trn_range_t;

typedef struct {
    /* from the harness */
    uint64_t limit;            /* the guest is held before the block that starts at or beyond this many instructions */
    uint64_t taken;            /* where in this process the guest counts the bytes it took from its UART */
    uint32_t n_sent;           /* bytes sent into that UART */
    uint32_t exchange;         /* number of the exchange: each is told of one wait */
    trn_range_t wait;          /* the function that waits for input */
    trn_range_t parks[RANGES]; /* functions the firmware parks in when it can go no further */
    uint32_t n_parks;
    uint32_t n_marks;
    uint32_t marks[MARKS]; /* addresses of the trn_mark_* functions */
    uint32_t mark_phases[MARKS];
    /* from the plugin */
    uint64_t instructions;
    uint32_t n_blocks; /* beyond BLOCKS: some were not counted */
    uint32_t phase;
    uint32_t block;       /* index of the block executed last */
    uint32_t before_park; /* index of the one that was left for a park */
    trn_block_t blocks[BLOCKS]; /* the first one stands for what was before the first block */
} trn_shared_t;

typedef struct {
    uint32_t kind; /* 'W' waits for input, 'P' parked, 'H' held, 'S' sleeps elsewhere, 'R' answers a request */
    uint32_t pc;
    uint64_t n_bytes; /* that follow */
} trn_notice_t;

typedef struct {
    uint64_t address; /* in this process */
    uint32_t n_bytes;
    uint32_t write; /* 1: n_bytes follow; 0: n_bytes are wanted */
} trn_request_t;

_Static_assert(sizeof(trn_block_t) == 168 && sizeof(trn_notice_t) == 16 && sizeof(trn_request_t) == 16, "mirrored in Python");

static trn_shared_t *shared;
static int control;
static copy_insn_data_t copy_insn_data; /* qemu_plugin_insn_data() where the interface copies, else NULL */

/* QEMU reads the version once the plugin is loaded, which is behind this. */
__attribute__((constructor)) static void choose_interface(void)
{
    if (qemu_plugin_scoreboard_new != NULL) {
        qemu_plugin_version = 2;
    }
}

/* The bytes of an instruction: QEMU's own, or a copy in ``copy``. */
static const uint8_t *insn_bytes(const struct qemu_plugin_insn *insn, uint8_t copy[INSN_BYTES])
{
    if (copy_insn_data == NULL) {
        return qemu_plugin_insn_data(insn);
    }
    (void)copy_insn_data(insn, copy, INSN_BYTES);
    return copy;
}

/* What the hot path needs, apart from the shared memory; only the one virtual CPU's thread touches it. */
static struct {
    trn_block_t *previous;
    uint32_t phase;
    uint32_t told;       /* exchange that was told of a wait */
    uint32_t told_sleep; /* exchange that was told of another sleep */
} running;

static _Noreturn void die(void)
{
    kill(getpid(), SIGKILL);
    for (;;) {
        pause();
    }
}

static void send_all(const void *bytes, size_t n_bytes)
{
    const uint8_t *next = bytes;
    while (n_bytes > 0) {
        const ssize_t n = send(control, next, n_bytes, MSG_NOSIGNAL);
        if (n <= 0) {
            die();
        }
        next += n;
        n_bytes -= (size_t)n;
    }
}

static void receive_all(void *bytes, size_t n_bytes)
{
    uint8_t *next = bytes;
    while (n_bytes > 0) {
        const ssize_t n = recv(control, next, n_bytes, 0);
        if (n <= 0) {
            die(); /* the harness is gone, and so are we, whatever the guest does */
        }
        next += n;
        n_bytes -= (size_t)n;
    }
}

static void tell(char kind, uint32_t pc)
{
    const trn_notice_t notice = {.kind = (uint8_t)kind, .pc = pc, .n_bytes = 0};
    send_all(&notice, sizeof notice);
}

/* Reads and writes guest memory while the guest sleeps or is held. */
static void *serve(void *unused)
{
    for (;;) {
        trn_request_t request;
        receive_all(&request, sizeof request);
        uint8_t *const at = (uint8_t *)(uintptr_t)request.address;
        trn_notice_t notice = {.kind = 'R', .pc = 0, .n_bytes = 0};
        if (request.write != 0) {
            receive_all(at, request.n_bytes);
            send_all(&notice, sizeof notice);
        } else {
            notice.n_bytes = request.n_bytes;
            send_all(&notice, sizeof notice);
            send_all(at, request.n_bytes);
        }
    }
    return unused;
}

/* --- execution ------------------------------------------------------------------------------------------------------- */

static void hold(const trn_block_t *block)
{
    tell('H', block->start);
    for (;;) {
        pause();
    }
}

/*
 * QEMU leaves a block in the middle when it meets a peripheral there, repeats the one instruction, and goes on with the rest as a
 * block of its own. That rest was counted with the block. A loop into the middle of a block looks the same but for its branch.
 */
static bool is_rest(const trn_block_t *block, const trn_block_t *previous)
{
    return block->end == previous->end && block->start > previous->start && block->start != previous->target;
}

static void begin(const trn_block_t *block, const trn_block_t *previous)
{
    if (block->phase == PARK) {
        shared->before_park = (uint32_t)(previous - shared->blocks);
    } else {
        running.phase = block->phase;
        shared->phase = block->phase;
    }
}

static void on_block(unsigned int cpu, void *user)
{
    trn_block_t *const block = user;
    trn_block_t *const previous = running.previous;
    (void)cpu;
    if (__builtin_expect(shared->instructions >= shared->limit, 0)) {
        hold(block);
    }
    if (block->start != previous->end) {
        if (is_rest(block, previous)) {
            shared->block = (uint32_t)(block - shared->blocks);
            running.previous = block;
            return;
        }
        previous->left[running.phase]++;
        block->entered[running.phase]++;
    }
    if (__builtin_expect(block->phase != NO_PHASE, 0)) {
        begin(block, previous);
    }
    block->executed[running.phase]++;
    shared->instructions += block->n_instructions;
    shared->block = (uint32_t)(block - shared->blocks);
    running.previous = block;
}

static bool in_range(const trn_range_t *range, uint32_t pc)
{
    return pc >= range->begin && pc < range->end;
}

/* Right before a WFI. The guest's stores are in memory by now, and what it sent is in the UART's socket. */
static void on_sleep(unsigned int cpu, void *user)
{
    const uint32_t pc = (uint32_t)(uintptr_t)user;
    const uint32_t exchange = __atomic_load_n(&shared->exchange, __ATOMIC_ACQUIRE);
    (void)cpu;
    char kind = 'S';
    for (uint32_t i = 0; i < shared->n_parks; i++) {
        if (in_range(&shared->parks[i], pc)) {
            kind = 'P';
        }
    }
    if (in_range(&shared->wait, pc)) {
        const volatile uint32_t *const taken = (const volatile uint32_t *)(uintptr_t)shared->taken;
        if (*taken != __atomic_load_n(&shared->n_sent, __ATOMIC_ACQUIRE)) {
            return; /* the rest is on its way and will wake it */
        }
        kind = 'W';
    }
    uint32_t *const told = kind == 'S' ? &running.told_sleep : &running.told;
    if (*told != exchange) {
        *told = exchange;
        tell(kind, pc);
    }
}

/* --- translation ----------------------------------------------------------------------------------------------------- */

/* Where B, B<c> and B.W go; Armv7-M Architecture Reference Manual, A7.7.12. CBZ only goes forward. */
static uint32_t branch_target(const struct qemu_plugin_insn *insn)
{
    uint8_t copy[INSN_BYTES] = {0};
    const uint8_t *const code = insn_bytes(insn, copy);
    const uint32_t next = (uint32_t)qemu_plugin_insn_vaddr(insn) + 4;
    const uint32_t first = (uint32_t)(code[0] | code[1] << 8);
    if (qemu_plugin_insn_size(insn) == 2) {
        if (first >> 12 == 0xD && (first >> 8 & 15) < 14) {
            return next + (uint32_t)(int8_t)first * 2;
        }
        return first >> 11 == 0x1C ? next + (uint32_t)((int32_t)(first << 21) >> 20) : 0;
    }
    const uint32_t second = (uint32_t)(code[2] | code[3] << 8);
    if (first >> 11 != 0x1E || second >> 14 != 2) {
        return 0;
    }
    const uint32_t sign = first >> 10 & 1, j1 = second >> 13 & 1, j2 = second >> 11 & 1, low = second & 0x7FF;
    if ((second >> 12 & 1) != 0) { /* T4 */
        const uint32_t i1 = ~(j1 ^ sign) & 1, i2 = ~(j2 ^ sign) & 1;
        const uint32_t offset = sign << 24 | i1 << 23 | i2 << 22 | (first & 0x3FF) << 12 | low << 1;
        return next + (uint32_t)((int32_t)(offset << 7) >> 7);
    }
    if ((first >> 7 & 7) == 7) {
        return 0; /* no branch */
    }
    const uint32_t offset = sign << 20 | j2 << 19 | j1 << 18 | (first & 0x3F) << 12 | low << 1;
    return next + (uint32_t)((int32_t)(offset << 11) >> 11);
}

static trn_block_t *find_block(uint32_t start, uint32_t end, uint32_t n_instructions)
{
    /* Translated anew after a flush: the same block counts on. Open addressing; 0 is no index. */
    enum { SLOTS = 2 * BLOCKS };
    static uint32_t slots[SLOTS];
    uint32_t i = ((start >> 1) * 2654435761u + n_instructions) % SLOTS;
    while (slots[i] != 0) {
        trn_block_t *const block = &shared->blocks[slots[i]];
        if (block->start == start && block->end == end) {
            return block;
        }
        i = (i + 1) % SLOTS;
    }
    const uint32_t index = shared->n_blocks++;
    if (index >= BLOCKS) {
        return NULL;
    }
    slots[i] = index;
    trn_block_t *const block = &shared->blocks[index];
    block->start = start;
    block->end = end;
    block->n_instructions = n_instructions;
    block->phase = NO_PHASE;
    for (uint32_t mark = 0; mark < shared->n_marks; mark++) {
        if (shared->marks[mark] == start) {
            block->phase = shared->mark_phases[mark];
        }
    }
    for (uint32_t park = 0; park < shared->n_parks; park++) {
        if (shared->parks[park].begin == start) {
            block->phase = PARK;
        }
    }
    return block;
}

static bool is_wfi(const struct qemu_plugin_insn *insn)
{
    static const uint8_t wfi[2] = {0x30, 0xBF};
    uint8_t copy[INSN_BYTES] = {0};
    return qemu_plugin_insn_size(insn) == sizeof wfi && memcmp(insn_bytes(insn, copy), wfi, sizeof wfi) == 0;
}

static void on_translated(qemu_plugin_id_t id, struct qemu_plugin_tb *tb)
{
    const size_t n = qemu_plugin_tb_n_insns(tb);
    (void)id;
    struct qemu_plugin_insn *const last = qemu_plugin_tb_get_insn(tb, n - 1);
    const uint32_t pc = (uint32_t)qemu_plugin_insn_vaddr(last);
    const uint32_t end = pc + (uint32_t)qemu_plugin_insn_size(last);
    trn_block_t *const block = find_block((uint32_t)qemu_plugin_tb_vaddr(tb), end, (uint32_t)n);
    if (block != NULL) {
        block->target = branch_target(last);
        qemu_plugin_register_vcpu_tb_exec_cb(tb, on_block, QEMU_PLUGIN_CB_NO_REGS, block);
    }
    if (is_wfi(last)) { /* WFI ends a block */
        qemu_plugin_register_vcpu_insn_exec_cb(last, on_sleep, QEMU_PLUGIN_CB_NO_REGS, (void *)(uintptr_t)pc);
    }
}

static int option(int argc, char **argv, const char *name)
{
    const size_t length = strlen(name);
    for (int i = 0; i < argc; i++) {
        if (strncmp(argv[i], name, length) == 0 && argv[i][length] == '=') {
            return (int)strtol(argv[i] + length + 1, NULL, 10);
        }
    }
    return -1;
}

int qemu_plugin_install(qemu_plugin_id_t id, const qemu_info_t *info, int argc, char **argv)
{
    if (info->version.cur >= INTERFACE_COPIES) {
        const void *(*const declared)(const struct qemu_plugin_insn *) = qemu_plugin_insn_data;
        memcpy(&copy_insn_data, &declared, sizeof copy_insn_data);
    }
    const int memory = option(argc, argv, "shared");
    if (option(argc, argv, "bytes") != (int)sizeof *shared) {
        fputs("trainbed: qemu_counter.c and qemu/control.py disagree about their structs\n", stderr);
        return 1;
    }
    control = option(argc, argv, "control");
    void *const at = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED, memory, 0);
    if (at == MAP_FAILED) {
        perror("trainbed: cannot map the shared memory");
        return 1;
    }
    shared = at;
    close(memory);
    shared->n_blocks = 1;
    running.previous = &shared->blocks[0];
    pthread_t thread;
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before); /* QEMU's threads handle QEMU's signals */
    const int failed = pthread_create(&thread, NULL, serve, NULL);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (failed != 0) {
        return 1;
    }
    qemu_plugin_register_vcpu_tb_trans_cb(id, on_translated);
    return 0;
}
