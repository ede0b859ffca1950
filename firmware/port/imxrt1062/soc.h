/* SPDX-License-Identifier: Apache-2.0 */
/*
 * i.MX RT1062: registers the port touches. Source: i.MX RT1060 Reference Manual (IMXRT1060RM): IOMUXC 11.6, CCM 14.7 and 14.8, DCDC
 * 18.6, FlexRAM 30.2, LPUART 49.4.
 */
#ifndef TRN_SOC_H
#define TRN_SOC_H

#include <stdbool.h>

#include "cortexm.h"

#define TRN_SOC_INTERRUPTS 158

/*
 * The 16 banks of FlexRAM: four (128 KB) hold code (ITCM), twelve (384 KB) data (DTCM). Until this is done data has 128 KB, so it
 * comes before the first use of the stack. GPR17 names the kind of each bank, GPR14 the size of each memory, GPR16 makes it so.
 */
#define TRN_SOC_RESET             \
    "ldr r0, =0x400AC000\n\t"     \
    "ldr r1, =0xAAAAAAFF\n\t"     \
    "str r1, [r0, #0x44]\n\t"     \
    "ldr r1, =0x00A80000\n\t"     \
    "str r1, [r0, #0x38]\n\t"     \
    "ldr r1, =0x00200007\n\t"     \
    "str r1, [r0, #0x40]\n\t"     \
    "dsb\n\t"                     \
    "isb\n\t"

#define TRN_CCM(offset) TRN_REGISTER(0x400FC000u + (offset))
#define TRN_CCM_CACRR TRN_CCM(0x10u)
#define TRN_CCM_CACRR_ARM_BY_2 1u
#define TRN_CCM_CBCDR TRN_CCM(0x14u)
#define TRN_CCM_CBCDR_AHB_DIVIDER (7u << 10)
#define TRN_CCM_CBCDR_IPG_BY_4 (3u << 8)
#define TRN_CCM_CBCDR_PERIPH_CLK2 (1u << 25)
#define TRN_CCM_CBCDR_PERIPH_CLK2_DIVIDER (7u << 27)
#define TRN_CCM_CBCMR TRN_CCM(0x18u)
#define TRN_CCM_CBCMR_PERIPH_CLK2_SOURCE (3u << 12)
#define TRN_CCM_CBCMR_PERIPH_CLK2_OSCILLATOR (1u << 12)
#define TRN_CCM_CBCMR_PERIPH_CLK_PLL1 (3u << 18)
#define TRN_CCM_CSCDR1 TRN_CCM(0x24u)
#define TRN_CCM_CSCDR1_UART_OSCILLATOR (1u << 6)
#define TRN_CCM_CSCDR1_UART_DIVIDER 0x3Fu
#define TRN_CCM_CDHIPR TRN_CCM(0x48u) /* dividers and multiplexers that are still changing */
#define TRN_CCM_CCGR3 TRN_CCM(0x74u)
#define TRN_CCM_CCGR3_LPUART6 (3u << 6)
#define TRN_CCM_CCGR4 TRN_CCM(0x78u)
#define TRN_CCM_CCGR4_IOMUXC (3u << 2)

#define TRN_PLL_ARM TRN_REGISTER(0x400D8000u)
#define TRN_PLL_ARM_LOCK (1u << 31)
#define TRN_PLL_ARM_ENABLE (1u << 13)
#define TRN_PLL_ARM_BYPASS (1u << 16)
#define TRN_PLL_ARM_1200_MHZ 100u /* 24 MHz * 100 / 2 */

#define TRN_DCDC_REG0 TRN_REGISTER(0x40080000u)
#define TRN_DCDC_REG0_OK (1u << 31)
#define TRN_DCDC_REG3 TRN_REGISTER(0x4008000Cu)
#define TRN_DCDC_REG3_TARGET 0x1Fu
#define TRN_DCDC_REG3_1250_MV 18u /* 0.8 V + 18 * 25 mV, which 600 MHz ask for */

