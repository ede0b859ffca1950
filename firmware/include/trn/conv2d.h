/* SPDX-License-Identifier: Apache-2.0 */
/* 2-D convolution: x [in_h, in_w, in_c], w [out_c, kernel_h, kernel_w, in_c], b [out_c], y and e [out_h, out_w, out_c].
 *
 * Blocks hold neighbouring pixels of one row that use the same taps, times filters or channels. Pixels at the border, whose
 * window sticks out, go one by one with the taps they have left. */
#ifndef TRN_CONV2D_H
#define TRN_CONV2D_H

#include "trn/activation.h"
#include "trn/base.h"
#include "trn/detail/block.h"
#include "trn/detail/epilogue.h"
#include "trn/detail/window.h"
#include "trn/pointwise.h"

/* `pixels` x `filters` outputs, the first of them (i, j, o), over the taps rows x columns. */
TRN_KERNEL void trn_conv2d_forward_block(const float *x, const float *w, const float *b, float *y, trn_window_t s, trn_activation_t act,
                                         trn_size_t i, trn_run_t rows, trn_size_t j, trn_run_t columns, trn_size_t pixels, trn_size_t o,
                                         trn_size_t filters)
{
    const trn_size_t in_c = s.in_c, out_c = s.out_c;
    const trn_size_t in_row = s.in_w * in_c, w_row = s.kernel_w * in_c, filter = s.kernel_h * w_row;
    float acc[TRN_BLOCK_MAX];
    trn_block_start(acc, pixels, filters, b + o);
    /* the columns' taps and their channels lie side by side in x and in w: one run */
    trn_block_accumulate(acc, pixels, filters,
                         (trn_factor_t){x + rows.at * in_row + columns.at * in_c, s.stride_w * in_c, in_row, 0, 1},
                         (trn_factor_t){w + o * filter + rows.first * w_row + columns.first * in_c, filter, w_row, 0, 1},
                         (trn_extent_t){rows.count, 1, columns.count * in_c});
    trn_block_store(acc, pixels, filters, y + (i * s.out_w + j) * out_c + o, out_c, act);
}

TRN_KERNEL void trn_conv2d_forward_pixels(const float *x, const float *w, const float *b, float *y, trn_window_t s,
                                          trn_activation_t act, trn_size_t i, trn_run_t rows, trn_size_t j, trn_run_t columns,
                                          trn_size_t pixels)
{
    TRN_FOR_BLOCKS(o, filters, s.out_c, trn_block_columns(pixels),
                   trn_conv2d_forward_block(x, w, b, y, s, act, i, rows, j, columns, pixels, o, filters););
}

/* y[i, j, o] = act(b[o] + sum over u, v, c of w[o, u, v, c] x[i stride_h + u - pad_top, j stride_w + v - pad_left, c]) */
TRN_KERNEL void trn_conv2d_forward(const float *x, const float *w, const float *b, float *y, trn_window_t s, trn_activation_t act)
{
    const trn_activation_t now = trn_activation_is_cheap(act) ? act : TRN_ACT_NONE;
    const trn_run_t inside = trn_outputs_with_all_taps(s.in_w, s.out_w, s.kernel_w, s.stride_w, s.pad_left);
    const trn_size_t pixels = trn_block_rows(inside.count, s.out_c);
    for (trn_size_t i = 0; i < s.out_h; i++) {
        const trn_run_t rows = trn_taps_of_output(i, s.in_h, s.kernel_h, s.stride_h, s.pad_top);
        for (trn_size_t j = 0; j < s.out_w;) {
            if (j >= inside.first && j + pixels <= inside.first + inside.count) {
                const trn_run_t all = {0, s.kernel_w, j * s.stride_w - s.pad_left};
                trn_conv2d_forward_pixels(x, w, b, y, s, now, i, rows, j, all, pixels);
                j += pixels;
            } else {
                const trn_run_t columns = trn_taps_of_output(j, s.in_w, s.kernel_w, s.stride_w, s.pad_left);
                trn_conv2d_forward_pixels(x, w, b, y, s, now, i, rows, j, columns, 1);
                j++;
            }
        }
    }
    if (!trn_activation_is_cheap(act)) {
        trn_activation_forward(y, (trn_size_t)s.out_h * s.out_w * s.out_c, act);
    }
}

/* gw of `filters` x `channels` weights of tap (u, v), the first of them (o, c). */
TRN_KERNEL void trn_conv2d_weights_block(const float *x, const float *e, float *gw, trn_window_t s, trn_size_t u, trn_size_t v,
                                         trn_size_t o, trn_size_t filters, trn_size_t c, trn_size_t channels)
{
    const trn_size_t in_c = s.in_c, out_c = s.out_c;
    const trn_size_t in_row = s.in_w * in_c, out_row = s.out_w * out_c, filter = s.kernel_h * s.kernel_w * in_c;
    const trn_run_t rows = trn_outputs_of_tap(u, s.in_h, s.out_h, s.stride_h, s.pad_top);
    const trn_run_t columns = trn_outputs_of_tap(v, s.in_w, s.out_w, s.stride_w, s.pad_left);
    float acc[TRN_BLOCK_MAX];
    trn_block_start(acc, filters, channels, NULL);
    trn_block_accumulate(acc, filters, channels,
                         (trn_factor_t){e + rows.first * out_row + columns.first * out_c + o, 1, out_row, 0, out_c},
                         (trn_factor_t){x + rows.at * in_row + columns.at * in_c + c, 1, s.stride_h * in_row, 0, s.stride_w * in_c},
                         (trn_extent_t){rows.count, 1, columns.count});
    trn_block_store_sum(acc, filters, channels, gw + o * filter + (u * s.kernel_w + v) * in_c + c, filter);
}

