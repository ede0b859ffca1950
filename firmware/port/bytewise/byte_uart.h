/* SPDX-License-Identifier: Apache-2.0 */
/*
 * trn/port.h over a UART that is read one byte at a time. A port defines the three functions below in its soc.h and includes
 * this file in exactly one source; the functions of trn/port.h, but trn_port_init(), are then there.
 *
 *   static inline bool trn_uart_has_byte(void);        a received byte waits to be read
 *   static inline uint8_t trn_uart_take_byte(void);    reads it, and with it ends the request for an interrupt
 *   static inline void trn_uart_put_byte(uint8_t);     sends one; returns once the next may follow
 *   static inline void trn_uart_await_byte(void);      sleeps until there is one
 */
#ifndef TRN_BYTE_UART_H
#define TRN_BYTE_UART_H

#include <stdbool.h>
#include <stdint.h>
#include <trn/port.h>

/*
 * What the receiver is armed for. A debugger, and an emulator's harness, read it by its name while the core sleeps: how many bytes
 * may still be sent, and whether all that were sent have been taken.
 */
typedef struct {
    volatile uint8_t *buffer;
    uint32_t capacity; /* 0: not armed */
    uint32_t n_bytes;  /* in the buffer so far */
    uint32_t n_taken;  /* from the UART since start-up, those thrown away included; wraps */
} trn_port_receiver_t;

extern volatile trn_port_receiver_t trn_port_receiver;
volatile trn_port_receiver_t trn_port_receiver;

static inline uint8_t take_byte(void)
{
    const uint8_t byte = trn_uart_take_byte();
    trn_port_receiver.n_taken++;
    return byte;
}

void trn_port_receive_start(volatile uint8_t *buffer, uint32_t capacity)
{
    if (capacity == 0) {
        trn_fault_port();
    }
    while (trn_uart_has_byte()) {
        (void)take_byte(); /* came in while nobody was armed for it */
    }
    trn_port_receiver.buffer = buffer;
    trn_port_receiver.n_bytes = 0;
    trn_port_receiver.capacity = capacity;
}

uint32_t trn_port_receive_wait(void)
{
    volatile uint8_t *const buffer = trn_port_receiver.buffer;
    const uint32_t capacity = trn_port_receiver.capacity;
    uint32_t n = 0;
    uint8_t byte;
    do {
        trn_uart_await_byte();
        byte = take_byte();
        buffer[n++] = byte;
        trn_port_receiver.n_bytes = n;
    } while (byte != 0 && n < capacity);
    trn_port_receiver.capacity = 0;
    return byte == 0 ? n : 0;
}

void trn_port_send(const uint8_t *bytes, uint32_t n_bytes)
{
    for (uint32_t i = 0; i < n_bytes; i++) {
        trn_uart_put_byte(bytes[i]);
    }
}

#endif
