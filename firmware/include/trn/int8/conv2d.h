/* SPDX-License-Identifier: Apache-2.0 */
/* 8-bit convolution: x uint8 [in_h, in_w, in_c], w int8 [out_c, kernel_h, kernel_w, in_c], b int32 [out_c], y uint8 and e int8
 * [out_h, out_w, out_c], dx int8 like x. Taps outside the input are left out, as if padding had the code of 0. */
#ifndef TRN_INT8_CONV2D_H
#define TRN_INT8_CONV2D_H

#include "trn/int8/base.h"
#include "trn/int8/detail/dot.h"
#include "trn/int8/detail/outer.h"
#include "trn/int8/gradient.h"

/* `pixels` x `filters` outputs, the first of them at element `first` of the output, channel o; x and w: the first tap of the first of
 * them, `rows` rows of `run` terms. */
TRN_KERNEL void trn_i8_conv2d_block(trn_i8_codes_t x, const int8_t *w, const int32_t *b, trn_window_t s, trn_i8_sink_t to, trn_size_t rows,
                                    trn_size_t run, trn_size_t first, trn_size_t pixels, trn_size_t o, trn_size_t filters)
{
    const trn_size_t in_row = (trn_size_t)s.in_w * s.in_c, w_row = (trn_size_t)s.kernel_w * s.in_c;
    int32_t acc[4];
    trn_i8_start(acc, b, filters);
    trn_i8_dot_rows(acc, x, pixels, w, s.kernel_h * w_row, filters, s.kernel_h == 1 && s.pad_top == 0 ? 1 : rows, run, in_row, w_row);
    trn_i8_finish(acc, pixels, filters, first, s.out_c, o, to);
}

/* Filters o to end-1, `filters` at a time, of `blocks` blocks side by side, the first at (i, j). */
TRN_KERNEL void trn_i8_conv2d_filters(trn_i8_codes_t x, const int8_t *w, const int32_t *b, trn_window_t s, trn_i8_sink_t to,
                                      trn_size_t rows, trn_size_t run, trn_size_t first, trn_size_t pixels, trn_size_t blocks, trn_size_t o,
                                      trn_size_t end, trn_size_t filters)
{
    const trn_size_t filter = (trn_size_t)s.kernel_h * s.kernel_w * s.in_c;
    for (; o < end; o += filters) {
        trn_i8_codes_t at = x;
        trn_size_t out = first;
        for (trn_size_t k = blocks; k > 0; k--) {
            trn_i8_conv2d_block(at, w, b, s, to, rows, run, out, pixels, o, filters);
            at.at += pixels * x.next;
            out += pixels * s.out_c;
        }
        w += filters * filter;
        b += filters;
    }
}

TRN_KERNEL void trn_i8_conv2d_pixels(trn_i8_codes_t x, const int8_t *w, const int32_t *b, trn_window_t s, trn_i8_sink_t to, trn_size_t i,
                                     trn_run_t rows, trn_size_t j, trn_run_t columns, trn_size_t pixels, trn_size_t blocks)
{
    const trn_size_t w_row = (trn_size_t)s.kernel_w * s.in_c, filter = s.kernel_h * w_row, even = s.out_c / 2 * 2;
    const trn_size_t run = columns.count * s.in_c, first = (i * s.out_w + j) * s.out_c;
    x.at += (rows.at * s.in_w + columns.at) * s.in_c;
    w += rows.first * w_row + columns.first * s.in_c;
    trn_i8_conv2d_filters(x, w, b, s, to, rows.count, run, first, pixels, blocks, 0, even, 2);
    if (even < s.out_c) {
        trn_i8_conv2d_filters(x, w + even * filter, b + even, s, to, rows.count, run, first, pixels, blocks, even, s.out_c, 1);
    }
}

