/* SPDX-License-Identifier: Apache-2.0 */
/* A host process with the manners of the native port: answers each byte, reports its waits, breaks on request. */
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int readable(void)
{
    struct pollfd input = {.fd = 0, .events = POLLIN};
    return poll(&input, 1, 0) > 0;
}

static void say(const void *bytes, size_t n)
{
    if (write(1, bytes, n) != (ssize_t)n) {
        exit(0);
    }
}

int main(void)
{
    const int wait_fd = atoi(getenv("TRN_WAIT_FD"));
    static uint8_t in[4096], out[200000];
    uint32_t total = 0;
    say("ready", 5);
    for (;;) {
        if (!readable() && write(wait_fd, "W", 1) != 1) {
            return 0;
        }
        const ssize_t n = read(0, in, sizeof in);
        if (n <= 0) {
            return 0;
        }
        total += (uint32_t)n;
        switch (in[0]) {
        case 's': return *(volatile int *)8;
        case 'a': fprintf(stderr, "assertion failed: weights are finite\n"); abort();
        case 'x': fprintf(stderr, "out of luck\n"); return 3;
        case 'l': for (;;) { *(volatile uint32_t *)in = 1; }
        case 'o': ((volatile uint8_t *)malloc(4))[n + 4] = 1; break;
        case 'b': memset(out, 'b', sizeof out); say(out, sizeof out); break;
        case 'q': break;
        case 'n': say(&total, 4); break;
        default: say(in, (size_t)n); break;
        }
    }
}
