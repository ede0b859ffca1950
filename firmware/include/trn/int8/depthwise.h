/* SPDX-License-Identifier: Apache-2.0 */
/* 8-bit depthwise convolution: x uint8 [in_h, in_w, in_c], w int8 [kernel_h, kernel_w, out_c], b int32 [out_c], y uint8 and e int8
 * [out_h, out_w, out_c], out_c = in_c * m: channel c feeds the outputs c*m .. c*m + m-1. A structure is one output channel. */
#ifndef TRN_INT8_DEPTHWISE_H
#define TRN_INT8_DEPTHWISE_H

#include "trn/int8/base.h"
#include "trn/int8/detail/dot.h"
#include "trn/int8/detail/window3.h"
#include "trn/int8/gradient.h"

/* Rows of the input under one row of outputs: `first` and `count` of their taps, and where each lies. */
typedef struct {
    trn_size_t first, count;
    const uint8_t *at[16];
} trn_i8_rows_t;

/* Largest kernel height of a depthwise convolution. */
#define TRN_I8_DEPTHWISE_ROWS 16

/* Channels from_o to end-1 of one output pixel, its columns given. */
TRN_KERNEL void trn_i8_depthwise_pixel(const trn_i8_rows_t *rows, trn_run_t columns, const int8_t *w, const int32_t *b, uint8_t *y, trn_window_t s,
                                       int32_t z_x, trn_i8_output_t out, trn_size_t from_o, trn_size_t end)
{
    const trn_size_t in_c = s.in_c, out_c = s.out_c, multiplier = out_c / in_c;
    for (trn_size_t o = from_o; o < end; o++) {
        int32_t acc = b[o];
        for (trn_size_t u = 0; u < rows->count; u++) {
            const uint8_t *from = rows->at[u] + columns.at * in_c + o / multiplier;
            const int8_t *tap = w + ((rows->first + u) * s.kernel_w + columns.first) * out_c + o;
            for (trn_size_t v = 0; v < columns.count; v++) {
                acc += ((int32_t)from[v * in_c] - z_x) * tap[v * out_c];
            }
        }
        y[o] = trn_i8_output(acc, o, out);
    }
}

#if TRN_I8_SIMD

/* Four channels of one pixel. `all`, literal: every column has its tap. */
TRN_KERNEL void trn_i8_depthwise_four(const trn_i8_rows_t *rows, trn_run_t columns, bool all, const int8_t *w, const int32_t *b, uint8_t *y,
                                      trn_window_t s, uint32_t minus_zero, trn_i8_output_t out, trn_i8_scale_t scale, trn_size_t o)
{
    int32_t acc[4] = {b[0], b[1], b[2], b[3]};
    const trn_size_t at = columns.at * s.in_c + o;
    trn_size_t left_rows = rows->count;
    w += (rows->first * s.kernel_w + columns.first) * s.in_c;
    if (all && s.kernel_h == 3 && s.kernel_w == 3 && rows->count == 3) { /* the usual window, written out */
        trn_i8_taps(acc, rows->at[0] + at, w, 3, s.in_c, false, minus_zero);
        trn_i8_taps(acc, rows->at[1] + at, w + 3 * s.in_c, 3, s.in_c, false, minus_zero);
        trn_i8_taps(acc, rows->at[2] + at, w + 6 * s.in_c, 3, s.in_c, false, minus_zero);
        left_rows = 0;
    }
    for (trn_size_t u = 0; u < left_rows; u++) {
        const uint8_t *x = rows->at[u] + at;
        const int8_t *tap = w;
        trn_size_t left = all ? s.kernel_w : columns.count;
        if (all && s.kernel_w >= 3) {
            trn_i8_taps(acc, x, tap, 3, s.in_c, false, minus_zero);
            x += 3 * s.in_c;
            tap += 3 * s.in_c;
            left -= 3;
        }
        for (; left > 0; left--) {
            trn_i8_taps(acc, x, tap, 1, s.in_c, false, minus_zero);
            x += s.in_c;
            tap += s.in_c;
        }
        w += s.kernel_w * s.in_c;
    }
    if (out.range != NULL) {
        trn_i8_block_range(acc, 2, 2, out.range);
    }
    uint32_t word = 0;
    TRN_UNROLL
    for (trn_size_t k = 0; k < 4; k++) {
        const int32_t factor = out.per_channel ? out.scale[o + k].multiplier : scale.multiplier;
        word |= (uint32_t)trn_i8_clamp_output(trn_i8_smmlar(acc[k], factor, out.zero), out) << (8 * k);
    }
    trn_i8_store(y, word);
}

