/* SPDX-License-Identifier: Apache-2.0 */
/* Depthwise convolution: x [in_h, in_w, in_c], w [kernel_h, kernel_w, out_c], b [out_c], y and e [out_h, out_w, out_c].
 *
 * out_c = in_c * m: channel c feeds the outputs c*m .. c*m + m-1, m the multiplier. Channel by channel, row by row: with a literal
 * shape a window slides along the row (detail/sliding.h), otherwise blocks hold neighbouring pixels that use the same taps. */
#ifndef TRN_DEPTHWISE_H
#define TRN_DEPTHWISE_H

#include "trn/activation.h"
#include "trn/base.h"
#include "trn/detail/block.h"
#include "trn/detail/epilogue.h"
#include "trn/detail/sliding.h"
#include "trn/detail/window.h"
#include "trn/pointwise.h"

/* `pixels` outputs of channel o, the first of them (i, j), over the taps rows x columns. */
TRN_KERNEL void trn_depthwise_forward_block(const float *x, const float *w, const float *b, float *y, trn_window_t s,
                                            trn_activation_t act, trn_size_t i, trn_run_t rows, trn_size_t j, trn_run_t columns,
                                            trn_size_t pixels, trn_size_t o)
{
    const trn_size_t in_c = s.in_c, out_c = s.out_c, in_row = s.in_w * in_c, w_row = s.kernel_w * out_c;
    const trn_size_t c = o / (out_c / in_c);
    float acc[TRN_BLOCK_MAX];
    trn_block_start(acc, pixels, 1, b + o);
    trn_block_accumulate(acc, pixels, 1, (trn_factor_t){x + rows.at * in_row + columns.at * in_c + c, s.stride_w * in_c, in_row, 0, in_c},
                         (trn_factor_t){w + rows.first * w_row + columns.first * out_c + o, 0, w_row, 0, out_c},
                         (trn_extent_t){rows.count, 1, columns.count});
    trn_block_store(acc, pixels, 1, y + (i * s.out_w + j) * out_c + o, out_c, act);
}

/* Row i of channel o, in tiles. */
TRN_KERNEL void trn_depthwise_forward_row(const float *x, const float *w, const float *b, float *y, trn_window_t s, trn_activation_t act,
                                          trn_slide_t slide, trn_size_t o, trn_size_t i)
{
    const trn_size_t in_c = s.in_c, out_c = s.out_c, in_row = s.in_w * in_c, w_row = s.kernel_w * out_c;
    const trn_run_t rows = trn_taps_of_output(i, s.in_h, s.kernel_h, s.stride_h, s.pad_top);
    const float *x_first = x + rows.at * in_row + o / (out_c / in_c), *w_first = w + rows.first * w_row + o;
    TRN_FOR_TILES(tile, slide, trn_slide_count(slide, out_c), {
        float acc[TRN_BLOCK_MAX];
        trn_block_start(acc, tile.count, 1, b + o);
        for (trn_size_t u = 0; u < rows.count; u++) {
            trn_slide_sum(acc, slide, tile, x_first + u * in_row, in_c, w_first + u * w_row, out_c);
        }
        trn_block_store(acc, tile.count, 1, y + (i * s.out_w + tile.j) * out_c + o, out_c, act);
    });
}

/* y[i, j, o] = act(b[o] + sum over u, v of w[u, v, o] x[i stride_h + u - pad_top, j stride_w + v - pad_left, o / m]) */
TRN_KERNEL void trn_depthwise_conv2d_forward(const float *x, const float *w, const float *b, float *y, trn_window_t s,
                                             trn_activation_t act)
{
    const trn_activation_t now = trn_activation_is_cheap(act) ? act : TRN_ACT_NONE;
    const trn_size_t pixels = TRN_BLOCK_MAX > 1 ? 4 : 1;
    const trn_run_t inside = trn_outputs_with_all_taps(s.in_w, s.out_w, s.kernel_w, s.stride_w, s.pad_left);
    const trn_slide_t slide = {s.out_w, s.in_w, s.kernel_w, s.stride_w, s.pad_left, false};
    for (trn_size_t o = 0; o < s.out_c; o++) {
        for (trn_size_t i = 0; i < s.out_h; i++) {
            if (trn_slide_fits(slide, s.out_c)) {
                trn_depthwise_forward_row(x, w, b, y, s, now, slide, o, i);
                continue;
            }
            const trn_run_t rows = trn_taps_of_output(i, s.in_h, s.kernel_h, s.stride_h, s.pad_top);
            for (trn_size_t j = 0; j < s.out_w;) {
                if (j >= inside.first && j + pixels <= inside.first + inside.count) {
                    const trn_run_t all = {0, s.kernel_w, j * s.stride_w - s.pad_left};
                    trn_depthwise_forward_block(x, w, b, y, s, now, i, rows, j, all, pixels, o);
                    j += pixels;
                } else {
                    const trn_run_t columns = trn_taps_of_output(j, s.in_w, s.kernel_w, s.stride_w, s.pad_left);
                    trn_depthwise_forward_block(x, w, b, y, s, now, i, rows, j, columns, 1, o);
                    j++;
                }
            }
        }
    }
    if (!trn_activation_is_cheap(act)) {
        trn_activation_forward(y, (trn_size_t)s.out_h * s.out_w * s.out_c, act);
    }
}

