/* SPDX-License-Identifier: Apache-2.0 */
/* Grants a credit of SIZE bytes by sending 'C', then answers each full buffer with the same bytes and a new 'C'. */
#include "guest.h"

#ifndef SIZE
#define SIZE 16
#endif

static uint8_t buffer[SIZE + 1];

int main(void)
{
    irq_off();
    uart_init();
    INTENSET = INT_ENDRX;
    NVIC_ISER0 = 1u << UARTE_IRQ;
    uart_arm(buffer, SIZE);
    buffer[SIZE] = 'C';
    uart_send(&buffer[SIZE], 1);
    for (;;) {
        uart_wait_end();
        ENDRX = 0;
        static uint8_t answer[SIZE + 1];
        for (uint32_t i = 0; i <= SIZE; i++) {
            answer[i] = buffer[i];
        }
        uart_arm(buffer, SIZE);
        uart_send(answer, SIZE + 1);
    }
}
