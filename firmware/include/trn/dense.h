/* SPDX-License-Identifier: Apache-2.0 */
/* Dense layer: x [n_in], w [n_out, n_in], b [n_out], y and e [n_out]. */
#ifndef TRN_DENSE_H
#define TRN_DENSE_H

#include "trn/base.h"
#include "trn/pointwise.h"

/* y[o] = act(b[o] + sum over k of w[o, k] x[k]) */
TRN_KERNEL void trn_dense_forward(const float *x, const float *w, const float *b, float *y, trn_size_t n_in, trn_size_t n_out,
                                  trn_activation_t act)
{
    trn_pointwise_forward(x, w, b, y, 1, n_in, n_out, act);
}

/* gw[o, k] += e[o] x[k];  gb[o] += e[o]
 * Source: Goodfellow, Bengio, Courville, Deep Learning, algorithm 6.4. */
TRN_KERNEL void trn_dense_backward_weights(const float *restrict x, const float *restrict e, float *restrict gw, float *restrict gb,
                                           trn_size_t n_in, trn_size_t n_out)
{
    for (trn_size_t o = 0; o < n_out; o++) {
        const float error = e[o];
        float *restrict row = gw + o * n_in;
        for (trn_size_t k = 0; k < n_in; k++) {
            row[k] += error * x[k];
        }
        gb[o] += error;
    }
}

/* dx[k] = epilogue(sum over o of w[o, k] e[o]);  dx never overlaps e.
 * Source: Goodfellow, Bengio, Courville, Deep Learning, algorithm 6.4. */
TRN_KERNEL void trn_dense_backward_input(const float *w, const float *e, float *dx, trn_size_t n_in, trn_size_t n_out,
                                         trn_epilogue_t epilogue)
{
    trn_pointwise_backward_input(w, e, dx, 1, n_in, n_out, epilogue);
}

#endif
