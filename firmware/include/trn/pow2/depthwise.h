/* SPDX-License-Identifier: Apache-2.0 */
/* Depthwise convolution: w [kernel_h, kernel_w, in_c * m], channel c feeds outputs c m .. c m + m - 1; b [in_c * m]. */
#ifndef TRN_POW2_DEPTHWISE_H
#define TRN_POW2_DEPTHWISE_H

#include "trn/pow2/outside.h"
#include "trn/pow2/sink.h"
#include "trn/pow2/taps.h"
#if TRN_AVR_ASM
#include "trn/avr/conv2d.h"
#include "trn/avr/depthwise.h"
#endif

/* Rows of the input under one row of outputs, in pieces of rows that lie one behind the other: one piece, but where the input is kept in
 * a ring or written over. */
typedef struct {
    trn_size_t first, count; /* taps */
    const int8_t *at;        /* the row under the first */
} trn_pow2_piece_t;

#define TRN_POW2_PIECES 3

typedef struct {
    trn_pow2_piece_t piece[TRN_POW2_PIECES];
    trn_size_t count;
} trn_pow2_pieces_t;

/* Up to four outputs at one position, from o on. at: what all outputs of the position have in common is set. */
TRN_KERNEL void trn_pow2_depthwise_block(trn_pow2_taps_t *at, const trn_pow2_pieces_t *rows, const int8_t *w, const int32_t *b, int8_t *y,
                                         trn_window_t s, trn_run_t us, trn_run_t vs, trn_size_t o, trn_size_t outputs,
                                         trn_pow2_sink_t to, trn_pow2_kind_t kind)
{
    const bool near = s.out_c <= TRN_POW2_TAP_MAX;
    const trn_size_t multiplier = s.out_c / s.in_c;
    const trn_pow2_inputs_t inputs = multiplier == 1 ? TRN_POW2_OWN : TRN_POW2_SAME;
    at->start = b + o;
    at->x_tap = (int16_t)(s.in_c - (multiplier == 1 ? outputs : 0));
    at->w_tap = (int16_t)(s.out_c - outputs);
    for (trn_size_t k = 0; k < rows->count; k++) {
        const trn_pow2_piece_t *const piece = rows->piece + k;
        at->x = (const uint8_t *)piece->at + vs.at * s.in_c + o / multiplier;
        at->w = w + (piece->first * s.kernel_w + vs.first) * s.out_c + o;
        at->rows = (uint8_t)(vs.count == 0 ? 0 : piece->count);
        if (k == 0) {
            trn_pow2_taps(at, outputs, inputs, kind, false, near);
        } else {
            at->start = at->sums;
            trn_pow2_taps(at, outputs, inputs, kind, true, near);
        }
    }
    if (to.x_zero != 0u) {
        trn_pow2_outside(at, w + o, 1, s.out_c - outputs, s, us, vs, outputs, to.x_zero, kind);
    }
    TRN_EACH(r, outputs, y[o + r] = trn_pow2_sink(at->sums[r], to, kind.narrow););
}

/* The outputs of one position. us, y: of its row; j: its column. */
TRN_KERNEL void trn_pow2_depthwise_position(const trn_pow2_pieces_t *rows, const int8_t *w, const int32_t *b, int8_t *y, trn_window_t s,
                                            trn_run_t us, trn_size_t j, trn_pow2_sink_t to, trn_pow2_kind_t kind)
{
    /* Blocks of neighbours: channels, or the outputs of one channel. */
    const trn_size_t group = s.out_c == s.in_c ? s.out_c : s.out_c / s.in_c, rest = group % TRN_POW2_ROWS;
    const trn_run_t vs = trn_taps_of_output(j, s.in_w, s.kernel_w, s.stride_w, s.pad_left);
    trn_pow2_taps_t at;
    at.turns = 0;
    for (trn_size_t first = 0; first < s.out_c; first += group) {
        trn_size_t o = first;
        at.x_row = (int16_t)((s.in_w - vs.count) * s.in_c);
        at.w_row = (int16_t)((s.kernel_w - vs.count) * s.out_c);
        at.single = (uint8_t)vs.count;
        for (; o + TRN_POW2_ROWS <= first + group; o += TRN_POW2_ROWS) {
            trn_pow2_depthwise_block(&at, rows, w, b, y + j * s.out_c, s, us, vs, o, TRN_POW2_ROWS, to, kind);
        }
        if (rest != 0) {
            trn_pow2_depthwise_block(&at, rows, w, b, y + j * s.out_c, s, us, vs, o, rest, to, kind);
        }
    }
}

