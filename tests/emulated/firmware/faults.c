/* SPDX-License-Identifier: Apache-2.0 */
/* Sends 'C', waits for one byte and breaks in the way the byte names. Each way has a function of its own. */
#include "guest.h"

#define WAY static __attribute__((noinline)) void

static const uint32_t in_flash[4] = {1, 2, 3, 4};
static uint32_t code_in_ram[2] = {0x47704770u, 0x47704770u};
static volatile uint32_t sink;
static uint8_t order[1];

WAY undefined(void) { __asm__ volatile("nop\n\tudf #1"); }
WAY read_nowhere(void) { sink = REG(0x30000000); }
WAY write_nowhere(void) { REG(0x30000000) = 1; }
WAY write_flash(void) { REG(0x00010100) = 1; }
WAY call_nowhere(void) { ((void (*)(void))0x30000001u)(); }
WAY call_ram(void) { ((void (*)(void))((uintptr_t)code_in_ram | 1u))(); }
WAY call_even(void) { __asm__ volatile("ldr r0, =main\n\tbic r0, r0, #1\n\tblx r0" ::: "r0", "lr", "memory"); }
WAY read_radio(void) { sink = REG(0x40001100); }
WAY write_no_register(void) { UARTE(0x5A0) = 1; }
WAY read_no_register(void) { sink = 1; sink = UARTE(0x5A0); sink = 2; }
WAY send_flash(void) { uart_send(in_flash, sizeof in_flash); }
WAY reset_itself(void) { AIRCR = 0x05FA0004u; for (;;) { } }
WAY breakpoint(void) { __asm__ volatile("bkpt #0"); }
WAY loop_for_ever(void) { for (;;) { sink++; } }
WAY sleep_for_ever(void) { irq_off(); NVIC_ICPR0 = 1u << UARTE_IRQ; STOPRX = 1; REG(0xE000E180) = 0xFFFFFFFFu; for (;;) { sleep(); } }
WAY trn_fault_parked(void) { REG(0xE000E180) = 0xFFFFFFFFu; for (;;) { sleep(); } }
WAY sleep_in_vain(void) { irq_off(); REG(0xE000E200) = 1u << UARTE_IRQ; for (;;) { sleep(); } }
WAY trn_fault_with_interrupt(void) { REG(0xE000E200) = 1u << UARTE_IRQ; for (;;) { sleep(); } }
WAY fall_through_stack(void) { __asm__ volatile("1: push {r0-r7}\n\tb 1b"); }
WAY big_frame(void) { volatile uint8_t frame[4096]; frame[0] = 1; sink = frame[0]; }
WAY huge_frame(void) { __asm__ volatile("sub sp, sp, #0x20000\n\tpush {r0}\n\tadd sp, sp, #0x20000" ::: "memory"); }
static float pair[4];
WAY load_unaligned(const char *at) { __asm__ volatile("nop\n\tvldr s0, [%0, #4]" :: "r"(at) : "s0", "memory"); }
WAY load_two_unaligned(const char *at) { __asm__ volatile("ldrd r2, r3, [%0]" :: "r"(at) : "r2", "r3", "memory"); }
WAY store_many_unaligned(char *at) { __asm__ volatile("stmia %0!, {r2, r3}" : "+r"(at) :: "memory"); }
/* What a check must not take for a fault: a word load, a base made right in the same block, a skipped instruction. */
WAY load_anyway(const char *at)
{
    __asm__ volatile("ldr r2, [%0]\n\tbic r3, %0, #3\n\tldrd r2, r3, [r3]\n\tmov r3, %0\n\tbic r3, r3, #3\n\tvldr s0, [r3]\n\t"
                     "tst %0, #3\n\tit eq\n\tldmeq %0, {r2, r3}" :: "r"(at) : "r2", "r3", "s0", "cc", "memory");
}
WAY use_float(void) { __asm__ volatile("nop\n\tvmov.f32 s0, #1.0"); }

static __attribute__((noinline)) uint32_t recurse(uint32_t n)
{
    volatile uint32_t local[8];
    local[0] = n;
    return n == 0 ? local[0] : recurse(n - 1) + local[0];
}

int main(void)
{
    irq_off();
    uart_init();
    INTENSET = INT_ENDRX;
    NVIC_ISER0 = 1u << UARTE_IRQ;
    uart_arm(order, 1);
    static uint8_t ready[1] = {'C'};
    uart_send(ready, 1);
    uart_wait_end();
    ENDRX = 0;
    NVIC_ICPR0 = 1u << UARTE_IRQ;
    switch (order[0]) {
    case 'u': undefined(); break;
    case 'r': read_nowhere(); break;
    case 'w': write_nowhere(); break;
    case 'p': write_flash(); break;
    case 'f': call_nowhere(); break;
    case 'x': call_ram(); break;
    case 'e': call_even(); break;
    case 'm': read_radio(); break;
    case 'k': write_no_register(); break;
    case 'q': read_no_register(); break;
    case 'd': send_flash(); break;
    case 'R': reset_itself(); break;
    case 'b': breakpoint(); break;
    case 'l': loop_for_ever(); break;
    case 'z': sleep_for_ever(); break;
    case 'P': trn_fault_parked(); break;
    case 'i': sleep_in_vain(); break;
    case 'I': trn_fault_with_interrupt(); break;
    case 's': sink = recurse(100000); break;
    case 't': fall_through_stack(); break;
    case 'g': big_frame(); break;
    case 'G': huge_frame(); break;
    case '1': load_unaligned((const char *)pair + 2); break;
    case '2': load_two_unaligned((const char *)pair + 1); break;
    case '3': store_many_unaligned((char *)pair + 3); break;
    case '4': load_anyway((const char *)pair + 2); break;
    case 'v': use_float(); break;
    default: break;
    }
    uart_send(ready, 1);
    return 0;
}
