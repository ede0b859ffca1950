/* SPDX-License-Identifier: Apache-2.0 */
/* The inner loop of the 8-bit forward passes and input gradients: a small block of sums of products of bytes.
 *
 *     acc[p][f] += sum over k of (x[p][k] - zero) w[f][k]        p < pixels, f < filters, both 1 or 2
 */
#ifndef TRN_INT8_DETAIL_DOT_H
#define TRN_INT8_DETAIL_DOT_H

#include "trn/int8/base.h"
#include "trn/int8/detail/simd.h"

/* Codes to multiply with weights: uint8 activations with a zero point, or int8 errors (zero = 0). Pixels `next` bytes apart. */
typedef struct {
    const uint8_t *at;
    trn_size_t next;
    bool is_signed;
    int32_t zero;
} trn_i8_codes_t;

/* Where the sums of a block go. `kind` is literal, so the rest folds away. */
typedef struct {
    enum { TRN_I8_TO_CODES, TRN_I8_TO_ERROR, TRN_I8_TO_SUMS } kind;
    uint8_t *y;
    trn_i8_output_t output;
    trn_i8_scale_t scale; /* the one there is, if not per channel */
    int8_t *dx;
    trn_i8_error_t error;
    int32_t *sums;
} trn_i8_sink_t;

TRN_KERNEL int32_t trn_i8_code(trn_i8_codes_t x, trn_size_t i)
{
    return x.is_signed ? (int32_t)(int8_t)x.at[i] : (int32_t)x.at[i] - x.zero;
}

/* Term by term, k < count. */
TRN_KERNEL void trn_i8_dot_plain(int32_t acc[4], trn_i8_codes_t x, trn_size_t pixels, const int8_t *w, trn_size_t w_next,
                                 trn_size_t filters, trn_size_t count)
{
    for (trn_size_t k = 0; k < count; k++) {
        const int32_t x0 = trn_i8_code(x, k), x1 = pixels > 1 ? trn_i8_code(x, x.next + k) : 0;
        const int32_t w0 = w[k], w1 = filters > 1 ? w[w_next + k] : 0;
        acc[0] += x0 * w0;
        acc[1] += x0 * w1;
        acc[2] += x1 * w0;
        acc[3] += x1 * w1;
    }
}

#if TRN_I8_SIMD

/* Terms of one turn of a loop at most. */
#define TRN_I8_TURN 16

/* `turns` times 4 `steps` terms, up to TRN_I8_TURN; `steps` as of trn_i8_steps. */
TRN_KERNEL void trn_i8_dot_turns(int32_t acc[4], trn_i8_codes_t x, trn_size_t pixels, const int8_t *w, trn_size_t w_next,
                                 trn_size_t filters, trn_size_t steps, trn_size_t turns, trn_size_t x_turn, trn_size_t w_turn)
{
    const uint32_t minus_zero = (uint32_t)-x.zero << 16 | ((uint32_t)-x.zero & 0xFFFF);
    if (filters == 2) {
        trn_i8_steps(acc, x.at, x.next, pixels, w, w_next, 2, steps, turns, x_turn, w_turn, x.is_signed, minus_zero);
    } else {
        trn_i8_steps(acc, x.at, 0, 1, w, 0, 1, steps, turns, x_turn, w_turn, x.is_signed, minus_zero);
        if (pixels == 2) {
            trn_i8_steps(acc + 2, x.at + x.next, 0, 1, w, 0, 1, steps, turns, x_turn, w_turn, x.is_signed, minus_zero);
        }
    }
}

/* True if a distance is literal and within reach of an immediate offset. */
TRN_KERNEL bool trn_i8_reaches(trn_size_t distance)
{
    return __builtin_constant_p(distance) && distance >= 0 && distance + 2 * TRN_I8_TURN <= TRN_I8_REACH;
}

#endif

/* One run of terms. */
TRN_KERNEL void trn_i8_dot(int32_t acc[4], trn_i8_codes_t x, trn_size_t pixels, const int8_t *w, trn_size_t w_next, trn_size_t filters,
                           trn_size_t count)
{
#if TRN_I8_SIMD
    if (trn_i8_reaches(x.next) && trn_i8_reaches(w_next)) {
        const trn_size_t turns = count / TRN_I8_TURN, whole = turns * TRN_I8_TURN, rest = count % TRN_I8_TURN / 4;
        if (__builtin_constant_p(turns) && turns == 2) { /* no loop for two */
            trn_i8_dot_turns(acc, x, pixels, w, w_next, filters, 2 * TRN_I8_TURN / 4, 1, 0, 0);
        } else if (turns > 0) {
            trn_i8_dot_turns(acc, x, pixels, w, w_next, filters, TRN_I8_TURN / 4, turns, TRN_I8_TURN, TRN_I8_TURN);
        }
        x.at += whole;
        w += whole;
        if (__builtin_constant_p(rest)) {
            if (rest > 0) {
                trn_i8_dot_turns(acc, x, pixels, w, w_next, filters, rest, 1, 0, 0);
            }
        } else if (rest > 0) {
            trn_i8_dot_turns(acc, x, pixels, w, w_next, filters, 1, rest, 4, 4);
        }
        x.at += 4 * rest;
        w += 4 * rest;
        const bool four = count >= 4;
        count %= 4;
        if (__builtin_constant_p(count) && four && count >= 2) { /* beside terms that are done with already */
            x.at -= 4 - count;
            trn_i8_dot_turns(acc, x, pixels, w - (4 - count), w_next, filters, -count, 1, 0, 0);
            return;
        }
    }
#endif
    trn_i8_dot_plain(acc, x, pixels, w, w_next, filters, count);
}

