/* SPDX-License-Identifier: Apache-2.0 */
/* Behind a soc.h's trn_uart_has_byte(): the wait for a byte of every AVR port. */
#ifndef TRN_AWAIT_H
#define TRN_AWAIT_H

static inline void trn_uart_await_byte(void)
{
    while (!trn_uart_has_byte()) {
        trn_avr_sleep();
    }
}

#endif
