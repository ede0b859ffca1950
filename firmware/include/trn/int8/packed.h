/* SPDX-License-Identifier: Apache-2.0 */
/* Frozen layers of uint8 where the weights lie as the kernels of AVR want them: those of int8_pow2 (trn/pow2), shared.
 *
 * The biases hold b[o] - z_x sum of all w[o, ...], so that the codes themselves are multiplied and a code of 0 adds nothing; `to.x_zero`
 * is z_x where taps lie outside the input. Dense and convolution weights lie in blocks of four outputs, input by input. Same codes as
 * trn/int8: docs/numerics-integer.md. */
#ifndef TRN_INT8_PACKED_H
#define TRN_INT8_PACKED_H

#include <string.h>

#include "trn/pow2/conv2d.h"
#include "trn/pow2/dense.h"
#include "trn/pow2/depthwise.h"
#include "trn/pow2/pool.h"

/* y[o] = out(sum). list: NULL, or the n_listed pairs of trn_pow2_list() to take instead of x. */
TRN_KERNEL void trn_i8_packed_dense(const uint8_t *x, const uint8_t *list, trn_size_t n_listed, const int8_t *w, const int32_t *b, uint8_t *y,
                                    trn_size_t n_in, trn_size_t n_out, trn_pow2_sink_t to, trn_pow2_kind_t kind)
{
    trn_pow2_dense((const int8_t *)x, list, n_listed, w, b, (int8_t *)y, n_in, n_out, to, kind);
}

/* The sums themselves, for a float32 head. */
TRN_KERNEL void trn_i8_packed_sums(const uint8_t *x, const uint8_t *list, trn_size_t n_listed, const int8_t *w, const int32_t *b,
                                   int32_t *sums, trn_size_t n_in, trn_size_t n_out, trn_pow2_kind_t kind)
{
    const int32_t lift = trn_pow2_lift((const int8_t *)x, list, list != NULL ? n_listed : n_in, kind);
    trn_size_t o = 0;
    for (; o + TRN_POW2_ROWS <= n_out; o += TRN_POW2_ROWS) {
        trn_pow2_dense_sums((const int8_t *)x, list, n_listed, w, b + o, sums + o, n_in, TRN_POW2_ROWS, lift, kind);
        w += TRN_POW2_ROWS * n_in;
    }
    if (n_out % TRN_POW2_ROWS != 0) {
        trn_pow2_dense_sums((const int8_t *)x, list, n_listed, w, b + o, sums + o, n_in, n_out % TRN_POW2_ROWS, lift, kind);
    }
}

/* x [in_h, in_w, in_c], y [out_h, out_w, out_c], also of a part of either (trn_i8_rows). */
TRN_KERNEL void trn_i8_packed_conv2d(const uint8_t *x, const int8_t *w, const int32_t *b, uint8_t *y, trn_window_t s, trn_pow2_sink_t to,
                                     trn_pow2_kind_t kind)
{
    trn_pow2_conv2d((const int8_t *)x, w, b, (int8_t *)y, s, to, kind);
}

TRN_KERNEL void trn_i8_packed_depthwise_conv2d(const uint8_t *x, const int8_t *w, const int32_t *b, uint8_t *y, trn_window_t s,
                                               trn_pow2_sink_t to, trn_pow2_kind_t kind)
{
    trn_pow2_depthwise_conv2d((const int8_t *)x, w, b, (int8_t *)y, s, to, kind);
}

