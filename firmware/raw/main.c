/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Instead of app/: inference over the raw protocol of a test bench that knows no frames. For the AVR ports.
 *
 *   host:  0xAA kind x[0] .. x[n-1] 0xAB     kind 0: dense, x is to be lowered by 16; else convolutional, by 32
 *   part:  0xAA class time_high time_low 0xAB     time in ticks of the part's timer, clock / 1024
 *
 * Source: the appendices A and B of the thesis that measured NNoM on the ATmega4809. A frame ends at the first 0xAB whatever came
 * before. The thesis's own firmware writes past its buffer if that is late and infers from the frame before if it is early; here
 * such a frame, or one with bytes lost, is answered by 0xEE reason n_high n_low 0xEE: its host takes that for invalid data.
 */
#include <trn/mark.h>
#include <trn/model.h>
#include <trn/port.h>

#include "soc.h"
#include "trn_config.h"

enum { START = 0xAA, END = 0xAB, REFUSED = 0xEE, SHORT = 1, LONG = 2, LOST = 3, DENSE_ZERO = 16, CONV_ZERO = 32, TICK_CYCLES = 1024 };

/* Bytes are taken as they come and become inputs later: behind START a float takes longer than a byte at the fastest rates. They
 * wait at the end of the inputs' own memory, where no input reaches them before its own turn. */
static trn_input_t inputs[TRN_N_INPUTS];
static uint8_t *const image = (uint8_t *)inputs + sizeof inputs - TRN_N_INPUTS;
static float outputs[TRN_N_OUTPUTS];

static uint8_t take(void)
{
    trn_uart_await_byte();
    return trn_uart_take_byte();
}

/* The bytes of the line as the network's inputs; a network of whole numbers takes them as they are. */
static void convert(uint8_t zero)
{
#if TRN_X_AS_IS && TRN_X_FORMAT == TRN_X_U8
    (void)zero;
#else
    for (uint16_t i = 0; i < TRN_N_INPUTS; i++) {
        inputs[i] = (float)(int8_t)(uint8_t)(image[i] - zero) * TRN_X_SCALE + TRN_X_OFFSET;
    }
#endif
}

/* Takes what is behind kind. Returns the number of inputs that came, TRN_N_INPUTS + 1 for any that were too many. */
static uint16_t receive(void)
{
    uint16_t n = 0;
    for (;;) {
        const uint8_t byte = take();
        if (byte == END) {
            return n;
        }
        if (n < TRN_N_INPUTS) {
            image[n] = byte;
        }
        n = n <= TRN_N_INPUTS ? (uint16_t)(n + 1u) : n;
    }
}

static uint8_t largest(void)
{
    uint8_t best = 0;
    for (uint8_t k = 1; k < TRN_N_OUTPUTS; k++) {
        best = outputs[k] > outputs[best] ? k : best;
    }
    return best;
}

static void answer(uint8_t token, uint8_t first, uint16_t number, uint8_t end)
{
    const uint8_t bytes[] = {token, first, (uint8_t)(number >> 8), (uint8_t)number, end};
    trn_port_send(bytes, sizeof bytes);
}

int main(void);
int main(void)
{
    trn_port_init();
    for (;;) {
        const uint16_t overruns = trn_port_overruns; /* a loss shows with a byte in front of it */
        if (take() != START) {
            continue;
        }
        const uint8_t kind = take();
        const uint16_t n = receive();
        if (n != TRN_N_INPUTS || trn_port_overruns != overruns) {
            answer(REFUSED, trn_port_overruns != overruns ? LOST : n < TRN_N_INPUTS ? SHORT : LONG, n, REFUSED);
            continue;
        }
        convert(kind == 0 ? DENSE_ZERO : CONV_ZERO);
        trn_mark_evaluate();
        const uint32_t start = trn_port_cycles();
        trn_model_predict(inputs, outputs);
        trn_mark_other(); /* in front of the counter both times, as in app.c */
        const uint32_t cycles = trn_port_cycles() - start;
        answer(START, largest(), (uint16_t)(cycles / TICK_CYCLES), END);
    }
}
