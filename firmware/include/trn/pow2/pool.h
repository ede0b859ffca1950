/* SPDX-License-Identifier: Apache-2.0 */
/* Pooling and adding; outputs of pooling keep the scale of the input. */
#ifndef TRN_POW2_POOL_H
#define TRN_POW2_POOL_H

#include "trn/detail/window.h"
#include "trn/pow2/base.h"

TRN_KERNEL int16_t trn_pow2_code(const int8_t *x, bool unsigned_input)
{
    return unsigned_input ? (int16_t)(uint8_t)*x : (int16_t)*x;
}

/* y[i, j, c] = max over the window's taps inside x. Codes of the network's input stay as they are, signed or not. */
TRN_KERNEL void trn_pow2_max_pool_forward(const int8_t *x, int8_t *y, trn_window_t s, bool unsigned_input)
{
    for (trn_size_t i = 0; i < s.out_h; i++) {
        const trn_run_t us = trn_taps_of_output(i, s.in_h, s.kernel_h, s.stride_h, s.pad_top);
        for (trn_size_t j = 0; j < s.out_w; j++) {
            const trn_run_t vs = trn_taps_of_output(j, s.in_w, s.kernel_w, s.stride_w, s.pad_left);
            for (trn_size_t c = 0; c < s.in_c; c++) {
                int16_t best = -128;
                for (trn_size_t u = 0; u < us.count; u++) {
                    const int8_t *from = x + ((us.at + u) * s.in_w + vs.at) * s.in_c + c;
                    for (trn_size_t v = 0; v < vs.count; v++) {
                        const int16_t value = trn_pow2_code(from, unsigned_input);
                        best = value > best ? value : best;
                        from += s.in_c;
                    }
                }
                *y++ = (int8_t)best;
            }
        }
    }
}

/* y[i, j, c] = round(sum over the window's taps inside x * inverse / 2^16); inverse: 2^16 / (kernel_h kernel_w), rounded, at most
 * 65535. Windows are at most 256 taps. */
TRN_KERNEL void trn_pow2_avg_pool_forward(const int8_t *x, int8_t *y, trn_window_t s, uint16_t inverse, bool unsigned_input)
{
    for (trn_size_t i = 0; i < s.out_h; i++) {
        const trn_run_t us = trn_taps_of_output(i, s.in_h, s.kernel_h, s.stride_h, s.pad_top);
        for (trn_size_t j = 0; j < s.out_w; j++) {
            const trn_run_t vs = trn_taps_of_output(j, s.in_w, s.kernel_w, s.stride_w, s.pad_left);
            for (trn_size_t c = 0; c < s.in_c; c++) {
                int32_t sum = 0;
                for (trn_size_t u = 0; u < us.count; u++) {
                    const int8_t *from = x + ((us.at + u) * s.in_w + vs.at) * s.in_c + c;
                    for (trn_size_t v = 0; v < vs.count; v++) {
                        sum += trn_pow2_code(from, unsigned_input);
                        from += s.in_c;
                    }
                }
                *y++ = (int8_t)((sum * inverse + 32768) >> 16);
            }
        }
    }
}

/* y[c] = round(sum over the pixels of x[pixel, c] * inverse / 2^16), inverse as above for n_pixels. */
TRN_KERNEL void trn_pow2_global_avg_pool_forward(const int8_t *x, int8_t *y, trn_size_t n_pixels, trn_size_t n_channels,
                                                 uint16_t inverse, bool unsigned_input)
{
    for (trn_size_t c = 0; c < n_channels; c++) {
        int32_t sum = 0;
        for (trn_size_t i = 0; i < n_pixels; i++) {
            sum += trn_pow2_code(x + i * n_channels + c, unsigned_input);
        }
        y[c] = (int8_t)((sum * inverse + 32768) >> 16);
    }
}

/* y[i] = store(a[i] 2^shift_a + b[i] 2^shift_b); the shifts bring both to the finer of the two scales. */
TRN_KERNEL void trn_pow2_add_forward(const int8_t *a, const int8_t *b, int8_t *y, trn_size_t n, uint8_t shift_a, uint8_t shift_b,
                                     trn_pow2_range_t range)
{
    for (trn_size_t i = 0; i < n; i++) {
        const int32_t sum = (int32_t)a[i] * (INT32_C(1) << shift_a) + (int32_t)b[i] * (INT32_C(1) << shift_b);
        y[i] = trn_pow2_store(sum, range);
    }
}

#endif