/* The sums of a convolution, handed to `to`. Two neighbouring pixels that use all taps share the weights. */
TRN_KERNEL void trn_i8_conv2d(trn_i8_codes_t x, const int8_t *w, const int32_t *b, trn_window_t s, trn_i8_sink_t to)
{
    const trn_run_t inside = trn_outputs_with_all_taps(s.in_w, s.out_w, s.kernel_w, s.stride_w, s.pad_left);
    const trn_size_t pairs = inside.count / 2;
    x.next = (trn_size_t)s.stride_w * s.in_c;
    for (trn_size_t i = 0; i < s.out_h; i++) {
        const trn_run_t rows = trn_taps_of_output(i, s.in_h, s.kernel_h, s.stride_h, s.pad_top);
        if (pairs > 0) {
            const trn_run_t all = {0, s.kernel_w, inside.first * s.stride_w - s.pad_left};
            trn_i8_conv2d_pixels(x, w, b, s, to, i, rows, inside.first, all, 2, pairs);
        }
        for (trn_size_t k = 0; k < s.out_w - 2 * pairs; k++) {
            const trn_size_t j = k < inside.first ? k : k + 2 * pairs;
            const trn_run_t columns = trn_taps_of_output(j, s.in_w, s.kernel_w, s.stride_w, s.pad_left);
            trn_i8_conv2d_pixels(x, w, b, s, to, i, rows, j, columns, 1, 1);
        }
    }
}

#if TRN_I8_SIMD

/* Any shape, any scale, one output at a time: for the rare layer whose scale is beyond one half. One function for all of them. */
__attribute__((unused)) static TRN_NOINLINE void trn_i8_conv2d_forward_any(const uint8_t *x, const int8_t *w, const int32_t *b, uint8_t *y,
                                                                          const trn_window_t *window, int32_t z_x,
                                                                          const trn_i8_output_t *out)
{
    const trn_window_t s = *window;
    const trn_size_t w_row = (trn_size_t)s.kernel_w * s.in_c;
    for (trn_size_t i = 0; i < s.out_h; i++) {
        const trn_run_t rows = trn_taps_of_output(i, s.in_h, s.kernel_h, s.stride_h, s.pad_top);
        for (trn_size_t j = 0; j < s.out_w; j++) {
            const trn_run_t columns = trn_taps_of_output(j, s.in_w, s.kernel_w, s.stride_w, s.pad_left);
            for (trn_size_t o = 0; o < s.out_c; o++) {
                int32_t acc[4] = {b[o], 0, 0, 0};
                for (trn_size_t u = 0; u < rows.count; u++) {
                    const trn_i8_codes_t run = {x + ((rows.at + u) * s.in_w + columns.at) * s.in_c, 0, false, z_x};
                    trn_i8_dot_plain(acc, run, 1, w + (o * s.kernel_h + rows.first + u) * w_row + columns.first * s.in_c, 0, 1,
                                     columns.count * s.in_c);
                }
                *y++ = trn_i8_output(acc[0], o, *out);
            }
        }
    }
}

#endif

#if TRN_I8_SIMD

/* Bytes of a patch at most. */
#define TRN_I8_PATCH_MOST 128

/* True if taps are gathered before they are multiplied: a row of them would not fill two words, but all of them do. */
TRN_KERNEL bool trn_i8_conv2d_gathers(trn_window_t s)
{
    const trn_size_t taps = (trn_size_t)s.kernel_h * s.kernel_w * s.in_c;
    return s.kernel_h > 1 && s.kernel_w * s.in_c < 8 && taps >= 8 && taps <= TRN_I8_PATCH_MOST;
}

