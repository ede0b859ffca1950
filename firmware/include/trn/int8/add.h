/* SPDX-License-Identifier: Apache-2.0 */
/* 8-bit layers that move numbers: residual addition, and the error through it, through flatten, or to another scale. */
#ifndef TRN_INT8_ADD_H
#define TRN_INT8_ADD_H

#include "trn/int8/base.h"

/* The factors a * 2^-shift = s_a / s_y and b * 2^-shift = s_b / s_y: 0 <= a, b < 2^22, 1 <= shift <= 22, the largest that allows it. */
typedef struct {
    int32_t a, b, shift;
} trn_i8_add_scale_t;

/* y[i] = clamp(out.zero + (((a[i] - z_a) scale.a + (b[i] - z_b) scale.b + 2^(shift-1)) >> shift), lo, hi); y may be a or b. out.scale is
 * not used; the range is that of the shifted sums. */
TRN_KERNEL void trn_i8_add_forward(const uint8_t *a, const uint8_t *b, uint8_t *y, trn_size_t n, int32_t z_a, int32_t z_b,
                                   trn_i8_add_scale_t scale, trn_i8_output_t out)
{
    const int32_t start = ((int32_t)1 << (scale.shift - 1)) - z_a * scale.a - z_b * scale.b;
    for (trn_size_t i = 0; i < n; i++) {
        const int32_t sum = ((int32_t)a[i] * scale.a + (int32_t)b[i] * scale.b + start) >> scale.shift;
        trn_i8_range_add(out.range, sum);
        y[i] = (uint8_t)trn_i8_clamp(out.zero + sum, out.lo, out.hi);
    }
}

/* dx[i] = error(e[i]); dx may be e. An addition passes its error to both operands, each at its own scale. */
TRN_KERNEL void trn_i8_pass_error(const int8_t *e, int8_t *dx, trn_size_t n, trn_i8_error_t error)
{
    for (trn_size_t i = 0; i < n; i++) {
        trn_i8_store_error(dx, i, e[i], error);
    }
}

/* to[p, o] = sat(e[p, o] * scale[o]); to may be e. With weights that have a scale per output channel, the input gradient sums errors
 * made comparable so: scale[o] = s_w[o] / max s_w. */
TRN_KERNEL void trn_i8_scale_channels(const int8_t *e, int8_t *to, trn_size_t n_pixels, trn_size_t n_channels, const trn_i8_scale_t *scale)
{
    for (trn_size_t p = 0; p < n_pixels; p++) {
        for (trn_size_t o = 0; o < n_channels; o++) {
            const trn_size_t i = p * n_channels + o;
            to[i] = (int8_t)trn_i8_saturate(trn_i8_requantise(e[i], scale[o], 0));
        }
    }
}

/* bits[i], LSB first = lo < y[i] < hi: what backward passes read once y is gone. (n + 7) / 8 bytes. */
TRN_KERNEL void trn_i8_mask_bits(const uint8_t *y, uint8_t *bits, trn_size_t n, int32_t lo, int32_t hi)
{
    for (trn_size_t i = 0; i < n; i += 8) {
        uint32_t byte = 0;
        for (trn_size_t k = 0; k < trn_min(8, n - i); k++) {
            byte |= y[i + k] > lo && y[i + k] < hi ? UINT32_C(1) << k : 0;
        }
        bits[i >> 3] = (uint8_t)byte;
    }
}

#endif
