/* SPDX-License-Identifier: Apache-2.0 */
/* Gradient step of one sample, straight into 8-bit weights.
 *
 * Rounding is stochastic: w moves by floor((q x + r) / 2^16), r uniform over 16 bits, so by q x / 2^16 on average. The random
 * numbers of a layer are the sums of one per input and one per output: any two of them are independent, which is all that the
 * variance of an output's change depends on, for n_in + n_out draws instead of n_in * n_out. */
#ifndef TRN_POW2_UPDATE_H
#define TRN_POW2_UPDATE_H

#include "trn/pow2/base.h"
#include "trn/pow2/random.h"
#if TRN_AVR_ASM
#include "trn/avr/step.h"
#endif

/* Steps are clamped so that q x + r fits 24 bits for every input. */
#define TRN_POW2_STEP_MAX 32512

/* Learning rate on the device: lr 2^exponent, rounded half up, at most 65535. */
TRN_KERNEL uint16_t trn_pow2_rate(float lr, uint8_t exponent)
{
    const int32_t rate = trn_pow2_fixed(lr, exponent);
    return rate > 65535 ? (uint16_t)65535u : (uint16_t)rate;
}

/* Error of an output times the learning rate, as the step of its weights: q = -e rate / 2^8, rounded half up. */
TRN_KERNEL int16_t trn_pow2_step_of(int16_t e, uint16_t rate)
{
    const int32_t q = (128 - (int32_t)e * rate) >> 8;
    return q < -TRN_POW2_STEP_MAX ? (int16_t)-TRN_POW2_STEP_MAX : q > TRN_POW2_STEP_MAX ? (int16_t)TRN_POW2_STEP_MAX : (int16_t)q;
}

/* w + floor((q x + r) / 2^16), saturating at -127 and 127. */
TRN_KERNEL int8_t trn_pow2_move(int8_t w, int16_t q, int16_t x, uint16_t r)
{
    const int32_t moved = w + (((int32_t)q * x + r) >> 16);
    return moved < -127 ? (int8_t)-127 : moved > 127 ? (int8_t)127 : (int8_t)moved;
}

/* A bias is the weight of an input of 1.0 = 2^fraction, kept at the scale of the sums: b + q 2^(2 fraction - 16), rounded
 * stochastically. fraction: of the layer's input, -7 .. 15. */
TRN_KERNEL int32_t trn_pow2_move_bias(int32_t b, int16_t q, int8_t fraction, uint16_t r)
{
    const int8_t shift = (int8_t)(16 - 2 * fraction);
    int32_t change;
    if (shift <= 0) {
        change = (int32_t)q * (INT32_C(1) << -shift);
    } else if (shift <= 16) {
        change = (q + (int32_t)(r & (uint16_t)((UINT32_C(1) << shift) - 1u))) >> shift;
    } else {
        change = (q + (int32_t)((uint32_t)r << (shift - 16))) >> shift;
    }
    const int32_t moved = b + change;
    return moved < -TRN_POW2_BIAS_MAX ? -TRN_POW2_BIAS_MAX : moved > TRN_POW2_BIAS_MAX ? TRN_POW2_BIAS_MAX : moved;
}

/* w[k stride] <- move(w, q, x[k], u + 2^8 noise[k]) for every input that is not 0, n > 0. */
TRN_KERNEL void trn_pow2_move_row(const int8_t *x, const uint8_t *noise, int8_t *w, uint8_t stride, trn_size_t n, int16_t q, uint16_t u,
                                  bool unsigned_input)
{
#if TRN_AVR_ASM
    if (unsigned_input) {
        trn_avr_move_row_u((const uint8_t *)x, noise, w, stride, (uint16_t)n, q, u);
    } else {
        trn_avr_move_row_s((const uint8_t *)x, noise, w, stride, (uint16_t)n, q, u);
    }
#else
    for (trn_size_t k = 0; k < n; k++) {
        if (x[k] != 0) {
            const int16_t v = unsigned_input ? (int16_t)(uint8_t)x[k] : (int16_t)x[k];
            *w = trn_pow2_move(*w, q, v, (uint16_t)(u + ((uint16_t)noise[k] << 8)));
        }
        w += stride;
    }
#endif
}

/* w[o, k] <- move(w[o, k], q[o], x[k], r[o, k]); b[o] <- move_bias(b[o], q[o], ...).
 * rate: learning rate * 2^(24 + fraction of w - 13 - fraction of x). noise: room for n_in bytes. stream: state of the random bits.
 * Source: Wang et al., NITI, arXiv:2009.13108, section 3.3, for the integer update; here errors keep their scale. */
TRN_KERNEL void trn_pow2_dense_update(const int8_t *x, const int16_t *e, int8_t *w, int32_t *b, uint8_t *noise, uint16_t *stream,
                                      trn_size_t n_in, trn_size_t n_out, uint16_t rate, int8_t fraction, bool unsigned_input)
{
    for (trn_size_t k = 0; k < n_in; k++) {
        noise[k] = (uint8_t)(trn_pow2_draw(stream) >> 8);
    }
    for (trn_size_t o = 0; o < n_out; o += TRN_POW2_ROWS) {
        const trn_size_t rows = trn_pow2_rows(o, n_out);
        for (trn_size_t r = 0; r < rows; r++) {
            const uint16_t u = trn_pow2_draw(stream);
            const int16_t q = trn_pow2_step_of(e[o + r], rate);
            if (q == 0) {
                continue;
            }
            b[o + r] = trn_pow2_move_bias(b[o + r], q, fraction, u);
            trn_pow2_move_row(x, noise, w + r, (uint8_t)rows, n_in, q, u, unsigned_input);
        }
        w += rows * n_in;
    }
}

#endif
