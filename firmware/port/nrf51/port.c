/* SPDX-License-Identifier: Apache-2.0 */
/* nRF51822 on a BBC micro:bit: the UART that its interface chip brings to USB, one byte at a time. */
#include "soc.h"

#include "byte_uart.h"

enum {
    PIN_TX = 24, /* P0.24 and P0.25 lead to the interface chip */
    PIN_RX = 25,
    POLLS_CRYSTAL = 20000 /* more than 1 ms of 16 MHz bus reads */
};

void trn_port_init(void)
{
    /* The internal oscillator drifts by more than a UART at 1 Mbaud forgives. */
    TRN_CLOCK_EVENTS_HFCLKSTARTED = 0;
    TRN_CLOCK_TASKS_HFCLKSTART = 1;
    for (uint32_t i = 0; i < POLLS_CRYSTAL && TRN_CLOCK_EVENTS_HFCLKSTARTED == 0; i++) {
    }

    TRN_GPIO_OUTSET = 1u << PIN_TX; /* idle level first, then output: no glitch that reads as a start bit */
    TRN_GPIO_DIRSET = 1u << PIN_TX;
    TRN_GPIO_PIN_CNF(PIN_RX) = TRN_PIN_CNF_INPUT_PULLUP;

    TRN_UART0_PSEL_TXD = PIN_TX;
    TRN_UART0_PSEL_RXD = PIN_RX;
    TRN_UART0_PSEL_RTS = TRN_PSEL_DISCONNECTED;
    TRN_UART0_PSEL_CTS = TRN_PSEL_DISCONNECTED;
    TRN_UART0_BAUDRATE = TRN_UART0_BAUDRATE_VALUE;
    TRN_UART0_CONFIG = 0; /* 8 data bits, no parity, one stop bit, no hardware flow control */
    TRN_UART0_ENABLE = 4;
    TRN_UART0_EVENTS_RXDRDY = 0;
    TRN_UART0_INTENSET = TRN_UART0_INT_RXDRDY;
    trn_cortexm_enable_wakeup(TRN_UART0_IRQ);
    TRN_UART0_TASKS_STARTTX = 1;
    TRN_UART0_TASKS_STARTRX = 1;
}
