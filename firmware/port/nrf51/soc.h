/* SPDX-License-Identifier: Apache-2.0 */
/* nRF51822: registers the port touches. Source: nRF51 Series Reference Manual v3.0: CLOCK 13.2, GPIO 14.2, UART 29.10. */
#ifndef TRN_SOC_H
#define TRN_SOC_H

#include <stdbool.h>

#include "cortexm.h"

#define TRN_SOC_INTERRUPTS 32

#define TRN_CLOCK(offset) TRN_REGISTER(0x40000000u + (offset))
#define TRN_CLOCK_TASKS_HFCLKSTART TRN_CLOCK(0x000u)
#define TRN_CLOCK_EVENTS_HFCLKSTARTED TRN_CLOCK(0x100u)

#define TRN_GPIO(offset) TRN_REGISTER(0x50000000u + (offset))
#define TRN_GPIO_OUTSET TRN_GPIO(0x508u)
#define TRN_GPIO_DIRSET TRN_GPIO(0x518u)
#define TRN_GPIO_PIN_CNF(pin) TRN_GPIO(0x700u + 4u * (pin))
#define TRN_PIN_CNF_INPUT_PULLUP (3u << 2)

#define TRN_UART0_IRQ 2u
#define TRN_UART0(offset) TRN_REGISTER(0x40002000u + (offset))
#define TRN_UART0_TASKS_STARTRX TRN_UART0(0x000u)
#define TRN_UART0_TASKS_STARTTX TRN_UART0(0x008u)
#define TRN_UART0_EVENTS_RXDRDY TRN_UART0(0x108u)
#define TRN_UART0_EVENTS_TXDRDY TRN_UART0(0x11Cu)
#define TRN_UART0_INTENSET TRN_UART0(0x304u)
#define TRN_UART0_INT_RXDRDY (1u << 2)
#define TRN_UART0_ENABLE TRN_UART0(0x500u)
#define TRN_UART0_PSEL_RTS TRN_UART0(0x508u)
#define TRN_UART0_PSEL_TXD TRN_UART0(0x50Cu)
#define TRN_UART0_PSEL_CTS TRN_UART0(0x510u)
#define TRN_UART0_PSEL_RXD TRN_UART0(0x514u)
#define TRN_UART0_RXD TRN_UART0(0x518u)
#define TRN_UART0_TXD TRN_UART0(0x51Cu)
#define TRN_UART0_BAUDRATE TRN_UART0(0x524u)
#define TRN_UART0_CONFIG TRN_UART0(0x56Cu)
#define TRN_PSEL_DISCONNECTED 0xFFFFFFFFu

/* BAUDRATE is not a divider but a magic number per rate. */
#if TRN_BAUD == 1000000
#define TRN_UART0_BAUDRATE_VALUE 0x10000000u
#elif TRN_BAUD == 921600
#define TRN_UART0_BAUDRATE_VALUE 0x0EBEDFA4u
#elif TRN_BAUD == 460800
#define TRN_UART0_BAUDRATE_VALUE 0x075F7000u
#elif TRN_BAUD == 250000
#define TRN_UART0_BAUDRATE_VALUE 0x04000000u
#elif TRN_BAUD == 230400
#define TRN_UART0_BAUDRATE_VALUE 0x03AFB000u
#elif TRN_BAUD == 115200
#define TRN_UART0_BAUDRATE_VALUE 0x01D7E000u
#else
#error "uart.baud: the nRF51 offers 115200, 230400, 250000, 460800, 921600 and 1000000"
#endif

static inline bool trn_uart_has_byte(void)
{
    return TRN_UART0_EVENTS_RXDRDY != 0;
}

static inline uint8_t trn_uart_take_byte(void)
{
    /* Before the byte is read: behind it the FIFO's next one raises the event anew. */
    TRN_UART0_EVENTS_RXDRDY = 0;
    (void)TRN_UART0_EVENTS_RXDRDY; /* the write has reached the peripheral */
    trn_cortexm_clear_wakeup(TRN_UART0_IRQ);
    return (uint8_t)TRN_UART0_RXD;
}

static inline void trn_uart_await_byte(void)
{
    while (!trn_uart_has_byte()) {
        trn_cortexm_sleep();
    }
}

static inline void trn_uart_put_byte(uint8_t byte)
{
    TRN_UART0_EVENTS_TXDRDY = 0;
    TRN_UART0_TXD = byte;
    while (TRN_UART0_EVENTS_TXDRDY == 0) {
    }
}

#endif
