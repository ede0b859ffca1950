/* SPDX-License-Identifier: Apache-2.0 */
/* Arm MPS2 FPGA images of Cortex-M3, M4 and M7: UART0 of the CMSDK, one byte at a time. */
#include "soc.h"

#include "byte_uart.h"

enum { GUARD_LOG2 = 10 };

/* What lies below the RAM swallows writes without a word: a stack that runs over is to fault there. */
static void guard_stack(void)
{
    extern uint32_t __stack_limit[];
    if ((TRN_MPU_TYPE & TRN_MPU_TYPE_REGIONS) == 0) {
        return;
    }
    TRN_MPU_RNR = 0;
    TRN_MPU_RBAR = (uint32_t)__stack_limit - (1u << GUARD_LOG2);
    TRN_MPU_RASR = TRN_MPU_RASR_NO_EXECUTE | TRN_MPU_RASR_SIZE(GUARD_LOG2) | TRN_MPU_RASR_ENABLE; /* no access at all */
    TRN_MPU_CTRL = TRN_MPU_CTRL_DEFAULT_MAP | TRN_MPU_CTRL_ENABLE;
    __asm__ volatile("dsb\n\tisb" ::: "memory");
}

void trn_port_init(void)
{
    guard_stack();
    TRN_UART0_BAUDDIV = TRN_UART0_BAUDDIV_VALUE;
    TRN_UART0_CTRL = TRN_UART0_CTRL_TX_ENABLE | TRN_UART0_CTRL_RX_ENABLE | TRN_UART0_CTRL_RX_INTERRUPT;
    trn_cortexm_enable_wakeup(TRN_UART0_RX_IRQ);
    trn_cortexm_start_cycle_counter();
}
