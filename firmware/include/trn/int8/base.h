/* SPDX-License-Identifier: Apache-2.0 */
/* Types and arithmetic shared by the 8-bit kernels (docs/numerics-integer.md).
 *
 * Activations are uint8 codes x of s_x (x - z_x), weights and errors int8 codes without a zero point, biases and sums int32. Every core
 * and the NumPy twin give the same bits: sums are exact, so their order is free, and each step that rounds is written down here. */
#ifndef TRN_INT8_BASE_H
#define TRN_INT8_BASE_H

#include "trn/base.h"
#include "trn/detail/window.h"

/* Largest magnitude of a weight or an error: -128 is no code. */
#define TRN_I8_MAX 127

/* The positive real factor multiplier * 2^(shift - 32): 1 <= multiplier < 2^31, 0 <= shift <= 31, shift the smallest that allows it, so 0
 * for every factor below one half. */
typedef struct {
    int32_t multiplier, shift;
} trn_i8_scale_t;

/* Smallest and largest sum met; starts at {INT32_MAX, INT32_MIN}. The real values are these times the scale of the sums. */
typedef struct {
    int32_t min, max;
} trn_i8_range_t;

#define TRN_I8_RANGE_EMPTY {INT32_MAX, INT32_MIN}

/* What becomes of the sums of a forward pass: y = clamp(zero + sum * scale, lo, hi). */
typedef struct {
    const trn_i8_scale_t *scale; /* s_w s_x / s_y: one, or one for each output channel */
    bool per_channel;
    int32_t zero, lo, hi;  /* codes of y: 0 <= lo <= hi <= 255; relu: lo = zero */
    trn_i8_range_t *range; /* of the sums, bias included; NULL: nobody asks */
} trn_i8_output_t;

/* What becomes of the sums of an input gradient, in this order: d = sat(sum * scale); d = sat(dx + d) if dx already holds the contribution
 * of another consumer; d = 0 where the activation was clipped. sat is to -127 .. 127. */
typedef struct {
    const trn_i8_scale_t *scale; /* s_w s_e / s_dx, one; NULL: the sum is a code already */
    const uint8_t *y;            /* the input's own codes: d passes where lo < y < hi; NULL: everywhere, or `bits` say where */
    int32_t lo, hi;              /* relu: zero point and 256; relu6: zero point and the code of 6 */
    const uint8_t *bits;         /* instead of y: bit i, LSB first, says that element i passes */
    bool accumulate;
    trn_i8_range_t *range; /* of the sums; NULL: nobody asks */
} trn_i8_error_t;

/* Which structures (output channels: rows, filters) take part in a backward product. What is left out costs nothing. */
typedef struct {
    const uint16_t *list; /* ascending; NULL: all */
    trn_size_t count;     /* of the list; not read if all take part */
} trn_i8_structures_t;

#define TRN_I8_ALL ((trn_i8_structures_t){NULL, 0})

/* Bytes rounded up to whole words, as scratch sizes are. */
#define TRN_I8_WORDS(bytes) ((((trn_size_t)(bytes)) + 3) / 4 * 4)

TRN_KERNEL int32_t trn_i8_clamp(int32_t x, int32_t lo, int32_t hi)
{
    return x < lo ? lo : x > hi ? hi : x;
}

TRN_KERNEL int32_t trn_i8_saturate(int32_t x)
{
    return trn_i8_clamp(x, -TRN_I8_MAX, TRN_I8_MAX);
}

/* acc * 2^shift, held at the ends of 32 bits: from there every later step saturates anyway. */
TRN_KERNEL int32_t trn_i8_shift_left(int32_t acc, int32_t shift)
{
    const int32_t most = INT32_MAX >> shift;
    return (int32_t)((uint32_t)trn_i8_clamp(acc, -most - 1, most) << shift);
}