/* The first channels, four at a time, of all pixels of a row; multiplier 1, no scale with a shift. */
TRN_KERNEL void trn_i8_depthwise_fours(const trn_i8_rows_t *rows, const int8_t *w, const int32_t *b, uint8_t *y, trn_window_t s, int32_t z_x,
                                       trn_i8_output_t out, trn_size_t fours)
{
    const trn_run_t inside = trn_outputs_with_all_taps(s.in_w, s.out_w, s.kernel_w, s.stride_w, s.pad_left);
    const uint32_t minus_zero = (uint32_t)-z_x << 16 | ((uint32_t)-z_x & 0xFFFF);
    const trn_i8_scale_t scale = *out.scale;
    for (trn_size_t k = 0; k < s.out_w - inside.count; k++) {
        const trn_size_t j = k < inside.first ? k : k + inside.count;
        const trn_run_t columns = trn_taps_of_output(j, s.in_w, s.kernel_w, s.stride_w, s.pad_left);
        for (trn_size_t o = 0; o < fours; o += 4) {
            trn_i8_depthwise_four(rows, columns, false, w + o, b + o, y + j * s.out_c + o, s, minus_zero, out, scale, o);
        }
    }
    for (trn_size_t o = 0; o < fours; o += 4) {
        trn_run_t columns = {0, s.kernel_w, inside.first * s.stride_w - s.pad_left};
        uint8_t *to = y + inside.first * s.out_c + o;
        for (trn_size_t k = inside.count; k > 0; k--) {
            trn_i8_depthwise_four(rows, columns, true, w + o, b + o, to, s, minus_zero, out, scale, o);
            columns.at += s.stride_w;
            to += s.out_c;
        }
    }
}

#endif

#if TRN_I8_OUTER_SIMD

/* One output row of 3 x 3 windows, two channels at a time; no scale with a shift. */
TRN_KERNEL void trn_i8_depthwise_pairs(const trn_i8_rows_t *rows, const int8_t *w, const int32_t *b, uint8_t *y, trn_window_t s, int32_t z_x,
                                       trn_i8_output_t out)
{
    const trn_i8_sink_t to = {.kind = TRN_I8_TO_CODES, .y = y, .output = out, .scale = *out.scale};
    const uint8_t *at[3];
    TRN_EACH(u, 3, at[u] = rows->at[trn_i8_clamp(u - rows->first, 0, rows->count - 1)];); /* what is not there meets weights of 0 */
    for (trn_size_t o = 0; o < s.out_c; o += 2) {
        const trn_i8_window3_t k = trn_i8_window3_pack(w + o, s.out_c, rows->first, rows->count, b + o, z_x);
        trn_i8_window3_row(at, &k, s, false, z_x, 0, o, to);
    }
}

#endif

/* One output row, its input rows given; what it writes may overlap none of them. */
TRN_KERNEL void trn_i8_depthwise_row(const trn_i8_rows_t *rows, const int8_t *w, const int32_t *b, uint8_t *y, trn_window_t s, int32_t z_x,
                                     trn_i8_output_t out)
{
#if TRN_I8_SIMD
    const bool fits = s.in_c == s.out_c && trn_i8_reaches(2 * s.in_c) && !trn_i8_shifts(out, s.out_c);
#if TRN_I8_OUTER_SIMD
    if (trn_i8_window3_fits(s) && fits) {
        trn_i8_depthwise_pairs(rows, w, b, y, s, z_x, out);
        return;
    }
#endif
    const trn_size_t fours = fits ? s.out_c / 4 * 4 : 0;
    if (fours > 0) {
        trn_i8_depthwise_fours(rows, w, b, y, s, z_x, out, fours);
    }
#else
    const trn_size_t fours = 0;
#endif
    for (trn_size_t j = 0; j < s.out_w && fours < s.out_c; j++) {
        const trn_run_t columns = trn_taps_of_output(j, s.in_w, s.kernel_w, s.stride_w, s.pad_left);
        trn_i8_depthwise_pixel(rows, columns, w, b, y + j * s.out_c, s, z_x, out, fours, s.out_c);
    }
}

