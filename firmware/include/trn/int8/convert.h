/* SPDX-License-Identifier: Apache-2.0 */
/* Between float32 and 8-bit codes. */
#ifndef TRN_INT8_CONVERT_H
#define TRN_INT8_CONVERT_H

#include "trn/int8/base.h"

/* The largest whole number not above x, for |x| < 2^31. */
TRN_KERNEL int32_t trn_i8_floor(float x)
{
    const int32_t towards_zero = (int32_t)x;
    return (float)towards_zero > x ? towards_zero - 1 : towards_zero;
}

/* floor(x * inv_s + 0.5), both operations rounded to float32, held within -2^20 .. 2^20; 0 for NaN. */
TRN_KERNEL int32_t trn_i8_nearest(float x, float inv_s)
{
    const float t = x * inv_s + 0.5f;
    return t != t ? 0 : trn_i8_floor(t < -0x1p20f ? -0x1p20f : t > 0x1p20f ? 0x1p20f : t);
}

/* y[i] = clamp(zero + nearest(x[i] / s), 0, 255), inv_s = 1 / s */
TRN_KERNEL void trn_i8_quantise(const float *x, uint8_t *y, trn_size_t n, float inv_s, int32_t zero)
{
    for (trn_size_t i = 0; i < n; i++) {
        y[i] = (uint8_t)trn_i8_clamp(zero + trn_i8_nearest(x[i], inv_s), 0, 255);
    }
}

/* e[i] = sat(nearest(d[i] / s)), inv_s = 1 / s */
TRN_KERNEL void trn_i8_quantise_error(const float *d, int8_t *e, trn_size_t n, float inv_s)
{
    for (trn_size_t i = 0; i < n; i++) {
        e[i] = (int8_t)trn_i8_saturate(trn_i8_nearest(d[i], inv_s));
    }
}

/* x[i] = s (y[i] - zero) */
TRN_KERNEL void trn_i8_dequantise(const uint8_t *y, float *x, trn_size_t n, float s, int32_t zero)
{
    for (trn_size_t i = 0; i < n; i++) {
        x[i] = (float)((int32_t)y[i] - zero) * s;
    }
}

/* d[i] = s e[i] */
TRN_KERNEL void trn_i8_dequantise_error(const int8_t *e, float *d, trn_size_t n, float s)
{
    for (trn_size_t i = 0; i < n; i++) {
        d[i] = (float)e[i] * s;
    }
}

/* z[i] = s sums[i], the conversion to float32 rounded to nearest even. */
TRN_KERNEL void trn_i8_dequantise_sums(const int32_t *sums, float *z, trn_size_t n, float s)
{
    for (trn_size_t i = 0; i < n; i++) {
        z[i] = (float)sums[i] * s;
    }
}

#endif
