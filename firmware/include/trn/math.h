/* SPDX-License-Identifier: Apache-2.0 */
/* Elementary functions from basic float32 operations: the same bits on every core, in the NumPy twin and on the host. */
#ifndef TRN_MATH_H
#define TRN_MATH_H

#include "trn/base.h"

TRN_KERNEL uint32_t trn_float_bits(float x)
{
    uint32_t bits;
    __builtin_memcpy(&bits, &x, sizeof bits);
    return bits;
}

TRN_KERNEL float trn_float_from_bits(uint32_t bits)
{
    float x;
    __builtin_memcpy(&x, &bits, sizeof x);
    return x;
}

/* Float operations are calls of some 100 cycles: those whose result is known beforehand are left out. The bits are the same. */
#if defined(__AVR__)
#define TRN_FLOAT_BY_CALLS true
#else
#define TRN_FLOAT_BY_CALLS false
#endif

TRN_KERNEL float trn_abs(float x)
{
    return trn_float_from_bits(trn_float_bits(x) & UINT32_C(0x7FFFFFFF));
}

TRN_KERNEL bool trn_is_finite(float x)
{
    return ((trn_float_bits(x) >> 16) & 0x7F80u) != 0x7F80u;
}

/* exp(x) for x <= 0; +0 below -87. After expf of the Cephes library (S. Moshier): range reduction by ln 2 in two parts. */
TRN_KERNEL float trn_exp_neg(float x)
{
    if (!(x >= -87.0f)) {
        return x != x ? x : 0.0f;
    }
    if (TRN_FLOAT_BY_CALLS && x == 0.0f) {
        return 1.0f;
    }
    const int32_t n = (int32_t)(x * 1.44269504088896341f - 0.5f);
    const float k = (float)n;
    float r = x - k * 0.693359375f;
    r = r - k * -2.12194440e-4f;
    float p = 1.9875691500e-4f;
    p = p * r + 1.3981999507e-3f;
    p = p * r + 8.3334519073e-3f;
    p = p * r + 4.1665795894e-2f;
    p = p * r + 1.6666665459e-1f;
    p = p * r + 5.0000001201e-1f;
    const float q = (p * (r * r) + r) + 1.0f;
    if (TRN_FLOAT_BY_CALLS) { /* q 2^n, which is normal */
        return trn_float_from_bits(trn_float_bits(q) + ((uint32_t)n << 23));
    }
    return q * trn_float_from_bits((uint32_t)(n + 127) << 23);
}

/* Natural logarithm of a normal x > 0; infinity and NaN return themselves. After logf of the Cephes library (S. Moshier). */
TRN_KERNEL float trn_log(float x)
{
    const uint32_t bits = trn_float_bits(x);
    if (bits >= UINT32_C(0x7F800000)) {
        return x;
    }
    int32_t exponent = (int32_t)(bits >> 23) - 126;
    float m = trn_float_from_bits((bits & UINT32_C(0x007FFFFF)) | UINT32_C(0x3F000000));
    if (m < 0.707106781186547524f) {
        exponent -= 1;
        m = (m + m) - 1.0f;
    } else {
        m = m - 1.0f;
    }
    const float k = (float)exponent;
    const float z = m * m;
    float p = 7.0376836292e-2f;
    p = p * m + -1.1514610310e-1f;
    p = p * m + 1.1676998740e-1f;
    p = p * m + -1.2420140846e-1f;
    p = p * m + 1.4249322787e-1f;
    p = p * m + -1.6668057665e-1f;
    p = p * m + 2.0000714765e-1f;
    p = p * m + -2.4999993993e-1f;
    p = p * m + 3.3333331174e-1f;
    float y = (p * m) * z;
    y = y + k * -2.12194440e-4f;
    y = y - 0.5f * z;
    y = m + y;
    return y + k * 0.693359375f;
}

/* Square root, correctly rounded. Without an instruction for it: one result bit per turn, then round to nearest. */
TRN_KERNEL float trn_sqrt(float x)
{
#if (defined(__ARM_ARCH) && !defined(__ARM_FP)) || defined(__AVR__)
    const uint32_t bits = trn_float_bits(x);
    if (bits >= UINT32_C(0x7F800000)) { /* +inf and NaN stay; a negative number has no root; -0 stays */
        const bool stays = bits == UINT32_C(0x7F800000) || bits == UINT32_C(0x80000000) || x != x;
        return stays ? x : trn_float_from_bits(UINT32_C(0x7FC00000));
    }
    if (bits == 0) {
        return x;
    }
    int16_t exponent = (int16_t)(bits >> 23);
    uint32_t mantissa = bits & UINT32_C(0x007FFFFF);
    if (exponent == 0) {
        exponent = 1;
        while (mantissa < UINT32_C(0x00800000)) {
            mantissa <<= 1;
            exponent--;
        }
    } else {
        mantissa |= UINT32_C(0x00800000);
    }
    exponent = (int16_t)(exponent - 127);
    if (exponent & 1) {
        mantissa <<= 1;
    }
    const int16_t half = (int16_t)((exponent - (exponent & 1)) / 2);
    uint32_t root = 0, sum = 0, rest = mantissa << 1;
    for (uint32_t bit = UINT32_C(0x01000000); bit != 0; bit >>= 1) { /* 24 bits of the root and one more to round by */
        const uint32_t trial = sum + bit;
        if (trial <= rest) {
            sum = trial + bit;
            rest -= trial;
            root += bit;
        }
        rest <<= 1;
    }
    root = (root >> 1) + (root & 1); /* the exact root is never half-way between two floats */
    return trn_float_from_bits(root + ((uint32_t)(half + 126) << 23));
#else
    return __builtin_sqrtf(x);
#endif
}

/* 1 / (1 + exp(-x)) */
TRN_KERNEL float trn_sigmoid(float x)
{
    const float e = trn_exp_neg(-trn_abs(x));
    const float d = 1.0f + e;
    return (x >= 0.0f ? 1.0f : e) / d;
}

/* Near 0 after tanhf of the Cephes library (S. Moshier), elsewhere from the exponential. */
TRN_KERNEL float trn_tanh(float x)
{
    const float magnitude = trn_abs(x);
    if (magnitude < 0.625f) {
        const float s = x * x;
        float p = -5.70498872745e-3f;
        p = p * s + 2.06390887954e-2f;
        p = p * s + -5.37397155531e-2f;
        p = p * s + 1.33314422036e-1f;
        p = p * s + -3.33332819422e-1f;
        return (p * s) * x + x;
    }
    const float e = trn_exp_neg(-2.0f * magnitude);
    const float t = (1.0f - e) / (1.0f + e);
    return x < 0.0f ? -t : t;
}

#endif
