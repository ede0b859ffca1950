/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Start-up of every Cortex-M: from the reset vector to main() without a C library.
 * The vector table and the reset handler are all the linker script has to place by hand.
 */
#include <stdint.h>
#include <string.h>
#include <trn/port.h>

#include "cortexm.h"
#include "soc.h" /* TRN_SOC_INTERRUPTS */

/* From the linker script; only their addresses mean anything. */
extern uint32_t __stack_limit[], __stack_top[];
extern uint32_t __data_start[], __data_end[], __data_load[];
extern uint32_t __bss_start[], __bss_end[];

extern int main(void);

_Noreturn void trn_reset(void);
_Noreturn void trn_start(void) __attribute__((used));

static inline __attribute__((always_inline)) void silence_interrupts(void)
{
    TRN_SYSTICK_CTRL = 0;
    for (uint32_t i = 0; i < (TRN_SOC_INTERRUPTS + 31u) / 32u; i++) {
        TRN_NVIC_ICER(i) = 0xFFFFFFFFu;
        TRN_NVIC_ICPR(i) = 0xFFFFFFFFu;
    }
}

/*
 * Where the core parks when it can go no further. One symbol per reason, so that a debugger or an emulator names it by the
 * program counter alone; asleep with nothing left to wake it, so that an emulator notices at once instead of spending its budget. Uses no stack.
 */
#define TRN_PARK(name)              \
    _Noreturn void name(void);      \
    _Noreturn void name(void)       \
    {                               \
        silence_interrupts();       \
        for (;;) {                  \
            trn_cortexm_sleep();    \
        }                           \
    }

TRN_PARK(trn_fault_nmi)
TRN_PARK(trn_fault_hard)
TRN_PARK(trn_fault_memory)
TRN_PARK(trn_fault_bus)
TRN_PARK(trn_fault_usage)
TRN_PARK(trn_fault_svc)
TRN_PARK(trn_fault_debug)
TRN_PARK(trn_fault_pendsv)
TRN_PARK(trn_fault_systick)
TRN_PARK(trn_fault_interrupt)
TRN_PARK(trn_fault_returned)
TRN_PARK(trn_fault_port)

typedef void (*trn_vector_t)(void);

typedef struct {
    uint32_t *initial_stack;
    trn_vector_t exceptions[15];
    trn_vector_t interrupts[TRN_SOC_INTERRUPTS];
} trn_vectors_t;

static const trn_vectors_t vectors __attribute__((section(".vectors"), used)) = {
    .initial_stack = __stack_top,
    .exceptions =
        {
            trn_reset, trn_fault_nmi, trn_fault_hard, trn_fault_memory, trn_fault_bus, trn_fault_usage,
            0, 0, 0, 0, /* reserved */
            trn_fault_svc, trn_fault_debug, 0, trn_fault_pendsv, trn_fault_systick,
        },
    .interrupts = {[0 ... TRN_SOC_INTERRUPTS - 1] = trn_fault_interrupt},
};

/* What a part has to do before its memories hold a stack: assembly that may use r0 to r3; soc.h defines it where there is such. */
#ifndef TRN_SOC_RESET
#define TRN_SOC_RESET ""
#endif

/*
 * A boot loader that jumped here may have left its own stack and its interrupts behind. Interrupts go off and the stack is
 * set before the first C instruction. Where code runs from RAM this function alone stays in flash, and copies all others.
 */
__attribute__((naked)) void trn_reset(void)
{
    __asm__ volatile("cpsid i\n\t" TRN_SOC_RESET
#if defined(TRN_CODE_IN_RAM)
                     "ldr r0, =__code_load\n\t"
                     "ldr r1, =__code_start\n\t"
                     "ldr r2, =__code_end\n"
                     "1:\n\t"
                     "ldmia r0!, {r3}\n\t"
                     "stmia r1!, {r3}\n\t"
                     "cmp r1, r2\n\t"
                     "blo 1b\n\t"
                     "dsb\n\t"
                     "isb\n\t"
#endif
                     "ldr r0, =__stack_top\n\t"
                     "msr msp, r0\n\t"
#if defined(__ARM_ARCH_8M_MAIN__)
                     "ldr r0, =__stack_limit\n\t"
                     "msr msplim, r0\n\t"
#endif
                     "ldr r0, =trn_start\n\t"
                     "bx r0\n\t"
                     ".ltorg");
}

static void enable_fpu(void)
{
#if defined(__ARM_FP)
    TRN_SCB_CPACR |= 0xFu << 20;
    __asm__ volatile("dsb\n\tisb" ::: "memory");
    /* Round to nearest, no flush to zero, no default NaN: docs/numerics.md counts on it. */
    __asm__ volatile("vmsr fpscr, %0" ::"r"(0));
#endif
}

void trn_start(void)
{
    TRN_SCB_VTOR = (uint32_t)&vectors;
    silence_interrupts();
    enable_fpu();
    memcpy(__data_start, __data_load, (uint32_t)__data_end - (uint32_t)__data_start);
    memset(__bss_start, 0, (uint32_t)__bss_end - (uint32_t)__bss_start);
    main();
    trn_fault_returned();
}

void trn_cortexm_start_caches(void)
{
#if defined(__ARM_ARCH_7EM__)
    TRN_SCB_CSSELR = 0; /* the data cache; DCISW takes the way from bit 30 on and the set behind the 5 bits of a line */
    const uint32_t geometry = TRN_SCB_CCSIDR;
    const uint32_t sets = (geometry >> 13 & 0x7FFFu) + 1u;
    TRN_SCB_ICIALLU = 0;
    for (uint32_t way = 0; way < 4; way++) {
        for (uint32_t set = 0; set < sets; set++) {
            TRN_SCB_DCISW = way << 30 | set << 5;
        }
    }
    __asm__ volatile("dsb" ::: "memory");
    TRN_SCB_CCR |= TRN_SCB_CCR_INSTRUCTION_CACHE | TRN_SCB_CCR_DATA_CACHE;
    __asm__ volatile("dsb\n\tisb" ::: "memory");
#endif
}

void trn_cortexm_start_cycle_counter(void)
{
#if !defined(__ARM_ARCH_6M__)
    TRN_DCB_DEMCR |= TRN_DCB_DEMCR_TRCENA;
    TRN_DWT_CYCCNT = 0;
    TRN_DWT_CTRL |= TRN_DWT_CTRL_CYCCNTENA;
#endif
}

uint32_t trn_port_cycles(void)
{
#if defined(__ARM_ARCH_6M__)
    return 0;
#else
    return TRN_DWT_CYCCNT;
#endif
}
