/* SPDX-License-Identifier: Apache-2.0 */
/* The last step of every input gradient, on a sum that is still in a register. */
#ifndef TRN_DETAIL_EPILOGUE_H
#define TRN_DETAIL_EPILOGUE_H

#include "trn/activation.h"
#include "trn/base.h"

/* dx[i] <- (dx[i] + d, or d) * act'(y[i]). Reads y[i] before it writes dx[i], so both may be one buffer. */
TRN_KERNEL void trn_epilogue_store(float *dx, trn_size_t i, float d, trn_epilogue_t epilogue)
{
    if (epilogue.accumulate) {
        d = dx[i] + d;
    }
    if (epilogue.activation != TRN_ACT_NONE && epilogue.activation != TRN_ACT_SOFTMAX) {
        if (epilogue.bits != NULL) {
            const bool passes = ((epilogue.bits[i >> 3] >> (i & 7)) & 1) != 0;
            d = trn_activation_gate(d, passes, epilogue.activation);
        } else {
            d = trn_activation_backward(d, epilogue.y[i], epilogue.activation);
        }
    }
    dx[i] = d;
}

#endif
