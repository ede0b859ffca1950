/* SPDX-License-Identifier: Apache-2.0 */
/* Taps outside the input, where its zero point is not the code 0: the biases have taken it off every tap, so those add it. */
#ifndef TRN_POW2_OUTSIDE_H
#define TRN_POW2_OUTSIDE_H

#include "trn/pow2/taps.h"

/* sums[r] += code w[u, v, c, r] over `rows` by `columns` taps, the first of them (u, v), and c < terms. w: the window's; gap: from behind the
 * terms of a tap to the next. For the kernel these are outputs that read one input, the code, again and again. */
TRN_KERNEL void trn_pow2_outside_part(trn_pow2_taps_t *at, const int8_t *w, trn_size_t terms, trn_size_t gap, trn_size_t kernel_w,
                                      trn_size_t u, trn_size_t rows, trn_size_t v, trn_size_t columns, trn_size_t outputs,
                                      const uint8_t *code, trn_pow2_kind_t kind)
{
    const bool near = gap <= TRN_POW2_TAP_MAX && kernel_w * terms <= 255;
    const trn_size_t tap = terms * outputs + gap, n = columns * terms;
    if (rows > 0 && columns > 0) {
        at->start = at->sums;
        at->x = code;
        at->w = w + (u * kernel_w + v) * tap;
        at->w_row = (int16_t)((kernel_w - columns) * tap);
        at->w_tap = (int16_t)gap;
        at->rows = (uint8_t)rows;
        at->single = (uint8_t)(near ? n : n & 3);
        at->turns = (uint16_t)(near ? 0 : n >> 2);
        trn_pow2_taps(at, outputs, TRN_POW2_SAME, kind, true, near);
    }
}

/* The same over all taps outside us, vs: above, below, left, right. What `at` says of the inputs of a position stays. */
TRN_KERNEL void trn_pow2_outside(trn_pow2_taps_t *at, const int8_t *w, trn_size_t terms, trn_size_t gap, trn_window_t s, trn_run_t us,
                                 trn_run_t vs, trn_size_t outputs, uint8_t x_zero, trn_pow2_kind_t kind)
{
    const trn_size_t below = us.first + us.count, right = vs.first + vs.count;
    if (us.count < s.kernel_h || vs.count < s.kernel_w) {
        const uint8_t *const x = at->x;
        const int16_t x_row = at->x_row, w_row = at->w_row;
        const uint8_t rows = at->rows, single = at->single;
        const uint16_t turns = at->turns;
        at->x_row = 0;
        at->x_tap = 0;
        trn_pow2_outside_part(at, w, terms, gap, s.kernel_w, 0, us.first, 0, s.kernel_w, outputs, &x_zero, kind);
        trn_pow2_outside_part(at, w, terms, gap, s.kernel_w, below, s.kernel_h - below, 0, s.kernel_w, outputs, &x_zero, kind);
        trn_pow2_outside_part(at, w, terms, gap, s.kernel_w, us.first, us.count, 0, vs.first, outputs, &x_zero, kind);
        trn_pow2_outside_part(at, w, terms, gap, s.kernel_w, us.first, us.count, right, s.kernel_w - right, outputs, &x_zero, kind);
        at->x = x;
        at->x_row = x_row;
        at->w_row = w_row;
        at->rows = rows;
        at->single = single;
        at->turns = turns;
    }
}

#endif
