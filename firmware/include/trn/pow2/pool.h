/* SPDX-License-Identifier: Apache-2.0 */
/* Pooling and adding; outputs of pooling keep the scale of the input. */
#ifndef TRN_POW2_POOL_H
#define TRN_POW2_POOL_H

#include "trn/detail/window.h"
#include "trn/pow2/base.h"
#if TRN_AVR_ASM
#include "trn/avr/pool.h"
#endif

TRN_KERNEL int16_t trn_pow2_code(const int8_t *x, bool unsigned_input)
{
    return unsigned_input ? (int16_t)(uint8_t)*x : (int16_t)*x;
}

/* Sum of a channel over `rows` by `columns` pixels. In 16 bits where the whole window's fits. */
TRN_KERNEL int32_t trn_pow2_pool_sum(const int8_t *x, trn_window_t s, trn_size_t rows, trn_size_t columns, bool unsigned_input)
{
#if TRN_AVR_ASM
    if (trn_avr_pool_sum_fits(s)) {
        const int16_t sum = (int16_t)trn_avr_pool_sum(x, s, !unsigned_input);
        return (int16_t)(sum - (unsigned_input ? 0 : 128 * s.kernel_h * s.kernel_w));
    }
#endif
    int16_t narrow = 0;
    int32_t wide = 0;
    const bool fits = (int32_t)s.kernel_h * s.kernel_w <= 128;
    for (trn_size_t u = 0; u < rows; u++) {
        const int8_t *from = x + u * s.in_w * s.in_c;
        for (trn_size_t v = columns; v > 0; v--) {
            const int16_t value = trn_pow2_code(from, unsigned_input);
            narrow = (int16_t)(narrow + (fits ? value : 0));
            wide += fits ? 0 : value;
            from += s.in_c;
        }
    }
    return fits ? narrow : wide;
}

/* The larger of two codes, as they are kept. */
TRN_KERNEL int8_t trn_pow2_larger(int8_t a, int8_t b, bool unsigned_input)
{
    return (unsigned_input ? (uint8_t)a > (uint8_t)b : a > b) ? a : b;
}

/* y[i, j, c] = max over the window's taps inside x. Codes of the network's input stay as they are, signed or not. */
TRN_KERNEL void trn_pow2_max_pool_forward(const int8_t *x, int8_t *y, trn_window_t s, bool unsigned_input)
{
    for (trn_size_t i = 0; i < s.out_h; i++) {
        const trn_run_t us = trn_taps_of_output(i, s.in_h, s.kernel_h, s.stride_h, s.pad_top);
        for (trn_size_t j = 0; j < s.out_w; j++) {
            const trn_run_t vs = trn_taps_of_output(j, s.in_w, s.kernel_w, s.stride_w, s.pad_left);
            const int8_t *const window = x + (us.at * s.in_w + vs.at) * s.in_c;
            for (trn_size_t c = 0; c < s.in_c; c++) {
                int8_t best = window[c];
                for (trn_size_t u = 0; u < us.count; u++) {
                    const int8_t *from = window + c + u * s.in_w * s.in_c;
                    for (trn_size_t v = vs.count; v > 0; v--) {
                        best = trn_pow2_larger(*from, best, unsigned_input);
                        from += s.in_c;
                    }
                }
                *y++ = best;
            }
        }
    }
}

/* round(sum * inverse / 2^16), |sum| < 2^15 if narrow: a shift where the inverse of the number of taps is one. */
TRN_KERNEL int8_t trn_pow2_average(int32_t sum, uint16_t inverse, bool narrow)
{
    if (narrow && inverse != 0u && (inverse & (inverse - 1u)) == 0u) {
        const int16_t v = (int16_t)((int16_t)sum >> (15 - __builtin_ctz(inverse)));
        return (int8_t)((v >> 1) + (v & 1));
    }
    return narrow ? (int8_t)(((int32_t)(int16_t)sum * inverse + 32768) >> 16) : (int8_t)((sum * inverse + 32768) >> 16);
}

/* y[i, j, c] = round(sum over the window's taps inside x * inverse / 2^16); inverse: 2^16 / (kernel_h kernel_w), rounded, at most
 * 65535. Windows are at most 256 taps. */
TRN_KERNEL void trn_pow2_avg_pool_forward(const int8_t *x, int8_t *y, trn_window_t s, uint16_t inverse, bool unsigned_input)
{
    for (trn_size_t i = 0; i < s.out_h; i++) {
#if TRN_AVR_ASM
        if (trn_avr_average_row_fits(s)) {
            trn_avr_average_row(x + i * s.stride_h * s.in_w * s.in_c, y + i * s.out_w * s.out_c, s, !unsigned_input);
            continue;
        }
#endif
        const trn_run_t us = trn_taps_of_output(i, s.in_h, s.kernel_h, s.stride_h, s.pad_top);
        for (trn_size_t j = 0; j < s.out_w; j++) {
            const trn_run_t vs = trn_taps_of_output(j, s.in_w, s.kernel_w, s.stride_w, s.pad_left);
            const int8_t *const window = x + (us.at * s.in_w + vs.at) * s.in_c;
            for (trn_size_t c = 0; c < s.in_c; c++) {
                const int32_t sum = trn_pow2_pool_sum(window + c, s, us.count, vs.count, unsigned_input);
                *y++ = trn_pow2_average(sum, inverse, (int32_t)s.kernel_h * s.kernel_w <= 128);
            }
        }
    }
}

/* y[c] = round(sum over the pixels of x[pixel, c] * inverse / 2^16), inverse as above for n_pixels. */
TRN_KERNEL void trn_pow2_global_avg_pool_forward(const int8_t *x, int8_t *y, trn_size_t n_pixels, trn_size_t n_channels,
                                                 uint16_t inverse, bool unsigned_input)
{
    const trn_window_t all = {1, (int16_t)n_pixels, (int16_t)n_channels, 1, 1, (int16_t)n_channels, 1, (int16_t)n_pixels, 1, 1, 0, 0};
    trn_pow2_avg_pool_forward(x, y, all, inverse, unsigned_input);
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