/* (a * b + low 2^16) >> 32, low < 2^16. */
TRN_KERNEL int32_t trn_i8_product_high(int32_t a, int32_t b, uint32_t low)
{
#if defined(__AVR__) || (defined(__thumb__) && !defined(__thumb2__)) /* no long multiplication: four short ones */
    const int16_t a_high = (int16_t)(a >> 16), b_high = (int16_t)(b >> 16);
    const uint16_t a_low = (uint16_t)a, b_low = (uint16_t)b;
    const int32_t first = (int32_t)a_high * b_low, second = (int32_t)a_low * b_high;
    const uint32_t carry = ((uint32_t)a_low * b_low >> 16) + ((uint32_t)first & 0xFFFF) + ((uint32_t)second & 0xFFFF) + low;
    return (int32_t)a_high * b_high + (first >> 16) + (second >> 16) + (int32_t)(carry >> 16);
#endif
    return (int32_t)(((int64_t)a * b + ((int64_t)low << 16)) >> 32);
}

/* zero + ((a * multiplier + 2^31) >> 32): half up, as SMMLAR. */
TRN_KERNEL int32_t trn_i8_multiply_high(int32_t a, int32_t multiplier, int32_t zero)
{
    return zero + trn_i8_product_high(a, multiplier, 0x8000);
}

/* zero + sum * scale, rounded half up, before it saturates. */
TRN_KERNEL int32_t trn_i8_requantise(int32_t sum, trn_i8_scale_t scale, int32_t zero)
{
    return trn_i8_multiply_high(trn_i8_shift_left(sum, scale.shift), scale.multiplier, zero);
}

TRN_KERNEL void trn_i8_range_add(trn_i8_range_t *range, int32_t sum)
{
    if (range != NULL) {
        range->min = sum < range->min ? sum : range->min;
        range->max = sum > range->max ? sum : range->max;
    }
}

/* The code of one sum of output channel o. */
TRN_KERNEL uint8_t trn_i8_output(int32_t sum, trn_size_t o, trn_i8_output_t out)
{
    trn_i8_range_add(out.range, sum);
    return (uint8_t)trn_i8_clamp(trn_i8_requantise(sum, out.scale[out.per_channel ? o : 0], out.zero), out.lo, out.hi);
}

/* True if the derivative of the activation at element i is 1. */
TRN_KERNEL bool trn_i8_passes(trn_size_t i, trn_i8_error_t error)
{
    if (error.bits != NULL) {
        return ((error.bits[i >> 3] >> (i & 7)) & 1) != 0;
    }
    return error.y == NULL || (error.y[i] > error.lo && error.y[i] < error.hi);
}

/* dx[i] <- what error says of the sum */
TRN_KERNEL void trn_i8_store_error(int8_t *dx, trn_size_t i, int32_t sum, trn_i8_error_t error)
{
    trn_i8_range_add(error.range, sum);
    int32_t d = trn_i8_saturate(error.scale == NULL ? sum : trn_i8_requantise(sum, *error.scale, 0));
    if (error.accumulate) {
        d = trn_i8_saturate(dx[i] + d);
    }
    dx[i] = (int8_t)(trn_i8_passes(i, error) ? d : 0);
}

/* The structures that take part, out of n. */
TRN_KERNEL trn_size_t trn_i8_count(trn_i8_structures_t which, trn_size_t n)
{
    return which.list == NULL ? n : which.count;
}

/* The k-th structure that takes part. */
TRN_KERNEL trn_size_t trn_i8_structure(trn_i8_structures_t which, trn_size_t k)
{
    return which.list == NULL ? k : (trn_size_t)which.list[k];
}

/* The window that gives rows first .. end-1 of s's output from the rows of the input they need: x then points to the first of these
 * rows (trn_i8_rows_from), y to row `first`. A patch-based executor so calls every kernel with a window on part of the tensors. */
TRN_KERNEL trn_size_t trn_i8_rows_from(trn_window_t s, trn_size_t first)
{
    return trn_max((trn_size_t)first * s.stride_h - s.pad_top, 0);
}

TRN_KERNEL trn_window_t trn_i8_rows(trn_window_t s, trn_size_t first, trn_size_t end)
{
    const trn_size_t from = trn_i8_rows_from(s, first);
    const trn_size_t to = trn_min((end - 1) * s.stride_h - s.pad_top + s.kernel_h, s.in_h);
    trn_window_t part = s;
    part.in_h = (int16_t)(to - from);
    part.out_h = (int16_t)(end - first);
    part.pad_top = (int16_t)(from - ((trn_size_t)first * s.stride_h - s.pad_top));
    return part;
}

#endif
