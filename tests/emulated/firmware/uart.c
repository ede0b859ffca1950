/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One UARTE experiment, chosen at compile time:
 *   STOP_EARLY  arms eight bytes, wakes at RXDRDY, stops: answers AMOUNT, ENDRX, RXTO
 *   POLLING     the echo of eight bytes without interrupts and without WFI
 *   UNARMED     sleeps on SysTick for a while and then answers ERRORSRC, RXDRDY; never arms the receiver
 *   TIMING      answers the cycles a burst of 100 bytes takes by CYCCNT, and those between two CYCCNT reads around WFI for eight bytes
 *   STACK       uses DEPTH bytes of stack below main, then echoes
 *   BAD_RX      arms the receiver with a buffer in flash
 *   FLASH       erases a page, writes two words to it twice, answers them and a word of another page, which it zeroes;
 *               with LOCKED it then writes while the controller is locked
 */
#include "guest.h"

static uint8_t buffer[64] __attribute__((unused));
static const uint8_t ready[1] __attribute__((section(".data"))) = {'C'};

__attribute__((unused)) static void say_ready(void)
{
    uart_send(ready, 1);
}

__attribute__((unused)) static void start(void)
{
    irq_off();
    uart_init();
    INTENSET = INT_ENDRX | INT_RXDRDY;
    NVIC_ISER0 = 1u << UARTE_IRQ;
}

#if defined(STOP_EARLY)
int main(void)
{
    start();
    uart_arm(buffer, 8);
    say_ready();
    while (RXDRDY == 0) {
        sleep();
        NVIC_ICPR0 = 1u << UARTE_IRQ;
    }
    const uint32_t ended_before = ENDRX;
    STOPRX = 1;
    uart_send_word(RXD_AMOUNT);
    uart_send_word(ended_before);
    uart_send_word(ENDRX);
    uart_send_word(RXTO);
    uart_send(buffer, 8);
    return 0;
}
#elif defined(POLLING)
int main(void)
{
    irq_off();
    uart_init();
    uart_arm(buffer, 8);
    say_ready();
    for (;;) {
        while (ENDRX == 0) {
        }
        static uint8_t answer[8];
        for (uint32_t i = 0; i < 8; i++) {
            answer[i] = buffer[i];
        }
        uart_arm(buffer, 8);
        uart_send(answer, 8);
    }
}
#elif defined(UNARMED)
int main(void)
{
    start();
    say_ready();
    SYST_LOAD = 200000;
    SYST_VAL = 0;
    SYST_CTRL = 7;
    for (;;) {
        sleep();
        REG(0xE000ED04) = 1u << 25;
        uart_send_word(ERRORSRC);
        uart_send_word(RXDRDY);
        SYST_CTRL = 0;
    }
}
#elif defined(TIMING)
int main(void)
{
    start();
    DEMCR |= 1u << 24;
    DWT_CYCCNT = 0;
    DWT_CTRL |= 1;
    const uint32_t before = DWT_CYCCNT;
    static uint8_t burst[100];
    uart_send(burst, 100);
    const uint32_t sent = DWT_CYCCNT - before;
    uart_arm(buffer, 8);
    uart_send_word(sent);
    const uint32_t asleep = DWT_CYCCNT;
    uart_wait_end();
    uart_send_word(DWT_CYCCNT - asleep);
    uart_send_word(DWT_CYCCNT);
    return 0;
}
#elif defined(STACK)
#ifndef DEPTH
#define DEPTH 4
#endif
static __attribute__((noinline)) uint32_t use(volatile uint8_t *low)
{
    for (uint32_t i = 0; i < DEPTH; i++) {
        low[i] = 0;
    }
    return (uint32_t)(uintptr_t)low;
}

static __attribute__((noinline)) uint32_t deep(void)
{
    volatile uint8_t frame[DEPTH];
    return use(frame);
}

int main(void)
{
    start();
    const uint32_t lowest = deep();
    uart_send_word(lowest);
    return 0;
}
#elif defined(BAD_RX)
int main(void)
{
    start();
    uart_arm((void *)0x00020000, 4);
    return 0;
}
#elif defined(FLASH)
int main(void)
{
    start();
    REG(0x4001E504) = 2;
    REG(0x4001E508) = 0x00080000;
    REG(0x4001E504) = 1;
    volatile uint32_t *word = (volatile uint32_t *)0x00080000;
    *word++ = 0x12345678;
    *word = 0xFFFF00FF;
    *word = 0x00FFFF0F;
    while (REG(0x4001E400) == 0) {
    }
    uart_send_word(REG(0x00080000));
    uart_send_word(REG(0x00080004));
    uart_send_word(REG(0x00080008));
    uart_send_word(REG(0x00081000)); /* a page that was not erased */
    REG(0x00081000) = 0;
    REG(0x4001E504) = 0;
#if defined(LOCKED)
    REG(0x00080008) = 1;
#endif
    return 0;
}
#endif
