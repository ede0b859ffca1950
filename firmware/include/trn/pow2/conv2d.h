/* SPDX-License-Identifier: Apache-2.0 */
/* Convolution: x [in_h, in_w, in_c], w [block of outputs][kernel_h][kernel_w][in_c][output of the block], b [out_c] at the scale of
 * the sums, y [out_h, out_w, out_c]. Taps outside the input are left out: a code of 0 is the number 0. */
#ifndef TRN_POW2_CONV2D_H
#define TRN_POW2_CONV2D_H

#include "trn/detail/window.h"
#include "trn/pow2/rows.h"

/* One block of outputs at one position. x, w: the whole input and the block's weights. */
TRN_KERNEL void trn_pow2_conv2d_block(const int8_t *x, const int8_t *w, const int32_t *b, int8_t *y, trn_window_t s,
                                      trn_run_t us, trn_run_t vs, trn_size_t rows, trn_pow2_range_t range, trn_pow2_kind_t kind)
{
    int32_t sums[TRN_POW2_ROWS];
    TRN_EACH(r, rows, sums[r] = trn_pow2_bias(b + r, kind.flash););
    const trn_size_t n = vs.count * s.in_c; /* a row of the window is one run of inputs, and of weights */
    x += (us.at * s.in_w + vs.at) * s.in_c;
    w += (us.first * s.kernel_w + vs.first) * s.in_c * rows;
    for (trn_size_t u = 0; u < us.count; u++) {
        trn_pow2_run(x, w, n, rows, kind, sums);
        x += s.in_w * s.in_c;
        w += s.kernel_w * s.in_c * rows;
    }
    TRN_EACH(r, rows, y[r] = trn_pow2_store(sums[r], range););
}

/* y[i, j, o] = store(b[o] + sum over u, v, c of w[o, u, v, c] x[i stride + u - pad, j stride + v - pad, c]) */
TRN_KERNEL void trn_pow2_conv2d_forward(const int8_t *x, const int8_t *w, const int32_t *b, int8_t *y, trn_window_t s,
                                        trn_pow2_range_t range, trn_pow2_kind_t kind)
{
    const trn_size_t block = (trn_size_t)TRN_POW2_ROWS * s.kernel_h * s.kernel_w * s.in_c;
    for (trn_size_t i = 0; i < s.out_h; i++) {
        const trn_run_t us = trn_taps_of_output(i, s.in_h, s.kernel_h, s.stride_h, s.pad_top);
        for (trn_size_t j = 0; j < s.out_w; j++) {
            const trn_run_t vs = trn_taps_of_output(j, s.in_w, s.kernel_w, s.stride_w, s.pad_left);
            const int8_t *from = w;
            trn_size_t o = 0;
            for (; o + TRN_POW2_ROWS <= s.out_c; o += TRN_POW2_ROWS) {
                trn_pow2_conv2d_block(x, from, b + o, y + o, s, us, vs, TRN_POW2_ROWS, range, kind);
                from += block;
            }
            if (s.out_c % TRN_POW2_ROWS != 0) {
                trn_pow2_conv2d_block(x, from, b + o, y + o, s, us, vs, s.out_c % TRN_POW2_ROWS, range, kind);
            }
            y += s.out_c;
        }
    }
}

#endif