/* The inputs under output (i, j), in the order of the weights; those outside are the code of 0. */
TRN_KERNEL void trn_i8_conv2d_patch(const uint8_t *x, uint8_t *patch, trn_window_t s, int32_t zero, trn_size_t i, trn_size_t j)
{
    const trn_size_t run = (trn_size_t)s.kernel_w * s.in_c;
    const trn_run_t rows = trn_taps_of_output(i, s.in_h, s.kernel_h, s.stride_h, s.pad_top);
    const trn_run_t columns = trn_taps_of_output(j, s.in_w, s.kernel_w, s.stride_w, s.pad_left);
    const uint8_t *from = x + (rows.at * s.in_w + columns.at) * s.in_c;
    uint8_t *to = patch + rows.first * run;
    if (rows.count < s.kernel_h || columns.count < s.kernel_w) {
        __builtin_memset(patch, (int)zero, (size_t)(s.kernel_h * run));
    }
    for (trn_size_t u = rows.count; u > 0; u--) {
        if (columns.count == s.kernel_w) {
            __builtin_memcpy(to, from, (size_t)run);
        } else {
            for (trn_size_t k = 0; k < columns.count * s.in_c; k++) {
                to[columns.first * s.in_c + k] = from[k];
            }
        }
        from += s.in_w * s.in_c;
        to += run;
    }
}

/* Outputs two by two, whatever their rows, from patches. */
TRN_KERNEL void trn_i8_conv2d_gathered(const uint8_t *x, const int8_t *w, const int32_t *b, trn_window_t s, int32_t zero, trn_i8_sink_t to)
{
    const trn_size_t taps = (trn_size_t)s.kernel_h * s.kernel_w * s.in_c, even = s.out_c / 2 * 2, n = (trn_size_t)s.out_h * s.out_w;
    uint8_t patch[2 * TRN_I8_PATCH_MOST] __attribute__((aligned(4)));
    const trn_i8_codes_t codes = {patch, TRN_I8_WORDS(taps), false, zero};
    const trn_window_t one = {1, 1, s.in_c, 1, 1, s.out_c, s.kernel_h, s.kernel_w, 1, 1, 0, 0};
    trn_size_t i = 0, j = 0;
    for (trn_size_t p = 0; p < n; p += 2) {
        const trn_size_t first = trn_min(p, n - 2);
        if (first < p) { /* the last of an odd number comes second, beside the one before */
            __builtin_memcpy(patch, patch + codes.next, (size_t)taps);
        }
        for (trn_size_t k = p - first; k < 2; k++) {
            trn_i8_conv2d_patch(x, patch + k * codes.next, s, zero, i, j);
            if (++j == s.out_w) {
                j = 0;
                i++;
            }
        }
        trn_i8_conv2d_filters(codes, w, b, one, to, 1, taps, first * s.out_c, 2, 1, 0, even, 2);
        if (even < s.out_c) {
            trn_i8_conv2d_filters(codes, w + even * taps, b + even, one, to, 1, taps, first * s.out_c, 2, 1, even, s.out_c, 1);
        }
    }
}

#endif

/* y[i, j, o] = out(b[o] + sum over u, v, c of w[o, u, v, c] (x[i stride_h + u - pad_top, j stride_w + v - pad_left, c] - z_x)) */
TRN_KERNEL void trn_i8_conv2d_forward(const uint8_t *x, const int8_t *w, const int32_t *b, uint8_t *y, trn_window_t s, int32_t z_x,
                                      trn_i8_output_t out)
{
#if TRN_I8_SIMD
    if (__builtin_expect(trn_i8_shifts(out, s.out_c), 0)) {
        trn_i8_conv2d_forward_any(x, w, b, y, &s, z_x, &out);
        return;
    }
    if (trn_i8_conv2d_gathers(s) && s.out_h * s.out_w > 1) {
        trn_i8_conv2d_gathered(x, w, b, s, z_x, (trn_i8_sink_t){.kind = TRN_I8_TO_CODES, .y = y, .output = out, .scale = *out.scale});
        return;
    }
#endif
    trn_i8_conv2d((trn_i8_codes_t){x, 0, false, z_x}, w, b, s,
                  (trn_i8_sink_t){.kind = TRN_I8_TO_CODES, .y = y, .output = out, .scale = *out.scale});
}

#if TRN_I8_SIMD

