/* SPDX-License-Identifier: Apache-2.0 */
/* Layers that move numbers: residual addition, and the gradient through it or through flatten. */
#ifndef TRN_ADD_H
#define TRN_ADD_H

#include "trn/activation.h"
#include "trn/base.h"
#include "trn/detail/epilogue.h"

/* y = act(a + b), element by element; y may be a or b. */
TRN_KERNEL void trn_add_forward(const float *a, const float *b, float *y, trn_size_t n, trn_activation_t act)
{
    const trn_activation_t now = act == TRN_ACT_SOFTMAX ? TRN_ACT_NONE : act;
    for (trn_size_t i = 0; i < n; i++) {
        y[i] = trn_activate(a[i] + b[i], now);
    }
    if (act == TRN_ACT_SOFTMAX) {
        trn_softmax(y, n);
    }
}

/* `count` elements from element i on; e: the first of them. */
TRN_KERNEL void trn_pass_block(const float *e, float *dx, trn_size_t i, trn_size_t count, trn_epilogue_t epilogue)
{
    float d[TRN_BLOCK_MAX];
    TRN_UNROLL
    for (trn_size_t k = 0; k < count; k++) {
        d[k] = trn_load(e + k);
    }
    trn_block_store_input(d, 1, count, dx, i, 0, 1, epilogue);
}

/* dx = epilogue(e), element by element; dx may be e. An addition passes its error to both operands. */
TRN_KERNEL void trn_pass_gradient(const float *e, float *dx, trn_size_t n, trn_epilogue_t epilogue)
{
    TRN_FOR_BLOCKS(i, count, n, TRN_BLOCK_MAX > 1 ? 8 : 1, trn_pass_block(e + i, dx, i, count, epilogue););
}

#endif
