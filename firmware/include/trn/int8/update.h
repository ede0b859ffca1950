/* SPDX-License-Identifier: Apache-2.0 */
/* Steps of 8-bit weights.
 *
 * A step works in units of 2^-16 of a weight's code: t = w 2^16 - D rate, exact integers but for one rounding, on every core alike. What
 * D is makes the optimizer: the gradient sum itself (here: plain SGD and quantisation-aware scaling), or its distance from the mean of its
 * structure (standardise.h). The code is t rounded stochastically or to nearest; it saturates, it never wraps. Floats are needed once
 * per structure. */
#ifndef TRN_INT8_UPDATE_H
#define TRN_INT8_UPDATE_H

#include "trn/int8/base.h"
#include "trn/int8/detail/simd.h"
#include "trn/math.h"
#include "trn/random.h"

/* The factor m * 2^-shift, a float32 >= 0 taken apart. From a shift of 33 on the upper word of a product is all that counts: factors
 * below 1/4 are kept so, m < 2^31 and 33 <= shift <= 69; larger ones with m < 2^24 and 1 <= shift <= 25. */
typedef struct {
    int32_t m, shift;
} trn_i8_rate_t;

/* Factors of 2^23 and more become 2^23 - 1/2, those below 2^-39 become 0. */
TRN_KERNEL trn_i8_rate_t trn_i8_rate(float factor)
{
    const uint32_t bits = trn_float_bits(factor);
    const int32_t shift = 150 - (int32_t)(bits >> 23);
    if (shift > 62) {
        return (trn_i8_rate_t){0, 1};
    }
    if (shift < 1) {
        return (trn_i8_rate_t){0xFFFFFF, 1};
    }
    const int32_t up = shift < 26 ? 0 : 7;
    return (trn_i8_rate_t){(int32_t)(((bits & 0x7FFFFF) | 0x800000) << up), shift + up};
}

/* a * rate, half up, for a shift of 33 or more: the lower word of the product cannot change the result. */
TRN_KERNEL int32_t trn_i8_times_small(int32_t a, trn_i8_rate_t rate)
{
#if TRN_I8_SIMD
    const int32_t high = trn_i8_smmul(a, rate.m);
#else
    const int32_t high = (int32_t)(((int64_t)a * rate.m) >> 32);
#endif
    return rate.shift > 63 ? 0 : (high + (INT32_C(1) << (rate.shift - 33))) >> (rate.shift - 32);
}

/* a * rate, half up. */
TRN_KERNEL int64_t trn_i8_times(int32_t a, trn_i8_rate_t rate)
{
    if (rate.shift >= 33) {
        return trn_i8_times_small(a, rate);
    }
    return ((int64_t)a * rate.m + (INT64_C(1) << (rate.shift - 1))) >> rate.shift;
}

/* Largest |t| and |step|: 1024 codes. */
#define TRN_I8_STEP_MAX (INT32_C(1) << 26)

TRN_KERNEL int32_t trn_i8_times_clamped(int32_t a, trn_i8_rate_t rate)
{
    if (rate.shift >= 33) {
        return trn_i8_clamp(trn_i8_times_small(a, rate), -TRN_I8_STEP_MAX, TRN_I8_STEP_MAX);
    }
    const int64_t product = trn_i8_times(a, rate);
    return product < -TRN_I8_STEP_MAX ? -TRN_I8_STEP_MAX : product > TRN_I8_STEP_MAX ? TRN_I8_STEP_MAX : (int32_t)product;
}

/* Gradient sums, 32 or 16 bits wide. */
typedef struct {
    void *at;
    bool narrow;
} trn_i8_sums_t;

TRN_KERNEL int32_t trn_i8_sum_at(trn_i8_sums_t g, trn_size_t i)
{
    return g.narrow ? ((const int16_t *)g.at)[i] : ((const int32_t *)g.at)[i];
}

TRN_KERNEL void trn_i8_sum_clear(trn_i8_sums_t g, trn_size_t i)
{
    if (g.narrow) {
        ((int16_t *)g.at)[i] = 0;
    } else {
        ((int32_t *)g.at)[i] = 0;
    }
}

/* Where the elements of one structure lie, in w and in its gradient: `runs` runs of `length` elements each. A filter of a convolution is
 * one run; with the first n_c input channels alone one run per tap; a channel of a depthwise convolution one run of distant elements. */
typedef struct {
    trn_size_t runs, length, w_run, w_next, g_run, g_next;
} trn_i8_elements_t;