#if TRN_I8_OUTER_SIMD

/* Any shape, any scale, one output at a time: for the rare layer whose scale is beyond one half. One function for all of them. */
__attribute__((unused)) static TRN_NOINLINE void trn_i8_depthwise_forward_any(const uint8_t *x, const int8_t *w, const int32_t *b, uint8_t *y,
                                                                             const trn_window_t *window, int32_t z_x,
                                                                             const trn_i8_output_t *out)
{
    const trn_window_t s = *window;
    for (trn_size_t i = 0; i < s.out_h; i++) {
        const trn_run_t taps = trn_taps_of_output(i, s.in_h, s.kernel_h, s.stride_h, s.pad_top);
        trn_i8_rows_t rows = {taps.first, taps.count, {NULL}};
        for (trn_size_t u = 0; u < taps.count; u++) {
            rows.at[u] = x + (taps.at + u) * s.in_w * s.in_c;
        }
        for (trn_size_t j = 0; j < s.out_w; j++) {
            const trn_run_t columns = trn_taps_of_output(j, s.in_w, s.kernel_w, s.stride_w, s.pad_left);
            trn_i8_depthwise_pixel(&rows, columns, w, b, y + (i * s.out_w + j) * s.out_c, s, z_x, *out, 0, s.out_c);
        }
    }
}

#endif

/* y[i, j, o] = out(b[o] + sum over u, v of w[u, v, o] (x[i stride_h + u - pad_top, j stride_w + v - pad_left, o / m] - z_x)) */
TRN_KERNEL void trn_i8_depthwise_conv2d_forward(const uint8_t *x, const int8_t *w, const int32_t *b, uint8_t *y, trn_window_t s,
                                                int32_t z_x, trn_i8_output_t out)
{
    const trn_size_t in_row = (trn_size_t)s.in_w * s.in_c, out_row = (trn_size_t)s.out_w * s.out_c;
#if TRN_I8_OUTER_SIMD
    if (trn_i8_window3_fits(s)) {
        if (__builtin_expect(trn_i8_shifts(out, s.out_c), 0)) {
            const trn_window_t window = s; /* copies: what has an address stays in memory everywhere */
            const trn_i8_output_t then = out;
            trn_i8_depthwise_forward_any(x, w, b, y, &window, z_x, &then);
        } else {
            const trn_i8_sink_t to = {.kind = TRN_I8_TO_CODES, .y = y, .output = out, .scale = *out.scale};
            trn_i8_window3(x, w, s.out_c, b, s, false, z_x, to);
        }
        return;
    }
#endif
    for (trn_size_t i = 0; i < s.out_h; i++) {
        const trn_run_t taps = trn_taps_of_output(i, s.in_h, s.kernel_h, s.stride_h, s.pad_top);
        trn_i8_rows_t rows = {taps.first, taps.count, {NULL}};
        for (trn_size_t u = 0; u < taps.count; u++) {
            rows.at[u] = x + (taps.at + u) * in_row;
        }
        trn_i8_depthwise_row(&rows, w, b, y + i * out_row, s, z_x, out);
    }
}

/* Row i of the output alone, from a ring: row r of the input lies at x + r % ring rows of it. */
TRN_KERNEL void trn_i8_depthwise_conv2d_row(const uint8_t *x, const int8_t *w, const int32_t *b, uint8_t *y, trn_window_t s, int32_t z_x,
                                            trn_i8_output_t out, trn_size_t i, trn_size_t ring)
{
    const trn_run_t taps = trn_taps_of_output(i, s.in_h, s.kernel_h, s.stride_h, s.pad_top);
    trn_i8_rows_t rows = {taps.first, taps.count, {NULL}};
    for (trn_size_t u = 0; u < taps.count; u++) {
        rows.at[u] = x + (taps.at + u) % ring * s.in_w * s.in_c;
    }
    trn_i8_depthwise_row(&rows, w, b, y, s, z_x, out);
}

