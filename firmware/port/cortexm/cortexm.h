/* SPDX-License-Identifier: Apache-2.0 */
/* Core registers and start-up that every Cortex-M port shares. Source: ARMv7-M Architecture Reference Manual, B3 and C1. */
#ifndef TRN_CORTEXM_H
#define TRN_CORTEXM_H

#include <stdint.h>

#define TRN_REGISTER(address) (*(volatile uint32_t *)(address))

/* System control space */
#define TRN_SYSTICK_CTRL TRN_REGISTER(0xE000E010u)
#define TRN_NVIC_ISER(n) TRN_REGISTER(0xE000E100u + 4u * (n))
#define TRN_NVIC_ICER(n) TRN_REGISTER(0xE000E180u + 4u * (n))
#define TRN_NVIC_ICPR(n) TRN_REGISTER(0xE000E280u + 4u * (n))
#define TRN_SCB_VTOR TRN_REGISTER(0xE000ED08u)
#define TRN_SCB_CPACR TRN_REGISTER(0xE000ED88u)
#define TRN_SCB_CCR TRN_REGISTER(0xE000ED14u)
#define TRN_SCB_CCR_DATA_CACHE (1u << 16)
#define TRN_SCB_CCR_INSTRUCTION_CACHE (1u << 17)
#define TRN_SCB_CCSIDR TRN_REGISTER(0xE000ED80u)
#define TRN_SCB_CSSELR TRN_REGISTER(0xE000ED84u)
#define TRN_SCB_ICIALLU TRN_REGISTER(0xE000EF50u)
#define TRN_SCB_DCISW TRN_REGISTER(0xE000EF60u)
#define TRN_DCB_DEMCR TRN_REGISTER(0xE000EDFCu)
#define TRN_DCB_DEMCR_TRCENA (1u << 24)
#define TRN_DWT_CTRL TRN_REGISTER(0xE0001000u)
#define TRN_DWT_CTRL_CYCCNTENA (1u << 0)
#define TRN_DWT_CYCCNT TRN_REGISTER(0xE0001004u)

/*
 * Interrupts are never taken: PRIMASK is set from the first instruction on. An enabled interrupt that becomes pending
 * still ends WFI, so the ports use the interrupt controller as an alarm clock and nothing runs behind the trainer's back.
 */
static inline void trn_cortexm_sleep(void)
{
    __asm__ volatile("dsb\n\twfi" ::: "memory");
}

/* Everything written so far is in memory before what follows, a DMA start for one. */
static inline void trn_cortexm_barrier(void)
{
    __asm__ volatile("dsb" ::: "memory");
}

/* The port enables one interrupt as a source of wake-ups. */
static inline void trn_cortexm_enable_wakeup(uint32_t irq)
{
    TRN_NVIC_ISER(irq / 32u) = 1u << (irq % 32u);
}

static inline void trn_cortexm_clear_wakeup(uint32_t irq)
{
    TRN_NVIC_ICPR(irq / 32u) = 1u << (irq % 32u);
}

/* Both caches of a Cortex-M7 empty and on. Nothing here is shared with a DMA, so nobody has to clean them. */
void trn_cortexm_start_caches(void);

/* Starts the cycle counter at zero, where the core has one. */
void trn_cortexm_start_cycle_counter(void);

/* The park of a port that was asked for something it cannot do; never returns. */
_Noreturn void trn_fault_port(void);

#endif
