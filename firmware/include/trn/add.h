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

/* dx = epilogue(e), element by element; dx may be e. An addition passes its error to both operands. */
TRN_KERNEL void trn_pass_gradient(const float *e, float *dx, trn_size_t n, trn_epilogue_t epilogue)
{
    for (trn_size_t i = 0; i < n; i++) {
        trn_epilogue_store(dx, i, e[i], epilogue);
    }
}

#endif
