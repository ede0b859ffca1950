/* SPDX-License-Identifier: Apache-2.0 */
/* Losses of one sample and the errors they send back, from the codes z of the last layer's sums.
 *
 * All of it is whole numbers: probabilities in 15 bits, errors in 13, losses in 12 behind the point; only the finished loss and the
 * outputs become float, without rounding. Tables hold what needs exp or log and are made by the code generator for the scale of z. */
#ifndef TRN_POW2_LOSS_H
#define TRN_POW2_LOSS_H

#include "trn/pow2/base.h"

/* ln(s / 2^15) in 12 bits for 2^15 <= s < 2^16: linear between 65 points of `logs`. */
TRN_KERNEL uint16_t trn_pow2_log(uint16_t s, TRN_FLASH uint16_t *logs)
{
    const uint8_t i = (uint8_t)((s >> 9) - 64u);
    const uint16_t low = logs[i], step = (uint16_t)(logs[i + 1u] - low);
    return (uint16_t)(low + (uint16_t)(((uint32_t)step * (s & 511u) + 256u) >> 9));
}

/* Softmax and categorical cross-entropy. exps[d] = 2^16 exp(-d 2^-fraction), at most 65535; p[k] = probability, e[k] = p[k] - t[k]
 * in 13 bits if e is not NULL; label: the class k with t[k] >= 1/2.
 * Sums below 2^32 for n_out <= 65536. Source: Goodfellow, Bengio, Courville, Deep Learning, section 6.2.2.3. */
TRN_KERNEL float trn_pow2_softmax_crossentropy(const int8_t *z, const float *t, int16_t *e, float *p, TRN_FLASH uint16_t *exps,
                                               TRN_FLASH uint16_t *logs, trn_size_t n_out, uint8_t fraction)
{
    int8_t top = z[0];
    for (trn_size_t k = 1; k < n_out; k++) {
        top = z[k] > top ? z[k] : top;
    }
    uint32_t sum = 0;
    for (trn_size_t k = 0; k < n_out; k++) {
        sum += exps[(uint8_t)(top - z[k])];
    }
    uint8_t halvings = 0; /* sum >= 65535: the largest term */
    while (sum > 65535u) {
        sum >>= 1;
        halvings++;
    }
    const uint32_t inverse = (UINT32_C(1) << 31) / sum; /* 32768 .. 65536 */
    const uint16_t factor = inverse > 65535u ? (uint16_t)65535u : (uint16_t)inverse;
    int32_t loss = 0;
    for (trn_size_t k = 0; k < n_out; k++) {
        const uint16_t q = (uint16_t)((((uint32_t)exps[(uint8_t)(top - z[k])] * factor) >> 16) >> halvings); /* 15 bits */
        const bool label = t[k] >= 0.5f;
        p[k] = (float)q * 0x1p-15f;
        if (e != NULL) {
            e[k] = (int16_t)(((int32_t)q - (label ? 32768 : 0) + 2) >> 2);
        }
        if (label) {
            /* ln(sum / 2^16) + (top - z[k]) 2^-fraction */
            const int32_t distance = (int32_t)(uint8_t)(top - z[k]) << 12;
            loss += trn_pow2_round(distance, fraction) + (int32_t)trn_pow2_log((uint16_t)sum, logs) + (int32_t)halvings * 2839 - 2839;
        }
    }
    return (float)(loss < 0 ? 0 : loss) * 0x1p-12f;
}

/* Sigmoid and binary cross-entropy: l = ln(1 + exp(-|z|)) + max(z, 0) - z t, e[k] = (p[k] - t[k]) / n_out.
 * sigmoids: 15 bits, by the code as uint8_t. softplus: ln(1 + exp(-d 2^-fraction)) in 12 bits, d = 0 .. 127. inverse: 2^15 / n_out,
 * rounded. fraction at most 12; targets in [0, 1]; n_out at most 128. */
TRN_KERNEL float trn_pow2_binary_crossentropy(const int8_t *z, const float *t, int16_t *e, float *p, TRN_FLASH uint16_t *sigmoids,
                                              TRN_FLASH uint16_t *softplus, trn_size_t n_out, uint8_t fraction, uint16_t inverse,
                                              float inv_n)
{
    int32_t loss = 0;
    for (trn_size_t k = 0; k < n_out; k++) {
        const uint16_t q = sigmoids[(uint8_t)z[k]];
        const int32_t target = trn_pow2_fixed(t[k], 15);
        p[k] = (float)q * 0x1p-15f;
        if (e != NULL) {
            e[k] = (int16_t)((((int32_t)q - target) * inverse + 65536) >> 17);
        }
        const int32_t above = z[k] > 0 ? (int32_t)z[k] << 12 : 0;
        const int32_t wanted = trn_pow2_round((int32_t)z[k] * target, 3);
        loss += (int32_t)softplus[(uint8_t)(z[k] < 0 ? -z[k] : z[k])] + trn_pow2_round(above - wanted, fraction);
    }
    return (float)loss * 0x1p-12f * inv_n;
}

/* Mean squared error: e[k] = 2 (y[k] - t[k]) / n_out, differences clamped to +-4. y: outputs after the activation.
 * scale: 2^-fraction; inverse: 2^15 / n_out, rounded; fraction -7 .. 13; n_out at most 128. */
TRN_KERNEL float trn_pow2_mse(const int8_t *y, const float *t, int16_t *e, float *p, trn_size_t n_out, int8_t fraction, float scale,
                              uint16_t inverse, float inv_n)
{
    uint32_t sum = 0;
    for (trn_size_t k = 0; k < n_out; k++) {
        const int32_t value = (int32_t)y[k] * (INT32_C(1) << (13 - fraction));
        const int16_t d = trn_pow2_error(value - trn_pow2_fixed(t[k], 13));
        p[k] = (float)y[k] * scale;
        if (e != NULL) {
            e[k] = trn_pow2_error(((int32_t)d * inverse + 8192) >> 14);
        }
        sum += (uint32_t)((int32_t)d * d) >> 6;
    }
    return (float)sum * 0x1p-20f * inv_n;
}

#endif
