/* SPDX-License-Identifier: Apache-2.0 */
/*
 * STM32F746: registers the port touches. Source: RM0385 Rev 8: flash 3.7, PWR 4.4, RCC 5.3, GPIO 6.4, USART 31.8; caches: Armv7-M
 * Architecture Reference Manual, B2.2.7 and B3.5.
 */
#ifndef TRN_SOC_H
#define TRN_SOC_H

#include <stdbool.h>

#include "cortexm.h"

#define TRN_SOC_INTERRUPTS 98

#define TRN_FLASH_ACR TRN_REGISTER(0x40023C00u)
#define TRN_FLASH_ACR_LATENCY_7 7u
#define TRN_FLASH_ACR_LATENCY 0xFu
#define TRN_FLASH_ACR_PREFETCH (1u << 8)

#define TRN_PWR_CR1 TRN_REGISTER(0x40007000u)
#define TRN_PWR_CR1_VOS_SCALE_1 (3u << 14)
#define TRN_PWR_CR1_OVERDRIVE (1u << 16)
#define TRN_PWR_CR1_OVERDRIVE_SWITCH (1u << 17)
#define TRN_PWR_CSR1 TRN_REGISTER(0x40007004u)
#define TRN_PWR_CSR1_OVERDRIVE_READY (1u << 16)
#define TRN_PWR_CSR1_OVERDRIVE_SWITCHED (1u << 17)

#define TRN_RCC(offset) TRN_REGISTER(0x40023800u + (offset))
#define TRN_RCC_CR TRN_RCC(0x00u)
#define TRN_RCC_CR_HSEON (1u << 16)
#define TRN_RCC_CR_HSERDY (1u << 17)
#define TRN_RCC_CR_PLLON (1u << 24)
#define TRN_RCC_CR_PLLRDY (1u << 25)
#define TRN_RCC_PLLCFGR TRN_RCC(0x04u)
#define TRN_RCC_PLLCFGR_FROM_HSE (1u << 22)
#define TRN_RCC_PLLCFGR_VALUE(m, n, p, q) \
    ((m) | ((n) << 6) | (((p) / 2u - 1u) << 16) | TRN_RCC_PLLCFGR_FROM_HSE | ((q) << 24) | (2u << 28))
#define TRN_RCC_CFGR TRN_RCC(0x08u)
#define TRN_RCC_CFGR_SW_PLL 2u
#define TRN_RCC_CFGR_SWS_PLL (2u << 2)
#define TRN_RCC_CFGR_SWS (3u << 2)
#define TRN_RCC_CFGR_APB1_4 (5u << 10)
#define TRN_RCC_CFGR_APB2_2 (4u << 13)
#define TRN_RCC_AHB1ENR TRN_RCC(0x30u)
#define TRN_RCC_AHB1ENR_GPIOA (1u << 0)
#define TRN_RCC_AHB1ENR_GPIOB (1u << 1)
#define TRN_RCC_APB1ENR TRN_RCC(0x40u)
#define TRN_RCC_APB1ENR_PWR (1u << 28)
#define TRN_RCC_APB2ENR TRN_RCC(0x44u)
#define TRN_RCC_APB2ENR_USART1 (1u << 4)

#define TRN_GPIOA(offset) TRN_REGISTER(0x40020000u + (offset))
#define TRN_GPIOB(offset) TRN_REGISTER(0x40020400u + (offset))
#define TRN_GPIO_MODER 0x00u
#define TRN_GPIO_PUPDR 0x0Cu
#define TRN_GPIO_AFRL 0x20u
#define TRN_GPIO_AFRH 0x24u

#define TRN_USART1_IRQ 37u
#define TRN_USART1_CLOCK_HZ (TRN_CLOCK_HZ / 2u)
#define TRN_USART1(offset) TRN_REGISTER(0x40011000u + (offset))
#define TRN_USART1_CR1 TRN_USART1(0x00u)
#define TRN_USART1_CR1_UE (1u << 0)
#define TRN_USART1_CR1_RE (1u << 2)
#define TRN_USART1_CR1_TE (1u << 3)
#define TRN_USART1_CR1_RXNEIE (1u << 5)
#define TRN_USART1_BRR TRN_USART1(0x0Cu)
#define TRN_USART1_ISR TRN_USART1(0x1Cu)
#define TRN_USART1_ISR_RXNE (1u << 5)
#define TRN_USART1_ISR_TXE (1u << 7)
#define TRN_USART1_ICR TRN_USART1(0x20u)
#define TRN_USART1_ICR_OVERRUN (1u << 3)
#define TRN_USART1_RDR TRN_USART1(0x24u)
#define TRN_USART1_TDR TRN_USART1(0x28u)
#define TRN_USART1_BRR_VALUE ((TRN_USART1_CLOCK_HZ + TRN_BAUD / 2) / TRN_BAUD)

#if TRN_USART1_BRR_VALUE < 16
#error "uart.baud: the USART samples each bit 16 times"
#endif

static inline bool trn_uart_has_byte(void)
{
    return (TRN_USART1_ISR & TRN_USART1_ISR_RXNE) != 0;
}

static inline uint8_t trn_uart_take_byte(void)
{
    const uint8_t byte = (uint8_t)TRN_USART1_RDR; /* ends the request, which only then can be forgotten */
    /* An overrun while nobody listened would keep asking for an interrupt. */
    TRN_USART1_ICR = TRN_USART1_ICR_OVERRUN;
    trn_cortexm_clear_wakeup(TRN_USART1_IRQ);
    return byte;
}

static inline void trn_uart_await_byte(void)
{
    /* A byte that came between the lines of trn_uart_take_byte() asks for nothing any more: look before each sleep. */
    while (!trn_uart_has_byte()) {
        trn_cortexm_sleep();
        trn_cortexm_clear_wakeup(TRN_USART1_IRQ);
    }
}

static inline void trn_uart_put_byte(uint8_t byte)
{
    TRN_USART1_TDR = byte;
    while ((TRN_USART1_ISR & TRN_USART1_ISR_TXE) == 0) {
    }
}

#endif
