/* SPDX-License-Identifier: Apache-2.0 */
/* ATmega4809: USART0 on PA0 and PA1, TCA0 as a clock. */
#include "soc.h"

#include "avr_port.h"

void trn_port_init(void)
{
    /* Behind reset the clock is divided by six; the register is protected, and four cycles are given to write it. */
    TRN_CPU_CCP = TRN_CCP_IOREG;
    TRN_CLKCTRL_MCLKCTRLB = 0;

    TRN_SLPCTRL_CTRLA = TRN_SLPCTRL_IDLE_ENABLED;

    TRN_TCA0_PER = 0xFFFF;
    TRN_TCA0_CTRLA = TRN_TCA_DIV1024_ENABLED;

    TRN_PORTA_OUTSET = 1u << 0; /* idle level first, then output: no glitch that reads as a start bit */
    TRN_PORTA_DIRSET = 1u << 0;
    TRN_PORTA_PIN1CTRL = TRN_PORT_PULLUP;
    TRN_USART0_BAUD = (uint16_t)TRN_USART0_BAUD_VALUE;
    TRN_USART0_CTRLC = TRN_USART_8N1;
    TRN_USART0_CTRLA = TRN_USART_RXCIE;
    TRN_USART0_CTRLB = TRN_USART_RXEN_TXEN;
}
