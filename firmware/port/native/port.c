/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The firmware as a host process: the UART is stdin and stdout, power-off is the end of stdin.
 *
 * What a part cannot say, this port says on the descriptor named by TRN_WAIT_FD, if the variable is set: one byte 'W' each time
 * the guest is about to sleep with nothing to read. The harness then knows that no answer will come.
 */
#define _POSIX_C_SOURCE 200809L
#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <stdlib.h>
#include <trn/port.h>
#include <unistd.h>

static struct {
    volatile uint8_t *buffer;
    uint32_t capacity;
    int wait_fd; /* -1: nobody wants to know */
} port = {.wait_fd = -1};

/* The peer is gone: a host process ends where a part would sleep for ever, after its last answer. */
static _Noreturn void power_off(void)
{
    exit(0);
}

static void write_all(int fd, const uint8_t *bytes, uint32_t n_bytes)
{
    while (n_bytes > 0) {
        const ssize_t n = write(fd, bytes, n_bytes);
        if (n >= 0) {
            bytes += n;
            n_bytes -= (uint32_t)n;
        } else if (errno != EINTR) {
            power_off();
        }
    }
}

/* Reads up to n_bytes, at least one; sleeps if it must. */
static uint32_t read_some(uint8_t *bytes, uint32_t n_bytes)
{
    for (;;) {
        const ssize_t n = read(STDIN_FILENO, bytes, n_bytes);
        if (n > 0) {
            return (uint32_t)n;
        }
        if (n == 0 || errno != EINTR) {
            power_off();
        }
    }
}

static int readable(void)
{
    struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
    return poll(&input, 1, 0) > 0;
}

void trn_port_init(void)
{
    const char *fd = getenv("TRN_WAIT_FD");
    if (fd != NULL && fd[0] != '\0') {
        port.wait_fd = (int)strtol(fd, NULL, 10);
    }
}

void trn_port_receive_start(volatile uint8_t *buffer, uint32_t capacity)
{
    /* What came in while no receiver was armed is lost, as on the part. */
    uint8_t lost[256];
    while (readable() && read(STDIN_FILENO, lost, sizeof lost) > 0) {
    }
    port.buffer = buffer;
    port.capacity = capacity;
}

uint32_t trn_port_receive_wait(void)
{
    uint32_t n = 0;
    while (n < port.capacity) {
        if (port.wait_fd >= 0 && !readable()) {
            write_all(port.wait_fd, (const uint8_t *)"W", 1);
        }
        uint8_t burst[4096];
        const uint32_t room = port.capacity - n;
        const uint32_t got = read_some(burst, room < sizeof burst ? room : (uint32_t)sizeof burst);
        for (uint32_t i = 0; i < got; i++) {
            port.buffer[n++] = burst[i];
            if (burst[i] == 0) {
                return n;
            }
        }
    }
    return 0;
}

void trn_port_send(const uint8_t *bytes, uint32_t n_bytes)
{
    write_all(STDOUT_FILENO, bytes, n_bytes);
}

uint32_t trn_port_cycles(void)
{
    return 0;
}
