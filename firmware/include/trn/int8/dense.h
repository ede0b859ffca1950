/* SPDX-License-Identifier: Apache-2.0 */
/* 8-bit dense layer: x uint8 [n_in], w int8 [n_out, n_in], b int32 [n_out], y uint8 and e int8 [n_out], dx int8 [n_in]. */
#ifndef TRN_INT8_DENSE_H
#define TRN_INT8_DENSE_H

#include "trn/int8/base.h"
#include "trn/int8/conv2d.h"
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

/* dx[k] = error(sum over o of w[o, k] e[o]), over the structures o that take part. */
TRN_KERNEL void trn_i8_dense_backward_input(const int8_t *w, const int8_t *e, int8_t *dx, trn_size_t n_in, trn_size_t n_out,
                                            trn_i8_error_t error, trn_i8_structures_t which)
{
    const trn_size_t n = trn_i8_count(which, n_out);
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
    trn_i8_conv2d_backward_weights(x, e, gw, gb, trn_i8_pointwise_window(1, n_in, n_out), z_x, which, n_k);
}

/* The same with 16-bit gradients; scratch: TRN_I8_GRADIENT16_SCRATCH(n_k) bytes. */
TRN_KERNEL void trn_i8_dense_backward_weights16(const uint8_t *x, const int8_t *e, int16_t *gw, uint8_t *shift, int32_t *gb,
                                                trn_size_t n_in, trn_size_t n_out, int32_t z_x, trn_i8_structures_t which, trn_size_t n_k,
                                                int32_t *scratch)
{
    trn_i8_conv2d_backward_weights16(x, e, gw, shift, gb, trn_i8_pointwise_window(1, n_in, n_out), z_x, which, n_k, scratch);
}

#endif