/* to[c][o] = from[o][c], 4 x 4 bytes, rows `from_next` and `to_next` apart. */
TRN_KERNEL void trn_i8_transpose_four(const int8_t *from, trn_size_t from_next, int8_t *to, trn_size_t to_next)
{
    const uint8_t *in = (const uint8_t *)from;
    uint8_t *out = (uint8_t *)to;
    const uint32_t r0 = trn_i8_load(in), r1 = trn_i8_load(in + from_next), r2 = trn_i8_load(in + 2 * from_next),
                   r3 = trn_i8_load(in + 3 * from_next);
    const uint32_t low02 = (r0 & 0xFFFF) | r2 << 16, low13 = (r1 & 0xFFFF) | r3 << 16;
    const uint32_t high02 = r0 >> 16 | (r2 & UINT32_C(0xFFFF0000)), high13 = r1 >> 16 | (r3 & UINT32_C(0xFFFF0000));
    trn_i8_store(out, (low02 & UINT32_C(0x00FF00FF)) | (low13 & UINT32_C(0x00FF00FF)) << 8);
    trn_i8_store(out + to_next, (low02 >> 8 & UINT32_C(0x00FF00FF)) | (low13 & UINT32_C(0xFF00FF00)));
    trn_i8_store(out + 2 * to_next, (high02 & UINT32_C(0x00FF00FF)) | (high13 & UINT32_C(0x00FF00FF)) << 8);
    trn_i8_store(out + 3 * to_next, (high02 >> 8 & UINT32_C(0x00FF00FF)) | (high13 & UINT32_C(0xFF00FF00)));
}

#endif

/* wt[c, kernel_h-1-u, kernel_w-1-v, k] = w[o_k, u, v, first + c], c < n_c, o_k the k-th structure that takes part: with it an input gradient is a
 * convolution. */
TRN_KERNEL void trn_i8_conv2d_transpose(const int8_t *w, int8_t *wt, trn_window_t s, trn_i8_structures_t which, trn_size_t first,
                                        trn_size_t n_c)
{
    const trn_size_t taps = (trn_size_t)s.kernel_h * s.kernel_w, in_c = s.in_c, n = trn_i8_count(which, s.out_c);
#if TRN_I8_SIMD
    const trn_size_t fours = which.list == NULL && in_c % 4 == 0 && n_c % 4 == 0 ? n / 4 * 4 : 0;
    for (trn_size_t k = 0; k < fours; k += 4) { /* four filters by four channels at a time */
        for (trn_size_t t = 0; t < taps; t++) {
            for (trn_size_t c = 0; c < n_c; c += 4) {
                trn_i8_transpose_four(w + (k * taps + t) * in_c + first + c, taps * in_c, wt + (c * taps + taps - 1 - t) * n + k, taps * n);
            }
        }
    }
#else
    const trn_size_t fours = 0;
#endif
    for (trn_size_t k = fours; k < n; k++) {
        const int8_t *from = w + trn_i8_structure(which, k) * taps * in_c + first;
        for (trn_size_t t = taps - 1; t >= 0; t--) {
            for (trn_size_t c = 0; c < n_c; c++) {
                wt[(c * taps + t) * n + k] = from[c];
            }
            from += in_c;
        }
    }
}

/* Bytes of scratch for the input gradient of a convolution: the transposed weights of `n` structures and, if these are not all, their
 * slices of the error. */
#define TRN_I8_CONV2D_INPUT_SCRATCH(s, n)                                            \
    (TRN_I8_WORDS((trn_size_t)(n) * (s).kernel_h * (s).kernel_w * (s).in_c) +        \
     ((n) == (s).out_c ? 0 : TRN_I8_WORDS((trn_size_t)(n) * (s).out_h * (s).out_w)))

/* dx of `blocks` times `pixels` inputs from (a, b) on, pixels stride_w apart; wt transposed, e with n channels. Rows and columns are met
 * from the last tap to the first, which is the order of e and of wt. */