/* `rows` runs of terms, x_row and w_row apart. */
TRN_KERNEL void trn_i8_dot_rows(int32_t acc[4], trn_i8_codes_t x, trn_size_t pixels, const int8_t *w, trn_size_t w_next,
                                trn_size_t filters, trn_size_t rows, trn_size_t run, trn_size_t x_row, trn_size_t w_row)
{
#if TRN_I8_SIMD
    if (__builtin_constant_p(run) && run <= TRN_I8_TURN && run % 4 == 0 && trn_i8_reaches(x.next) && trn_i8_reaches(w_next) &&
        trn_i8_reaches(x_row) && trn_i8_reaches(w_row)) {
        if (rows > 0 && run > 0) {
            trn_i8_dot_turns(acc, x, pixels, w, w_next, filters, run / 4, rows, x_row, w_row);
        }
        return;
    }
#endif
    for (; rows > 0; rows--) {
        trn_i8_dot(acc, x, pixels, w, w_next, filters, run);
        x.at += x_row;
        w += w_row;
    }
}

/* acc[p][f] = b[f] */
TRN_KERNEL void trn_i8_start(int32_t acc[4], const int32_t *b, trn_size_t filters)
{
    acc[0] = acc[2] = b[0];
    acc[1] = acc[3] = filters == 1 ? 0 : b[1];
}

#if TRN_I8_SIMD

/* The range, if one of the sums lies outside. */
TRN_KERNEL void trn_i8_block_range(const int32_t acc[4], trn_size_t pixels, trn_size_t filters, trn_i8_range_t *range)
{
    const int32_t min = range->min;
    const uint32_t span = (uint32_t)range->max - (uint32_t)min;
    TRN_UNROLL
    for (trn_size_t k = 0; k < 4; k++) {
        if (k / 2 < pixels && k % 2 < filters && __builtin_expect((uint32_t)acc[k] - (uint32_t)min > span, 0)) {
            TRN_UNROLL
            for (trn_size_t m = 0; m < 4; m++) {
                if (m / 2 < pixels && m % 2 < filters) {
                    trn_i8_range_add(range, acc[m]);
                }
            }
            break;
        }
    }
}

/* True if a scale is beyond one half: then sums are shifted before they are multiplied. */
TRN_KERNEL bool trn_i8_shifts(trn_i8_output_t out, trn_size_t n_channels)
{
    int32_t any = out.scale[0].shift;
    for (trn_size_t o = 1; out.per_channel && o < n_channels; o++) {
        any |= out.scale[o].shift;
    }
    return any != 0;
}

/* round(acc scale) + zero, no scale having a shift. */
TRN_KERNEL void trn_i8_block_requantise(int32_t acc[4], trn_size_t pixels, trn_size_t filters, trn_size_t o, trn_i8_sink_t to, int32_t zero)
{
    TRN_UNROLL
    for (trn_size_t f = 0; f < filters; f++) {
        const int32_t factor = to.output.per_channel ? to.output.scale[o + f].multiplier : to.scale.multiplier;
        acc[f] = trn_i8_smmlar(acc[f], factor, zero);
        if (pixels > 1) {
            acc[2 + f] = trn_i8_smmlar(acc[2 + f], factor, zero);
        }
    }
}

TRN_KERNEL int32_t trn_i8_clamp_output(int32_t code, trn_i8_output_t out)
{
    if (__builtin_constant_p(out.lo) && out.lo == 0) {
        code = trn_i8_usat8(code);
        return __builtin_constant_p(out.hi) && out.hi == 255 ? code : code > out.hi ? out.hi : code;
    }
    return trn_i8_clamp(code, out.lo, out.hi);
}

#endif

#if TRN_I8_SIMD

/* True if several errors can be finished at once: the mask, if there is one, is given by y. */
TRN_KERNEL bool trn_i8_error_packs(trn_i8_error_t error)
{
    return error.bits == NULL && (error.y == NULL || (error.lo >= 0 && error.lo < 255 && error.hi > 0));
}

/* 0 in each byte of d whose y does not pass. */
TRN_KERNEL uint32_t trn_i8_mask_bytes(uint32_t d, uint32_t y, trn_i8_error_t error)
{
    if (error.y != NULL) {
        const bool all = __builtin_constant_p(error.lo) && error.lo == 0;
        d &= trn_i8_not_zero(all ? y : trn_i8_uqsub8(y, (uint32_t)error.lo * UINT32_C(0x01010101)));
        if (error.hi < 256) {
            d &= trn_i8_not_zero(trn_i8_uqsub8((uint32_t)error.hi * UINT32_C(0x01010101), y));
        }
    }
    return d;
}

