/* SPDX-License-Identifier: Apache-2.0 */
/* 8-bit dense layer: x uint8 [n_in], w int8 [n_out, n_in], b int32 [n_out], y uint8 and e int8 [n_out], dx int8 [n_in]. */
#ifndef TRN_INT8_DENSE_H
#define TRN_INT8_DENSE_H

#include "trn/int8/base.h"
#include "trn/int8/conv2d.h"
#include "trn/int8/detail/vector.h"
#include "trn/int8/pointwise.h"

/* y[o] = out(b[o] + sum over k of w[o, k] (x[k] - z_x)) */
TRN_KERNEL void trn_i8_dense_forward(const uint8_t *x, const int8_t *w, const int32_t *b, uint8_t *y, trn_size_t n_in, trn_size_t n_out,
                                     int32_t z_x, trn_i8_output_t out)
{
    trn_i8_conv2d_forward(x, w, b, y, trn_i8_pointwise_window(1, n_in, n_out), z_x, out);
}

/* The sums themselves, for a float32 head: sums[o] = b[o] + sum over k of w[o, k] (x[k] - z_x) */
TRN_KERNEL void trn_i8_dense_sums(const uint8_t *x, const int8_t *w, const int32_t *b, int32_t *sums, trn_size_t n_in, trn_size_t n_out,
                                  int32_t z_x)
{
    trn_i8_conv2d((trn_i8_codes_t){x, 0, false, z_x}, w, b, trn_i8_pointwise_window(1, n_in, n_out),
                  (trn_i8_sink_t){.kind = TRN_I8_TO_SUMS, .sums = sums});
}

#if TRN_I8_SIMD

/* The same eight inputs at a time, n_in at least 8; the last eight may overlap those before. */
TRN_KERNEL void trn_i8_dense_input_eights(const int8_t *w, const int8_t *e, int8_t *dx, trn_size_t n_in, trn_size_t n_out,
                                          trn_i8_error_t error, trn_i8_structures_t which)
{
    const trn_i8_scale_t scale = error.scale == NULL ? (trn_i8_scale_t){1, 0} : *error.scale;
    const trn_i8_sink_t to = {.kind = TRN_I8_TO_ERROR, .dx = dx, .error = error, .scale = scale};
    const trn_size_t n = trn_i8_count(which, n_out);
    trn_size_t fours = 0;
    for (trn_size_t block = 0; block < n_in; block += 8) {
        const trn_size_t k = n_in % 8 == 0 ? block : trn_min(block, n_in - 8);
        int32_t acc[8] = {0, 0, 0, 0, 0, 0, 0, 0};
#if TRN_I8_OUTER_SIMD
        fours = which.list == NULL && trn_i8_reaches(4 * n_in) ? n / 4 : 0;
        if (fours > 0) {
            trn_i8_down_fours(acc, w + k, e, n_in, fours);
        }
#endif
        for (trn_size_t i = 4 * fours; i < n; i++) {
            const trn_size_t o = trn_i8_structure(which, i);
            trn_i8_down_one(acc, w + o * n_in + k, e[o]);
            trn_i8_down_one(acc + 4, w + o * n_in + k + 4, e[o]);
        }
        trn_i8_finish_errors(acc, 2, k, 2, to);
        trn_i8_finish_errors(acc + 4, 2, k + 4, 2, to);
    }
}

#endif

/* dx[k] = error(sum over o of w[o, k] e[o]), over the structures o that take part. */
TRN_KERNEL void trn_i8_dense_backward_input(const int8_t *w, const int8_t *e, int8_t *dx, trn_size_t n_in, trn_size_t n_out,
                                            trn_i8_error_t error, trn_i8_structures_t which)
{
    const trn_size_t n = trn_i8_count(which, n_out);
#if TRN_I8_SIMD
    if (n_in >= 8 && trn_i8_error_packs(error) && (!error.accumulate || n_in % 8 == 0)) {
        trn_i8_dense_input_eights(w, e, dx, n_in, n_out, error, which);
        return;
    }
#endif
    for (trn_size_t k = 0; k < n_in; k++) {
        int32_t acc = 0;
        for (trn_size_t i = 0; i < n; i++) {
            const trn_size_t o = trn_i8_structure(which, i);
            acc += (int32_t)w[o * n_in + k] * e[o];
        }
        trn_i8_store_error(dx, k, acc, error);
    }
}

/* gw[o, k] += e[o] (x[k] - z_x);  gb[o] += e[o]; gw [n_out, n_k], k < n_k. */
TRN_KERNEL void trn_i8_dense_backward_weights(const uint8_t *x, const int8_t *e, int32_t *gw, int32_t *gb, trn_size_t n_in,
                                              trn_size_t n_out, int32_t z_x, trn_i8_structures_t which, trn_size_t n_k)
{
#if TRN_I8_SIMD
    (void)n_in;
    const trn_size_t n = trn_i8_count(which, n_out), eights = n_k / 8 * 8;
    for (trn_size_t k = 0; k < eights; k += 8) {
        const uint32_t minus_zero = (uint32_t)-z_x << 16 | ((uint32_t)-z_x & 0xFFFF), low = trn_i8_load(x + k), high = trn_i8_load(x + k + 4);
        const uint32_t codes[4] = {trn_i8_uxtab16(minus_zero, low), trn_i8_uxtab16_ror8(minus_zero, low),
                                   trn_i8_uxtab16(minus_zero, high), trn_i8_uxtab16_ror8(minus_zero, high)};
        for (trn_size_t i = 0; i < n; i++) {
            const trn_size_t o = trn_i8_structure(which, i);
            if (e[o] != 0) { /* a row that would not change is not read either */
                trn_i8_across(gw + o * n_k + k, codes, e[o]);
            }
        }
    }
    for (trn_size_t i = 0; i < n; i++) {
        const trn_size_t o = trn_i8_structure(which, i);
        for (trn_size_t k = eights; k < n_k; k++) {
            gw[o * n_k + k] += e[o] * ((int32_t)x[k] - z_x);
        }
    }
    trn_i8_bias_gradient(e, gb, 1, n_out, which);
#else
    trn_i8_conv2d_backward_weights(x, e, gw, gb, trn_i8_pointwise_window(1, n_in, n_out), z_x, which, n_k);
#endif
}

/* The same with 16-bit gradients; scratch: TRN_I8_GRADIENT16_SCRATCH(n_k) bytes. */
TRN_KERNEL void trn_i8_dense_backward_weights16(const uint8_t *x, const int8_t *e, int16_t *gw, uint8_t *shift, int32_t *gb,
                                                trn_size_t n_in, trn_size_t n_out, int32_t z_x, trn_i8_structures_t which, trn_size_t n_k,
                                                int32_t *scratch)
{
    trn_i8_conv2d_backward_weights16(x, e, gw, shift, gb, trn_i8_pointwise_window(1, n_in, n_out), z_x, which, n_k, scratch);
}

#endif