/* y[i, j, c] = out(sum over the window of (x - to.x_zero)); `to` keeps the numbers of the input. */
TRN_KERNEL void trn_i8_packed_avg_pool(const uint8_t *x, uint8_t *y, trn_window_t s, trn_pow2_sink_t to)
{
    const uint32_t taps = (uint32_t)s.kernel_h * (uint32_t)s.kernel_w;
    if (taps > 1u && taps <= 128u && (taps & (taps - 1u)) == 0u && trn_all_taps_inside(s)) { /* the zero point drops out */
        trn_pow2_avg_pool_forward((const int8_t *)x, (int8_t *)y, s, (uint16_t)(65536u / taps), true);
        return;
    }
    for (trn_size_t i = 0; i < s.out_h; i++) {
        const trn_run_t us = trn_taps_of_output(i, s.in_h, s.kernel_h, s.stride_h, s.pad_top);
        for (trn_size_t j = 0; j < s.out_w; j++) {
            const trn_run_t vs = trn_taps_of_output(j, s.in_w, s.kernel_w, s.stride_w, s.pad_left);
            const int8_t *const window = (const int8_t *)x + (us.at * s.in_w + vs.at) * s.in_c;
            const int32_t zeros = (int32_t)us.count * vs.count * to.x_zero;
            for (trn_size_t c = 0; c < s.in_c; c++) {
                const int32_t sum = trn_pow2_pool_sum(window + c, s, us.count, vs.count, true);
                *y++ = (uint8_t)trn_pow2_sink(sum - zeros, to, false);
            }
        }
    }
}

/* The same over all pixels: y[c] */
TRN_KERNEL void trn_i8_packed_global_avg_pool(const uint8_t *x, uint8_t *y, trn_size_t n_pixels, trn_size_t n_channels, trn_pow2_sink_t to)
{
    const trn_window_t all = {1, (int16_t)n_pixels, (int16_t)n_channels, 1, 1, (int16_t)n_channels, 1, (int16_t)n_pixels, 1, 1, 0, 0};
    trn_i8_packed_avg_pool(x, y, all, to);
}

/* Row i of the output alone, from a ring: row r of the input lies at x + r % ring rows of it. */
TRN_KERNEL void trn_i8_packed_depthwise_conv2d_row(const uint8_t *x, const int8_t *w, const int32_t *b, uint8_t *y, trn_window_t s,
                                                   trn_pow2_sink_t to, trn_pow2_kind_t kind, trn_size_t i, trn_size_t ring)
{
    const trn_run_t us = trn_taps_of_output(i, s.in_h, s.kernel_h, s.stride_h, s.pad_top);
    const trn_size_t row = (trn_size_t)s.in_w * s.in_c, at = us.at % ring, first = trn_min(us.count, ring - at);
    const trn_pow2_pieces_t rows = {
        {{us.first, first, (const int8_t *)x + at * row}, {us.first + first, us.count - first, (const int8_t *)x}},
        first < us.count ? 2 : 1,
    };
    trn_pow2_depthwise_pixels(&rows, w, b, (int8_t *)y, s, us, to, kind);
}

/* y written over x: for stride 1, multiplier 1 and outputs as many as inputs. scratch: TRN_I8_DEPTHWISE_INPLACE_SCRATCH(s) bytes. */
TRN_KERNEL void trn_i8_packed_depthwise_conv2d_inplace(uint8_t *x, const int8_t *w, const int32_t *b, trn_window_t s, trn_pow2_sink_t to,
                                                       trn_pow2_kind_t kind, uint8_t *scratch)
{
    const trn_size_t row = (trn_size_t)s.in_w * s.in_c, kept = s.pad_top + 1;
    for (trn_size_t i = 0; i < s.out_h; i++) {
        const trn_run_t us = trn_taps_of_output(i, s.in_h, s.kernel_h, 1, s.pad_top);
        trn_pow2_pieces_t rows = {.count = 0};
        memcpy(scratch + i % kept * row, x + i * row, (size_t)row);
        for (trn_size_t u = 0; u < us.count; u++) { /* rows already written over are in the ring of copies */
            const trn_size_t r = us.at + u;
            const int8_t *const at = (const int8_t *)(r <= i ? scratch + r % kept * row : x + r * row);
            trn_pow2_piece_t *const last = &rows.piece[rows.count > 0 ? rows.count - 1 : 0];
            if (rows.count > 0 && at == last->at + last->count * row) {
                last->count++;
            } else {
                rows.piece[rows.count++] = (trn_pow2_piece_t){us.first + u, 1, at};
            }
        }
        trn_pow2_depthwise_pixels(&rows, w, b, (int8_t *)x + i * row, s, us, to, kind);
    }
}

#endif
