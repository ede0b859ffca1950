/* SPDX-License-Identifier: Apache-2.0 */
/* The gradients of 3 x 3 windows of stride 2, channel by channel (depthwise), for cores with the DSP extension and a float unit: two channels at
 * a time, as in window3.h. */
#ifndef TRN_INT8_DETAIL_WINDOW3_HALF_H
#define TRN_INT8_DETAIL_WINDOW3_HALF_H

#include "trn/int8/base.h"
#include "trn/int8/detail/dot.h"
#include "trn/int8/detail/outer.h"

/* True if a window is of this kind and lies so that at most one column is missing on either side. */
TRN_KERNEL bool trn_i8_window3_half_fits(trn_window_t s)
{
    const trn_size_t beyond = 2 * (s.out_w - 1) - s.pad_left + 3 - s.in_w;
    return TRN_I8_OUTER_SIMD && s.kernel_h == 3 && s.kernel_w == 3 && s.stride_h == 2 && s.stride_w == 2 && s.in_c == s.out_c && s.in_c % 2 == 0 &&
           s.out_w >= 2 && s.pad_left <= 1 && beyond <= 1 && 5 * s.in_c <= TRN_I8_REACH;
}

/* True if the inputs, too, fall into squares of two by two, one for each output. */
TRN_KERNEL bool trn_i8_window3_half_squares(trn_window_t s)
{
    return trn_i8_window3_half_fits(s) && s.pad_top == 0 && s.pad_left == 0 && s.in_h == 2 * s.out_h && s.in_w == 2 * s.out_w;
}

#if TRN_I8_OUTER_SIMD

/* Columns 1 to 4 of two windows side by side, the last of which may be missing (`right`, literal: left alone), and both errors, two channels each. */
TRN_KERNEL void trn_i8_window3_half_load(uint32_t x[4], uint32_t e[2], const uint8_t *from, const int8_t *error, trn_size_t channels,
                                         bool right)
{
#define TRN_I8_W3_HALF_LOAD(LAST)                                                                                                 \
    __asm__ volatile(".p2align 2\n\tldrh.w %0, [%6, %8]\n\tldrh.w %1, [%6, %8*2]\n\tldrh.w %2, [%6, %8*3]\n\t" LAST            \
                     "ldrh.w %4, [%7]\n\tldrh.w %5, [%7, %8]\n\t"                                                               \
                     : "=&r"(x[0]), "=&r"(x[1]), "=&r"(x[2]), "+&r"(x[3]), "=&r"(e[0]), "=&r"(e[1])                               \
                     : "r"(from), "r"(error), "n"(channels)                                                                       \
                     : "memory")
    if (right) {
        TRN_I8_W3_HALF_LOAD("");
    } else {
        TRN_I8_W3_HALF_LOAD("ldrh.w %3, [%6, %8*4]\n\t");
    }
}

/* acc[3 i + v] += sum over two pixels of e x, channel i, tap v: columns x0 .. x4. */
TRN_KERNEL void trn_i8_window3_half_two(int32_t acc[6], uint32_t x0, const uint32_t x[4], const uint32_t e[2])
{
    const uint32_t error = trn_i8_pkhbt(e[0], e[1]), first = trn_i8_sxtb16(error), second = trn_i8_sxtb16_ror8(error);
    const uint32_t taps[3] = {trn_i8_pkhbt(x0, x[1]), trn_i8_pkhbt(x[0], x[2]), trn_i8_pkhbt(x[1], x[3])};
    TRN_EACH(v, 3, {
        acc[v] = trn_i8_smlad(trn_i8_uxtb16(taps[v]), first, acc[v]);
        acc[3 + v] = trn_i8_smlad(trn_i8_uxtb16_ror8(taps[v]), second, acc[3 + v]);
    });
}

/* acc[3 i + v] += sum over a row of `columns` (at least 2) pixels of e x, channel i, tap v. x: the column of tap 0 of the first pixel. */
TRN_KERNEL void trn_i8_window3_half_row(int32_t acc[6], const uint8_t *x, const int8_t *e, trn_size_t columns, bool left, bool right,
                                        trn_size_t channels, uint32_t edge)
{
    const trn_size_t twos = (columns - (right ? 1 : 0)) / 2, rest = columns - 2 * twos; /* 0 to 2, the last without a neighbour if `right` */
    uint32_t x0 = left ? edge : trn_i8_load_half(x), next[4] = {edge, edge, edge, edge}, error[2] = {0, 0};
    for (trn_size_t k = twos; k > 0; k--) {
        trn_i8_window3_half_load(next, error, x, e, channels, false);
        trn_i8_window3_half_two(acc, x0, next, error);
        x0 = next[3];
        x += 4 * channels;
        e += 2 * channels;
    }
    next[3] = edge;
    if (rest == 2) {
        trn_i8_window3_half_load(next, error, x, e, channels, true);
    } else if (rest == 1) {
        next[0] = trn_i8_load_half(x + channels);
        next[1] = right ? edge : trn_i8_load_half(x + 2 * channels);
        error[0] = trn_i8_load_half(e);
        error[1] = 0;
    }
    if (rest > 0) {
        trn_i8_window3_half_two(acc, x0, next, error);
    }
}

