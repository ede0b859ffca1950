/* SPDX-License-Identifier: Apache-2.0 */
/* Convolution: x [in_h, in_w, in_c], w [block of outputs][kernel_h][kernel_w][in_c][output of the block], b [out_c] at the scale of
 * the sums, y [out_h, out_w, out_c]. Taps outside the input are left out: a code of 0 is the number 0. */
#ifndef TRN_POW2_CONV2D_H
#define TRN_POW2_CONV2D_H

#include "trn/pow2/outside.h"
#include "trn/pow2/sink.h"
#include "trn/pow2/taps.h"
#if TRN_AVR_ASM
#include "trn/avr/conv2d.h"
#endif

/* Where the inputs under one position lie, for all of its outputs. */
TRN_KERNEL void trn_pow2_conv2d_at(trn_pow2_taps_t *at, const int8_t *x, trn_window_t s, trn_run_t us, trn_run_t vs)
{
    const trn_size_t n = vs.count * s.in_c; /* a row of the window is one run of inputs, and of weights */
    at->x = (const uint8_t *)x + (us.at * s.in_w + vs.at) * s.in_c;
    at->x_row = (int16_t)(s.in_w * s.in_c - n);
    at->rows = (uint8_t)us.count;
    at->single = (uint8_t)(n & 3);
    at->turns = (uint16_t)(n >> 2);
}

/* One block of outputs at one position. w, b: the block's. */
TRN_KERNEL void trn_pow2_conv2d_block(trn_pow2_taps_t *at, const int8_t *w, const int32_t *b, int8_t *y, trn_window_t s, trn_run_t us,
                                      trn_run_t vs, trn_size_t outputs, trn_pow2_sink_t to, trn_pow2_kind_t kind)
{
    at->start = b;
    at->w = w + (us.first * s.kernel_w + vs.first) * s.in_c * outputs;
    at->w_row = (int16_t)((s.kernel_w - vs.count) * s.in_c * outputs);
    trn_pow2_taps(at, outputs, TRN_POW2_ONE, kind, false, s.kernel_w * s.in_c / 4 <= TRN_POW2_TURNS_MAX);
    if (to.x_zero != 0u) {
        trn_pow2_outside(at, w, s.in_c, 0, s, us, vs, outputs, to.x_zero, kind);
    }
    TRN_EACH(r, outputs, y[r] = trn_pow2_sink(at->sums[r], to, kind.narrow););
}

/* All outputs of one position. */
TRN_KERNEL void trn_pow2_conv2d_position(const int8_t *x, const int8_t *w, const int32_t *b, int8_t *y, trn_window_t s, trn_run_t us,
                                         trn_run_t vs, trn_pow2_sink_t to, trn_pow2_kind_t kind)
{
    const trn_size_t block = (trn_size_t)TRN_POW2_ROWS * s.kernel_h * s.kernel_w * s.in_c, rest = s.out_c % TRN_POW2_ROWS;
    trn_pow2_taps_t at;
    trn_pow2_conv2d_at(&at, x, s, us, vs);
    trn_size_t o = 0;
    for (; o + TRN_POW2_ROWS <= s.out_c; o += TRN_POW2_ROWS) {
        trn_pow2_conv2d_block(&at, w, b + o, y + o, s, us, vs, TRN_POW2_ROWS, to, kind);
        w += block;
    }
    if (rest != 0) {
        trn_pow2_conv2d_block(&at, w, b + o, y + o, s, us, vs, rest, to, kind);
    }
}

/* y[i, j, o] = store(b[o] + sum over u, v, c of w[o, u, v, c] x[i stride + u - pad, j stride + v - pad, c]) */
TRN_KERNEL void trn_pow2_conv2d(const int8_t *x, const int8_t *w, const int32_t *b, int8_t *y, trn_window_t s, trn_pow2_sink_t to,
                                trn_pow2_kind_t kind)
{
#if TRN_AVR_ASM
    const bool fits = trn_avr_conv2d_fits(s, to, kind);
    const trn_run_t middle = trn_outputs_with_all_taps(s.in_w, s.out_w, s.kernel_w, s.stride_w, s.pad_left);
#endif
    for (trn_size_t i = 0; i < s.out_h; i++) {
        const trn_run_t us = trn_taps_of_output(i, s.in_h, s.kernel_h, s.stride_h, s.pad_top);
        for (trn_size_t j = 0, now = 1; j < s.out_w; j += now) {
            const trn_run_t vs = trn_taps_of_output(j, s.in_w, s.kernel_w, s.stride_w, s.pad_left);
#if TRN_AVR_ASM
            if (fits && (to.x_zero == 0u || (us.count == s.kernel_h && vs.count == s.kernel_w))) {
                now = vs.count == s.kernel_w ? middle.count : 1;
                trn_avr_conv2d(x + us.at * s.in_w * s.in_c, w, b, y, false, s, us, vs, now, to, kind);
                y += now * s.out_c;
                continue;
            }
            now = 1;
#endif
            trn_pow2_conv2d_position(x, w, b, y, s, us, vs, to, kind);
            y += s.out_c;
        }
    }
}

TRN_KERNEL void trn_pow2_conv2d_forward(const int8_t *x, const int8_t *w, const int32_t *b, int8_t *y, trn_window_t s,
                                        trn_pow2_range_t range, trn_pow2_kind_t kind)
{
    trn_pow2_conv2d(x, w, b, y, s, TRN_BY_SHIFT(range), kind);
}

#endif
