/* SPDX-License-Identifier: Apache-2.0 */
/*
 * STM32F405: registers the port touches. Source: RM0090 Rev 19: RCC 7.3, GPIO 8.4, USART 30.6.
 *
 * The core stays on the internal 16 MHz oscillator it starts with. At that clock the flash answers without wait states, so the
 * cycle model of the core alone holds.
 */
#ifndef TRN_SOC_H
#define TRN_SOC_H

#include <stdbool.h>

#include "cortexm.h"

#define TRN_SOC_INTERRUPTS 82

#define TRN_RCC_AHB1ENR TRN_REGISTER(0x40023830u)
#define TRN_RCC_AHB1ENR_GPIOA (1u << 0)
#define TRN_RCC_APB2ENR TRN_REGISTER(0x40023844u)
#define TRN_RCC_APB2ENR_USART1 (1u << 4)

#define TRN_GPIOA_MODER TRN_REGISTER(0x40020000u)
#define TRN_GPIOA_PUPDR TRN_REGISTER(0x4002000Cu)
#define TRN_GPIOA_AFRH TRN_REGISTER(0x40020024u)

#define TRN_USART1_IRQ 37u
#define TRN_USART1(offset) TRN_REGISTER(0x40011000u + (offset))
#define TRN_USART1_SR TRN_USART1(0x00u)
#define TRN_USART1_SR_RXNE (1u << 5)
#define TRN_USART1_SR_TXE (1u << 7)
#define TRN_USART1_DR TRN_USART1(0x04u)
#define TRN_USART1_BRR TRN_USART1(0x08u)
#define TRN_USART1_CR1 TRN_USART1(0x0Cu)
#define TRN_USART1_CR1_RE (1u << 2)
#define TRN_USART1_CR1_TE (1u << 3)
#define TRN_USART1_CR1_RXNEIE (1u << 5)
#define TRN_USART1_CR1_UE (1u << 13)
#define TRN_USART1_BRR_VALUE ((TRN_CLOCK_HZ + TRN_BAUD / 2) / TRN_BAUD)

#if TRN_USART1_BRR_VALUE < 16
#error "uart.baud: the USART samples each bit 16 times"
#endif

static inline bool trn_uart_has_byte(void)
{
    return (TRN_USART1_SR & TRN_USART1_SR_RXNE) != 0;
}

static inline uint8_t trn_uart_take_byte(void)
{
    const uint8_t byte = (uint8_t)TRN_USART1_DR; /* ends the request, which only then can be forgotten */
    trn_cortexm_clear_wakeup(TRN_USART1_IRQ);
    return byte;
}

static inline void trn_uart_await_byte(void)
{
    /* A byte that came between the two lines of trn_uart_take_byte() asks for nothing any more: look before each sleep. */
    while (!trn_uart_has_byte()) {
        trn_cortexm_sleep();
        trn_cortexm_clear_wakeup(TRN_USART1_IRQ);
    }
}

static inline void trn_uart_put_byte(uint8_t byte)
{
    TRN_USART1_DR = byte;
    while ((TRN_USART1_SR & TRN_USART1_SR_TXE) == 0) {
    }
}

#endif