/* D rate, rate in 2^-16 codes, D = g: codes per unit of the gradient sum, lr s_g / (B s_w), s_g = s_e s_x the scale of the sums and B the size
 * of the batch: the float32 step lr s_g g / B in units of s_w. With one s_w per output channel this is quantisation-aware scaling: the
 * gradient of the code is s_w s_g g and is multiplied with s_w^-2. shift: of a 16-bit gradient, else 0. */
TRN_KERNEL trn_i8_rate_t trn_i8_rate_plain(float rate, int32_t shift)
{
    return trn_i8_rate(rate * 0x1p16f * (float)((uint32_t)1 << shift));
}

/* How codes are rounded: to nearest, half up, or up with the probability of the part cut off, by number `index` of the stream `key`. */
typedef struct {
    bool stochastic;
    uint32_t key;
} trn_i8_rounding_t;

/* What is added to 2^-16 codes before the fraction is cut off. */
TRN_KERNEL int32_t trn_i8_dither(trn_i8_rounding_t rounding, trn_size_t index)
{
    return rounding.stochastic ? (int32_t)trn_random_half(rounding.key, (uint32_t)index) : 0x8000;
}

/* The code of t, rounded by random number `index`. */
TRN_KERNEL int8_t trn_i8_code_of(int32_t t, trn_i8_rounding_t rounding, trn_size_t index)
{
    return (int8_t)trn_i8_saturate((t + trn_i8_dither(rounding, index)) >> 16);
}

/* A whole tensor of n structures, the first elements of which lie w_next apart in w and g_next apart in its gradient. */
typedef struct {
    trn_size_t n, w_next, g_next;
    trn_i8_elements_t elements;
} trn_i8_tensor_t;

TRN_KERNEL trn_i8_sums_t trn_i8_sums_of(trn_i8_sums_t g, trn_i8_tensor_t tensor, trn_size_t o)
{
    g.at = g.narrow ? (void *)((int16_t *)g.at + o * tensor.g_next) : (void *)((int32_t *)g.at + o * tensor.g_next);
    return g;
}

/* Plain step, codes saturating at the scale they have; the gradients are left at 0. Element i of the tensor takes random number i. rates:
 * one for the tensor, or one per structure (quantisation-aware scaling). */
TRN_KERNEL void trn_i8_update_plain(int8_t *w, trn_i8_sums_t g, uint8_t *shift, trn_i8_tensor_t tensor, const float *rates,
                                    bool per_structure, trn_i8_rounding_t rounding)
{
    const trn_i8_elements_t s = tensor.elements;
    for (trn_size_t o = 0; o < tensor.n; o++) {
        const trn_i8_sums_t sums = trn_i8_sums_of(g, tensor, o);
        const trn_i8_rate_t rate = trn_i8_rate_plain(rates[per_structure ? o : 0], shift == NULL ? 0 : shift[o]);
        for (trn_size_t r = 0; r < s.runs; r++) {
            for (trn_size_t i = 0; i < s.length; i++) {
                const trn_size_t at = o * tensor.w_next + r * s.w_run + i * s.w_next, from = r * s.g_run + i * s.g_next;
                const int32_t t = w[at] * INT32_C(65536) - trn_i8_times_clamped(trn_i8_sum_at(sums, from), rate);
                w[at] = trn_i8_code_of(t, rounding, at);
                trn_i8_sum_clear(sums, from);
            }
        }
        if (shift != NULL) {
            shift[o] = 0;
        }
    }
}

/* b[o] = round(b[o] ratio - gb[o] rates[o]), held within -2^30 .. 2^30, gb left at 0. rates: lr s_e / (B s_x s_w); ratio: old by new scale
 * s_x s_w of the bias, one per channel too if per_structure, below 64; random numbers `first` + o. */
TRN_KERNEL void trn_i8_update_bias(int32_t *b, int32_t *gb, trn_size_t n, const float *rates, const float *ratios, bool per_structure,
                                   trn_i8_rounding_t rounding, trn_size_t first)
{
    for (trn_size_t o = 0; o < n; o++) {
        const trn_i8_rate_t rate = trn_i8_rate(rates[per_structure ? o : 0] * 0x1p16f);
        const trn_i8_rate_t ratio = trn_i8_rate(ratios[per_structure ? o : 0]);
        const int32_t down = ratio.shift < 17 ? 1 : ratio.shift > 25 ? ratio.shift - 23 : ratio.shift - 16;
        const int64_t t = (((int64_t)b[o] * (ratio.shift > 25 ? ratio.m >> 7 : ratio.m)) >> down) - trn_i8_times(gb[o], rate) + trn_i8_dither(rounding, first + o);
        const int64_t code = t >> 16;
        const int64_t most = INT64_C(1) << 30;
        b[o] = (int32_t)(code < -most ? -most : code > most ? most : code);
        gb[o] = 0;
    }
}

#endif