TRN_KERNEL void trn_i8_conv2d_input_channels(const int8_t *wt, trn_i8_codes_t e, trn_window_t s, trn_size_t n, trn_i8_sink_t to,
                                             trn_size_t rows, trn_size_t columns, trn_size_t first, trn_size_t pixels, trn_size_t blocks,
                                             trn_size_t c, trn_size_t end, trn_size_t channels)
{
    const trn_size_t w_row = s.kernel_w * n, filter = s.kernel_h * w_row, e_row = s.out_w * n;
    for (; c < end; c += channels) {
        trn_i8_codes_t at = e;
        trn_size_t in = first;
        for (trn_size_t k = blocks; k > 0; k--) {
            int32_t acc[4] = {0, 0, 0, 0};
            if (s.stride_w == 1) { /* the columns' taps lie side by side */
                trn_i8_dot_rows(acc, at, pixels, wt, filter, channels, rows, columns * n, e_row, s.stride_h * w_row);
            } else {
                trn_i8_codes_t run = at;
                for (trn_size_t u = 0; u < rows; u++) {
                    trn_i8_dot_rows(acc, run, pixels, wt + u * s.stride_h * w_row, filter, channels, columns, n, n, s.stride_w * n);
                    run.at += e_row;
                }
            }
            trn_i8_finish(acc, pixels, channels, in, s.stride_w * s.in_c, c, to);
            at.at += pixels * n;
            in += pixels * s.stride_w * s.in_c;
        }
        wt += channels * filter;
    }
}

TRN_KERNEL void trn_i8_conv2d_input_pixels(const int8_t *wt, trn_i8_codes_t e, trn_window_t s, trn_size_t n, trn_i8_sink_t to,
                                           trn_size_t a, trn_run_t rows, trn_size_t b, trn_run_t columns, trn_size_t pixels,
                                           trn_size_t blocks, trn_size_t c, trn_size_t n_c)
{
    const trn_size_t w_row = s.kernel_w * n, filter = s.kernel_h * w_row, first = (a * s.in_w + b) * s.in_c, even = n_c / 2 * 2;
    const trn_size_t n_rows = s.kernel_h == 1 && s.pad_top == 0 && s.stride_h == 1 ? 1 : rows.count;
    e.at += (rows.at - rows.count + 1) * s.out_w * n + (columns.at - columns.count + 1) * n;
    wt += (s.kernel_h - 1 - rows.first - (rows.count - 1) * s.stride_h) * w_row;
    wt += (s.kernel_w - 1 - columns.first - (columns.count - 1) * s.stride_w) * n;
    trn_i8_conv2d_input_channels(wt, e, s, n, to, n_rows, columns.count, first, pixels, blocks, c, c + even, 2);
    if (even < n_c) {
        trn_i8_conv2d_input_channels(wt + even * filter, e, s, n, to, n_rows, columns.count, first, pixels, blocks, c + even, c + n_c, 1);
    }
}

/* Every stride_w-th input of row a from b on: neighbours among them that meet the same taps share the weights. */
TRN_KERNEL void trn_i8_conv2d_input_phase(const int8_t *wt, trn_i8_codes_t e, trn_window_t s, trn_size_t n, trn_i8_sink_t to, trn_size_t a,
                                          trn_run_t rows, trn_size_t b, trn_size_t c, trn_size_t n_c)
{
    while (b < s.in_w) {
        const trn_run_t columns = trn_taps_of_input(b, s.out_w, s.kernel_w, s.stride_w, s.pad_left);
        trn_run_t last = columns;
        trn_size_t same = 0;
        do {
            last.at = columns.at + same++;
            b += s.stride_w;
            const trn_run_t next = trn_taps_of_input(b, s.out_w, s.kernel_w, s.stride_w, s.pad_left);
            if (next.first != columns.first || next.count != columns.count) {
                break;
            }
        } while (b < s.in_w);
        if (same > 1) {
            trn_i8_conv2d_input_pixels(wt, e, s, n, to, a, rows, b - same * s.stride_w, columns, 2, same / 2, c, n_c);
        }
        if (same % 2 != 0) {
            trn_i8_conv2d_input_pixels(wt, e, s, n, to, a, rows, b - s.stride_w, last, 1, 1, c, n_c);
        }
    }
}