/* The row of the input under a tap. */
TRN_KERNEL const int8_t *trn_pow2_row_at(const trn_pow2_pieces_t *rows, trn_size_t tap, trn_window_t s)
{
    trn_size_t k = 0;
    while (tap >= rows->piece[k].first + rows->piece[k].count) {
        k++;
    }
    return rows->piece[k].at + (tap - rows->piece[k].first) * s.in_w * s.in_c;
}

/* A row of outputs. us: its taps; y: the row. */
TRN_KERNEL void trn_pow2_depthwise_pixels(const trn_pow2_pieces_t *rows, const int8_t *w, const int32_t *b, int8_t *y, trn_window_t s,
                                          trn_run_t us, trn_pow2_sink_t to, trn_pow2_kind_t kind)
{
    trn_size_t first = 0, count = 0; /* outputs that are made all at once */
#if TRN_AVR_ASM
    const trn_run_t middle = trn_outputs_with_all_taps(s.in_w, s.out_w, s.kernel_w, s.stride_w, s.pad_left);
    if (trn_avr_depthwise_fits(s, to, kind) && (to.x_zero == 0u || us.count == s.kernel_h)) {
        const int8_t *at[3] = {NULL, NULL, NULL};
        for (trn_size_t u = 0; u < us.count; u++) {
            at[u] = trn_pow2_row_at(rows, us.first + u, s);
        }
        first = to.x_zero == 0u ? 0 : middle.first;
        count = to.x_zero == 0u ? s.out_w : middle.count;
        trn_avr_depthwise(at, w + us.first * s.kernel_w * s.out_c, b, y, s, us.count, to, kind);
    }
#endif
    for (trn_size_t j = 0, now = 1; j < s.out_w; j += now) {
        now = j == first && count > 0 ? count : 1;
        if (j == first && count > 0) {
            continue;
        }
#if TRN_AVR_ASM
        const trn_run_t vs = trn_taps_of_output(j, s.in_w, s.kernel_w, s.stride_w, s.pad_left);
        const bool all = us.count == s.kernel_h && vs.count == s.kernel_w;
        if (s.in_c == s.out_c && trn_avr_conv2d_fits(s, to, kind) && rows->count == 1 && (to.x_zero == 0u || all)) {
            now = vs.count == s.kernel_w ? middle.count : 1;
            trn_avr_conv2d(rows->piece[0].at, w, b, y + j * s.out_c, true, s, us, vs, now, to, kind);
            continue;
        }
#endif
        trn_pow2_depthwise_position(rows, w, b, y, s, us, j, to, kind);
    }
}

/* y[i, j, c m + k] = store(b[c m + k] + sum over u, v of w[u, v, c m + k] x[i stride + u - pad, j stride + v - pad, c]) */
TRN_KERNEL void trn_pow2_depthwise_conv2d(const int8_t *x, const int8_t *w, const int32_t *b, int8_t *y, trn_window_t s, trn_pow2_sink_t to,
                                          trn_pow2_kind_t kind)
{
    for (trn_size_t i = 0; i < s.out_h; i++) {
        const trn_run_t us = trn_taps_of_output(i, s.in_h, s.kernel_h, s.stride_h, s.pad_top);
        const trn_pow2_pieces_t rows = {{{us.first, us.count, x + us.at * s.in_w * s.in_c}}, 1};
        trn_pow2_depthwise_pixels(&rows, w, b, y + i * s.out_w * s.out_c, s, us, to, kind);
    }
}

TRN_KERNEL void trn_pow2_depthwise_conv2d_forward(const int8_t *x, const int8_t *w, const int32_t *b, int8_t *y, trn_window_t s,
                                                  trn_pow2_range_t range, trn_pow2_kind_t kind)
{
    trn_pow2_depthwise_conv2d(x, w, b, y, s, TRN_BY_SHIFT(range), kind);
}

#endif