/* gw of the taps (u, .) of channel o, row by row in tiles. */
TRN_KERNEL void trn_depthwise_weights_row(const float *x, const float *e, float *gw, trn_window_t s, trn_slide_t slide, trn_size_t o,
                                          trn_size_t u)
{
    const trn_size_t in_c = s.in_c, out_c = s.out_c, in_row = s.in_w * in_c, out_row = s.out_w * out_c;
    const trn_run_t rows = trn_outputs_of_tap(u, s.in_h, s.out_h, s.stride_h, s.pad_top);
    const float *x_row = x + rows.at * in_row + o / (out_c / in_c), *e_row = e + rows.first * out_row + o;
    float acc[TRN_BLOCK_MAX];
    trn_block_start(acc, s.kernel_w, 1, NULL);
    for (trn_size_t i = 0; i < rows.count; i++) {
        TRN_FOR_TILES(tile, slide, trn_slide_count(slide, out_c), trn_slide_sum_weights(acc, slide, tile, x_row, in_c, e_row, out_c););
        x_row += s.stride_h * in_row;
        e_row += out_row;
    }
    TRN_UNROLL
    for (trn_size_t v = 0; v < s.kernel_w; v++) {
        gw[(u * s.kernel_w + v) * out_c + o] += acc[v];
    }
}

/* gw[u, v, o] += sum over i, j of e[i, j, o] x[i stride_h + u - pad_top, j stride_w + v - pad_left, o / m];  gb[o] += sum of e[i, j, o]
 * Source: Goodfellow, Bengio, Courville, Deep Learning, eq. 9.11, one channel at a time. */
TRN_KERNEL void trn_depthwise_conv2d_backward_weights(const float *x, const float *e, float *gw, float *gb, trn_window_t s)
{
    const trn_size_t in_c = s.in_c, out_c = s.out_c, in_row = s.in_w * in_c, out_row = s.out_w * out_c;
    const trn_slide_t slide = {s.out_w, s.in_w, s.kernel_w, s.stride_w, s.pad_left, false};
    for (trn_size_t o = 0; o < out_c; o++) {
        const trn_size_t c = o / (out_c / in_c);
        for (trn_size_t u = 0; u < s.kernel_h; u++) {
            if (trn_slide_fits(slide, out_c)) {
                trn_depthwise_weights_row(x, e, gw, s, slide, o, u);
                continue;
            }
            const trn_run_t rows = trn_outputs_of_tap(u, s.in_h, s.out_h, s.stride_h, s.pad_top);
            for (trn_size_t v = 0; v < s.kernel_w; v++) {
                const trn_run_t columns = trn_outputs_of_tap(v, s.in_w, s.out_w, s.stride_w, s.pad_left);
                float acc[TRN_BLOCK_MAX];
                trn_block_start(acc, 1, 1, NULL);
                trn_block_accumulate(
                    acc, 1, 1, (trn_factor_t){e + rows.first * out_row + columns.first * out_c + o, 0, out_row, 0, out_c},
                    (trn_factor_t){x + rows.at * in_row + columns.at * in_c + c, 0, s.stride_h * in_row, 0, s.stride_w * in_c},
                    (trn_extent_t){rows.count, 1, columns.count});
                gw[(u * s.kernel_w + v) * out_c + o] += acc[0];
            }
        }
    }
    trn_bias_backward(e, gb, (trn_size_t)s.out_h * s.out_w, out_c);
}