/* dx[a, b, c] = error(sum over u, v, o of w[o, u, v, c] e[(a + pad_top - u) / stride_h, (b + pad_left - v) / stride_w, o]), over the taps
 * for which both quotients are whole and inside e, and the structures o that take part; dx never overlaps e.
 * scratch: TRN_I8_CONV2D_INPUT_SCRATCH bytes, on a word, the first part of it a `parts`-th: so many times a share of the input channels is
 * worked out, in_c / parts whole. */
TRN_KERNEL void trn_i8_conv2d_backward_input_parts(const int8_t *w, const int8_t *e, int8_t *dx, trn_window_t s, trn_i8_error_t error,
                                                   trn_i8_structures_t which, int8_t *scratch, trn_size_t parts)
{
    const trn_size_t n = trn_i8_count(which, s.out_c), n_c = s.in_c / parts;
    if (which.list != NULL && n != s.out_c) {
        int8_t *slices = scratch + TRN_I8_WORDS(n * s.kernel_h * s.kernel_w * n_c);
        trn_i8_gather(e, slices, (trn_size_t)s.out_h * s.out_w, s.out_c, which);
        e = slices;
    }
    const trn_i8_codes_t codes = {(const uint8_t *)e, n, true, 0};
    const trn_i8_scale_t scale = error.scale == NULL ? (trn_i8_scale_t){1, 0} : *error.scale;
    const trn_i8_sink_t to = {.kind = TRN_I8_TO_ERROR, .dx = dx, .error = error, .scale = scale};
    const trn_run_t inside = trn_outputs_with_all_taps(s.out_w, s.in_w, s.kernel_w, 1, s.kernel_w - 1 - s.pad_left);
    const trn_size_t pairs = s.stride_w == 1 ? inside.count / 2 : 0;
    for (trn_size_t c = 0; c < s.in_c; c += n_c) {
        trn_i8_conv2d_transpose(w, scratch, s, which, c, n_c);
        for (trn_size_t a = 0; a < s.in_h; a++) {
            const trn_run_t rows = trn_taps_of_input(a, s.out_h, s.kernel_h, s.stride_h, s.pad_top);
            if (pairs > 0) {
                const trn_run_t all = {0, s.kernel_w, inside.first + s.pad_left};
                trn_i8_conv2d_input_pixels(scratch, codes, s, n, to, a, rows, inside.first, all, 2, pairs, c, n_c);
            }
            for (trn_size_t b = 0; b < s.stride_w && s.stride_w > 1; b++) {
                trn_i8_conv2d_input_phase(scratch, codes, s, n, to, a, rows, b, c, n_c);
            }
            for (trn_size_t k = 0; k < s.in_w - 2 * pairs && s.stride_w == 1; k++) {
                const trn_size_t b = k < inside.first ? k : k + 2 * pairs;
                const trn_run_t columns = trn_taps_of_input(b, s.out_w, s.kernel_w, s.stride_w, s.pad_left);
                trn_i8_conv2d_input_pixels(scratch, codes, s, n, to, a, rows, b, columns, 1, 1, c, n_c);
            }
        }
    }
}

/* The same, all input channels at once. */
TRN_KERNEL void trn_i8_conv2d_backward_input(const int8_t *w, const int8_t *e, int8_t *dx, trn_window_t s, trn_i8_error_t error,
                                             trn_i8_structures_t which, int8_t *scratch)
{
    trn_i8_conv2d_backward_input_parts(w, e, dx, s, error, which, scratch, 1);
}

