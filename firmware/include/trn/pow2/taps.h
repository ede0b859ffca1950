/* SPDX-License-Identifier: Apache-2.0 */
/* The taps of a window: up to four outputs of one position, from the bias to the last product. AVR has its own (trn/avr/taps.h). */
#ifndef TRN_POW2_TAPS_H
#define TRN_POW2_TAPS_H

#include "trn/detail/window.h"
#include "trn/pow2/rows.h"

/* Which inputs the outputs of a block read; always a literal. */
typedef enum {
    TRN_POW2_ONE,  /* all the same ones, one behind the other: a convolution */
    TRN_POW2_OWN,  /* a channel each, tap by tap: a depthwise convolution */
    TRN_POW2_SAME, /* the same channel, tap by tap: a depthwise convolution with several outputs for a channel */
} trn_pow2_inputs_t;

typedef struct {
    int32_t sums[TRN_POW2_ROWS]; /* out */
    const int32_t *start;        /* what the sums start from: the biases, or sums in RAM */
    const uint8_t *x;            /* the first tap's input and weight */
    const int8_t *w;
    int16_t x_row, w_row;        /* from behind the last tap of a row to the first of the next */
    int16_t x_tap, w_tap;        /* from behind a tap to the next, OWN and SAME */
    uint8_t rows, single;        /* rows of taps; ONE: inputs in a row, else taps: single + 4 * turns, turns 0 but for ONE */
    uint16_t turns;
} trn_pow2_taps_t;

/* Most turns, and distances from tap to tap, that the kernels of AVR take. */
#define TRN_POW2_TURNS_MAX 255
#define TRN_POW2_TAP_MAX 255

/* at->sums[r] = start[r] + sum over the taps, literal outputs, inputs and kind. go_on: the start lies in RAM, else with the weights. */
TRN_KERNEL void trn_pow2_taps_c(trn_pow2_taps_t *at, trn_size_t outputs, trn_pow2_inputs_t inputs, trn_pow2_kind_t kind, bool go_on)
{
    int32_t a[TRN_POW2_ROWS];
    const uint8_t *x = at->x;
    const int8_t *w = at->w;
    const trn_size_t n = at->single + 4 * (trn_size_t)at->turns;
    TRN_EACH(r, outputs, a[r] = trn_pow2_bias(at->start + r, kind.flash && !go_on););
    for (trn_size_t u = at->rows; u > 0; u--) {
        for (trn_size_t i = n; i > 0; i--) {
            TRN_EACH(r, outputs, {
                const uint8_t code = x[inputs == TRN_POW2_OWN ? r : 0];
                a[r] += trn_pow2_product(code, w + r, kind);
            });
            x += inputs == TRN_POW2_ONE ? 1 : inputs == TRN_POW2_OWN ? outputs + at->x_tap : at->x_tap;
            w += inputs == TRN_POW2_ONE ? outputs : outputs + at->w_tap;
        }
        x += at->x_row;
        w += at->w_row;
    }
    TRN_EACH(r, outputs, at->sums[r] = a[r];);
}

#if TRN_AVR_ASM
#include "trn/avr/taps.h"
#define trn_pow2_taps_near trn_avr_taps
#else
#define trn_pow2_taps_near trn_pow2_taps_c
#endif

/* near, literal: within those limits. */
TRN_KERNEL void trn_pow2_taps(trn_pow2_taps_t *at, trn_size_t outputs, trn_pow2_inputs_t inputs, trn_pow2_kind_t kind, bool go_on, bool near)
{
    if (near) {
        trn_pow2_taps_near(at, outputs, inputs, kind, go_on);
    } else {
        trn_pow2_taps_c(at, outputs, inputs, kind, go_on);
    }
}

#endif
