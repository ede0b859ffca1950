/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Arm MPS2 FPGA images AN385 (Cortex-M3), AN386 (M4) and AN500 (M7): registers the port touches.
 * Source: Cortex-M System Design Kit Technical Reference Manual (ARM DDI 0479), 4.3 APB UART; application notes 385, 386, 500.
 */
#ifndef TRN_SOC_H
#define TRN_SOC_H

#include <stdbool.h>

#include "cortexm.h"

#define TRN_SOC_INTERRUPTS 32

#define TRN_UART0_RX_IRQ 0u
#define TRN_UART0(offset) TRN_REGISTER(0x40004000u + (offset))
#define TRN_UART0_DATA TRN_UART0(0x00u)
#define TRN_UART0_STATE TRN_UART0(0x04u)
#define TRN_UART0_STATE_TX_FULL (1u << 0)
#define TRN_UART0_STATE_RX_FULL (1u << 1)
#define TRN_UART0_CTRL TRN_UART0(0x08u)
#define TRN_UART0_CTRL_TX_ENABLE (1u << 0)
#define TRN_UART0_CTRL_RX_ENABLE (1u << 1)
#define TRN_UART0_CTRL_RX_INTERRUPT (1u << 3)
#define TRN_UART0_INTCLEAR TRN_UART0(0x0Cu)
#define TRN_UART0_INT_RX (1u << 1)
#define TRN_UART0_BAUDDIV TRN_UART0(0x10u)
#define TRN_UART0_BAUDDIV_VALUE ((TRN_CLOCK_HZ + TRN_BAUD / 2) / TRN_BAUD)

#if TRN_UART0_BAUDDIV_VALUE < 16
#error "uart.baud: the UART divides the clock by 16 or more"
#endif

/* Memory protection unit; Armv7-M Architecture Reference Manual, B3.5. */
#define TRN_MPU_TYPE TRN_REGISTER(0xE000ED90u)
#define TRN_MPU_TYPE_REGIONS (0xFFu << 8)
#define TRN_MPU_CTRL TRN_REGISTER(0xE000ED94u)
#define TRN_MPU_CTRL_ENABLE (1u << 0)
#define TRN_MPU_CTRL_DEFAULT_MAP (1u << 2)
#define TRN_MPU_RNR TRN_REGISTER(0xE000ED98u)
#define TRN_MPU_RBAR TRN_REGISTER(0xE000ED9Cu)
#define TRN_MPU_RASR TRN_REGISTER(0xE000EDA0u)
#define TRN_MPU_RASR_ENABLE (1u << 0)
#define TRN_MPU_RASR_SIZE(log2) (((log2) - 1u) << 1)
#define TRN_MPU_RASR_NO_EXECUTE (1u << 28)

static inline bool trn_uart_has_byte(void)
{
    return (TRN_UART0_STATE & TRN_UART0_STATE_RX_FULL) != 0;
}

static inline uint8_t trn_uart_take_byte(void)
{
    /* Before the byte is read: from then on the next one may come and ask anew. */
    TRN_UART0_INTCLEAR = TRN_UART0_INT_RX;
    trn_cortexm_clear_wakeup(TRN_UART0_RX_IRQ);
    return (uint8_t)TRN_UART0_DATA;
}

static inline void trn_uart_await_byte(void)
{
    while (!trn_uart_has_byte()) {
        trn_cortexm_sleep();
    }
}

static inline void trn_uart_put_byte(uint8_t byte)
{
    TRN_UART0_DATA = byte;
    while ((TRN_UART0_STATE & TRN_UART0_STATE_TX_FULL) != 0) {
    }
}

#endif
