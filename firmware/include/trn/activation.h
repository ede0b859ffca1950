/* SPDX-License-Identifier: Apache-2.0 */
/* Activations, in place, and the derivative of each from its own output. */
#ifndef TRN_ACTIVATION_H
#define TRN_ACTIVATION_H

#include "trn/base.h"
#include "trn/detail/ordered.h"
#include "trn/math.h"

/* Slope of leaky_relu below 0, Keras's value. */
#define TRN_LEAKY_SLOPE 0.2f

/* True if the activation is a comparison or two: kernels then apply it to a sum that is still in a register. */
TRN_KERNEL bool trn_activation_is_cheap(trn_activation_t act)
{
    return act == TRN_ACT_NONE || act == TRN_ACT_RELU || act == TRN_ACT_RELU6 || act == TRN_ACT_LEAKY_RELU;
}

/* One element; softmax has no meaning here and passes. */
TRN_KERNEL float trn_activate(float x, trn_activation_t act)
{
    switch (act) {
    case TRN_ACT_RELU:
        return x <= 0.0f ? 0.0f : x;
    case TRN_ACT_RELU6:
        return x <= 0.0f ? 0.0f : x >= 6.0f ? 6.0f : x;
    case TRN_ACT_LEAKY_RELU:
        return x > 0.0f ? x : TRN_LEAKY_SLOPE * x;
    case TRN_ACT_SIGMOID:
        return trn_sigmoid(x);
    case TRN_ACT_TANH:
        return trn_tanh(x);
    case TRN_ACT_NONE:
    case TRN_ACT_SOFTMAX:
    default:
        return x;
    }
}

/* *to = act(x) */
TRN_KERNEL void trn_activate_store(float *to, float x, trn_activation_t act)
{
    if (act == TRN_ACT_RELU) {
        trn_store_relu(to, x);
    } else {
        trn_store(to, trn_activate(x, act));
    }
}

/* p_k = exp(z_k - m) / sum_i exp(z_i - m) with m = max z, in place. */
TRN_KERNEL void trn_softmax(float *z, trn_size_t n)
{
    float m = z[0];
    for (trn_size_t k = 1; k < n; k++) {
        m = z[k] > m ? z[k] : m;
    }
    float s = 0.0f;
    for (trn_size_t k = 0; k < n; k++) {
        z[k] = trn_exp_neg(z[k] - m);
        s = s + z[k];
    }
    const float r = 1.0f / s;
    for (trn_size_t k = 0; k < n; k++) {
        z[k] = z[k] * r;
    }
}

/* y <- act(y); softmax over all n. */
TRN_KERNEL void trn_activation_forward(float *y, trn_size_t n, trn_activation_t act)
{
    if (act == TRN_ACT_SOFTMAX) {
        trn_softmax(y, n);
    } else if (act != TRN_ACT_NONE) {
        for (trn_size_t i = 0; i < n; i++) {
            y[i] = trn_activate(y[i], act);
        }
    }
}

/* True if the derivative of a relu-like activation is 1 where its output is y. */
TRN_KERNEL bool trn_activation_passes(float y, trn_activation_t act)
{
    return y > 0.0f && (act != TRN_ACT_RELU6 || y < 6.0f);
}

/* d times the derivative of a relu-like activation, which is 1 if it passes. */
TRN_KERNEL float trn_activation_gate(float d, bool passes, trn_activation_t act)
{
    return passes ? d : (act == TRN_ACT_LEAKY_RELU ? TRN_LEAKY_SLOPE * d : 0.0f);
}

/* d times the derivative of the activation whose output is y: relu 1 or 0, sigmoid y (1 - y), tanh 1 - y^2. */
TRN_KERNEL float trn_activation_backward(float d, float y, trn_activation_t act)
{
    switch (act) {
    case TRN_ACT_RELU:
    case TRN_ACT_RELU6:
    case TRN_ACT_LEAKY_RELU:
        return trn_activation_gate(d, trn_activation_passes(y, act), act);
    case TRN_ACT_SIGMOID:
        return d * (y * (1.0f - y));
    case TRN_ACT_TANH:
        return d * (1.0f - y * y);
    case TRN_ACT_NONE:
    case TRN_ACT_SOFTMAX:
    default:
        return d;
    }
}

/* Packs the derivative of a relu-like activation, all a backward pass needs of y, into (n + 7) / 8 bytes; see trn_epilogue_t. */
TRN_KERNEL void trn_activation_bits(const float *y, uint8_t *bits, trn_size_t n, trn_activation_t act)
{
    for (trn_size_t i = 0; i < n; i += 8) {
        const trn_size_t count = n - i < 8 ? n - i : 8;
        uint8_t byte = 0;
        for (trn_size_t k = 0; k < count; k++) {
            if (trn_activation_passes(y[i + k], act)) {
                byte = (uint8_t)(byte | (1u << k));
            }
        }
        bits[i >> 3] = byte;
    }
}

#endif
