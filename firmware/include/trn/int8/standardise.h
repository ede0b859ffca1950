/* SPDX-License-Identifier: Apache-2.0 */
/* The standardised step of 8-bit weights: each structure's gradient, freed of its mean and divided by its deviation.
 *
 * What a weight cannot cost less than on a Cortex-M4, four of a run at a time, in four passes over its structure (what is reached:
 * benchmarks/kernels), in cycles:
 *   magnitude    3   load, fold the sign, or
 *   moments      4   load, shift, add, multiply and add
 *   step        12   two loads, shift, n g - sum, high product, shift, subtract from w, smallest and largest (4), store t
 *   code        13   load t, change of scale (2), a random number (5) added, saturate, pack, store, clear */
#ifndef TRN_INT8_STANDARDISE_H
#define TRN_INT8_STANDARDISE_H

#include "trn/int8/update.h"

/* c + the high word of a b. */
TRN_KERNEL int32_t trn_i8_high_plus(int32_t a, int32_t b, int32_t c)
{
#if TRN_I8_SIMD
    return trn_i8_smmla(a, b, c);
#else
    return c + trn_i8_product_high(a, b, 0);
#endif
}

/* The high word of a b, half up. */
TRN_KERNEL int32_t trn_i8_high_rounded(int32_t a, int32_t b)
{
#if TRN_I8_SIMD
    return trn_i8_smmlar(a, b, 0);
#else
    return trn_i8_multiply_high(a, b, 0);
#endif
}

/* Elements of a run in one turn: several where code is cheap and a turn is not. */
#if TRN_I8_SIMD
#define TRN_I8_FOUR 4
#else
#define TRN_I8_FOUR 1
#endif

/* Runs a statement for the elements of a structure, `count` (literal) of them from element `first` of run `r`. */
#define TRN_I8_BY_FOURS(s, ...)                                                 \
    for (trn_size_t r = 0; r < (s).runs; r++) {                                 \
        trn_size_t first = 0;                                                   \
        for (; first + TRN_I8_FOUR <= (s).length; first += TRN_I8_FOUR) {       \
            enum { count = TRN_I8_FOUR };                                       \
            __VA_ARGS__                                                         \
        }                                                                       \
        for (; TRN_I8_FOUR > 1 && first < (s).length; first++) {                \
            enum { count = 1 };                                                 \
            __VA_ARGS__                                                         \
        }                                                                       \
    }

/* to[k] = sum `from` + k next, k < count (literal): the loads of 32-bit sums stand together. */
TRN_KERNEL void trn_i8_sums_load(int32_t *to, trn_i8_sums_t g, trn_size_t from, trn_size_t next, trn_size_t count)
{
#if TRN_I8_SIMD
    if (count == TRN_I8_FOUR && !g.narrow && __builtin_constant_p(next) && next * 12 <= TRN_I8_REACH) {
        trn_i8_load_words(to, (const int32_t *)g.at + from, next * 4);
        return;
    }
#endif
    TRN_EACH(k, count, to[k] = trn_i8_sum_at(g, from + k * next););
}

/* How one structure steps: D = n (g >> shift) + minus_sum and t = w 2^16 - D rate, with D rate = (high word of D m + 2^(down - 1)) >> down and
 * 1 <= down <= 31. n and minus_sum carry the power of two that makes the rate less than 1/4: D fits 32 bits, though n g may not. */
typedef struct {
    uint32_t n, minus_sum;
    int32_t shift, m, down;
} trn_i8_step_t;

/* Codes a step may reach. */
#define TRN_I8_STEP_CODES 1024.0f

/* The smallest shift that makes all sums of a structure fit 16 bits. */
TRN_KERNEL int32_t trn_i8_step_shift(trn_i8_sums_t g, trn_i8_elements_t s)
{
    uint32_t magnitude = 0;
    if (g.narrow) {
        return 0;
    }
    TRN_I8_BY_FOURS(s, {
        int32_t sums[count];
        trn_i8_sums_load(sums, g, r * s.g_run + first * s.g_next, s.g_next, count);
        TRN_EACH(k, count, magnitude |= (uint32_t)(sums[k] ^ (sums[k] >> 31)););
    })
    int32_t shift = 0;
    while (magnitude >> shift > 32767) {
        shift++;
    }
    return shift;
}

