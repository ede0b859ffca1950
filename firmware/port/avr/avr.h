/* SPDX-License-Identifier: Apache-2.0 */
/* What every AVR port shares: I/O registers, flash, sleep. Source: AVR Instruction Set Manual DS40002198, sections 4 and 6. */
#ifndef TRN_AVR_H
#define TRN_AVR_H

#include <stdint.h>

#define TRN_REGISTER8(address) (*(volatile uint8_t *)(address))
#define TRN_REGISTER16(address) (*(volatile uint16_t *)(address))

/* A flash address of the linker script as a number; on parts with more than 64 KB a pointer would not hold it. */
#define TRN_AVR_FLASH_ADDRESS(symbol)                                                                        \
    (__extension__({                                                                                         \
        uint32_t address_;                                                                                   \
        __asm__("ldi %A0, lo8(" #symbol ")\n\tldi %B0, hi8(" #symbol ")\n\tldi %C0, hlo8(" #symbol ")\n\tclr %D0" \
                : "=d"(address_));                                                                           \
        address_;                                                                                            \
    }))

static inline uint8_t trn_avr_flash_byte(uint32_t address)
{
    uint8_t byte;
#if defined(__AVR_HAVE_ELPMX__)
    __asm__ volatile("out __RAMPZ__, %C1\n\tmovw r30, %1\n\telpm %0, Z" : "=r"(byte) : "r"(address) : "r30", "r31");
#else
    const uint16_t near = (uint16_t)address;
    __asm__ volatile("lpm %0, Z" : "=r"(byte) : "z"(near));
#endif
    return byte;
}

/*
 * Sleeps until the one interrupt the port has enabled asks for service; at once if it already does. Interrupts are off before
 * and after: SEI takes effect behind the next instruction, which is SLEEP, so nothing can slip between; and RETI lets one more
 * instruction run, which is CLI, so the request is looked at by the program and nothing runs behind the trainer's back.
 */
static inline void trn_avr_sleep(void)
{
    __asm__ volatile("sei\n\tsleep\n\tcli" ::: "memory");
}

/* The park of a port that was asked for something it cannot do; never returns. */
_Noreturn void trn_fault_port(void);

#endif