/* The outputs whose taps, a row of the kernel wide, are `run` bytes side by side in x, none of them outside: at least four bytes up to the end
 * of the row of x, so that they may be read as a word. */
TRN_KERNEL trn_run_t trn_i8_conv2d_whole_runs(trn_window_t s)
{
    trn_run_t inside = trn_outputs_with_all_taps(s.in_w, s.out_w, s.kernel_w, s.stride_w, s.pad_left);
    while (inside.count > 0 && ((inside.first + inside.count - 1) * s.stride_w - s.pad_left) * s.in_c + 4 > (trn_size_t)s.in_w * s.in_c) {
        inside.count--;
    }
    return inside;
}

/* Row u of the taps of `filters` (1 or 2) filters o0, o1, all input channels: where the whole row is inside, its taps count as channels of one pixel.
 * So few input channels fill the words they are read in. */
TRN_KERNEL void trn_i8_conv2d_weights_runs(const uint8_t *x, const int8_t *e, int32_t *to0, int32_t *to1, trn_window_t s, int32_t z_x,
                                           trn_size_t o0, trn_size_t o1, bool side, trn_size_t filters, trn_run_t rows)
{
    const trn_size_t in_c = s.in_c, out_c = s.out_c, in_row = s.in_w * in_c, out_row = s.out_w * out_c;
    const trn_run_t whole = trn_i8_conv2d_whole_runs(s);
    const trn_i8_plane_t plane = {rows.count, whole.count, s.stride_h * in_row, s.stride_w * in_c, out_row, out_c, s.out_h == 1, true};
    const int8_t *error = e + rows.first * out_row;
    x += rows.at * in_row;
    trn_i8_outer(x + (whole.first * s.stride_w - s.pad_left) * in_c, z_x, error + whole.first * out_c + o0,
                 error + whole.first * out_c + o1, side, filters, to0, to1, s.kernel_w * in_c, plane);
    for (trn_size_t k = 0; k < s.out_w - whole.count; k++) {
        const trn_size_t j = k < whole.first ? k : k + whole.count;
        const trn_run_t taps = trn_taps_of_output(j, s.in_w, s.kernel_w, s.stride_w, s.pad_left);
        const trn_i8_plane_t column = {1, rows.count, 0, s.stride_h * in_row, 0, out_row, true, false};
        trn_i8_outer(x + taps.at * in_c, z_x, error + j * out_c + o0, error + j * out_c + o1, false, filters, to0 + taps.first * in_c,
                     to1 + taps.first * in_c, taps.count * in_c, column);
    }
}

/* Sums of the gradient of one filter pair's taps: for `filters` (1 or 2) filters o0, o1 and the first n_c input channels,
 * to0/to1[u, v, c] += sum over i, j of e[i, j, o] (x[...] - z_x). */
TRN_KERNEL void trn_i8_conv2d_weights_filters(const uint8_t *x, const int8_t *e, int32_t *to0, int32_t *to1, trn_window_t s, int32_t z_x,
                                              trn_size_t o0, trn_size_t o1, bool side, trn_size_t filters,
                                              trn_size_t n_c)
{
    const trn_size_t in_c = s.in_c, out_c = s.out_c, in_row = s.in_w * in_c, out_row = s.out_w * out_c;
    const bool runs = TRN_I8_OUTER_SIMD && in_c % 4 != 0 && n_c == in_c && trn_i8_conv2d_whole_runs(s).count > 1;
    for (trn_size_t u = 0; u < s.kernel_h; u++) {
        const trn_run_t rows = trn_outputs_of_tap(u, s.in_h, s.out_h, s.stride_h, s.pad_top);
        if (runs) {
            const trn_size_t row = u * s.kernel_w * in_c;
            trn_i8_conv2d_weights_runs(x, e, to0 + row, to1 + row, s, z_x, o0, o1, side, filters, rows);
        }
        for (trn_size_t v = 0; v < s.kernel_w && !runs; v++) {
            const trn_run_t columns = trn_outputs_of_tap(v, s.in_w, s.out_w, s.stride_w, s.pad_left);
            const trn_size_t tap = (u * s.kernel_w + v) * n_c;
            const trn_i8_plane_t plane = {rows.count, columns.count, s.stride_h * in_row, s.stride_w * in_c, out_row, out_c, s.out_h == 1, false};
            const uint8_t *from = x + rows.at * in_row + columns.at * in_c;
            const int8_t *error = e + rows.first * out_row + columns.first * out_c;
            trn_i8_outer(from, z_x, error + o0, error + o1, side, filters, to0 + tap, to1 + tap, n_c, plane);
        }
    }
}