/* The weights of two channels as the inputs of a square meet them, of the column to the left (low half) and of its own (high half): `own` and
 * `above` by the row of errors, for the upper left input; `up` for the upper right one: of the row above (low) and of its own (high);
 * `lower` for the lower left and `last` (high) for the lower right one. */
typedef struct {
    float own[2], above[2], up[2], lower[2], last[2];
} trn_i8_squares_t;

/* w: the first tap of the first channel. `top`: there is no row of errors above. */
TRN_KERNEL trn_i8_squares_t trn_i8_squares_pack(const int8_t *w, trn_size_t channels, bool top)
{
    trn_i8_squares_t k;
    TRN_EACH(i, 2, {
        int32_t tap[9];
        TRN_EACH(t, 9, tap[t] = t >= 6 && top ? 0 : w[t * channels + i];);
        k.own[i] = trn_i8_park(trn_i8_pkhbt((uint32_t)tap[2], (uint32_t)tap[0]));
        k.above[i] = trn_i8_park(trn_i8_pkhbt((uint32_t)tap[8], (uint32_t)tap[6]));
        k.up[i] = trn_i8_park(trn_i8_pkhbt((uint32_t)tap[7], (uint32_t)tap[1]));
        k.lower[i] = trn_i8_park(trn_i8_pkhbt((uint32_t)tap[5], (uint32_t)tap[3]));
        k.last[i] = trn_i8_park(trn_i8_pkhbt(0, (uint32_t)tap[4]));
    });
    return k;
}

/* The squares of a row of errors, two channels from element `first` of dx on; `above`: the row of errors before. */
TRN_KERNEL void trn_i8_squares_row(const int8_t *e, const int8_t *above, const trn_i8_squares_t *k, trn_window_t s, trn_size_t first,
                                   trn_i8_sink_t to)
{
    const trn_size_t n_c = s.in_c, in_row = s.in_w * n_c;
    uint32_t before = 0, before_above = 0;
    for (trn_size_t j = s.out_w; j > 0; j--) {
        const uint32_t here = trn_i8_load_half(e), here_above = trn_i8_load_half(above);
        const uint32_t pair = trn_i8_pkhbt(before, here), pair_above = trn_i8_pkhbt(before_above, here_above);
        const uint32_t own[2] = {trn_i8_sxtb16(pair), trn_i8_sxtb16_ror8(pair)};
        const uint32_t over[2] = {trn_i8_sxtb16(pair_above), trn_i8_sxtb16_ror8(pair_above)};
        int32_t upper[4], lower[4];
        TRN_EACH(i, 2, {
            const uint32_t up = trn_i8_fetch(k->up[i]);
            upper[i] = trn_i8_smlad(over[i], trn_i8_fetch(k->above[i]), trn_i8_smuad(own[i], trn_i8_fetch(k->own[i])));
            upper[2 + i] = trn_i8_smlatb(over[i], up, trn_i8_smultt(own[i], up));
            lower[i] = trn_i8_smuad(own[i], trn_i8_fetch(k->lower[i]));
            lower[2 + i] = trn_i8_smultt(own[i], trn_i8_fetch(k->last[i]));
        });
        trn_i8_finish_errors(upper, 2, first, n_c, to);
        trn_i8_finish_errors(lower, 2, first + in_row, n_c, to);
        first += 2 * n_c;
        e += n_c;
        above += n_c;
        before = here;
        before_above = here_above;
    }
}

/* dx of the squares under all outputs, no scale with a shift. */
TRN_KERNEL void trn_i8_window3_half_input(const int8_t *w, const int8_t *e, trn_window_t s, trn_i8_sink_t to)
{
    const trn_size_t out_row = (trn_size_t)s.out_w * s.out_c, in_row = (trn_size_t)s.in_w * s.in_c;
    for (trn_size_t c = 0; c < s.in_c; c += 2) {
        trn_i8_squares_t k;
        for (trn_size_t i = 0; i < s.out_h; i++) {
            if (i < 2) {
                k = trn_i8_squares_pack(w + c, s.in_c, i == 0);
            }
            const int8_t *row = e + i * out_row + c;
            trn_i8_squares_row(row, i == 0 ? row : row - out_row, &k, s, 2 * i * in_row + c, to);
        }
    }
}

#endif

#endif
