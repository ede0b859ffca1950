/* SPDX-License-Identifier: Apache-2.0 */
/* Losses of one sample and the error they send back to the last layer's sums z. t: targets, p: predictions, n of each. */
#ifndef TRN_LOSS_H
#define TRN_LOSS_H

#include "trn/activation.h"
#include "trn/base.h"
#include "trn/math.h"

/* inv_n * sum (p - t)^2;  inv_n = 1 / n */
TRN_KERNEL float trn_mse(const float *p, const float *t, trn_size_t n, float inv_n)
{
    float sum = 0.0f;
    for (trn_size_t k = 0; k < n; k++) {
        const float d = p[k] - t[k];
        sum += d * d;
    }
    return sum * inv_n;
}

/* -inv_n * sum (t log p + (1 - t) log(1 - p)) with p = sigmoid(z), as max(z, 0) - z t + log(1 + exp(-|z|)), which cannot overflow.
 * Leaves p in z. */
TRN_KERNEL float trn_binary_crossentropy(float *z, const float *t, trn_size_t n, float inv_n)
{
    float sum = 0.0f;
    for (trn_size_t k = 0; k < n; k++) {
        const float x = z[k];
        const float e = trn_exp_neg(-trn_abs(x));
        const float d = 1.0f + e;
        sum += ((x > 0.0f ? x : 0.0f) - x * t[k]) + trn_log(d);
        z[k] = (x >= 0.0f ? 1.0f : e) / d;
    }
    return sum * inv_n;
}

/* -sum t log p with p = softmax(z), as t (log s - (z - m)), s = sum exp(z - m), m = max z. Leaves p in z. */
TRN_KERNEL float trn_categorical_crossentropy(float *z, const float *t, trn_size_t n)
{
    float m = z[0];
    for (trn_size_t k = 1; k < n; k++) {
        m = z[k] > m ? z[k] : m;
    }
    const bool few = n <= 16;
    float kept[16]; /* the exponentials, if they are few; otherwise they are worked out twice */
    float s = 0.0f;
    for (trn_size_t k = 0; k < n; k++) {
        const float x = z[k] - m, e = trn_exp_neg(x);
        s = s + e;
        if (TRN_FLOAT_BY_CALLS) {
            z[k] = x;
        }
        if (few) {
            kept[k] = e;
        }
    }
    const float log_s = trn_log(s);
    const float r = 1.0f / s;
    float sum = 0.0f;
    for (trn_size_t k = 0; k < n; k++) {
        const float x = TRN_FLOAT_BY_CALLS ? z[k] : z[k] - m;
        if (!TRN_FLOAT_BY_CALLS || t[k] != 0.0f || !trn_is_finite(x) || !trn_is_finite(log_s)) {
            sum += t[k] * (log_s - x);
        }
        z[k] = (few ? kept[k] : trn_exp_neg(x)) * r;
    }
    return sum;
}

/* e = d loss / d z of mse: d_k = (p_k - t_k) * 2 scale inv_n times the derivative of the activation, softmax: p_k (d_k - sum d p).
 * scale = 1 / samples of the batch. e may be p. */
TRN_KERNEL void trn_mse_gradient(const float *p, const float *t, float *e, trn_size_t n, float inv_n, float scale, trn_activation_t act)
{
    const float factor = 2.0f * (scale * inv_n);
    float s = 0.0f;
    if (act == TRN_ACT_SOFTMAX) {
        for (trn_size_t k = 0; k < n; k++) {
            s += ((p[k] - t[k]) * factor) * p[k];
        }
    }
    for (trn_size_t k = 0; k < n; k++) {
        const float d = (p[k] - t[k]) * factor;
        e[k] = act == TRN_ACT_SOFTMAX ? p[k] * (d - s) : trn_activation_backward(d, p[k], act);
    }
}

/* e = d loss / d z of either cross-entropy: (p_k - t_k) * factor. factor = scale, for the binary one scale * inv_n. e may be p. */
TRN_KERNEL void trn_crossentropy_gradient(const float *p, const float *t, float *e, trn_size_t n, float factor)
{
    for (trn_size_t k = 0; k < n; k++) {
        e[k] = (p[k] - t[k]) * factor;
    }
}

#endif
