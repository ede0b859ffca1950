/* SPDX-License-Identifier: Apache-2.0 */
/* What a port offers to the application: start-up, one UART with frames, sleep. The only target-specific code. */
#ifndef TRN_PORT_H
#define TRN_PORT_H

#include <stdint.h>

/* Clocks, UART and receiver ready; called once, first. */
void trn_port_init(void);

/*
 * Arms the receiver: incoming bytes go to buffer[0 .. capacity). Returns at once.
 * From here on the host may send up to `capacity` bytes; it learns that from the message sent next.
 * The buffer belongs to the port until trn_port_receive_wait() has returned.
 */
void trn_port_receive_start(volatile uint8_t *buffer, uint32_t capacity);

/*
 * Sleeps until a delimiter (0x00) has arrived or the buffer is full, then disarms the receiver.
 * Returns the number of bytes up to and including the first delimiter, or 0 when the buffer filled up without one.
 */
uint32_t trn_port_receive_wait(void);

/* Sends n_bytes and returns when the bytes may be overwritten. */
void trn_port_send(const uint8_t *bytes, uint32_t n_bytes);

/* Cycles of the on-chip counter (DWT CYCCNT, a timer); wraps; 0 where there is none. */
uint32_t trn_port_cycles(void);

#endif
