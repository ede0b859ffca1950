/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Counts what a Unicorn guest executes: one UC_HOOK_BLOCK, and one UC_HOOK_CODE per division.
 *
 * A block is a run of instructions up to a branch. What it costs is worked out once, in Python, and kept here in an
 * open-addressed table under (address, size); the hook only looks up and adds. A second block hook would make Unicorn
 * walk a list instead of calling this function directly, so everything that needs a block start lives here.
 *
 * Order of work at a block start:
 *   1. event due? stop before the block is charged: Unicorn then does not execute it, so nothing counts twice;
 *   2. reached by a taken branch? charge the branch and the refill at its target; and the predictor's mistake, if the
 *      core has one and it expected another block;
 *   3. another function or phase? close the books of the old one;
 *   4. charge the block.
 */
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unicorn/unicorn.h>

enum {
    TRN_TABLE_BITS = 16,
    TRN_TABLE_SIZE = 1 << TRN_TABLE_BITS,
    TRN_PHASES = 6,
    TRN_NO_PHASE = 255,
    TRN_NO_FLOAT = 0xFF,
    TRN_INDIRECT = 0x80,
    TRN_OPEN_END = 0x40,
    TRN_JOINS = 0x20,
    TRN_COUNTER = 0x03,
    TRN_SEEN_TAKEN = 2, /* a counter from here on up expects a taken branch */
    TRN_COST_LIMIT = TRN_TABLE_SIZE / 2
};

/*
 * Cost of one block, in cycles where nothing else is said. 32 bytes: two to a cache line of the host.
 * Mirrored by ctypes in block_hook.py.
 */
typedef struct {
    uint64_t key;             /* address | size << 32; 0 = free slot */
    uint16_t segment;         /* function or mark the block belongs to */
    uint16_t cycles;          /* core cycles, zero wait states, branch not taken */
    uint16_t instructions;
    uint16_t memory_through;  /* what the memory adds, in 1/16 cycle: fetched straight through, ... */
    uint16_t memory_branched; /* ... or reached by a taken branch */
    uint8_t miss_through;     /* 1/16 cycle more for each line that is not in the instruction cache */
    uint8_t miss_branched;
    uint8_t taken;            /* core cycles more if the branch at the end is taken */
    uint8_t target;           /* core cycles more if the block was reached by a taken branch */
    uint8_t divider_busy;     /* cycles the float divider still runs when the block ends */
    uint8_t first_float;      /* when the block first needs the FPU; TRN_NO_FLOAT: never */
    uint16_t off_through;     /* instead of memory_through and misses while the instruction cache is off, 1/16 cycle */
    uint16_t off_branched;
    uint8_t mispredicted;     /* core cycles more if the branch at the end goes where it was not expected; 0: no predictor */
    uint8_t history;          /* of that branch: a counter of two bits, or TRN_INDIRECT: the block that came last is expected;
                                 TRN_OPEN_END: it leaves an issue slot; TRN_JOINS: the block takes a cycle less in such a slot */
    uint16_t expected;        /* ... its address / 2, the lower bits of it */
} trn_block_t;

typedef struct {
    uint64_t cycles;
    uint64_t memory; /* 1/16 cycle */
    uint64_t instructions;
} trn_count_t;

/* A function, or one trn_mark_* function (then `phase` is what it switches to). */
typedef struct {
    trn_count_t trained; /* self cost while in a phase of `trained_phases` */
    uint32_t phase;      /* TRN_NO_PHASE, or the phase this segment switches to */
    uint32_t reserved;
} trn_segment_t;

typedef int (*trn_miss_t)(uint64_t address, uint32_t size);
typedef uc_err (*trn_stop_t)(uc_engine *uc);
typedef uc_err (*trn_reg_read_t)(uc_engine *uc, int regid, void *value);

