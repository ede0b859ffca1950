/* SPDX-License-Identifier: Apache-2.0 */
/* Registers and start-up of the test guests. */
#ifndef GUEST_H
#define GUEST_H

#include <stdint.h>

#define REG(address) (*(volatile uint32_t *)(address))
#define UARTE(offset) REG(0x40002000u + (offset))
#define STARTRX UARTE(0x000)
#define STOPRX UARTE(0x004)
#define STARTTX UARTE(0x008)
#define RXDRDY UARTE(0x108)
#define ENDRX UARTE(0x110)
#define ENDTX UARTE(0x120)
#define RXTO UARTE(0x144)
#define INTENSET UARTE(0x304)
#define ERRORSRC UARTE(0x480)
#define ENABLE UARTE(0x500)
#define BAUDRATE UARTE(0x524)
#define RXD_PTR UARTE(0x534)
#define RXD_MAXCNT UARTE(0x538)
#define RXD_AMOUNT UARTE(0x53C)
#define TXD_PTR UARTE(0x544)
#define TXD_MAXCNT UARTE(0x548)
#define SYST_CTRL REG(0xE000E010)
#define SYST_LOAD REG(0xE000E014)
#define SYST_VAL REG(0xE000E018)
#define NVIC_ISER0 REG(0xE000E100)
#define NVIC_ICPR0 REG(0xE000E280)
#define CPACR REG(0xE000ED88)
#define AIRCR REG(0xE000ED0C)
#define DEMCR REG(0xE000EDFC)
#define DWT_CTRL REG(0xE0001000)
#define DWT_CYCCNT REG(0xE0001004)

#define UARTE_IRQ 2
#define INT_RXDRDY (1u << 2)
#define INT_ENDRX (1u << 4)

static inline void irq_off(void) { __asm__ volatile("cpsid i" ::: "memory"); }
static inline void irq_on(void) { __asm__ volatile("cpsie i" ::: "memory"); }
static inline void sleep(void) { __asm__ volatile("dsb\n\twfi" ::: "memory"); }

void uart_init(void);
void uart_send(const void *bytes, uint32_t n_bytes);
void uart_send_word(uint32_t word);
/* Arms the receiver for exactly n_bytes, sleeps until they are there. */
void uart_arm(void *buffer, uint32_t n_bytes);
void uart_wait_end(void);
void halt(void);

#endif
