/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sends 'C', waits for one byte that names an experiment, and answers with words:
 *   't' SysTick ten times while the main program computes in floating point: ticks, cycle count of each, sum's bits, first sum's bits
 *   'm' SysTick pending while PRIMASK is set, then unmasked: ticks before, ticks right after
 *   'v' SVC: argument doubled by the handler
 *   'u' UARTE interrupt taken for real: number of calls
 *   'c' SysTick COUNTFLAG and VAL by polling, no interrupt
 *   'w' a pending, enabled interrupt ends WFI though PRIMASK is set; no handler runs
 *   'e' WFE until SysTick is pending: pending bit
 *   'n' a higher priority preempts, 'N' an equal one does not: order of entries and exits
 */
#include "guest.h"

static volatile uint32_t ticks, calls, stamps[10], trace, svc_result;
static uint8_t order[2];
void systick_handler(void);
void svc_handler(void);
void uarte_handler(void);
static volatile uint32_t nest;

void systick_handler(void)
{
    /* Uses the registers an FP context must protect. */
    __asm__ volatile("vmov.f32 s0, #3.0\n\tvmov.f32 s1, #4.0\n\tvmov.f32 s15, #5.0\n\tvmul.f32 s2, s0, s1\n\t"
                     "vmrs r0, fpscr\n\torr r0, #0x400000\n\tvmsr fpscr, r0" ::: "r0", "s0", "s1", "s2", "s15");
    if (nest) {
        trace = trace * 16 + 1;
        REG(0xE000E200) = 1u << UARTE_IRQ; /* pend the UARTE interrupt: it preempts here */
        __asm__ volatile("dsb\n\tisb");
        trace = trace * 16 + 3;
        SYST_CTRL = 0;
    }
    if (ticks < 10) {
        stamps[ticks] = DWT_CYCCNT;
    }
    ticks++;
    if (ticks >= 10) {
        SYST_CTRL = 0;
    }
}

void svc_handler(void)
{
    svc_result = svc_result * 2;
}

void uarte_handler(void)
{
    calls++;
    if (nest) {
        trace = trace * 16 + 2;
        return;
    }
    ENDRX = 0;
}

static __attribute__((noinline)) float series(uint32_t n)
{
    float sum = 0.0f;
    for (uint32_t i = 1; i <= n; i++) {
        sum += 1.0f / (float)i;
        __asm__ volatile("" ::: "memory"); /* computed anew on every call */
    }
    return sum;
}

static uint32_t bits(float value)
{
    union { float f; uint32_t u; } pun = {value};
    return pun.u;
}

static void tick_every(uint32_t cycles)
{
    SYST_LOAD = cycles - 1;
    SYST_VAL = 0;
    SYST_CTRL = 7;
}

static void ticks_in_floats(void)
{
    const uint32_t expected = bits(series(20000));
    uint32_t fpscr_before, fpscr_after;
    __asm__ volatile("vmrs %0, fpscr" : "=r"(fpscr_before));
    DEMCR |= 1u << 24;
    DWT_CTRL |= 1;
    irq_on();
    DWT_CYCCNT = 0;
    tick_every(6400);
    const uint32_t found = bits(series(20000));
    irq_off();
    __asm__ volatile("vmrs %0, fpscr" : "=r"(fpscr_after));
    uart_send_word(ticks);
    for (uint32_t i = 0; i < 10; i++) {
        uart_send_word(stamps[i]);
    }
    uart_send_word(expected);
    uart_send_word(found);
    uart_send_word((fpscr_before ^ fpscr_after) & 0x400000u);
}

static void unmask(void)
{
    tick_every(1000);
    for (volatile uint32_t i = 0; i < 1000; i++) {
    }
    SYST_CTRL = 0;
    for (volatile uint32_t i = 0; i < 1000; i++) { /* nothing else happens around the unmasking */
    }
    const uint32_t before = ticks;
    irq_on();
    const uint32_t after = ticks;
    irq_off();
    uart_send_word(before);
    uart_send_word(after);
}

static void supervisor_call(void)
{
    irq_on();
    svc_result = 21;
    __asm__ volatile("svc #0" ::: "memory");
    const uint32_t result = svc_result;
    irq_off();
    uart_send_word(result);
}

static void uarte_interrupt(void)
{
    uart_arm(order, 1);
    uart_send((const void *)(uintptr_t)order, 1);
    irq_on();
    while (calls == 0) {
        sleep();
    }
    irq_off();
    uart_send_word(calls);
}

static void poll_systick(void)
{
    SYST_LOAD = 999;
    SYST_VAL = 0;
    SYST_CTRL = 5;
    uint32_t wraps = 0, highest = 0;
    while (wraps < 5) {
        const uint32_t value = SYST_VAL;
        highest = value > highest ? value : highest;
        wraps += SYST_CTRL >> 16 & 1;
    }
    SYST_CTRL = 0;
    uart_send_word(wraps);
    uart_send_word(highest);
}

static void wake_masked(void)
{
    tick_every(5000);
    sleep();
    SYST_CTRL = 0;
    uart_send_word(ticks);
    uart_send_word(REG(0xE000ED04) >> 26 & 1);
    REG(0xE000ED04) = 1u << 25;
}

static void wait_for_event(void)
{
    tick_every(5000);
    __asm__ volatile("wfe" ::: "memory");
    SYST_CTRL = 0;
    uart_send_word(REG(0xE000ED04) >> 26 & 1);
    REG(0xE000ED04) = 1u << 25;
}

static void preempt(uint32_t systick_priority)
{
    nest = 1;
    REG(0xE000ED20) = systick_priority << 24; /* the UARTE has 0, the most urgent */
    irq_on();
    tick_every(1000);
    while (ticks == 0) {
    }
    irq_off();
    uart_send_word(trace);
    uart_send_word(calls);
}

int main(void)
{
    irq_off();
    uart_init();
    INTENSET = INT_ENDRX;
    NVIC_ISER0 = 1u << UARTE_IRQ;
    uart_arm(order, 1);
    order[1] = 'C';
    uart_send(&order[1], 1);
    uart_wait_end();
    ENDRX = 0;
    NVIC_ICPR0 = 1u << UARTE_IRQ;
    switch (order[0]) {
    case 't': ticks_in_floats(); break;
    case 'm': unmask(); break;
    case 'v': supervisor_call(); break;
    case 'u': uarte_interrupt(); break;
    case 'c': poll_systick(); break;
    case 'w': wake_masked(); break;
    case 'n': preempt(0x80); break;
    case 'N': preempt(0); break;
    case 'e': wait_for_event(); break;
    default: break;
    }
    return 0;
}