/* D rate = (g - mean) / deviation * rate, both over the structure; 0 if all its sums are equal. rate: lr / s_w, at most 1024 / sqrt(n):
 * no step exceeds 1024 codes, since no value lies farther than sqrt(n) deviations from its mean.
 * Sums are shifted right until they fit 16 bits; from there on mean and variance are exact: with S1 = sum of g, S2 = sum of g^2, D = n g - S1
 * is n times the distance from the mean and V = n S2 - S1^2 is n^2 times the variance. n = runs * length <= 32767. */
TRN_KERNEL trn_i8_step_t trn_i8_step_standardised(trn_i8_sums_t g, trn_i8_elements_t s, float rate)
{
    const int32_t n = s.runs * s.length, shift = trn_i8_step_shift(g, s);
    int32_t sum = 0;
    int64_t squares = 0;
    TRN_I8_BY_FOURS(s, {
        int32_t sums[count];
        trn_i8_sums_load(sums, g, r * s.g_run + first * s.g_next, s.g_next, count);
        TRN_EACH(k, count, {
            const int32_t small = sums[k] >> shift;
            sum += small;
            squares += (int32_t)(int16_t)small * (int16_t)small;
        });
    })
    trn_i8_step_t step = {0, 0, shift, 0, 1};
    const int64_t variance = n * squares - (int64_t)sum * sum;
    if (variance > 0) {
        const trn_i8_rate_t exact = trn_i8_rate(rate * 0x1p16f / trn_sqrt((float)variance));
        const int32_t up = exact.shift < 33 ? 26 - exact.shift : 0;
        step.n = (uint32_t)n << up;
        step.minus_sum = (uint32_t)-sum << up;
        step.m = up > 0 ? exact.m << 7 : exact.shift > 63 ? 0 : exact.m;
        step.down = exact.shift > 63 || up > 0 ? 1 : exact.shift - 32;
    }
    return step;
}

/* t of the code w whose gradient sum is g. */
TRN_KERNEL int32_t trn_i8_step_of(int32_t w, int32_t g, trn_i8_step_t step)
{
    const int32_t d = (int32_t)(step.n * (uint32_t)(g >> step.shift) + step.minus_sum);
    return w * INT32_C(65536) - (trn_i8_high_plus(d, step.m, INT32_C(1) << (step.down - 1)) >> step.down);
}

/* The largest |t| of a structure, at least `extent`. 32-bit sums become t. */
TRN_KERNEL int32_t trn_i8_step_extent(const int8_t *w, trn_i8_sums_t g, trn_i8_elements_t s, trn_i8_step_t step, int32_t extent)
{
    int32_t least = -extent, most = extent;
    TRN_I8_BY_FOURS(s, {
        TRN_EACH(k, count, {
            const trn_size_t from = r * s.g_run + (first + k) * s.g_next;
            const int32_t t = trn_i8_step_of(w[r * s.w_run + (first + k) * s.w_next], trn_i8_sum_at(g, from), step);
            most = t > most ? t : most;
            least = t < least ? t : least;
            if (!g.narrow) {
                ((int32_t *)g.at)[from] = t;
            }
        });
    })
    return most > -least ? most : -least;
}

/* A change of scale: t 2^up m 2^-32, half up. */
typedef struct {
    int32_t m, up;
} trn_i8_rescale_t;

/* By scale / next. A step makes the extent of 8-bit weights, and so their scale, at most 9 times as large; how much smaller is no matter,
 * since no t exceeds the extent. */
TRN_KERNEL trn_i8_rescale_t trn_i8_rescale_of(float scale, float next)
{
    const uint32_t bits = trn_float_bits(scale / next);
    const int32_t m = (int32_t)((bits & 0x7FFFFF) | 0x800000), right = trn_i8_clamp(150 - (int32_t)(bits >> 23), 1, 32);
    return (trn_i8_rescale_t){right < 25 ? m << 7 : m << (32 - right), right < 25 ? 25 - right : 0};
}

