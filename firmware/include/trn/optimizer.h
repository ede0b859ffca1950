/* SPDX-License-Identifier: Apache-2.0 */
/* Optimizers. w: weights, g: gradient summed over the batch, n of each; no two arrays overlap. Every step leaves g at +0, ready
 * for the next batch. */
#ifndef TRN_OPTIMIZER_H
#define TRN_OPTIMIZER_H

#include "trn/base.h"
#include "trn/math.h"

/* w <- w - lr g */
TRN_KERNEL void trn_sgd_step(float *restrict w, float *restrict g, trn_size_t n, float lr)
{
    for (trn_size_t i = 0; i < n; i++) {
        w[i] = w[i] - lr * g[i];
        g[i] = 0.0f;
    }
}

/* v <- momentum v + g;  w <- w - lr v */
TRN_KERNEL void trn_sgd_momentum_step(float *restrict w, float *restrict g, float *restrict v, trn_size_t n, float lr, float momentum)
{
    for (trn_size_t i = 0; i < n; i++) {
        v[i] = momentum * v[i] + g[i];
        w[i] = w[i] - lr * v[i];
        g[i] = 0.0f;
    }
}

/* Adam (Kingma and Ba, arXiv:1412.6980, end of section 2, where the step size carries the bias correction). */
typedef struct {
    float lr, beta1, beta2, eps; /* eps is added to the uncorrected square root, as Keras does */
    float p1, p2;                /* beta1^t, beta2^t; 1 before the first step */
} trn_adam_t;

/* Once per batch, before the steps of its tensors: advances p1, p2. Returns lr_t = lr sqrt(1 - p2) / (1 - p1). */
TRN_KERNEL float trn_adam_begin_step(trn_adam_t *adam)
{
    adam->p1 = adam->p1 * adam->beta1;
    adam->p2 = adam->p2 * adam->beta2;
    return (adam->lr * trn_sqrt(1.0f - adam->p2)) / (1.0f - adam->p1);
}

/* m <- beta1 m + (1 - beta1) g;  v <- beta2 v + (1 - beta2) g^2;  w <- w - lr_t m / (sqrt(v) + eps) */
TRN_KERNEL void trn_adam_step(const trn_adam_t *adam, float lr_t, float *restrict w, float *restrict g, float *restrict m,
                              float *restrict v, trn_size_t n)
{
    const float beta1 = adam->beta1, beta2 = adam->beta2, eps = adam->eps;
    const float rest1 = 1.0f - beta1, rest2 = 1.0f - beta2;
    for (trn_size_t i = 0; i < n; i++) {
        const float gradient = g[i];
        const float mean = beta1 * m[i] + rest1 * gradient;
        const float variance = beta2 * v[i] + rest2 * (gradient * gradient);
        w[i] = w[i] - (lr_t * mean) / (trn_sqrt(variance) + eps);
        m[i] = mean;
        v[i] = variance;
        g[i] = 0.0f;
    }
}

#endif
