/* SPDX-License-Identifier: Apache-2.0 */
/* i.MX RT1062 on a Teensy 4.0: 600 MHz, code and data in tightly coupled memory, LPUART6 on pins 1 (TX) and 0 (RX). */
#include "soc.h"

#include "byte_uart.h"

#if TRN_CLOCK_HZ != 600000000
#error "clock_hz: this port sets 600 MHz"
#endif

static void await(volatile uint32_t *reg, uint32_t mask, uint32_t value)
{
    while ((*reg & mask) != value) {
    }
}

/* The core runs from the crystal while the PLL it will run from changes its speed. IMXRT1060RM 14.7. */
static void start_clocks(void)
{
    TRN_DCDC_REG3 = (TRN_DCDC_REG3 & ~TRN_DCDC_REG3_TARGET) | TRN_DCDC_REG3_1250_MV;
    await(&TRN_DCDC_REG0, TRN_DCDC_REG0_OK, TRN_DCDC_REG0_OK);

    TRN_CCM_CBCMR = (TRN_CCM_CBCMR & ~TRN_CCM_CBCMR_PERIPH_CLK2_SOURCE) | TRN_CCM_CBCMR_PERIPH_CLK2_OSCILLATOR;
    TRN_CCM_CBCDR = (TRN_CCM_CBCDR & ~TRN_CCM_CBCDR_PERIPH_CLK2_DIVIDER) | TRN_CCM_CBCDR_PERIPH_CLK2;
    await(&TRN_CCM_CDHIPR, ~0u, 0);
    TRN_PLL_ARM = TRN_PLL_ARM_ENABLE | TRN_PLL_ARM_BYPASS | TRN_PLL_ARM_1200_MHZ;
    await(&TRN_PLL_ARM, TRN_PLL_ARM_LOCK, TRN_PLL_ARM_LOCK);
    TRN_PLL_ARM = TRN_PLL_ARM_ENABLE | TRN_PLL_ARM_1200_MHZ;
    TRN_CCM_CACRR = TRN_CCM_CACRR_ARM_BY_2;
    TRN_CCM_CBCMR |= TRN_CCM_CBCMR_PERIPH_CLK_PLL1;
    TRN_CCM_CBCDR = (TRN_CCM_CBCDR & ~TRN_CCM_CBCDR_AHB_DIVIDER) | TRN_CCM_CBCDR_IPG_BY_4;
    await(&TRN_CCM_CDHIPR, ~0u, 0);
    TRN_CCM_CBCDR &= ~TRN_CCM_CBCDR_PERIPH_CLK2;
    await(&TRN_CCM_CDHIPR, ~0u, 0);
}

static void start_uart(void)
{
    TRN_CCM_CSCDR1 = (TRN_CCM_CSCDR1 & ~TRN_CCM_CSCDR1_UART_DIVIDER) | TRN_CCM_CSCDR1_UART_OSCILLATOR;
    TRN_CCM_CCGR4 |= TRN_CCM_CCGR4_IOMUXC;
    TRN_CCM_CCGR3 |= TRN_CCM_CCGR3_LPUART6;
    TRN_PIN_0_PAD = TRN_PAD_INPUT_PULLUP;
    TRN_PIN_1_PAD = TRN_PAD_OUTPUT;
    TRN_PIN_0_FUNCTION = TRN_PIN_FUNCTION_LPUART6;
    TRN_PIN_1_FUNCTION = TRN_PIN_FUNCTION_LPUART6;
    TRN_LPUART6_RX_SELECT = TRN_LPUART6_RX_FROM_PIN_0;
    TRN_LPUART6_BAUD = (TRN_LPUART6_OVERSAMPLING - 1u) << 24 | TRN_LPUART6_DIVIDER |
                       (TRN_LPUART6_OVERSAMPLING < 8u ? TRN_LPUART6_BAUD_BOTH_EDGES : 0u);
    TRN_LPUART6_WATER = 0; /* ask for every byte */
    TRN_LPUART6_FIFO = TRN_LPUART6_FIFO_RX_ON | TRN_LPUART6_FIFO_FLUSH;
    TRN_LPUART6_CTRL = TRN_LPUART6_CTRL_TE | TRN_LPUART6_CTRL_RE | TRN_LPUART6_CTRL_RIE;
    trn_cortexm_enable_wakeup(TRN_LPUART6_IRQ);
}

void trn_port_init(void)
{
    start_clocks();
    trn_cortexm_start_caches();
    start_uart();
    trn_cortexm_start_cycle_counter();
}