/* w[k next] = sat(round(t[k])) for k < count (literal), element `index` + k next of its tensor. */
TRN_KERNEL void trn_i8_codes_store(int8_t *w, const int32_t *t, trn_size_t next, trn_size_t count, trn_i8_rounding_t rounding,
                                   trn_size_t index)
{
#if TRN_I8_SIMD
    if (count == 4 && next == 1) {
        uint32_t word = 0;
        TRN_EACH(k, 4, word = trn_i8_insert(word, trn_i8_ssat8_high(t[k] + trn_i8_dither(rounding, index + k)), k););
        trn_i8_store((uint8_t *)w, trn_i8_no_minimum(word));
        return;
    }
#endif
    TRN_EACH(k, count, w[k * next] = trn_i8_code_of(t[k], rounding, index + k * next););
}

/* w = sat(round(t at the new scale)); the gradient is left at 0. w points to the structure's first element, `place` is its place in the
 * tensor: element i there takes random number i. */
TRN_KERNEL void trn_i8_step_apply(int8_t *w, trn_i8_sums_t g, trn_i8_elements_t s, trn_i8_step_t step, trn_i8_rescale_t rescale,
                                  trn_i8_rounding_t rounding, trn_size_t place)
{
    TRN_I8_BY_FOURS(s, {
        const trn_size_t at = r * s.w_run + first * s.w_next, from = r * s.g_run + first * s.g_next;
        int32_t t[count];
        trn_i8_sums_load(t, g, from, s.g_next, count);
        TRN_EACH(k, count, {
            const int32_t before = g.narrow ? trn_i8_step_of(w[at + k * s.w_next], t[k], step) : t[k];
            t[k] = trn_i8_high_rounded((int32_t)((uint32_t)before << rescale.up), rescale.m);
            trn_i8_sum_clear(g, from + k * s.g_next);
        });
        trn_i8_codes_store(w + at, t, s.w_next, count, rounding, place + at);
    })
}

/* What the scale of a tensor does at a step: stays; or follows the largest weight, s + follow (fit - s), fit = the scale that makes the
 * largest |t| 127; or does so only to grow. */
typedef enum { TRN_I8_SCALE_FIXED, TRN_I8_SCALE_FOLLOWS, TRN_I8_SCALE_GROWS } trn_i8_scaling_t;

TRN_KERNEL float trn_i8_next_scale(float scale, int32_t extent, trn_i8_scaling_t scaling, float follow)
{
    if (scaling == TRN_I8_SCALE_FIXED || extent == 0) {
        return scale;
    }
    const float fit = scale * ((float)extent * (0x1p-16f / 127.0f));
    if (scaling == TRN_I8_SCALE_GROWS && !(fit > scale)) {
        return scale;
    }
    return follow == 1.0f ? fit : scale + follow * (fit - scale);
}

/* Bytes of scratch for trn_i8_update_standardised. */
#define TRN_I8_UPDATE_SCRATCH(n) ((trn_size_t)(n) * (trn_size_t)sizeof(trn_i8_step_t))

/* Standardised step of all structures at the rate lr, then the new scale of the tensor, which is returned. Gradients are left at 0; the
 * shifts of 16-bit ones (NULL if 32-bit) too: standardisation has no use for them. */
TRN_KERNEL float trn_i8_update_standardised(int8_t *w, trn_i8_sums_t g, uint8_t *shift, trn_i8_tensor_t tensor, float scale, float lr,
                                            trn_i8_scaling_t scaling, float follow, trn_i8_rounding_t rounding, trn_i8_step_t *scratch)
{
    int32_t extent = 0;
    const float wanted = lr / scale, most = TRN_I8_STEP_CODES / trn_sqrt((float)(tensor.elements.runs * tensor.elements.length));
    const float rate = wanted > most ? most : wanted;
    for (trn_size_t o = 0; o < tensor.n; o++) {
        const trn_i8_sums_t sums = trn_i8_sums_of(g, tensor, o);
        scratch[o] = trn_i8_step_standardised(sums, tensor.elements, rate);
        extent = trn_i8_step_extent(w + o * tensor.w_next, sums, tensor.elements, scratch[o], extent);
        if (shift != NULL) {
            shift[o] = 0;
        }
    }
    const float next = trn_i8_next_scale(scale, extent, scaling, follow);
    const trn_i8_rescale_t rescale = trn_i8_rescale_of(scale, next);
    for (trn_size_t o = 0; o < tensor.n; o++) {
        trn_i8_step_apply(w + o * tensor.w_next, trn_i8_sums_of(g, tensor, o), tensor.elements, scratch[o], rescale, rounding,
                          o * tensor.w_next);
    }
    return next;
}

#endif
