/* SPDX-License-Identifier: Apache-2.0 */
/* Calls functions of an AVR ELF in simavr, one after the other, without a board.
 *
 * Arguments: part, ELF. Standard input: per call the function's byte address (uint32), the number of bytes (uint32), the bytes; they
 * are put at the start of the RAM behind the program's data, whose address is the function's one argument. Standard output: per call
 * the cycles (uint64) and the bytes as the function left them. A guest that does not return ends the program with 1. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <simavr/sim_avr.h>
#include <simavr/sim_elf.h>

enum { ARGUMENT_LOW = 24, ARGUMENT_HIGH = 25, ZERO = 1 };

static int fail(const char *why)
{
    fprintf(stderr, "%s\n", why);
    return 1;
}

int main(int n_arguments, char **arguments)
{
    FILE *const out = fdopen(dup(STDOUT_FILENO), "wb");
    if (out == NULL || freopen("/dev/null", "w", stdout) == NULL) { /* simavr talks there */
        return fail("no output");
    }
    elf_firmware_t firmware;
    memset(&firmware, 0, sizeof firmware);
    if (n_arguments != 3 || elf_read_firmware(arguments[2], &firmware) != 0) {
        return fail("usage: bare_avr PART ELF");
    }
    avr_t *const avr = avr_make_mcu_by_name(arguments[1]);
    if (avr == NULL) {
        return fail("no such part");
    }
    avr_init(avr);
    avr->log = LOG_ERROR;
    avr_load_firmware(avr, &firmware);
    const uint32_t block_at = 0x200u; /* the program has no data of its own in RAM */
    uint32_t head[2];
    while (fread(head, sizeof head, 1, stdin) == 1) {
        if (fread(avr->data + block_at, 1, head[1], stdin) != head[1]) {
            return fail("input ends early");
        }
        const uint32_t home = avr->flashend - 1u; /* the function returns to the last word of flash */
        uint16_t sp = (uint16_t)avr->ramend;
        for (int i = 0; i < avr->address_size; i++) {
            avr->data[sp--] = (uint8_t)((home >> 1) >> (8 * i));
        }
        avr->data[R_SPL] = (uint8_t)sp;
        avr->data[R_SPH] = (uint8_t)(sp >> 8);
        avr->data[ARGUMENT_LOW] = (uint8_t)block_at;
        avr->data[ARGUMENT_HIGH] = (uint8_t)(block_at >> 8);
        avr->data[ZERO] = 0;
        avr->pc = head[0];
        avr->state = cpu_Running;
        const uint64_t start = avr->cycle;
        while (avr->pc != home) {
            if (avr_run(avr) != cpu_Running || avr->cycle - start > 200000000u) {
                return fail("the function does not return");
            }
        }
        const uint64_t cycles = avr->cycle - start;
        fwrite(&cycles, sizeof cycles, 1, out);
        fwrite(avr->data + block_at, 1, head[1], out);
    }
    return fclose(out) != 0;
}