/* Bytes of scratch for the convolution in place: copies of the input rows that outputs have overwritten but later ones need. */
#define TRN_I8_DEPTHWISE_INPLACE_SCRATCH(s) TRN_I8_WORDS((trn_size_t)((s).pad_top + 1) * (s).in_w * (s).in_c)

/* The same, y written over x: for stride 1, multiplier 1 and outputs as many as inputs. */
TRN_KERNEL void trn_i8_depthwise_conv2d_inplace(uint8_t *x, const int8_t *w, const int32_t *b, trn_window_t s, int32_t z_x,
                                                trn_i8_output_t out, uint8_t *scratch)
{
    const trn_size_t row = (trn_size_t)s.in_w * s.in_c, kept = s.pad_top + 1;
    for (trn_size_t i = 0; i < s.out_h; i++) {
        const trn_run_t taps = trn_taps_of_output(i, s.in_h, s.kernel_h, 1, s.pad_top);
        trn_i8_rows_t rows = {taps.first, taps.count, {NULL}};
        __builtin_memcpy(scratch + i % kept * row, x + i * row, (size_t)row);
        for (trn_size_t u = 0; u < taps.count; u++) {
            const trn_size_t r = taps.at + u;
            rows.at[u] = r <= i ? scratch + r % kept * row : x + r * row;
        }
        trn_i8_depthwise_row(&rows, w, b, x + i * row, s, z_x, out);
    }
}

#if TRN_I8_SIMD

/* The first channels, four at a time, of input (a, b); multiplier 1, all structures. */
TRN_KERNEL void trn_i8_depthwise_input_fours(const int8_t *w, const int8_t *e, trn_window_t s, trn_i8_sink_t to, trn_size_t a,
                                             trn_run_t rows, trn_size_t b, trn_run_t columns, trn_size_t fours)
{
    const trn_size_t n_c = s.in_c;
    for (trn_size_t c = 0; c < fours; c += 4) {
        int32_t acc[4] = {0, 0, 0, 0};
        const int8_t *tap_row = w + (rows.first * s.kernel_w + columns.first) * n_c + c;
        const int8_t *error_row = e + (rows.at * s.out_w + columns.at) * n_c + c;
        for (trn_size_t u = rows.count; u > 0; u--) {
            const int8_t *tap = tap_row;
            const uint8_t *error = (const uint8_t *)error_row;
            for (trn_size_t v = columns.count; v > 0; v--) {
                trn_i8_taps(acc, error, tap, 1, n_c, true, 0);
                tap += s.stride_w * n_c;
                error -= n_c;
            }
            tap_row += s.stride_h * s.kernel_w * n_c;
            error_row -= s.out_w * n_c;
        }
        trn_i8_finish_errors(acc, 2, (a * s.in_w + b) * n_c + c, 2, to);
    }
}

#endif

/* dx[a, b, c] for channels from_c to in_c - 1, sum by sum. */
TRN_KERNEL void trn_i8_depthwise_input_pixel(const int8_t *w, const int8_t *e, int8_t *dx, trn_window_t s, trn_i8_error_t error,
                                             trn_i8_structures_t which, trn_size_t a, trn_run_t rows, trn_size_t b, trn_run_t columns,
                                             trn_size_t from_c)
{
    const trn_size_t in_c = s.in_c, out_c = s.out_c, multiplier = out_c / in_c, n = trn_i8_count(which, out_c);
    trn_size_t k = from_c; /* structures met */
    for (trn_size_t c = from_c; c < in_c; c++) {
        int32_t acc = 0;
        for (; k < n && trn_i8_structure(which, k) < (c + 1) * multiplier; k++) {
            const trn_size_t o = trn_i8_structure(which, k);
            for (trn_size_t u = 0; u < rows.count; u++) {
                const int8_t *tap = w + ((rows.first + u * s.stride_h) * s.kernel_w + columns.first) * out_c + o;
                const int8_t *from = e + ((rows.at - u) * s.out_w + columns.at) * out_c + o;
                for (trn_size_t v = 0; v < columns.count; v++) {
                    acc += (int32_t)tap[v * s.stride_w * out_c] * from[-v * out_c];
                }
            }
        }
        trn_i8_store_error(dx, (a * s.in_w + b) * in_c + c, acc, error);
    }
}

#if TRN_I8_OUTER_SIMD

