/* SPDX-License-Identifier: Apache-2.0 */
/* What the ATmega328P and the ATmega2560 have in common: USART0, timer 1, sleep. Sources: ATmega48A/PA/88A/PA/168A/PA/328/P data
 * sheet DS40002061: registers 36; ATmega640/1280/1281/2560/2561 data sheet DS40002211: registers 33. Addresses in data space. */
#ifndef TRN_CLASSIC_H
#define TRN_CLASSIC_H

#include <stdbool.h>

#include "avr.h"

#define TRN_TIFR1 TRN_REGISTER8(0x36)
#define TRN_GPIOR0 TRN_REGISTER8(0x3E)
#define TRN_SMCR TRN_REGISTER8(0x53)
#define TRN_SMCR_IDLE_ENABLED 0x01
#define TRN_TCCR1B TRN_REGISTER8(0x81)
#define TRN_TCNT1 TRN_REGISTER16(0x84)
#define TRN_TCCR1B_DIV1024 0x05
#define TRN_TOV1 0x01

#define TRN_UCSR0A TRN_REGISTER8(0xC0)
#define TRN_UCSR0B TRN_REGISTER8(0xC1)
#define TRN_UCSR0C TRN_REGISTER8(0xC2)
#define TRN_UBRR0 TRN_REGISTER16(0xC4)
#define TRN_UDR0 TRN_REGISTER8(0xC6)
#define TRN_UCSRA_RXC 0x80
#define TRN_UCSRA_UDRE 0x20
#define TRN_UCSRA_DOR 0x08
#define TRN_UCSRA_U2X 0x02
#define TRN_UCSRB_RX_TX_RXCIE 0x98
#define TRN_UCSRC_8N1 0x06

/* UBRR + 1 = f / (8 baud), rounded. */
#define TRN_UBRR0_PLUS_1 ((TRN_CLOCK_HZ + 4UL * TRN_BAUD) / (8UL * TRN_BAUD))
#if TRN_UBRR0_PLUS_1 < 1 || TRN_UBRR0_PLUS_1 > 4096
#error "uart.baud: this clock offers clock / 8 and below"
#elif TRN_CLOCK_HZ * 40UL > TRN_UBRR0_PLUS_1 * 8UL * TRN_BAUD * 41UL || TRN_CLOCK_HZ * 40UL < TRN_UBRR0_PLUS_1 * 8UL * TRN_BAUD * 39UL
#error "uart.baud: more than 2.5 % away from what this clock offers, clock / 8 / 1, 2, 3, ..."
#endif

extern volatile uint16_t trn_port_overruns;

static inline bool trn_uart_has_byte(void)
{
    return (TRN_UCSR0A & TRN_UCSRA_RXC) != 0;
}

static inline uint8_t trn_uart_take_byte(void)
{
    /* Before the byte is read: that clears the flag. */
    if ((TRN_UCSR0A & TRN_UCSRA_DOR) != 0) {
        trn_port_overruns++;
    }
    return TRN_UDR0;
}

static inline void trn_uart_put_byte(uint8_t byte)
{
    while ((TRN_UCSR0A & TRN_UCSRA_UDRE) == 0) {
    }
    TRN_UDR0 = byte;
}

#include "await.h"

#define TRN_TIMER_COUNT TRN_TCNT1
#define TRN_TIMER_FLAGS TRN_TIFR1
#define TRN_TIMER_OVERFLOW TRN_TOV1

static inline void trn_classic_init(void)
{
    TRN_SMCR = TRN_SMCR_IDLE_ENABLED;
    TRN_TCCR1B = TRN_TCCR1B_DIV1024;
    TRN_UBRR0 = (uint16_t)(TRN_UBRR0_PLUS_1 - 1UL);
    TRN_UCSR0A = TRN_UCSRA_U2X;
    TRN_UCSR0C = TRN_UCSRC_8N1;
    TRN_UCSR0B = TRN_UCSRB_RX_TX_RXCIE;
}

#endif
