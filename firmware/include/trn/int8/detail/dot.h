/* SPDX-License-Identifier: Apache-2.0 */
/* The inner loop of the 8-bit forward passes and input gradients: a small block of sums of products of bytes.
 *
 *     acc[p][f] += sum over k of (x[p][k] - zero) w[f][k]        p < pixels, f < filters, both 1 or 2
 */
#ifndef TRN_INT8_DETAIL_DOT_H
#define TRN_INT8_DETAIL_DOT_H

#include "trn/int8/base.h"

/* Codes to multiply with weights: uint8 activations with a zero point, or int8 errors (zero = 0). Pixels `next` bytes apart. */
typedef struct {
    const uint8_t *at;
    trn_size_t next;
    bool is_signed;
    int32_t zero;
} trn_i8_codes_t;

/* Where the sums of a block go. `kind` is literal, so the rest folds away. */
typedef struct {
    enum { TRN_I8_TO_CODES, TRN_I8_TO_ERROR, TRN_I8_TO_SUMS } kind;
    uint8_t *y;
    trn_i8_output_t output;
    int8_t *dx;
    trn_i8_error_t error;
    int32_t *sums;
} trn_i8_sink_t;

TRN_KERNEL int32_t trn_i8_code(trn_i8_codes_t x, trn_size_t i)
{
    return x.is_signed ? (int32_t)(int8_t)x.at[i] : (int32_t)x.at[i] - x.zero;
}

TRN_KERNEL void trn_i8_dot(int32_t acc[4], trn_i8_codes_t x, trn_size_t pixels, const int8_t *w, trn_size_t w_next, trn_size_t filters,
                           trn_size_t count)
{
    for (trn_size_t k = 0; k < count; k++) {
        const int32_t x0 = trn_i8_code(x, k), x1 = pixels > 1 ? trn_i8_code(x, x.next + k) : 0;
        const int32_t w0 = w[k], w1 = filters > 1 ? w[w_next + k] : 0;
        acc[0] += x0 * w0;
        acc[1] += x0 * w1;
        acc[2] += x1 * w0;
        acc[3] += x1 * w1;
    }
}

/* acc[p][f] = b[f], or 0 */
TRN_KERNEL void trn_i8_start(int32_t acc[4], const int32_t *b, trn_size_t filters)
{
    acc[0] = acc[2] = b == NULL ? 0 : b[0];
    acc[1] = acc[3] = b == NULL || filters == 1 ? 0 : b[1];
}

/* Sums of channels o, o + 1 of pixels whose elements begin at `first`, `next` elements apart. */
TRN_KERNEL void trn_i8_finish(const int32_t acc[4], trn_size_t pixels, trn_size_t filters, trn_size_t first, trn_size_t next, trn_size_t o,
                              trn_i8_sink_t to)
{
    TRN_UNROLL
    for (trn_size_t p = 0; p < pixels; p++) {
        TRN_UNROLL
        for (trn_size_t f = 0; f < filters; f++) {
            const trn_size_t i = first + p * next + o + f;
            if (to.kind == TRN_I8_TO_CODES) {
                to.y[i] = trn_i8_output(acc[2 * p + f], o + f, to.output);
            } else if (to.kind == TRN_I8_TO_ERROR) {
                trn_i8_store_error(to.dx, i, acc[2 * p + f], to.error);
            } else {
                to.sums[i] = acc[2 * p + f];
            }
        }
    }
}

#endif
