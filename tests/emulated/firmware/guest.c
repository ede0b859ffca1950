/* SPDX-License-Identifier: Apache-2.0 */
#include "guest.h"

extern uint32_t __stack_top[], __data_start[], __data_end[], __data_load[], __bss_start[], __bss_end[];
int main(void);
void reset(void);
void unhandled(void);
void systick_handler(void) __attribute__((weak, alias("unhandled")));
void svc_handler(void) __attribute__((weak, alias("unhandled")));
void uarte_handler(void) __attribute__((weak, alias("unhandled")));

__attribute__((section(".vectors"), used)) static void (*const vectors[16 + 48])(void) = {
    [0] = (void (*)(void))(uintptr_t)__stack_top, [1] = reset, [2 ... 10] = unhandled, [11] = svc_handler,
    [12 ... 14] = unhandled, [15] = systick_handler, [16 ... 17] = unhandled, [18] = uarte_handler, [19 ... 63] = unhandled,
};

void unhandled(void)
{
    __asm__ volatile("udf #7");
}

void halt(void)
{
    irq_off();
    REG(0xE000E180) = 0xFFFFFFFFu; /* a pending interrupt would end the sleep, again and again */
    for (;;) {
        sleep();
    }
}

void reset(void)
{
#ifndef NO_FPU
    CPACR |= 0xFu << 20;
    __asm__ volatile("dsb\n\tisb");
#endif
    for (uint32_t *to = __data_start, *from = __data_load; to < __data_end;) {
        *to++ = *from++;
    }
    for (volatile uint32_t *to = __bss_start; to < __bss_end;) {
        *to++ = 0;
    }
    main();
    halt();
}

void uart_init(void)
{
    BAUDRATE = 0x10000000u;
    ENABLE = 8;
}

void uart_send(const void *bytes, uint32_t n_bytes)
{
    ENDTX = 0;
    TXD_PTR = (uint32_t)(uintptr_t)bytes;
    TXD_MAXCNT = n_bytes;
    __asm__ volatile("dsb" ::: "memory");
    STARTTX = 1;
    while (ENDTX == 0) {
    }
}

void uart_send_word(uint32_t word)
{
    volatile uint32_t copy = word;
    uart_send((const void *)&copy, 4);
}

void uart_arm(void *buffer, uint32_t n_bytes)
{
    RXDRDY = 0;
    ENDRX = 0;
    RXD_PTR = (uint32_t)(uintptr_t)buffer;
    RXD_MAXCNT = n_bytes;
    __asm__ volatile("dsb" ::: "memory");
    STARTRX = 1;
}

void uart_wait_end(void)
{
    while (ENDRX == 0) {
        sleep();
        NVIC_ICPR0 = 1u << UARTE_IRQ;
    }
}