/* Any window of multiplier 1, any scale: for the rare layer whose scale is beyond one half. One function for all of them. */
__attribute__((unused)) static TRN_NOINLINE void trn_i8_depthwise_input_any(const int8_t *w, const int8_t *e, int8_t *dx,
                                                                           const trn_window_t *window, const trn_i8_error_t *error)
{
    const trn_window_t s = *window;
    for (trn_size_t a = 0; a < s.in_h; a++) {
        const trn_run_t rows = trn_taps_of_input(a, s.out_h, s.kernel_h, s.stride_h, s.pad_top);
        for (trn_size_t b = 0; b < s.in_w; b++) {
            const trn_run_t columns = trn_taps_of_input(b, s.out_w, s.kernel_w, s.stride_w, s.pad_left);
            trn_i8_depthwise_input_pixel(w, e, dx, s, *error, TRN_I8_ALL, a, rows, b, columns, 0);
        }
    }
}

#endif

/* dx[a, b, c] = error(sum over u, v, k of w[u, v, c m + k] e[(a + pad_top - u) / stride_h, (b + pad_left - v) / stride_w, c m + k]), over
 * the taps for which both quotients are whole and inside e, and the structures that take part; dx never overlaps e, and may lie on error.y. */
TRN_KERNEL void trn_i8_depthwise_conv2d_backward_input(const int8_t *w, const int8_t *e, int8_t *dx, trn_window_t s, trn_i8_error_t error,
                                                       trn_i8_structures_t which)
{
#if TRN_I8_SIMD
    const bool fits = s.in_c == s.out_c && which.list == NULL && trn_i8_reaches(2 * s.in_c) && trn_i8_error_packs(error);
    const trn_size_t fours = fits ? s.in_c / 4 * 4 : 0;
    const trn_i8_scale_t scale = error.scale == NULL ? (trn_i8_scale_t){1, 0} : *error.scale;
    trn_i8_sink_t to = {.kind = TRN_I8_TO_ERROR, .dx = dx, .error = error, .scale = scale};
#if TRN_I8_OUTER_SIMD
    const trn_window_t back = {s.out_h, s.out_w, s.out_c, s.in_h, s.in_w, s.in_c, s.kernel_h, s.kernel_w, s.stride_h, s.stride_w,
                               (int16_t)(s.kernel_h - 1 - s.pad_top), (int16_t)(s.kernel_w - 1 - s.pad_left)};
    /* The last four outputs of a row may overlap those before: none is worked out twice that reads what it overwrites. */
    const bool once = s.in_w % 4 == 0 || (!error.accumulate && error.y != (const uint8_t *)dx);
    const bool squares = trn_i8_window3_half_squares(s);
    if (fits && (squares || (once && trn_i8_window3_fits(back)))) {
        if (__builtin_expect(scale.shift != 0, 0)) {
            const trn_window_t window = s;
            const trn_i8_error_t then = error;
            trn_i8_depthwise_input_any(w, e, dx, &window, &then);
        } else {
            to.scale.shift = 0;
            if (squares) {
                trn_i8_window3_half_input(w, e, s, to);
                return;
            }
            /* a convolution with the taps in reverse */
            trn_i8_window3((const uint8_t *)e, w + 8 * s.out_c, -s.out_c, NULL, back, true, 0, to);
        }
        return;
    }
#endif
#else
    const trn_size_t fours = 0;
#endif
    for (trn_size_t a = 0; a < s.in_h; a++) {
        const trn_run_t rows = trn_taps_of_input(a, s.out_h, s.kernel_h, s.stride_h, s.pad_top);
        for (trn_size_t b = 0; b < s.in_w; b++) {
            const trn_run_t columns = trn_taps_of_input(b, s.out_w, s.kernel_w, s.stride_w, s.pad_left);
#if TRN_I8_SIMD
            if (fours > 0) {
                trn_i8_depthwise_input_fours(w, e, s, to, a, rows, b, columns, fours);
            }
#endif
            trn_i8_depthwise_input_pixel(w, e, dx, s, error, which, a, rows, b, columns, fours);
        }
    }
}

