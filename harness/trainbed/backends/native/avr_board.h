/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What both AVR emulators' helpers share: the state Python sees, and the books. Every instruction passes trn_avr_before() and
 * trn_avr_charge(); counts are taken where control passes from one function to another, which is rare. C and C++.
 */
#ifndef TRN_AVR_BOARD_H
#define TRN_AVR_BOARD_H

#include <stddef.h>
#include <stdint.h>

#define TRN_PHASES 6
#define TRN_NEVER UINT64_MAX
#define TRN_MESSAGE_BYTES 256

typedef struct {
    uint64_t cycles, memory, instructions;
} trn_count_t;

/* A function. phase: 1 + the phase it opens, 0: none. park: the firmware goes no further. */
typedef struct {
    trn_count_t trained;
    uint32_t phase;
    uint32_t park;
    uint32_t entry_cycles; /* what the emulator forgets on the way here: of an interrupt */
    uint32_t reserved;
} trn_segment_t;

enum {
    TRN_STOP_NONE,
    TRN_STOP_WAIT,    /* asleep, everything sent was taken, everything written has left */
    TRN_STOP_CYCLES,
    TRN_STOP_STEPS,
    TRN_STOP_OUTPUT,  /* the output buffer is full: take it and go on */
    TRN_STOP_PARK,
    TRN_STOP_NO_CODE, /* the next instruction lies where no function is */
    TRN_STOP_ILLEGAL,
    TRN_STOP_STACK,
    TRN_STOP_RESET,
    TRN_STOP_CRASH,   /* the emulator says why in message */
    TRN_STOP_ASLEEP,  /* interrupts are off: for ever */
    TRN_STOP_BREAK    /* at a breakpoint, or behind a watched access */
};

/* What is to be known of an instruction beside what the emulator does with it. Cycles where the emulator's are not taken. */
enum {
    TRN_COST_CYCLES = 0x07,     /* 0: the emulator's */
    TRN_COST_PERIPHERAL = 0x08, /* may reach a peripheral, to which the time of day matters */
    TRN_COST_X = 0x10,          /* through X, Y or Z: what it costs, and whom it reaches, hangs on the address */
    TRN_COST_Y = 0x20,
    TRN_COST_Z = 0x30,
    TRN_COST_DIRECT = 0x40,     /* at the address in the second word; TRN_AT_* instead of a displacement */
    TRN_COST_POINTER = 0x70,
    TRN_COST_ILLEGAL = 0x80,
    TRN_COST_PUSHES = 0x01,     /* where the emulator's cycles are taken: puts something on the stack */
    TRN_AT_FLASH = 1,
    TRN_AT_PERIPHERAL = 2
};

typedef struct {
    /* Given by Python. */
    const uint16_t *segment_of; /* of each word of flash; 0: no code */
    const uint8_t *cost_of;
    const uint8_t *displacement_of; /* of loads and stores; 0xFF: the pointer is decremented before */
    const uint8_t *break_at;        /* of each word, 1: stop in front of it; NULL without a debugger */
    trn_segment_t *segments;
    uint8_t *output;
    const uint8_t *input;
    uint64_t cycle_limit, step_limit;
    uint32_t n_words;
    uint32_t stack_low;      /* lowest data address of the stack; 0: not watched */
    uint32_t ram_from;       /* data address of RAM; peripherals lie below */
    uint32_t mapped_from;    /* data address the flash is seen from on; 0: nowhere */
    uint32_t trained_phases; /* bit per phase that counts for functions */
    uint32_t output_bytes;   /* room */
    uint32_t n_input;
    /* Told to Python. */
    uint32_t n_output, input_at;
    uint32_t phase, segment;
    uint32_t pc;          /* of the next instruction, in bytes */
    uint32_t previous_pc; /* of the last one executed */
    uint32_t stop;
    uint32_t started;
    uint32_t overruns;    /* received bytes that found no room in the part */
    uint64_t idle;        /* cycles asleep */
    trn_count_t total, phase_start, segment_start;
    trn_count_t phases[TRN_PHASES];
    char message[TRN_MESSAGE_BYTES];
} trn_avr_state_t;

static inline void trn_count_add(trn_count_t *to, const trn_count_t *now, const trn_count_t *since)
{
    to->cycles += now->cycles - since->cycles;
    to->memory += now->memory - since->memory;
    to->instructions += now->instructions - since->instructions;
}

/* Books what has been counted since the last time. */
static inline void trn_avr_settle(trn_avr_state_t *s)
{
    if ((s->trained_phases >> s->phase & 1u) != 0) {
        trn_count_add(&s->segments[s->segment].trained, &s->total, &s->segment_start);
    }
    s->segment_start = s->total;
    trn_count_add(&s->phases[s->phase], &s->total, &s->phase_start);
    s->phase_start = s->total;
}

/* Control passes to another function. Returns 0 to go on, else why not. */
static inline uint32_t trn_avr_enter(trn_avr_state_t *s, uint32_t segment, uint32_t stack_pointer)
{
    if (segment == 0) {
        return TRN_STOP_NO_CODE;
    }
    if (s->stack_low != 0 && stack_pointer + 1 < s->stack_low) {
        return TRN_STOP_STACK;
    }
    if ((s->trained_phases >> s->phase & 1u) != 0) {
        trn_count_add(&s->segments[s->segment].trained, &s->total, &s->segment_start);
    }
    s->segment_start = s->total;
    s->segment = segment;
    trn_segment_t *const entered = &s->segments[segment];
    if (entered->phase != 0) {
        trn_count_add(&s->phases[s->phase], &s->total, &s->phase_start);
        s->phase_start = s->total;
        s->phase = entered->phase - 1;
    }
    return entered->park != 0 ? TRN_STOP_PARK : TRN_STOP_NONE;
}

/* Before the instruction at pc: 0 to execute it. */
#define TRN_AVR_BEFORE(s, stack_pointer)                                                     \
    do {                                                                                     \
        const uint32_t word_ = (s)->pc >> 1;                                                 \
        const uint32_t segment_ = word_ < (s)->n_words ? (s)->segment_of[word_] : 0;         \
        if (segment_ != (s)->segment) {                                                      \
            (s)->stop = trn_avr_enter((s), segment_, (stack_pointer));                       \
        }                                                                                    \
    } while (0)

#endif
