/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The trainer application in a process of the host, behind pipes. Commands on stdin: 'S' start (power on), 'X' u32 n and n
 * bytes: exchange, 'Q' the same on a line that keeps bytes while the receiver is not armed, 'R' the records of the stub
 * model. Every command is answered by u32 n and n bytes on stdout.
 */
#include "loopback.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "trn/app.h"
#include "trn/port.h"

static volatile uint8_t *armed;
static uint32_t capacity;
static uint32_t n_received;
static uint32_t cycles;
static uint8_t sent[1 << 20];
static uint32_t n_sent;

void trn_port_init(void)
{
}

void trn_port_receive_start(volatile uint8_t *buffer, uint32_t n_bytes)
{
    armed = buffer;
    capacity = n_bytes;
    n_received = 0;
}

uint32_t trn_port_receive_wait(void)
{
    abort(); /* the loop below takes its place */
}

void trn_port_send(const uint8_t *bytes, uint32_t n_bytes)
{
    if (armed == NULL || n_sent + n_bytes > sizeof sent) {
        abort(); /* sent before the receiver was armed: the host's next bytes would be lost */
    }
    memcpy(sent + n_sent, bytes, n_bytes);
    n_sent += n_bytes;
}

uint32_t trn_port_cycles(void)
{
    return cycles += 1000u;
}

/* Bytes arrive; a delimiter or a full buffer wakes the application. What comes after that is lost, or kept for the next frame. */
static void feed(const uint8_t *bytes, uint32_t n_bytes, int keep)
{
    for (uint32_t i = 0; i < n_bytes; i++) {
        armed[n_received++] = bytes[i];
        if (bytes[i] == 0u || n_received == capacity) {
            const uint32_t n_raw = bytes[i] == 0u ? n_received : 0u;
            armed = NULL;
            trn_app_handle(n_raw);
            if (!keep) {
                return;
            }
        }
    }
}

static void read_exactly(void *to, uint32_t n_bytes)
{
    if (n_bytes > 0u && fread(to, 1, n_bytes, stdin) != n_bytes) {
        exit(0);
    }
}

static void answer(const void *bytes, uint32_t n_bytes)
{
    fwrite(&n_bytes, sizeof n_bytes, 1, stdout);
    fwrite(bytes, 1, n_bytes, stdout);
    fflush(stdout);
}

int main(void)
{
    for (;;) {
        uint8_t command;
        read_exactly(&command, 1);
        n_sent = 0;
        if (command == 'S') {
            armed = NULL;
            stub_n_records = 0;
            trn_app_start();
            answer(sent, n_sent);
        } else if (command == 'R') {
            answer(stub_records, stub_n_records * (uint32_t)sizeof stub_records[0]);
        } else {
            uint32_t n_bytes;
            read_exactly(&n_bytes, sizeof n_bytes);
            uint8_t *const bytes = malloc(n_bytes + 1u);
            if (bytes == NULL) {
                return 1;
            }
            read_exactly(bytes, n_bytes);
            feed(bytes, n_bytes, command == 'Q');
            free(bytes);
            answer(sent, n_sent);
        }
    }
}
