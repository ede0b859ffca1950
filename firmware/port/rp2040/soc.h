/* SPDX-License-Identifier: Apache-2.0 */
/*
 * RP2040: registers the port touches. Source: RP2040 Datasheet: resets 2.14, clocks 2.15, crystal 2.16, PLL 2.18, pins 2.19,
 * UART 4.2.
 */
#ifndef TRN_SOC_H
#define TRN_SOC_H

#include <stdbool.h>

#include "cortexm.h"

#define TRN_SOC_INTERRUPTS 26

/* Every register has a mirror that sets the bits that are written, and one that clears them. */
#define TRN_SET(reg) TRN_REGISTER((uint32_t)&(reg) + 0x2000u)
#define TRN_CLEAR(reg) TRN_REGISTER((uint32_t)&(reg) + 0x3000u)

#define TRN_RESETS_RESET TRN_REGISTER(0x4000C000u)
#define TRN_RESETS_DONE TRN_REGISTER(0x4000C008u)
#define TRN_RESETS_IO_BANK0 (1u << 5)
#define TRN_RESETS_PADS_BANK0 (1u << 8)
#define TRN_RESETS_PLL_SYS (1u << 12)
#define TRN_RESETS_UART0 (1u << 22)

#define TRN_CLK_REF_CTRL TRN_REGISTER(0x40008030u)
#define TRN_CLK_REF_SELECTED TRN_REGISTER(0x40008038u)
#define TRN_CLK_REF_XOSC 2u
#define TRN_CLK_SYS_CTRL TRN_REGISTER(0x4000803Cu)
#define TRN_CLK_SYS_SELECTED TRN_REGISTER(0x40008044u)
#define TRN_CLK_SYS_AUX 1u /* the auxiliary source, whose reset value is PLL_SYS */
#define TRN_CLK_PERI_CTRL TRN_REGISTER(0x40008048u)
#define TRN_CLK_PERI_ENABLE (1u << 11) /* from the system clock */

#define TRN_XOSC_CTRL TRN_REGISTER(0x40024000u)
#define TRN_XOSC_CTRL_ENABLE (0xFABu << 12 | 0xAA0u)
#define TRN_XOSC_STATUS TRN_REGISTER(0x40024004u)
#define TRN_XOSC_STATUS_STABLE (1u << 31)
#define TRN_XOSC_STARTUP TRN_REGISTER(0x4002400Cu)

#define TRN_PLL_CS TRN_REGISTER(0x40028000u)
#define TRN_PLL_CS_LOCK (1u << 31)
#define TRN_PLL_PWR TRN_REGISTER(0x40028004u)
#define TRN_PLL_PWR_DOWN (1u << 0 | 1u << 5) /* the PLL and its oscillator */
#define TRN_PLL_PWR_POSTDIV_DOWN (1u << 3)
#define TRN_PLL_FBDIV TRN_REGISTER(0x40028008u)
#define TRN_PLL_PRIM TRN_REGISTER(0x4002800Cu)

#define TRN_GPIO_CTRL(pin) TRN_REGISTER(0x40014004u + 8u * (pin))
#define TRN_GPIO_FUNCTION_UART 2u
#define TRN_PAD(pin) TRN_REGISTER(0x4001C004u + 4u * (pin))
#define TRN_PAD_INPUT_PULLUP (1u << 6 | 1u << 3 | 1u << 1)

#define TRN_UART0_IRQ 20u
#define TRN_UART0(offset) TRN_REGISTER(0x40034000u + (offset))
#define TRN_UART0_DR TRN_UART0(0x00u)
#define TRN_UART0_FR TRN_UART0(0x18u)
#define TRN_UART0_FR_RX_EMPTY (1u << 4)
#define TRN_UART0_FR_TX_FULL (1u << 5)
#define TRN_UART0_IBRD TRN_UART0(0x24u)
#define TRN_UART0_FBRD TRN_UART0(0x28u)
#define TRN_UART0_LCR_H TRN_UART0(0x2Cu)
#define TRN_UART0_LCR_H_8_BITS_FIFO (3u << 5 | 1u << 4)
#define TRN_UART0_CR TRN_UART0(0x30u)
#define TRN_UART0_CR_ON (1u << 9 | 1u << 8 | 1u << 0)
#define TRN_UART0_IFLS TRN_UART0(0x34u)
#define TRN_UART0_IMSC TRN_UART0(0x38u)
#define TRN_UART0_INT_RX (1u << 4)
#define TRN_UART0_INT_RX_TIMEOUT (1u << 6) /* bytes wait and none came for 32 bit times */

/* The divider in 64ths, rounded. */
#define TRN_UART0_DIVIDER ((TRN_CLOCK_HZ * 4u + TRN_BAUD / 2u) / TRN_BAUD)

#if TRN_UART0_DIVIDER < 64 || TRN_UART0_DIVIDER > 0x3FFFFF
#error "uart.baud: the UART divides the clock by 16 to 1048575"
#endif

static inline bool trn_uart_has_byte(void)
{
    return (TRN_UART0_FR & TRN_UART0_FR_RX_EMPTY) == 0;
}

static inline uint8_t trn_uart_take_byte(void)
{
    return (uint8_t)TRN_UART0_DR;
}

static inline void trn_uart_await_byte(void)
{
    /* The line stays up until the FIFO is empty, so what is forgotten here is asked for again. */
    while (!trn_uart_has_byte()) {
        trn_cortexm_clear_wakeup(TRN_UART0_IRQ);
        if (trn_uart_has_byte()) {
            break;
        }
        trn_cortexm_sleep();
    }
}

static inline void trn_uart_put_byte(uint8_t byte)
{
    while ((TRN_UART0_FR & TRN_UART0_FR_TX_FULL) != 0) {
    }
    TRN_UART0_DR = byte;
}

#endif
