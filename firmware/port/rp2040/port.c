/* SPDX-License-Identifier: Apache-2.0 */
/* RP2040 on a Raspberry Pi Pico: 125 MHz from the 12 MHz crystal, code in RAM, UART0 on GPIO 0 (TX) and 1 (RX). */
#include "soc.h"

#include "byte_uart.h"

enum {
    PIN_TX = 0,
    PIN_RX = 1,
    XOSC_STARTUP_1MS = 47, /* in 256ths of a 12 MHz clock */
    PLL_FEEDBACK = 125,    /* 12 MHz * 125 = 1500 MHz, */
    PLL_POST_1 = 6,
    PLL_POST_2 = 2 /* / 12 = 125 MHz */
};

#if TRN_CLOCK_HZ != 125000000
#error "clock_hz: this port sets 125 MHz"
#endif

static void await(volatile uint32_t *reg, uint32_t mask)
{
    while ((*reg & mask) != mask) {
    }
}

static void leave_reset(uint32_t units)
{
    TRN_CLEAR(TRN_RESETS_RESET) = units;
    await(&TRN_RESETS_DONE, units);
}

static void start_clocks(void)
{
    TRN_XOSC_STARTUP = XOSC_STARTUP_1MS;
    TRN_XOSC_CTRL = TRN_XOSC_CTRL_ENABLE;
    await(&TRN_XOSC_STATUS, TRN_XOSC_STATUS_STABLE);
    TRN_CLK_REF_CTRL = TRN_CLK_REF_XOSC;
    await(&TRN_CLK_REF_SELECTED, 1u << TRN_CLK_REF_XOSC);

    leave_reset(TRN_RESETS_PLL_SYS);
    TRN_PLL_CS = 1; /* the crystal undivided */
    TRN_PLL_FBDIV = PLL_FEEDBACK;
    TRN_CLEAR(TRN_PLL_PWR) = TRN_PLL_PWR_DOWN;
    await(&TRN_PLL_CS, TRN_PLL_CS_LOCK);
    TRN_PLL_PRIM = (uint32_t)PLL_POST_1 << 16 | (uint32_t)PLL_POST_2 << 12;
    TRN_CLEAR(TRN_PLL_PWR) = TRN_PLL_PWR_POSTDIV_DOWN;
    TRN_CLK_SYS_CTRL = TRN_CLK_SYS_AUX;
    await(&TRN_CLK_SYS_SELECTED, 1u << TRN_CLK_SYS_AUX);
    TRN_CLK_PERI_CTRL = TRN_CLK_PERI_ENABLE;
}

static void start_uart(void)
{
    leave_reset(TRN_RESETS_IO_BANK0 | TRN_RESETS_PADS_BANK0 | TRN_RESETS_UART0);
    TRN_PAD(PIN_RX) = TRN_PAD_INPUT_PULLUP;
    TRN_GPIO_CTRL(PIN_TX) = TRN_GPIO_FUNCTION_UART;
    TRN_GPIO_CTRL(PIN_RX) = TRN_GPIO_FUNCTION_UART;
    TRN_UART0_IBRD = TRN_UART0_DIVIDER / 64u;
    TRN_UART0_FBRD = TRN_UART0_DIVIDER % 64u;
    TRN_UART0_LCR_H = TRN_UART0_LCR_H_8_BITS_FIFO;
    TRN_UART0_IFLS = 0; /* ask when an eighth of the FIFO is full */
    TRN_UART0_IMSC = TRN_UART0_INT_RX | TRN_UART0_INT_RX_TIMEOUT;
    TRN_UART0_CR = TRN_UART0_CR_ON;
    trn_cortexm_enable_wakeup(TRN_UART0_IRQ);
}

void trn_port_init(void)
{
    start_clocks();
    start_uart();
}