#define TRN_IOMUXC(offset) TRN_REGISTER(0x401F8000u + (offset))
#define TRN_PIN_1_FUNCTION TRN_IOMUXC(0x0C4u) /* Teensy pin 1: GPIO_AD_B0_02 */
#define TRN_PIN_0_FUNCTION TRN_IOMUXC(0x0C8u) /* Teensy pin 0: GPIO_AD_B0_03 */
#define TRN_PIN_FUNCTION_LPUART6 2u
#define TRN_PIN_1_PAD TRN_IOMUXC(0x2B4u)
#define TRN_PIN_0_PAD TRN_IOMUXC(0x2B8u)
#define TRN_PAD_OUTPUT (2u << 6 | 6u << 3)                /* 100 MHz, 260 / 6 ohms */
#define TRN_PAD_INPUT_PULLUP (1u << 16 | 1u << 14 | 1u << 13 | 1u << 12 | 2u << 6) /* hysteresis, 47 kilohms up */
#define TRN_LPUART6_RX_SELECT TRN_IOMUXC(0x550u)
#define TRN_LPUART6_RX_FROM_PIN_0 1u

#define TRN_LPUART6_IRQ 25u
#define TRN_LPUART6_CLOCK_HZ 24000000u
#define TRN_LPUART6(offset) TRN_REGISTER(0x40198000u + (offset))
#define TRN_LPUART6_BAUD TRN_LPUART6(0x10u)
#define TRN_LPUART6_BAUD_BOTH_EDGES (1u << 17)
#define TRN_LPUART6_STAT TRN_LPUART6(0x14u)
#define TRN_LPUART6_STAT_OVERRUN (1u << 19)
#define TRN_LPUART6_STAT_RX_FULL (1u << 21)
#define TRN_LPUART6_STAT_TX_EMPTY (1u << 23)
#define TRN_LPUART6_CTRL TRN_LPUART6(0x18u)
#define TRN_LPUART6_CTRL_RE (1u << 18)
#define TRN_LPUART6_CTRL_TE (1u << 19)
#define TRN_LPUART6_CTRL_RIE (1u << 21)
#define TRN_LPUART6_DATA TRN_LPUART6(0x1Cu)
#define TRN_LPUART6_FIFO TRN_LPUART6(0x28u)
#define TRN_LPUART6_FIFO_RX_ON (1u << 3)
#define TRN_LPUART6_FIFO_FLUSH (3u << 14)
#define TRN_LPUART6_WATER TRN_LPUART6(0x2Cu)

/* Samples a bit: as many as give the rate with an undivided clock. */
#define TRN_LPUART6_SAMPLES (TRN_LPUART6_CLOCK_HZ / TRN_BAUD)
#define TRN_LPUART6_DIVIDER ((TRN_LPUART6_SAMPLES + 31u) / 32u)
#define TRN_LPUART6_OVERSAMPLING ((TRN_LPUART6_CLOCK_HZ + TRN_BAUD * TRN_LPUART6_DIVIDER / 2u) / (TRN_BAUD * TRN_LPUART6_DIVIDER))

#if TRN_LPUART6_OVERSAMPLING < 4 || TRN_LPUART6_OVERSAMPLING > 32
#error "uart.baud: the LPUART takes 4 to 32 samples a bit, so 6000000 at most"
#endif

static inline bool trn_uart_has_byte(void)
{
    return (TRN_LPUART6_STAT & TRN_LPUART6_STAT_RX_FULL) != 0;
}

static inline uint8_t trn_uart_take_byte(void)
{
    const uint8_t byte = (uint8_t)TRN_LPUART6_DATA;
    if ((TRN_LPUART6_STAT & TRN_LPUART6_STAT_OVERRUN) != 0) {
        TRN_LPUART6_STAT = TRN_LPUART6_STAT_OVERRUN; /* until then no byte is received */
    }
    return byte;
}

static inline void trn_uart_await_byte(void)
{
    /* The line stays up until the FIFO is empty, so what is forgotten here is asked for again. */
    while (!trn_uart_has_byte()) {
        trn_cortexm_clear_wakeup(TRN_LPUART6_IRQ);
        if (trn_uart_has_byte()) {
            break;
        }
        trn_cortexm_sleep();
    }
}

static inline void trn_uart_put_byte(uint8_t byte)
{
    while ((TRN_LPUART6_STAT & TRN_LPUART6_STAT_TX_EMPTY) == 0) {
    }
    TRN_LPUART6_DATA = byte;
}

#endif
