/* SPDX-License-Identifier: Apache-2.0 */
/* Activations that are not a clamp, and derivatives of all of them, taken from the output y. */
#ifndef TRN_POW2_ACTIVATION_H
#define TRN_POW2_ACTIVATION_H

#include "trn/pow2/base.h"

/* y[i] = table[x[i]], table of 256 codes in flash, indexed by the code as uint8_t. y may be x. */
TRN_KERNEL void trn_pow2_lookup(const int8_t *x, int8_t *y, TRN_FLASH int8_t *table, trn_size_t n)
{
    for (trn_size_t i = 0; i < n; i++) {
        y[i] = table[(uint8_t)x[i]];
    }
}

/* e[i] <- e[i] times the derivative of the layer's activation: relu family 0 outside (0, hi), else 1; sigmoid y (1 - y) and
 * tanh 1 - y^2 in 14 bits, y = code / 128, rounded half up. */
TRN_KERNEL void trn_pow2_derivative(int16_t *e, const int8_t *y, trn_size_t n, trn_activation_t act, int8_t hi)
{
    for (trn_size_t i = 0; i < n; i++) {
        switch (act) {
        case TRN_ACT_RELU:
            e[i] = y[i] == 0 ? 0 : e[i];
            break;
        case TRN_ACT_RELU6:
            e[i] = y[i] == 0 || y[i] == hi ? 0 : e[i];
            break;
        case TRN_ACT_SIGMOID:
            e[i] = (int16_t)(((int32_t)e[i] * (int16_t)(y[i] * (128 - y[i])) + 8192) >> 14);
            break;
        case TRN_ACT_TANH:
            e[i] = (int16_t)(((int32_t)e[i] * (int16_t)(16384 - y[i] * y[i]) + 8192) >> 14);
            break;
        default:
            break;
        }
    }
}

#endif
