/* SPDX-License-Identifier: Apache-2.0 */
/* ATmega4809: registers the port touches. Source: megaAVR 0-series manual DS40002015: CLKCTRL 10.5, SLPCTRL 11.5, PORT 16.5,
 * TCA 19.5, USART 23.5; ATmega4808/4809 data sheet DS40002173: memory map 6, vectors 7.2. */
#ifndef TRN_SOC_H
#define TRN_SOC_H

#include <stdbool.h>

#include "avr.h"

#define TRN_SOC_VECTORS 40
#define TRN_SOC_WAKE_VECTOR 17 /* USART0, receive complete */

#define TRN_CPU_CCP TRN_REGISTER8(0x0034)
#define TRN_CCP_IOREG 0xD8
#define TRN_GPIOR0 TRN_REGISTER8(0x001C)
#define TRN_CLKCTRL_MCLKCTRLB TRN_REGISTER8(0x0061)
#define TRN_SLPCTRL_CTRLA TRN_REGISTER8(0x0050)
#define TRN_SLPCTRL_IDLE_ENABLED 0x01

#define TRN_PORTA_DIRSET TRN_REGISTER8(0x0401)
#define TRN_PORTA_OUTSET TRN_REGISTER8(0x0405)
#define TRN_PORTA_PIN1CTRL TRN_REGISTER8(0x0411)
#define TRN_PORT_PULLUP 0x08

#define TRN_USART0_RXDATAL TRN_REGISTER8(0x0800)
#define TRN_USART0_RXDATAH TRN_REGISTER8(0x0801)
#define TRN_USART0_TXDATAL TRN_REGISTER8(0x0802)
#define TRN_USART0_STATUS TRN_REGISTER8(0x0804)
#define TRN_USART0_CTRLA TRN_REGISTER8(0x0805)
#define TRN_USART0_CTRLB TRN_REGISTER8(0x0806)
#define TRN_USART0_CTRLC TRN_REGISTER8(0x0807)
#define TRN_USART0_BAUD TRN_REGISTER16(0x0808)
#define TRN_USART_RXCIF 0x80
#define TRN_USART_TXCIF 0x40
#define TRN_USART_DREIF 0x20
#define TRN_USART_BUFOVF 0x40
#define TRN_USART_RXCIE 0x80
#define TRN_USART_RXEN_TXEN 0xC0
#define TRN_USART_8N1 0x03

#define TRN_TCA0_CTRLA TRN_REGISTER8(0x0A00)
#define TRN_TCA0_INTFLAGS TRN_REGISTER8(0x0A0B)
#define TRN_TCA0_CNT TRN_REGISTER16(0x0A20)
#define TRN_TCA0_PER TRN_REGISTER16(0x0A26)
#define TRN_TCA_DIV1024_ENABLED 0x0F
#define TRN_TCA_OVF 0x01

/* BAUD = 64 f / (16 baud), rounded; at least 64, so f / 16 is the fastest. */
#define TRN_USART0_BAUD_VALUE ((64UL * TRN_CLOCK_HZ + 8UL * TRN_BAUD) / (16UL * TRN_BAUD))
#if TRN_BAUD * 16 > TRN_CLOCK_HZ || TRN_USART0_BAUD_VALUE > 65535
#error "uart.baud: this clock offers clock / 16 and below"
#endif

extern volatile uint16_t trn_port_overruns;

static inline bool trn_uart_has_byte(void)
{
    return (TRN_USART0_STATUS & TRN_USART_RXCIF) != 0;
}

static inline uint8_t trn_uart_take_byte(void)
{
    /* Before the byte is read: that clears the flag. */
    if ((TRN_USART0_RXDATAH & TRN_USART_BUFOVF) != 0) {
        trn_port_overruns++;
    }
    return TRN_USART0_RXDATAL;
}

static inline void trn_uart_put_byte(uint8_t byte)
{
    while ((TRN_USART0_STATUS & TRN_USART_DREIF) == 0) {
    }
    TRN_USART0_TXDATAL = byte;
}

#include "await.h"

#define TRN_TIMER_COUNT TRN_TCA0_CNT
#define TRN_TIMER_FLAGS TRN_TCA0_INTFLAGS
#define TRN_TIMER_OVERFLOW TRN_TCA_OVF

#endif
