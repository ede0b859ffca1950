/* SPDX-License-Identifier: Apache-2.0 */
/* Scales of 8-bit tensors: from the range of their values, and how ranges follow training. Once per batch, in float32. */
#ifndef TRN_INT8_NUMBERS_H
#define TRN_INT8_NUMBERS_H

#include "trn/int8/add.h"
#include "trn/int8/base.h"
#include "trn/int8/convert.h"
#include "trn/int8/standardise.h"

/* Codes x of a tensor: real = scale (x - zero). */
typedef struct {
    float scale;
    int32_t zero;
} trn_i8_numbers_t;

/* The smallest span a range is taken for. */
#define TRN_I8_LEAST_SPAN 0x1p-20f

/* Codes 0 .. 255 for the values lo .. hi, lo <= 0 <= hi: scale = (hi - lo) / 255, zero = nearest(-lo / scale). */
TRN_KERNEL trn_i8_numbers_t trn_i8_numbers_of(const float range[2])
{
    const float span = range[1] - range[0];
    const float scale = (span > TRN_I8_LEAST_SPAN ? span : TRN_I8_LEAST_SPAN) / 255.0f;
    return (trn_i8_numbers_t){scale, trn_i8_clamp(trn_i8_floor(-range[0] / scale + 0.5f), 0, 255)};
}

/* The scale of errors of magnitude `range`: codes -127 .. 127. */
TRN_KERNEL float trn_i8_error_scale_of(float range)
{
    return (range > TRN_I8_LEAST_SPAN ? range : TRN_I8_LEAST_SPAN) / 127.0f;
}

/* factor > 0 as the kernels multiply by it: what a multiplier cannot hold is cut off; 0 becomes the smallest. */
TRN_KERNEL trn_i8_scale_t trn_i8_scale_of(float factor)
{
    trn_i8_scale_t scale = {0, 0};
    while (!(factor < 0.5f) && scale.shift < 31) {
        factor *= 0.5f;
        scale.shift++;
    }
    scale.multiplier = factor < 0.5f ? (int32_t)(factor * 0x1p32f) : INT32_MAX;
    scale.multiplier = scale.multiplier < 1 ? 1 : scale.multiplier;
    return scale;
}

/* The factors a and b of an addition, below 2^20, as its kernel multiplies by them: cut off to 22 bits. */
TRN_KERNEL trn_i8_add_scale_t trn_i8_add_scale_of(float a, float b)
{
    float largest = a > b ? a : b;
    int32_t shift = 22;
    float power = 0x1p22f;
    while (!(largest < 1.0f) && shift > 1) {
        largest *= 0.5f;
        power *= 0.5f;
        shift--;
    }
    return (trn_i8_add_scale_t){(int32_t)(a * power), (int32_t)(b * power), shift};
}

/* b[o] = round(b[o] ratio), half up: biases at a new scale, ratio = old by new, below 64; one, or one for each channel. */
TRN_KERNEL void trn_i8_rescale_bias(int32_t *b, trn_size_t n, float ratio)
{
    const trn_i8_rate_t rate = trn_i8_rate(ratio);
    for (trn_size_t o = 0; o < n; o++) {
        const int64_t code = trn_i8_times(b[o], rate);
        b[o] = (int32_t)(code < -(INT64_C(1) << 30) ? -(INT64_C(1) << 30) : code > INT64_C(1) << 30 ? INT64_C(1) << 30 : code);
    }
}

/* range += follow (seen - range): of the values `s` times the sums met, which are no wider than `least` .. `most` and hold 0. The sums are
 * forgotten; without any, nothing happens. */
TRN_KERNEL void trn_i8_range_follow(float range[2], trn_i8_range_t *seen, float s, float least, float most, float follow)
{
    if (seen->min <= seen->max) {
        float lo = (float)seen->min * s;
        float hi = (float)seen->max * s;
        lo = lo < least ? least : lo > 0.0f ? 0.0f : lo;
        hi = hi > most ? most : hi < 0.0f ? 0.0f : hi;
        range[0] += follow * (lo - range[0]);
        range[1] += follow * (hi - range[1]);
    }
    *seen = (trn_i8_range_t)TRN_I8_RANGE_EMPTY;
}

/* range += follow (largest magnitude - range), the magnitudes being `s` times the sums met. */
TRN_KERNEL void trn_i8_error_range_follow(float *range, trn_i8_range_t *seen, float s, float follow)
{
    if (seen->min <= seen->max) {
        const float low = (float)seen->min * -s;
        const float high = (float)seen->max * s;
        *range += follow * ((low > high ? low : high) - *range);
    }
    *seen = (trn_i8_range_t)TRN_I8_RANGE_EMPTY;
}

#endif
