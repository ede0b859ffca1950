/* SPDX-License-Identifier: Apache-2.0 */
/* STM32F405: USART1 on PA9 (TX) and PA10 (RX), one byte at a time. */
#include "soc.h"

#include "byte_uart.h"

enum { PIN_TX = 9, PIN_RX = 10, MODE_ALTERNATE = 2, PULL_UP = 1, ALTERNATE_USART1 = 7 };

static void set_field(volatile uint32_t *reg, uint32_t index, uint32_t width, uint32_t value)
{
    const uint32_t mask = (1u << width) - 1u;
    *reg = (*reg & ~(mask << (index * width))) | value << (index * width);
}

void trn_port_init(void)
{
    TRN_RCC_AHB1ENR |= TRN_RCC_AHB1ENR_GPIOA;
    TRN_RCC_APB2ENR |= TRN_RCC_APB2ENR_USART1;
    (void)TRN_RCC_APB2ENR; /* the clock runs two cycles after the write */

    set_field(&TRN_GPIOA_AFRH, PIN_TX - 8u, 4, ALTERNATE_USART1);
    set_field(&TRN_GPIOA_AFRH, PIN_RX - 8u, 4, ALTERNATE_USART1);
    set_field(&TRN_GPIOA_PUPDR, PIN_RX, 2, PULL_UP);
    set_field(&TRN_GPIOA_MODER, PIN_TX, 2, MODE_ALTERNATE);
    set_field(&TRN_GPIOA_MODER, PIN_RX, 2, MODE_ALTERNATE);

    TRN_USART1_BRR = TRN_USART1_BRR_VALUE;
    TRN_USART1_CR1 = TRN_USART1_CR1_UE | TRN_USART1_CR1_TE | TRN_USART1_CR1_RE | TRN_USART1_CR1_RXNEIE;
    trn_cortexm_enable_wakeup(TRN_USART1_IRQ);
    trn_cortexm_start_cycle_counter();
}