/* The sum of tap (u, v) of structure o. */
TRN_KERNEL int32_t trn_i8_depthwise_weight(const uint8_t *x, const int8_t *e, trn_window_t s, int32_t z_x, trn_size_t u, trn_size_t v,
                                           trn_size_t o)
{
    const trn_size_t in_c = s.in_c, out_c = s.out_c;
    const trn_run_t rows = trn_outputs_of_tap(u, s.in_h, s.out_h, s.stride_h, s.pad_top);
    const trn_run_t columns = trn_outputs_of_tap(v, s.in_w, s.out_w, s.stride_w, s.pad_left);
    int32_t acc = 0;
    for (trn_size_t i = 0; i < rows.count; i++) {
        const uint8_t *from = x + ((rows.at + i * s.stride_h) * s.in_w + columns.at) * in_c + o / (out_c / in_c);
        const int8_t *error = e + ((rows.first + i) * s.out_w + columns.first) * out_c + o;
        for (trn_size_t j = 0; j < columns.count; j++) {
            acc += ((int32_t)from[j * s.stride_w * in_c] - z_x) * error[j * out_c];
        }
    }
    return acc;
}

/* gw[u, v, o] += sum over i, j of e[i, j, o] (x[i stride_h + u - pad_top, j stride_w + v - pad_left, o / m] - z_x);  gb[o] += sum of
 * e[i, j, o], for the structures o that take part. */
TRN_KERNEL void trn_i8_depthwise_conv2d_backward_weights(const uint8_t *x, const int8_t *e, int32_t *gw, int32_t *gb, trn_window_t s,
                                                         int32_t z_x, trn_i8_structures_t which)
{
    const trn_size_t out_c = s.out_c, n = trn_i8_count(which, out_c);
    trn_size_t k = 0;
#if TRN_I8_OUTER_SIMD
    for (; which.list == NULL && (trn_i8_window3_fits(s) || trn_i8_window3_half_fits(s)) && k < out_c; k += 2) {
        int32_t sums[18];
        trn_i8_window3_weights(x + k, e + k, sums, s, z_x);
        for (trn_size_t t = 0; t < 9; t++) {
            gw[t * out_c + k] += sums[t];
            gw[t * out_c + k + 1] += sums[9 + t];
        }
    }
#endif
    for (; k < n; k++) {
        const trn_size_t o = trn_i8_structure(which, k);
        for (trn_size_t u = 0; u < s.kernel_h; u++) {
            for (trn_size_t v = 0; v < s.kernel_w; v++) {
                gw[(u * s.kernel_w + v) * out_c + o] += trn_i8_depthwise_weight(x, e, s, z_x, u, v, o);
            }
        }
    }
    trn_i8_bias_gradient(e, gb, (trn_size_t)s.out_h * s.out_w, out_c, which);
}

/* The same with 16-bit gradients; scratch: TRN_I8_GRADIENT16_SCRATCH(kernel_h kernel_w) bytes. */
TRN_KERNEL void trn_i8_depthwise_conv2d_backward_weights16(const uint8_t *x, const int8_t *e, int16_t *gw, uint8_t *shift, int32_t *gb,
                                                           trn_window_t s, int32_t z_x, trn_i8_structures_t which, int32_t *scratch)
{
    const trn_size_t out_c = s.out_c, n = trn_i8_count(which, out_c);
    trn_size_t k = 0;
#if TRN_I8_OUTER_SIMD
    for (; which.list == NULL && (trn_i8_window3_fits(s) || trn_i8_window3_half_fits(s)) && k < out_c; k += 2) {
        trn_i8_window3_weights(x + k, e + k, scratch, s, z_x);
        trn_i8_deposit(gw + k, shift + k, scratch, 9, out_c);
        trn_i8_deposit(gw + k + 1, shift + k + 1, scratch + 9, 9, out_c);
    }
#endif
    for (; k < n; k++) {
        const trn_size_t o = trn_i8_structure(which, k);
        for (trn_size_t u = 0; u < s.kernel_h; u++) {
            for (trn_size_t v = 0; v < s.kernel_w; v++) {
                scratch[u * s.kernel_w + v] = trn_i8_depthwise_weight(x, e, s, z_x, u, v, o);
            }
        }
        trn_i8_deposit(gw + o, shift + o, scratch, (trn_size_t)s.kernel_h * s.kernel_w, out_c);
    }
    trn_i8_bias_gradient(e, gb, (trn_size_t)s.out_h * s.out_w, out_c, which);
}

#endif