typedef struct trn_state {
    trn_count_t total;       /* cycles include idle ones */
    uint64_t next_event;     /* stop at the first block start with total.cycles >= next_event */
    trn_block_t *table;      /* TRN_TABLE_SIZE slots */
    uint32_t *lines;         /* instruction cache, [set][2 ways], the most recently used first: line number + 1 */
    uint32_t previous_end;   /* end of the block executed last */
    uint32_t previous_taken;
    uint32_t segment;        /* segment running now */
    uint32_t divider_busy;   /* cycles the float divider still runs behind the last block */
    uint32_t line_shift;     /* line = address >> line_shift; 0: no instruction cache, or cache_off */
    uint32_t set_mask;
    uint32_t phase;          /* phase running now */
    uint32_t stopped;        /* 1: the hook stopped the guest for an event */
    uint32_t n_blocks;       /* slots in use */
    uint32_t n_misses;       /* blocks that had to be worked out */
    uint32_t trained_phases; /* bit per phase */
    uint32_t data_wait;      /* 1/16 cycle for each read that trn_on_read sees */
    uint32_t cache_off;      /* 1: there is an instruction cache and it is off */
    uint32_t n_lines;        /* entries of `lines` */
    uint64_t idle;           /* cycles the guest slept */
    trn_count_t phase_start;   /* totals when the phase began */
    trn_count_t segment_start; /* totals when the segment began */
    trn_count_t phases[TRN_PHASES];
    trn_segment_t *segments;
    trn_miss_t miss; /* works out a block's cost and calls trn_insert; not 0: stop */
    trn_stop_t stop;
    trn_reg_read_t reg_read;
    trn_block_t *previous; /* the block executed last, or NULL; followed on cores that predict */
    uint32_t predicts;     /* 1: the core predicts branches and issues in pairs */
} trn_state_t;

/* One SDIV or UDIV: its operands decide its cost, so its site carries a code hook. */
typedef struct {
    trn_state_t *state;
    int32_t dividend; /* UC_ARM_REG_* */
    int32_t divisor;
    uint32_t is_signed;
    uint32_t charged;      /* cycles the block's static cost already holds for it */
    const uint8_t *cycles; /* [33][33]: by bits of dividend, bits of divisor */
} trn_division_t;

size_t trn_state_size(void);
size_t trn_block_size(void);
size_t trn_table_bytes(void);
void trn_insert(trn_state_t *state, const trn_block_t *blocks, uint32_t n);
void trn_settle(trn_state_t *state);
void trn_reset(trn_state_t *state);
void trn_idle(trn_state_t *state, uint64_t n_cycles);
void trn_forget_lines(trn_state_t *state);
void trn_on_block(uc_engine *uc, uint64_t address, uint32_t size, void *user);
void trn_on_division(uc_engine *uc, uint64_t address, uint32_t size, void *user);
void trn_on_read(uc_engine *uc, uc_mem_type type, uint64_t address, int size, int64_t value, void *user);

size_t trn_state_size(void)
{
    return sizeof(trn_state_t);
}

size_t trn_block_size(void)
{
    return sizeof(trn_block_t);
}

size_t trn_table_bytes(void)
{
    return sizeof(trn_block_t) * TRN_TABLE_SIZE;
}

static inline uint32_t slot_of(uint64_t key)
{
    /* Thumb code is half-word aligned: neighbouring blocks take neighbouring slots, which the cache likes. */
    return (uint32_t)(key >> 1) & (TRN_TABLE_SIZE - 1);
}

/* The slot of `key`, or the free slot where it belongs. */
static inline trn_block_t *find(trn_block_t *table, uint64_t key)
{
    uint32_t i = slot_of(key);
    while (table[i].key != key && table[i].key != 0) {
        i = (i + 1) & (TRN_TABLE_SIZE - 1);
    }
    return &table[i];
}

/* Adds blocks. A table half full is emptied first: probing must stay short, and a miss only costs time. */
void trn_insert(trn_state_t *state, const trn_block_t *blocks, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        if (state->n_blocks >= TRN_COST_LIMIT) {
            memset(state->table, 0, trn_table_bytes());
            state->n_blocks = 0;
            state->previous = NULL;
        }
        trn_block_t *slot = find(state->table, blocks[i].key);
        state->n_blocks += slot->key == 0;
        *slot = blocks[i];
    }
}