/* dx of `pixels` inputs of channel c, the first of them (a, b), stride_w apart. */
TRN_KERNEL void trn_depthwise_input_block(const float *w, const float *e, float *dx, trn_window_t s, trn_epilogue_t epilogue,
                                          trn_size_t a, trn_run_t rows, trn_size_t b, trn_run_t columns, trn_size_t pixels, trn_size_t c)
{
    const trn_size_t in_c = s.in_c, out_c = s.out_c, multiplier = out_c / in_c;
    const trn_size_t out_row = s.out_w * out_c, w_row = s.kernel_w * out_c, o = c * multiplier;
    float acc[TRN_BLOCK_MAX];
    trn_block_start(acc, pixels, 1, NULL);
    trn_block_accumulate(acc, pixels, 1, (trn_factor_t){e + rows.at * out_row + columns.at * out_c + o, out_c, -out_row, -out_c, 1},
                         (trn_factor_t){w + rows.first * w_row + columns.first * out_c + o, 0, s.stride_h * w_row, s.stride_w * out_c, 1},
                         (trn_extent_t){rows.count, columns.count, multiplier});
    trn_block_store_input(acc, pixels, 1, dx, (a * s.in_w + b) * in_c + c, s.stride_w * in_c, 1, epilogue);
}

/* Row a of channel c, in tiles; stride 1 and multiplier 1. The window is the mirrored one: tap v of input b meets output
 * b + pad_left - v, so the first output under the window of input b is b - (kernel_w - 1 - pad_left). */
TRN_KERNEL void trn_depthwise_input_row(const float *w, const float *e, float *dx, trn_window_t s, trn_epilogue_t epilogue,
                                        trn_slide_t slide, trn_size_t c, trn_size_t a)
{
    const trn_size_t n_c = s.in_c, row = s.out_w * n_c, w_row = s.kernel_w * n_c;
    const trn_run_t rows = trn_taps_of_input(a, s.out_h, s.kernel_h, s.stride_h, s.pad_top);
    const float *e_first = e + rows.at * row + c, *w_first = w + rows.first * w_row + c;
    TRN_FOR_TILES(tile, slide, trn_slide_count(slide, n_c), {
        float acc[TRN_BLOCK_MAX];
        trn_block_start(acc, tile.count, 1, NULL);
        for (trn_size_t u = 0; u < rows.count; u++) {
            trn_slide_sum(acc, slide, tile, e_first - u * row, n_c, w_first + u * s.stride_h * w_row, n_c);
        }
        trn_block_store_input(acc, tile.count, 1, dx, (a * s.in_w + tile.j) * n_c + c, n_c, 1, epilogue);
    });
}

/* dx[a, b, c] = epilogue(sum over u, v, k of w[u, v, c m + k] e[(a + pad_top - u) / stride_h, (b + pad_left - v) / stride_w, c m + k]),
 * over the taps for which both quotients are whole and inside e;  dx never overlaps e.
 * Source: Goodfellow, Bengio, Courville, Deep Learning, eq. 9.13, one channel at a time. */
TRN_KERNEL void trn_depthwise_conv2d_backward_input(const float *w, const float *e, float *dx, trn_window_t s, trn_epilogue_t epilogue)
{
    const trn_size_t pixels = TRN_BLOCK_MAX > 1 ? 4 : 1;
    const trn_size_t reach = (pixels - 1) * s.stride_w; /* inputs stride_w apart use the same taps */
    const trn_slide_t slide = {s.in_w, s.out_w, s.kernel_w, 1, s.kernel_w - 1 - s.pad_left, true};
    const bool slides = s.stride_w == 1 && s.out_c == s.in_c && trn_slide_fits(slide, s.in_c);
    for (trn_size_t c = 0; c < s.in_c; c++) {
        for (trn_size_t a = 0; a < s.in_h; a++) {
            if (__builtin_constant_p(slides) && slides) {
                trn_depthwise_input_row(w, e, dx, s, epilogue, slide, c, a);
                continue;
            }
            const trn_run_t rows = trn_taps_of_input(a, s.out_h, s.kernel_h, s.stride_h, s.pad_top);
            for (trn_size_t start = 0; start < trn_min(s.stride_w, s.in_w); start++) {
                for (trn_size_t b = start; b < s.in_w;) {
                    const trn_run_t columns = trn_taps_of_input(b, s.out_w, s.kernel_w, s.stride_w, s.pad_left);
                    const trn_run_t last = trn_taps_of_input(b + reach, s.out_w, s.kernel_w, s.stride_w, s.pad_left);
                    if (b + reach < s.in_w && trn_same_taps(columns, last)) {
                        trn_depthwise_input_block(w, e, dx, s, epilogue, a, rows, b, columns, pixels, c);
                        b += reach + s.stride_w;
                    } else {
                        trn_depthwise_input_block(w, e, dx, s, epilogue, a, rows, b, columns, 1, c);
                        b += s.stride_w;
                    }
                }
            }
        }
    }
}

#endif
