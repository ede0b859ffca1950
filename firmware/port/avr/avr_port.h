/* SPDX-License-Identifier: Apache-2.0 */
/* The functions of trn/port.h that AVR ports share; a port includes this file in exactly one source, behind its soc.h. */
#ifndef TRN_AVR_PORT_H
#define TRN_AVR_PORT_H

#include "avr.h"

/* Bytes the receiver lost because nobody took them, as the hardware tells: at least one each time. A frame with a hole fails its
 * CRC; this tells why. */
volatile uint16_t trn_port_overruns;

#include "byte_uart.h"

/*
 * Ticks of the timer times 1024, in the 32 bits that 2^27 cycles take: one overflow is seen from one call to the next, so what
 * lies between two calls may take up to 2^26 cycles.
 */
uint32_t trn_port_cycles(void)
{
    static uint16_t overflows;
    uint16_t ticks = TRN_TIMER_COUNT;
    if ((TRN_TIMER_FLAGS & TRN_TIMER_OVERFLOW) != 0) {
        TRN_TIMER_FLAGS = TRN_TIMER_OVERFLOW;
        overflows++;
        ticks = TRN_TIMER_COUNT; /* of before the overflow or of after it: now it is of after */
    }
    return ((uint32_t)overflows << 26) + ((uint32_t)ticks << 10);
}

#endif
