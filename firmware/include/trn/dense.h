/* SPDX-License-Identifier: Apache-2.0 */
/* Dense layer: x [n_in], w [n_out, n_in], b [n_out], y and e [n_out]. */
#ifndef TRN_DENSE_H
#define TRN_DENSE_H

#include "trn/base.h"
#include "trn/detail/block.h"
#include "trn/pointwise.h"

/* y[o] = act(b[o] + sum over k of w[o, k] x[k]) */
TRN_KERNEL void trn_dense_forward(const float *x, const float *w, const float *b, float *y, trn_size_t n_in, trn_size_t n_out,
                                  trn_activation_t act)
{
    trn_pointwise_forward(x, w, b, y, 1, n_in, n_out, act);
}

/* row[s] += error x[s] for one row of gw and `columns` of its columns. */
TRN_KERNEL void trn_dense_weights_row(const float x[TRN_BLOCK_MAX], float error, float *row, trn_size_t columns)
{
    float g[TRN_BLOCK_MAX];
    TRN_ALIGN_CODE();
    TRN_UNROLL
    for (trn_size_t s = 0; s < columns; s++) {
        g[s] = trn_load(row + s);
    }
    float product = trn_multiply(error, x[0]);
    TRN_UNROLL
    for (trn_size_t s = 1; s < columns; s++) {
        const float following = trn_multiply(error, x[s]);
        g[s - 1] = trn_sum(g[s - 1], product);
        product = following;
    }
    g[columns - 1] = trn_sum(g[columns - 1], product);
    trn_store_row(row, g, columns);
}

/* The same for all rows of gw; x stays in registers meanwhile. */
TRN_KERNEL void trn_dense_weights_columns(const float *from, const float *e, float *row, trn_size_t n_in, trn_size_t n_out,
                                          trn_size_t columns)
{
    float x[TRN_BLOCK_MAX];
    TRN_ALIGN_CODE();
    TRN_UNROLL
    for (trn_size_t s = 0; s < columns; s++) {
        x[s] = trn_load(from + s);
    }
    if (TRN_BLOCK_MAX > 1 && __builtin_constant_p(n_out) && n_out % 2 == 0 && n_in + columns <= 255) {
        for (trn_size_t o = 0; o < n_out; o += 2) { /* two rows to one turn of the loop */
            trn_dense_weights_row(x, trn_load(e + o), row, columns);
            trn_dense_weights_row(x, trn_load(e + o + 1), row + n_in, columns);
            row += 2 * n_in;
        }
    } else {
        for (trn_size_t o = 0; o < n_out; o++) {
            trn_dense_weights_row(x, trn_load(e + o), row, columns);
            row += n_in;
        }
    }
}

/* gw[o, k] += e[o] x[k];  gb[o] += e[o]
 * Source: Goodfellow, Bengio, Courville, Deep Learning, algorithm 6.4. */
TRN_KERNEL void trn_dense_backward_weights(const float *x, const float *e, float *gw, float *gb, trn_size_t n_in, trn_size_t n_out)
{
    TRN_FOR_BLOCKS(k, columns, n_in, TRN_BLOCK_MAX > 1 ? 12 : 1, trn_dense_weights_columns(x + k, e, gw + k, n_in, n_out, columns););
    trn_bias_backward(e, gb, 1, n_out);
}

/* dx[k] = epilogue(sum over o of w[o, k] e[o]);  dx never overlaps e.
 * Source: Goodfellow, Bengio, Courville, Deep Learning, algorithm 6.4. */
TRN_KERNEL void trn_dense_backward_input(const float *w, const float *e, float *dx, trn_size_t n_in, trn_size_t n_out,
                                         trn_epilogue_t epilogue)
{
    trn_pointwise_backward_input(w, e, dx, 1, n_in, n_out, epilogue);
}

#endif
