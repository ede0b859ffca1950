/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Start-up of every AVR: from the reset vector to main() without the compiler's start files, which know no ATmega4809.
 * The vector table and the reset handler are all the linker script has to place by hand.
 */
#include <stdint.h>
#include <string.h>
#include <trn/port.h>

#include "avr.h"
#include "soc.h" /* TRN_SOC_VECTORS, TRN_SOC_WAKE_VECTOR */

/* From the linker script; only their addresses mean anything. */
extern uint8_t __data_start[], __data_end[], __data_load[];
extern uint8_t __bss_start[], __bss_end[];

extern int main(void);

_Noreturn void trn_start(void) __attribute__((used));

/*
 * Where the core parks when it can go no further. One symbol per reason, so that a debugger or an emulator names it by the
 * program counter alone; asleep with interrupts off, so that nothing wakes it. Uses no stack.
 */
#define TRN_PARK(name)                                   \
    _Noreturn void name(void) __attribute__((used));     \
    void name(void)                                      \
    {                                                    \
        __asm__ volatile("cli");                         \
        for (;;) {                                       \
            __asm__ volatile("sleep");                   \
        }                                                \
    }

TRN_PARK(trn_fault_interrupt)
TRN_PARK(trn_fault_returned)
TRN_PARK(trn_fault_port)

#define TEXT_(x) #x
#define TEXT(x) TEXT_(x)
#define FUNCTION(name) ".type " #name ", @function\n" #name ":\n\t"
#define END(name) "\n\t.size " #name ", . - " #name "\n"

/* Each vector is a JMP of two words. Only the one the port sleeps for is ever enabled. */
__asm__(".section .vectors, \"ax\", @progbits\n\t"
        ".global trn_vectors\n" FUNCTION(trn_vectors)
        "jmp trn_reset\n\t"
        ".rept " TEXT(TRN_SOC_WAKE_VECTOR) " - 1\n\tjmp trn_fault_interrupt\n\t.endr\n\t"
        "jmp trn_wake\n\t"
        ".rept " TEXT(TRN_SOC_VECTORS) " - " TEXT(TRN_SOC_WAKE_VECTOR) " - 1\n\tjmp trn_fault_interrupt\n\t.endr"
        END(trn_vectors));

/* A boot loader that jumped here may have left its own stack and its interrupts behind. */
__asm__(".section .text.trn_reset, \"ax\", @progbits\n" FUNCTION(trn_reset)
        "cli\n\t"
        "clr __zero_reg__\n\t"
        "ldi r28, lo8(__stack_top - 1)\n\t"
        "ldi r29, hi8(__stack_top - 1)\n\t"
        "out __SP_H__, r29\n\t"
        "out __SP_L__, r28\n\t"
        "jmp trn_start"
        END(trn_reset));

/* Wakes the core and does nothing else: the instruction behind SLEEP, which runs before another interrupt can, is CLI. */
__asm__(".section .text.trn_wake, \"ax\", @progbits\n" FUNCTION(trn_wake) "reti" END(trn_wake) "\t.text");

void trn_start(void)
{
    const uint16_t n_data = (uint16_t)(__data_end - __data_start);
    for (uint16_t i = 0; i < n_data; i++) {
        __data_start[i] = trn_avr_flash_byte(TRN_AVR_FLASH_ADDRESS(__data_load) + i);
    }
    memset(__bss_start, 0, (uint16_t)(__bss_end - __bss_start));
    main();
    trn_fault_returned();
}
