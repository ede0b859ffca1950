/* SPDX-License-Identifier: Apache-2.0 */
/* Dense layer: x [n_in], w in blocks of four outputs, b [n_out] at the scale of the sums, y [n_out]. */
#ifndef TRN_POW2_DENSE_H
#define TRN_POW2_DENSE_H

#include "trn/pow2/rows.h"
#include "trn/pow2/sink.h"
#if TRN_AVR_ASM
#include "trn/avr/conv2d.h"
#include "trn/avr/step.h"
#endif

/* sums[o] = b[o] - lift + sum over k of w[o, k] x[k], literal rows. list: NULL, or n_listed pairs of trn_pow2_list to take instead of x. */
TRN_KERNEL void trn_pow2_dense_sums(const int8_t *x, const uint8_t *list, trn_size_t n_listed, const int8_t *w, const int32_t *b,
                                    int32_t *sums, trn_size_t n_in, trn_size_t rows, int32_t lift, trn_pow2_kind_t kind)
{
    TRN_EACH(r, rows, sums[r] = trn_pow2_bias(b + r, kind.flash) - lift;);
    if (list != NULL) {
        trn_pow2_run_listed(list, w, n_listed, rows, kind, sums);
    } else {
        trn_pow2_run(x, w, n_in, rows, kind, sums);
    }
}

/* y[o] = store(sums[o]) */
TRN_KERNEL void trn_pow2_dense_block(const int8_t *x, const uint8_t *list, trn_size_t n_listed, const int8_t *w, const int32_t *b,
                                     int8_t *y, trn_size_t n_in, trn_size_t rows, int32_t lift, trn_pow2_sink_t to, trn_pow2_kind_t kind)
{
    int32_t sums[TRN_POW2_ROWS];
    trn_pow2_dense_sums(x, list, n_listed, w, b, sums, n_in, rows, lift, kind);
    TRN_EACH(r, rows, y[r] = trn_pow2_sink(sums[r], to, kind.narrow););
}

TRN_KERNEL void trn_pow2_dense(const int8_t *x, const uint8_t *list, trn_size_t n_listed, const int8_t *w, const int32_t *b, int8_t *y,
                               trn_size_t n_in, trn_size_t n_out, trn_pow2_sink_t to, trn_pow2_kind_t kind)
{
    const int32_t lift = trn_pow2_lift(x, list, list != NULL ? n_listed : n_in, kind);
#if TRN_AVR_ASM
    if (list == NULL && trn_avr_dense_fits(n_in, n_out, to, kind)) {
        trn_avr_dense(x, w, b, y, n_in, n_out, lift, to, kind);
        return;
    }
#endif
    trn_size_t o = 0;
    for (; o + TRN_POW2_ROWS <= n_out; o += TRN_POW2_ROWS) {
        trn_pow2_dense_block(x, list, n_listed, w, b + o, y + o, n_in, TRN_POW2_ROWS, lift, to, kind);
        w += TRN_POW2_ROWS * n_in;
    }
    if (n_out % TRN_POW2_ROWS != 0) {
        trn_pow2_dense_block(x, list, n_listed, w, b + o, y + o, n_in, n_out % TRN_POW2_ROWS, lift, to, kind);
    }
}

TRN_KERNEL void trn_pow2_dense_blocks(const int8_t *x, const uint8_t *list, trn_size_t n_listed, const int8_t *w, const int32_t *b,
                                      int8_t *y, trn_size_t n_in, trn_size_t n_out, trn_pow2_range_t range, trn_pow2_kind_t kind)
{
    trn_pow2_dense(x, list, n_listed, w, b, y, n_in, n_out, TRN_BY_SHIFT(range), kind);
}

TRN_KERNEL void trn_pow2_dense_forward(const int8_t *x, const int8_t *w, const int32_t *b, int8_t *y, trn_size_t n_in, trn_size_t n_out,
                                       trn_pow2_range_t range, trn_pow2_kind_t kind)
{
    trn_pow2_dense_blocks(x, NULL, 0, w, b, y, n_in, n_out, range, kind);
}

/* The same, leaving out the inputs that are zero. list: room for 2 * n_in bytes. */
TRN_KERNEL void trn_pow2_dense_forward_sparse(const int8_t *x, const int8_t *w, const int32_t *b, int8_t *y, uint8_t *list,
                                              trn_size_t n_in, trn_size_t n_out, trn_pow2_range_t range, trn_pow2_kind_t kind)
{
    const trn_size_t n_listed = trn_pow2_list(x, list, n_in);
    trn_pow2_dense_blocks(x, list, n_listed, w, b, y, n_in, n_out, range, kind);
}

/* sum + w[0] e[0] + ... + w[rows-1] e[rows-1] */
TRN_KERNEL int32_t trn_pow2_column(const int8_t *w, const int16_t *e, trn_size_t rows, int32_t sum)
{
#if TRN_AVR_ASM
    return trn_avr_column(w, e, (uint8_t)rows, sum);
#else
    for (trn_size_t r = 0; r < rows; r++) {
        sum += (int32_t)w[r] * e[r];
    }
    return sum;
#endif
}

/* dx[k] = error(round(sum over o of w[o, k] e[o], shift)); shift: the fraction bits of the weights.
 * Source: Goodfellow, Bengio, Courville, Deep Learning, algorithm 6.4. */
TRN_KERNEL void trn_pow2_dense_backward_input(const int8_t *w, const int16_t *e, int16_t *dx, trn_size_t n_in, trn_size_t n_out,
                                              uint8_t shift)
{
    for (trn_size_t k = 0; k < n_in; k++) {
        int32_t sum = 0;
        const int8_t *block = w;
        for (trn_size_t o = 0; o < n_out; o += TRN_POW2_ROWS) {
            const trn_size_t rows = trn_pow2_rows(o, n_out);
            sum = trn_pow2_column(block + k * rows, e + o, rows, sum);
            block += rows * n_in;
        }
        dx[k] = trn_pow2_error(trn_pow2_round(sum, shift));
    }
}

#endif
