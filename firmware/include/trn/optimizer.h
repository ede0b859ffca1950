/* SPDX-License-Identifier: Apache-2.0 */
/* Optimizers. w: weights, g: gradient summed over the batch, n of each; no two arrays overlap. Every step leaves g at +0, ready
 * for the next batch. */
#ifndef TRN_OPTIMIZER_H
#define TRN_OPTIMIZER_H

#include "trn/base.h"
#include "trn/detail/block.h"
#include "trn/detail/ordered.h"
#include "trn/math.h"

/* One block of sgd: w <- w - rate d, with d the gradient, or the velocity if v is given: v <- momentum v + g. */
TRN_KERNEL void trn_sgd_block(float *w, float *g, float *v, trn_size_t count, float rate, float momentum)
{
    float weight[8], d[8], velocity[8];
    TRN_ALIGN_CODE();
    TRN_EACH(k, count, weight[k] = trn_load(w + k););
    TRN_EACH(k, count, d[k] = trn_load(g + k););
    if (v != NULL) {
        TRN_EACH(k, count, velocity[k] = trn_load(v + k););
        TRN_EACH(k, count, velocity[k] = trn_multiply(momentum, velocity[k]););
        TRN_EACH(k, count, d[k] = trn_sum(velocity[k], d[k]););
        trn_store_row(v, d, count);
    }
    TRN_EACH(k, count, d[k] = trn_multiply(rate, d[k]););
    TRN_EACH(k, count, weight[k] = trn_difference(weight[k], d[k]););
    trn_store_row(w, weight, count);
    TRN_EACH(k, count, trn_store_zero(g + k););
}

/* w <- w - lr g */
TRN_KERNEL void trn_sgd_step(float *w, float *g, trn_size_t n, float lr)
{
    TRN_FOR_BLOCKS(i, count, n, TRN_BLOCK_MAX > 1 ? 8 : 1, trn_sgd_block(w + i, g + i, NULL, count, lr, 0.0f););
}

/* v <- momentum v + g;  w <- w - lr v */
TRN_KERNEL void trn_sgd_momentum_step(float *w, float *g, float *v, trn_size_t n, float lr, float momentum)
{
    TRN_FOR_BLOCKS(i, count, n, TRN_BLOCK_MAX > 1 ? 8 : 1, trn_sgd_block(w + i, g + i, v + i, count, lr, momentum););
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

/* `count` parameters from the first of each array on. Step by step for all of them, so that no result is needed right after it was
 * made; stores of integer registers run beside the roots. */
TRN_KERNEL void trn_adam_block(trn_adam_t adam, float lr_t, float rest1, float rest2, float *w, float *g, float *m, float *v,
                               trn_size_t count)
{
    float gradient[4], mean[4], variance[4], part[4], weight[4];
    TRN_ALIGN_CODE();
    TRN_EACH(k, count, gradient[k] = trn_load(g + k););
    TRN_EACH(k, count, mean[k] = trn_load(m + k););
    TRN_EACH(k, count, variance[k] = trn_load(v + k););
    TRN_EACH(k, count, mean[k] = trn_multiply(adam.beta1, mean[k]););
    TRN_EACH(k, count, part[k] = trn_multiply(rest1, gradient[k]););
    TRN_EACH(k, count, gradient[k] = trn_multiply(gradient[k], gradient[k]););
    TRN_EACH(k, count, mean[k] = trn_sum(mean[k], part[k]););
    trn_store_row(m, mean, count);
    TRN_EACH(k, count, mean[k] = trn_multiply(lr_t, mean[k]););
    TRN_EACH(k, count, variance[k] = trn_multiply(adam.beta2, variance[k]););
    TRN_EACH(k, count, part[k] = trn_multiply(rest2, gradient[k]););
    TRN_EACH(k, count, variance[k] = trn_sum(variance[k], part[k]););
    trn_store_row(v, variance, count);
    TRN_EACH(k, count, variance[k] = trn_root(variance[k]); trn_store_zero(g + k););
    TRN_EACH(k, count, variance[k] = trn_sum(variance[k], adam.eps););
    TRN_EACH(k, count, weight[k] = trn_load(w + k););
    TRN_EACH(k, count, part[k] = trn_quotient(mean[k], variance[k]););
    TRN_EACH(k, count, weight[k] = trn_difference(weight[k], part[k]););
    trn_store_row(w, weight, count);
}

/* m <- beta1 m + (1 - beta1) g;  v <- beta2 v + (1 - beta2) g^2;  w <- w - lr_t m / (sqrt(v) + eps) */
TRN_KERNEL void trn_adam_step(const trn_adam_t *adam, float lr_t, float *w, float *g, float *m, float *v, trn_size_t n)
{
    const trn_adam_t constants = *adam; /* read once: no store below can change them */
    const float rest1 = 1.0f - constants.beta1, rest2 = 1.0f - constants.beta2;
    TRN_FOR_BLOCKS(i, count, n, TRN_BLOCK_MAX > 1 ? 4 : 1,
                   trn_adam_block(constants, lr_t, rest1, rest2, w + i, g + i, m + i, v + i, count););
}

#endif