static inline void book(trn_count_t *to, const trn_count_t *now, trn_count_t *since)
{
    to->cycles += now->cycles - since->cycles;
    to->memory += now->memory - since->memory;
    to->instructions += now->instructions - since->instructions;
    *since = *now;
}

static void settle_segment(trn_state_t *state)
{
    if (state->trained_phases >> state->phase & 1) {
        book(&state->segments[state->segment].trained, &state->total, &state->segment_start);
    } else {
        state->segment_start = state->total;
    }
}

/* Brings phase and function counters up to date. */
void trn_settle(trn_state_t *state)
{
    settle_segment(state);
    book(&state->phases[state->phase], &state->total, &state->phase_start);
}

static void enter_segment(trn_state_t *state, uint32_t segment)
{
    const uint32_t phase = state->segments[segment].phase;
    settle_segment(state);
    if (phase != TRN_NO_PHASE && phase != state->phase) {
        book(&state->phases[state->phase], &state->total, &state->phase_start);
        state->phase = phase;
    }
    state->segment = segment;
}

/* Charges sleep: the clock moves, no phase pays. */
void trn_idle(trn_state_t *state, uint64_t n_cycles)
{
    state->total.cycles += n_cycles;
    state->idle += n_cycles;
    state->phase_start.cycles += n_cycles;
    state->segment_start.cycles += n_cycles;
}

/* Empties the instruction cache. */
void trn_forget_lines(trn_state_t *state)
{
    if (state->n_lines != 0) {
        memset(state->lines, 0, sizeof *state->lines * state->n_lines);
    }
}

/* The predictor forgets what it has seen. */
static void forget_branches(trn_state_t *state)
{
    state->previous = NULL;
    for (uint32_t i = 0; state->n_blocks != 0 && i < TRN_TABLE_SIZE; i++) {
        state->table[i].history &= (uint8_t)~TRN_COUNTER;
        state->table[i].expected = 0;
    }
}

void trn_reset(trn_state_t *state)
{
    memset(&state->total, 0, sizeof state->total);
    memset(&state->phase_start, 0, sizeof state->phase_start);
    memset(&state->segment_start, 0, sizeof state->segment_start);
    memset(state->phases, 0, sizeof state->phases);
    state->next_event = UINT64_C(1) << 63;
    state->idle = 0;
    state->previous_end = 0;
    state->previous_taken = 0;
    state->divider_busy = 0;
    state->segment = 0;
    state->phase = 0;
    trn_forget_lines(state);
    forget_branches(state);
    state->stopped = 0;
}

/* How many lines of a block the instruction cache does not hold; afterwards it holds them. */
static inline uint32_t missed_lines(const trn_state_t *state, uint32_t address, uint32_t end)
{
    const uint32_t last = (end - 1) >> state->line_shift;
    uint32_t n_missed = 0;
    for (uint32_t line = address >> state->line_shift; line <= last; line++) {
        uint32_t *way = &state->lines[(line & state->set_mask) * 2];
        const uint32_t tag = line + 1;
        if (__builtin_expect(way[0] != tag, 0)) {
            n_missed += way[1] != tag;
            way[1] = way[0];
            way[0] = tag;
        }
    }
    return n_missed;
}

/* A VDIV or VSQRT that outlives its block: integer code runs on, the next float instruction waits. */
static void run_divider(trn_state_t *state, const trn_block_t *block, uint32_t gap)
{
    const uint32_t busy = state->divider_busy > gap ? state->divider_busy - gap : 0;
    if (block->first_float == TRN_NO_FLOAT) {
        state->divider_busy = busy > block->cycles ? busy - block->cycles : 0;
        return;
    }
    if (busy > block->first_float) {
        state->total.cycles += busy - block->first_float;
    }
    state->divider_busy = block->divider_busy;
}