/* gw[o, u, v, c] += sum over i, j of e[i, j, o] (x[i stride_h + u - pad_top, j stride_w + v - pad_left, c] - z_x);
 * gb[o] += sum of e[i, j, o]: for the structures o that take part and c < n_c, gw being [out_c, kernel_h, kernel_w, n_c]. n_c < in_c is a
 * sparse update of the first input channels. */
TRN_KERNEL void trn_i8_conv2d_backward_weights(const uint8_t *x, const int8_t *e, int32_t *gw, int32_t *gb, trn_window_t s, int32_t z_x,
                                               trn_i8_structures_t which, trn_size_t n_c)
{
    const trn_size_t n = trn_i8_count(which, s.out_c), filter = (trn_size_t)s.kernel_h * s.kernel_w * n_c;
    trn_size_t k = 0;
    for (; k + 2 <= n; k += 2) {
        const trn_size_t o0 = trn_i8_structure(which, k), o1 = trn_i8_structure(which, k + 1);
        trn_i8_conv2d_weights_filters(x, e, gw + o0 * filter, gw + o1 * filter, s, z_x, o0, o1, which.list == NULL, 2, n_c);
    }
    if (k < n) {
        const trn_size_t o = trn_i8_structure(which, k);
        trn_i8_conv2d_weights_filters(x, e, gw + o * filter, gw + o * filter, s, z_x, o, o, false, 1, n_c);
    }
    trn_i8_bias_gradient(e, gb, (trn_size_t)s.out_h * s.out_w, s.out_c, which);
}

/* Bytes of scratch for 16-bit gradients: the sums of two structures of n elements. */
#define TRN_I8_GRADIENT16_SCRATCH(n) ((trn_size_t)8 * (n))

/* The same with 16-bit gradients (trn_i8_deposit): gw[o, ...] * 2^shift[o] grows by the sample's sums. */
TRN_KERNEL void trn_i8_conv2d_backward_weights16(const uint8_t *x, const int8_t *e, int16_t *gw, uint8_t *shift, int32_t *gb,
                                                 trn_window_t s, int32_t z_x, trn_i8_structures_t which, trn_size_t n_c, int32_t *scratch)
{
    const trn_size_t n = trn_i8_count(which, s.out_c), filter = (trn_size_t)s.kernel_h * s.kernel_w * n_c;
    for (trn_size_t k = 0; k < n; k += 2) {
        const trn_size_t filters = trn_min(n - k, 2);
        const trn_size_t o0 = trn_i8_structure(which, k), o1 = trn_i8_structure(which, k + filters - 1);
        trn_i8_clear(scratch, filters * filter);
        if (filters == 2) {
            trn_i8_conv2d_weights_filters(x, e, scratch, scratch + filter, s, z_x, o0, o1, which.list == NULL, 2, n_c);
            trn_i8_deposit(gw + o1 * filter, shift + o1, scratch + filter, filter, 1);
        } else {
            trn_i8_conv2d_weights_filters(x, e, scratch, scratch, s, z_x, o0, o0, false, 1, n_c);
        }
        trn_i8_deposit(gw + o0 * filter, shift + o0, scratch, filter, 1);
    }
    trn_i8_bias_gradient(e, gb, (trn_size_t)s.out_h * s.out_w, s.out_c, which);
}

#endif