/* Bytes of d after what `error` says, sums and scale left aside; `before` and y: four bytes of each. */
TRN_KERNEL uint32_t trn_i8_finish_bytes(uint32_t d, uint32_t before, uint32_t y, trn_i8_error_t error)
{
    if (error.accumulate) {
        __asm__("qadd8 %0, %0, %1" : "+r"(d) : "r"(before));
        d = trn_i8_no_minimum(d);
    }
    return trn_i8_mask_bytes(d, y, error);
}

TRN_KERNEL int32_t trn_i8_ssat8(int32_t a)
{
    int32_t d;
    __asm__("ssat %0, #8, %1" : "=r"(d) : "r"(a));
    return d;
}

TRN_KERNEL uint32_t trn_i8_load_half(const void *from)
{
    uint16_t half;
    __builtin_memcpy(&half, from, sizeof half);
    return half;
}

/* Two channels of each pixel of a block, with the one scale there is. */
TRN_KERNEL void trn_i8_finish_errors(int32_t acc[4], trn_size_t pixels, trn_size_t i, trn_size_t next, trn_i8_sink_t to)
{
    const trn_i8_error_t error = to.error;
    if (error.range != NULL) {
        trn_i8_block_range(acc, pixels, 2, error.range);
    }
    if (error.scale != NULL && __builtin_expect(to.scale.shift != 0, 0)) {
        TRN_EACH(k, 4, acc[k] = trn_i8_shift_left(acc[k], to.scale.shift););
    }
    if (error.scale != NULL) {
        TRN_EACH(k, 4, if (k / 2 < pixels) { acc[k] = trn_i8_smmlar(acc[k], to.scale.multiplier, 0); });
    }
    const uint8_t *y = error.y == NULL ? NULL : trn_i8_opaque(error.y + i);
    uint8_t *dx = (uint8_t *)trn_i8_opaque((const uint8_t *)to.dx + i);
    uint32_t mask = 0, before = 0, even = (uint32_t)trn_i8_ssat8(acc[0]), odd = (uint32_t)trn_i8_ssat8(acc[1]);
    if (error.y != NULL) {
        mask = pixels == 2 ? trn_i8_load_half(y) | trn_i8_load_half(y + next) << 16 : trn_i8_load_half(y);
    }
    if (error.accumulate) {
        before = pixels == 2 ? trn_i8_load_half(dx) | trn_i8_load_half(dx + next) << 16 : trn_i8_load_half(dx);
    }
    if (pixels == 2) {
        even = trn_i8_pkhbt(even, (uint32_t)trn_i8_ssat8(acc[2]));
        odd = trn_i8_pkhbt(odd, (uint32_t)trn_i8_ssat8(acc[3]));
    }
    const uint32_t word = trn_i8_finish_bytes(trn_i8_no_minimum(trn_i8_uxtb16(even) | trn_i8_uxtb16(odd) << 8), before, mask, error);
    TRN_EACH(p, 2, if (p < pixels) {
        const uint16_t half = (uint16_t)(word >> 16 * p);
        __builtin_memcpy(dx + p * next, &half, sizeof half);
    });
}

#endif

/* Sums of channels o, o + 1 of pixels whose elements begin at `first`, `next` elements apart. */
TRN_KERNEL void trn_i8_finish(int32_t acc[4], trn_size_t pixels, trn_size_t filters, trn_size_t first, trn_size_t next, trn_size_t o,
                              trn_i8_sink_t to)
{
#if TRN_I8_SIMD
    if (to.kind == TRN_I8_TO_CODES) {
        const trn_i8_output_t out = to.output;
        if (out.range != NULL) {
            trn_i8_block_range(acc, pixels, filters, out.range);
        }
        trn_i8_block_requantise(acc, pixels, filters, o, to, out.zero);
        uint8_t *y = (uint8_t *)trn_i8_opaque(to.y + first + o);
        TRN_UNROLL
        for (trn_size_t k = 0; k < 4; k++) {
            if (k / 2 < pixels && k % 2 < filters) {
                y[k / 2 * next + k % 2] = (uint8_t)trn_i8_clamp_output(acc[k], out);
            }
        }
        return;
    }
    if (to.kind == TRN_I8_TO_ERROR && filters == 2 && trn_i8_error_packs(to.error)) {
        trn_i8_finish_errors(acc, pixels, first + o, next, to);
        return;
    }
#endif
    TRN_UNROLL
    for (trn_size_t p = 0; p < pixels; p++) {
        TRN_UNROLL
        for (trn_size_t f = 0; f < filters; f++) {
            const trn_size_t i = first + p * next + o + f;
            if (to.kind == TRN_I8_TO_CODES) {
                to.y[i] = trn_i8_output(acc[2 * p + f], o + f, to.output);
            } else if (to.kind == TRN_I8_TO_ERROR) {
                trn_i8_store_error(to.dx, i, acc[2 * p + f], to.error);
            } else {
                to.sums[i] = acc[2 * p + f];
            }
        }
    }
}

#endif