/* The branch at the end of the last block has gone to `address`: was it expected to? */
static void follow_branch(trn_state_t *state, trn_block_t *block, uint32_t address, int taken)
{
    if (block->history & TRN_INDIRECT) {
        const uint16_t target = (uint16_t)(address >> 1);
        state->total.cycles += block->expected != target ? block->mispredicted : 0;
        block->expected = target;
        return;
    }
    const uint32_t seen = block->history & TRN_COUNTER;
    state->total.cycles += (seen >= TRN_SEEN_TAKEN) != taken ? block->mispredicted : 0;
    if (taken && seen < 3) {
        block->history++;
    } else if (!taken && seen > 0) {
        block->history--;
    }
}

/* From the last block to this one, on a core with a branch predictor and two issue slots. */
static inline void follow(trn_state_t *state, trn_block_t *block, uint32_t address, int taken)
{
    trn_block_t *previous = state->previous;
    state->previous = block;
    if (previous == NULL) {
        return;
    }
    if (previous->mispredicted != 0) {
        follow_branch(state, previous, address, taken);
    }
    if ((previous->history & TRN_OPEN_END) && (block->history & TRN_JOINS)) {
        state->total.cycles--;
    }
}

void trn_on_block(uc_engine *uc, uint64_t address, uint32_t size, void *user)
{
    trn_state_t *state = user;
    if (__builtin_expect(state->total.cycles >= state->next_event, 0)) {
        state->stopped = 1;
        state->stop(uc);
        return;
    }
    const uint64_t key = address | (uint64_t)size << 32;
    trn_block_t *block = &state->table[slot_of(key)];
    if (__builtin_expect(block->key != key, 0)) {
        block = find(state->table, key);
        if (block->key != key) {
            state->n_misses++;
            if (state->miss(address, size) != 0) {
                state->stop(uc);
                return;
            }
            block = find(state->table, key);
        }
    }
    const uint32_t end = (uint32_t)address + size;
    const int branched = (uint32_t)address != state->previous_end;
    uint32_t gap = 0;
    uint32_t memory = block->memory_through;
    uint32_t miss = block->miss_through;
    if (branched) {
        gap = state->previous_taken + block->target;
        state->total.cycles += gap;
        memory = block->memory_branched;
        miss = block->miss_branched;
    }
    if (state->predicts) {
        follow(state, block, (uint32_t)address, branched);
    }
    if (state->line_shift != 0) {
        memory += miss * missed_lines(state, (uint32_t)address, end);
    } else if (state->cache_off) {
        memory = branched ? block->off_branched : block->off_through;
    }
    if (__builtin_expect(block->segment != state->segment, 0)) {
        enter_segment(state, block->segment);
    }
    state->total.cycles += block->cycles;
    state->total.memory += memory;
    state->total.instructions += block->instructions;
    state->previous_end = end;
    state->previous_taken = block->taken;
    if (__builtin_expect((state->divider_busy | block->divider_busy) != 0, 0)) {
        run_divider(state, block, gap);
    }
}

static inline uint32_t bits_of(uint32_t value)
{
    return value == 0 ? 0 : 32 - (uint32_t)__builtin_clz(value);
}

/* Replaces the static cost of a division by the cost of its operands. */
void trn_on_division(uc_engine *uc, uint64_t address, uint32_t size, void *user)
{
    const trn_division_t *division = user;
    uint32_t n = 0;
    uint32_t d = 0;
    (void)address;
    (void)size;
    division->state->reg_read(uc, division->dividend, &n);
    division->state->reg_read(uc, division->divisor, &d);
    if (division->is_signed) {
        n = n >> 31 ? 0U - n : n;
        d = d >> 31 ? 0U - d : d;
    }
    division->state->total.cycles += division->cycles[bits_of(n) * 33 + bits_of(d)];
    division->state->total.cycles -= division->charged;
}

/* Charges a read of data in the memory the model covers. */
void trn_on_read(uc_engine *uc, uc_mem_type type, uint64_t address, int size, int64_t value, void *user)
{
    trn_state_t *state = user;
    (void)uc;
    (void)type;
    (void)address;
    (void)size;
    (void)value;
    state->total.memory += state->data_wait;
}