TRN_KERNEL void trn_conv2d_weights_filters(const float *x, const float *e, float *gw, trn_window_t s, trn_size_t u, trn_size_t v,
                                           trn_size_t o, trn_size_t filters)
{
    TRN_FOR_BLOCKS(c, channels, s.in_c, trn_block_columns(filters),
                   trn_conv2d_weights_block(x, e, gw, s, u, v, o, filters, c, channels););
}

/* gw[o, u, v, c] += sum over i, j of e[i, j, o] x[i stride_h + u - pad_top, j stride_w + v - pad_left, c];  gb[o] += sum of e[i, j, o]
 * Source: Goodfellow, Bengio, Courville, Deep Learning, eq. 9.11. */
TRN_KERNEL void trn_conv2d_backward_weights(const float *x, const float *e, float *gw, float *gb, trn_window_t s)
{
    for (trn_size_t u = 0; u < s.kernel_h; u++) {
        for (trn_size_t v = 0; v < s.kernel_w; v++) {
            TRN_FOR_BLOCKS(o, filters, s.out_c, trn_block_rows(s.out_c, s.in_c), trn_conv2d_weights_filters(x, e, gw, s, u, v, o, filters););
        }
    }
    trn_bias_backward(e, gb, (trn_size_t)s.out_h * s.out_w, s.out_c);
}

/* dx of `pixels` x `channels` inputs, the first of them (a, b, c), the pixels stride_w apart. */
TRN_KERNEL void trn_conv2d_input_block(const float *w, const float *e, float *dx, trn_window_t s, trn_epilogue_t epilogue, trn_size_t a,
                                       trn_run_t rows, trn_size_t b, trn_run_t columns, trn_size_t pixels, trn_size_t c,
                                       trn_size_t channels)
{
    const trn_size_t in_c = s.in_c, out_c = s.out_c;
    const trn_size_t out_row = s.out_w * out_c, w_row = s.kernel_w * in_c, filter = s.kernel_h * w_row;
    float acc[TRN_BLOCK_MAX];
    trn_block_start(acc, pixels, channels, NULL);
    trn_block_accumulate(acc, pixels, channels,
                         (trn_factor_t){e + rows.at * out_row + columns.at * out_c, out_c, -out_row, -out_c, 1},
                         (trn_factor_t){w + rows.first * w_row + columns.first * in_c + c, 1, s.stride_h * w_row, s.stride_w * in_c, filter},
                         (trn_extent_t){rows.count, columns.count, out_c});
    trn_block_store_input(acc, pixels, channels, dx, (a * s.in_w + b) * in_c + c, s.stride_w * in_c, 1, epilogue);
}

TRN_KERNEL void trn_conv2d_input_pixels(const float *w, const float *e, float *dx, trn_window_t s, trn_epilogue_t epilogue,
                                        trn_size_t a, trn_run_t rows, trn_size_t b, trn_run_t columns, trn_size_t pixels)
{
    TRN_FOR_BLOCKS(c, channels, s.in_c, trn_block_columns(pixels),
                   trn_conv2d_input_block(w, e, dx, s, epilogue, a, rows, b, columns, pixels, c, channels););
}

/* dx[a, b, c] = epilogue(sum over u, v, o of w[o, u, v, c] e[(a + pad_top - u) / stride_h, (b + pad_left - v) / stride_w, o]), over
 * the taps for which both quotients are whole and inside e;  dx never overlaps e.
 * Source: Goodfellow, Bengio, Courville, Deep Learning, eq. 9.13. */
TRN_KERNEL void trn_conv2d_backward_input(const float *w, const float *e, float *dx, trn_window_t s, trn_epilogue_t epilogue)
{
    const trn_run_t inside = trn_outputs_with_all_taps(s.out_w, s.in_w, s.kernel_w, 1, s.kernel_w - 1 - s.pad_left);
    const trn_size_t pixels = trn_block_rows(s.stride_w == 1 ? inside.count : s.in_w / s.stride_w, s.in_c);
    const trn_size_t reach = (pixels - 1) * s.stride_w; /* inputs stride_w apart use the same taps */
    for (trn_size_t a = 0; a < s.in_h; a++) {
        const trn_run_t rows = trn_taps_of_input(a, s.out_h, s.kernel_h, s.stride_h, s.pad_top);
        for (trn_size_t start = 0; start < trn_min(s.stride_w, s.in_w); start++) {
            for (trn_size_t b = start; b < s.in_w;) {
                const trn_run_t columns = trn_taps_of_input(b, s.out_w, s.kernel_w, s.stride_w, s.pad_left);
                const trn_run_t last = trn_taps_of_input(b + reach, s.out_w, s.kernel_w, s.stride_w, s.pad_left);
                if (b + reach < s.in_w && trn_same_taps(columns, last)) {
                    trn_conv2d_input_pixels(w, e, dx, s, epilogue, a, rows, b, columns, pixels);
                    b += reach + s.stride_w;
                } else {
                    trn_conv2d_input_pixels(w, e, dx, s, epilogue, a, rows, b, columns, 1);
                    b += s.stride_w;
                }
            }
        }
    }
}

#endif
