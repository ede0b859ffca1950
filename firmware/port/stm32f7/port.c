/* SPDX-License-Identifier: Apache-2.0 */
/* STM32F746G-DISCO: 216 MHz from the 25 MHz crystal, caches on, USART1 on the pins that lead to the ST-LINK (PA9, PB7). */
#include "soc.h"

#include "byte_uart.h"

enum {
    PIN_TX = 9, /* port A */
    PIN_RX = 7, /* port B */
    MODE_ALTERNATE = 2,
    PULL_UP = 1,
    ALTERNATE_USART1 = 7,
    PLL_M = 25, /* 1 MHz into the PLL, */
    PLL_N = 432,
    PLL_P = 2, /* 216 MHz out of it */
    PLL_Q = 9
};

#if TRN_CLOCK_HZ != 216000000
#error "clock_hz: this port sets 216 MHz"
#endif

static void set_field(volatile uint32_t *reg, uint32_t index, uint32_t width, uint32_t value)
{
    const uint32_t mask = (1u << width) - 1u;
    *reg = (*reg & ~(mask << (index * width))) | value << (index * width);
}

static void await(volatile uint32_t *reg, uint32_t mask, uint32_t value)
{
    while ((*reg & mask) != value) {
    }
}

/* RM0385 4.1.4: overdrive is switched on while the PLL runs and the core does not yet run on it. */
static void start_clocks(void)
{
    TRN_RCC_APB1ENR |= TRN_RCC_APB1ENR_PWR;
    (void)TRN_RCC_APB1ENR; /* the clock runs two cycles after the write */
    TRN_PWR_CR1 |= TRN_PWR_CR1_VOS_SCALE_1;
    TRN_RCC_CR |= TRN_RCC_CR_HSEON;
    await(&TRN_RCC_CR, TRN_RCC_CR_HSERDY, TRN_RCC_CR_HSERDY);
    TRN_RCC_PLLCFGR = TRN_RCC_PLLCFGR_VALUE((uint32_t)PLL_M, (uint32_t)PLL_N, (uint32_t)PLL_P, (uint32_t)PLL_Q);
    TRN_RCC_CR |= TRN_RCC_CR_PLLON;
    TRN_PWR_CR1 |= TRN_PWR_CR1_OVERDRIVE;
    await(&TRN_PWR_CSR1, TRN_PWR_CSR1_OVERDRIVE_READY, TRN_PWR_CSR1_OVERDRIVE_READY);
    TRN_PWR_CR1 |= TRN_PWR_CR1_OVERDRIVE_SWITCH;
    await(&TRN_PWR_CSR1, TRN_PWR_CSR1_OVERDRIVE_SWITCHED, TRN_PWR_CSR1_OVERDRIVE_SWITCHED);
    await(&TRN_RCC_CR, TRN_RCC_CR_PLLRDY, TRN_RCC_CR_PLLRDY);
    TRN_FLASH_ACR = TRN_FLASH_ACR_LATENCY_7 | TRN_FLASH_ACR_PREFETCH;
    await(&TRN_FLASH_ACR, TRN_FLASH_ACR_LATENCY, TRN_FLASH_ACR_LATENCY_7);
    TRN_RCC_CFGR = TRN_RCC_CFGR_APB1_4 | TRN_RCC_CFGR_APB2_2 | TRN_RCC_CFGR_SW_PLL;
    await(&TRN_RCC_CFGR, TRN_RCC_CFGR_SWS, TRN_RCC_CFGR_SWS_PLL);
}

static void start_uart(void)
{
    TRN_RCC_AHB1ENR |= TRN_RCC_AHB1ENR_GPIOA | TRN_RCC_AHB1ENR_GPIOB;
    TRN_RCC_APB2ENR |= TRN_RCC_APB2ENR_USART1;
    (void)TRN_RCC_APB2ENR;
    set_field(&TRN_GPIOA(TRN_GPIO_AFRH), PIN_TX - 8u, 4, ALTERNATE_USART1);
    set_field(&TRN_GPIOB(TRN_GPIO_AFRL), PIN_RX, 4, ALTERNATE_USART1);
    set_field(&TRN_GPIOB(TRN_GPIO_PUPDR), PIN_RX, 2, PULL_UP);
    set_field(&TRN_GPIOA(TRN_GPIO_MODER), PIN_TX, 2, MODE_ALTERNATE);
    set_field(&TRN_GPIOB(TRN_GPIO_MODER), PIN_RX, 2, MODE_ALTERNATE);
    TRN_USART1_BRR = TRN_USART1_BRR_VALUE;
    TRN_USART1_CR1 = TRN_USART1_CR1_UE | TRN_USART1_CR1_TE | TRN_USART1_CR1_RE | TRN_USART1_CR1_RXNEIE;
    trn_cortexm_enable_wakeup(TRN_USART1_IRQ);
}

void trn_port_init(void)
{
    start_clocks();
    trn_cortexm_start_caches();
    start_uart();
    trn_cortexm_start_cycle_counter();
}
