/* SPDX-License-Identifier: Apache-2.0 */
/* Pooling: x [in_h, in_w, in_c], y and e [out_h, out_w, in_c].
 *
 * The backward kernels gather: each input adds up the outputs that saw it, in their order. So dx is written once, element by
 * element, and needs no clearing. dx never overlaps e. */
#ifndef TRN_POOL_H
#define TRN_POOL_H

#include "trn/base.h"
#include "trn/detail/epilogue.h"
#include "trn/detail/window.h"

/* y[i, j, c] = max over u, v of x[i stride_h + u - pad_top, j stride_w + v - pad_left, c], the first one where several are equal.
 * index: its place in the window, u * kernel_w + v, one byte per output (windows of up to 256 taps); NULL if nobody asks. */
TRN_KERNEL void trn_max_pool_forward(const float *x, float *y, uint8_t *index, trn_window_t s)
{
    const trn_size_t n_c = s.in_c;
    for (trn_size_t i = 0; i < s.out_h; i++) {
        const trn_run_t rows = trn_taps_of_output(i, s.in_h, s.kernel_h, s.stride_h, s.pad_top);
        for (trn_size_t j = 0; j < s.out_w; j++) {
            const trn_run_t columns = trn_taps_of_output(j, s.in_w, s.kernel_w, s.stride_w, s.pad_left);
            for (trn_size_t c = 0; c < n_c; c++) {
                const trn_size_t out = (i * s.out_w + j) * n_c + c;
                const float *row = x + (rows.at * s.in_w + columns.at) * n_c + c;
                float best = *row;
                trn_size_t best_tap = rows.first * s.kernel_w + columns.first;
                for (trn_size_t u = 0; u < rows.count; u++) {
                    for (trn_size_t v = 0; v < columns.count; v++) {
                        if (row[v * n_c] > best) {
                            best = row[v * n_c];
                            best_tap = (rows.first + u) * s.kernel_w + columns.first + v;
                        }
                    }
                    row += s.in_w * n_c;
                }
                y[out] = best;
                if (index != NULL) {
                    index[out] = (uint8_t)best_tap;
                }
            }
        }
    }
}

/* What one input gets back: sum over the outputs i, j that saw it, of e[i, j, c] * inv_n (average), or, if index is given, of
 * e[i, j, c] where this input was the maximum. */
TRN_KERNEL float trn_pool_gather(const uint8_t *index, const float *e, float inv_n, trn_window_t s, trn_run_t rows, trn_run_t columns,
                                 trn_size_t c)
{
    float d = 0.0f;
    for (trn_size_t u = rows.count - 1; u >= 0; u--) { /* the last tap belongs to the first output */
        for (trn_size_t v = columns.count - 1; v >= 0; v--) {
            const trn_size_t out = ((rows.at - u) * s.out_w + columns.at - v) * s.in_c + c;
            if (index == NULL) {
                d = d + e[out] * inv_n;
            } else if (index[out] == (rows.first + u * s.stride_h) * s.kernel_w + columns.first + v * s.stride_w) {
                d = d + e[out];
            }
        }
    }
    return d;
}

TRN_KERNEL void trn_pool_backward(const uint8_t *index, const float *e, float *dx, trn_window_t s, float inv_n, trn_epilogue_t epilogue)
{
    for (trn_size_t a = 0; a < s.in_h; a++) {
        const trn_run_t rows = trn_taps_of_input(a, s.out_h, s.kernel_h, s.stride_h, s.pad_top);
        for (trn_size_t b = 0; b < s.in_w; b++) {
            const trn_run_t columns = trn_taps_of_input(b, s.out_w, s.kernel_w, s.stride_w, s.pad_left);
            for (trn_size_t c = 0; c < s.in_c; c++) {
                const float d = trn_pool_gather(index, e, inv_n, s, rows, columns, c);
                trn_epilogue_store(dx, (a * s.in_w + b) * s.in_c + c, d, epilogue);
            }
        }
    }
}

/* True if every input lies under exactly one window: what it gets back is then known window by window. */
TRN_KERNEL bool trn_pool_tiles(trn_window_t s)
{
    return s.kernel_h == s.stride_h && s.kernel_w == s.stride_w && s.pad_top == 0 && s.pad_left == 0 &&
           s.in_h == s.out_h * s.stride_h && s.in_w == s.out_w * s.stride_w;
}

/* The same as trn_pool_backward for windows that tile the input. */
TRN_KERNEL void trn_pool_backward_tiles(const uint8_t *index, const float *e, float *dx, trn_window_t s, float inv_n,
                                        trn_epilogue_t epilogue)
{
    const trn_size_t n_c = s.in_c;
    for (trn_size_t i = 0; i < s.out_h; i++) {
        for (trn_size_t j = 0; j < s.out_w; j++) {
            for (trn_size_t c = 0; c < n_c; c++) {
                const trn_size_t out = (i * s.out_w + j) * n_c + c;
                const trn_size_t in = (i * s.stride_h * s.in_w + j * s.stride_w) * n_c + c;
                const float d = 0.0f + (index == NULL ? e[out] * inv_n : e[out]); /* a sum from +0: never -0 */
                const trn_size_t best = index == NULL ? 0 : index[out];
                if (s.kernel_h == 2 && s.kernel_w == 2) { /* the usual window, written out */
                    const float four[4] = {
                        index == NULL || best == 0 ? d : 0.0f,
                        index == NULL || best == 1 ? d : 0.0f,
                        index == NULL || best == 2 ? d : 0.0f,
                        index == NULL || best == 3 ? d : 0.0f,
                    };
                    trn_block_store_input(four, 2, 2, dx, in, s.in_w * n_c, n_c, epilogue);
                    continue;
                }
                for (trn_size_t u = 0; u < s.kernel_h; u++) {
                    for (trn_size_t v = 0; v < s.kernel_w; v++) {
                        const bool passes = index == NULL || best == u * s.kernel_w + v;
                        trn_epilogue_store(dx, in + (u * s.in_w + v) * n_c, passes ? d : 0.0f, epilogue);
                    }
                }
            }
        }
    }
}

/* dx[a, b, c] = epilogue(sum of e[i, j, c] over the windows i, j whose maximum was at a, b), index as the forward pass left it. */
TRN_KERNEL void trn_max_pool_backward(const uint8_t *index, const float *e, float *dx, trn_window_t s, trn_epilogue_t epilogue)
{
    if (trn_pool_tiles(s)) {
        trn_pool_backward_tiles(index, e, dx, s, 1.0f, epilogue);
    } else {
        trn_pool_backward(index, e, dx, s, 1.0f, epilogue);
    }
}

/* y[i, j, c] = inv_n * sum over u, v of x[i stride_h + u - pad_top, j stride_w + v - pad_left, c];  inv_n = 1 / (kernel_h kernel_w) */
TRN_KERNEL void trn_avg_pool_forward(const float *x, float *y, trn_window_t s, float inv_n)
{
    const trn_size_t n_c = s.in_c;
    for (trn_size_t i = 0; i < s.out_h; i++) {
        const trn_run_t rows = trn_taps_of_output(i, s.in_h, s.kernel_h, s.stride_h, s.pad_top);
        for (trn_size_t j = 0; j < s.out_w; j++) {
            const trn_run_t columns = trn_taps_of_output(j, s.in_w, s.kernel_w, s.stride_w, s.pad_left);
            for (trn_size_t c = 0; c < n_c; c++) {
                const float *row = x + (rows.at * s.in_w + columns.at) * n_c + c;
                float sum = 0.0f;
                for (trn_size_t u = 0; u < rows.count; u++) {
                    for (trn_size_t v = 0; v < columns.count; v++) {
                        sum += row[v * n_c];
                    }
                    row += s.in_w * n_c;
                }
                y[(i * s.out_w + j) * n_c + c] = sum * inv_n;
            }
        }
    }
}

/* dx[a, b, c] = epilogue(sum of e[i, j, c] * inv_n over the windows i, j that hold a, b) */
TRN_KERNEL void trn_avg_pool_backward(const float *e, float *dx, trn_window_t s, float inv_n, trn_epilogue_t epilogue)
{
    if (trn_pool_tiles(s)) {
        trn_pool_backward_tiles(NULL, e, dx, s, inv_n, epilogue);
    } else {
        trn_pool_backward(NULL, e, dx, s, inv_n, epilogue);
    }
}

/* y[c] = inv_n * sum over p of x[p, c];  inv_n = 1 / n_pixels */
TRN_KERNEL void trn_global_avg_pool_forward(const float *x, float *y, trn_size_t n_pixels, trn_size_t n_channels, float inv_n)
{
    for (trn_size_t c = 0; c < n_channels; c++) {
        float sum = 0.0f;
        for (trn_size_t p = 0; p < n_pixels; p++) {
            sum += x[p * n_channels + c];
        }
        y[c] = sum * inv_n;
    }
}

/* dx[p, c] = epilogue(e[c] * inv_n) */
TRN_KERNEL void trn_global_avg_pool_backward(const float *e, float *dx, trn_size_t n_pixels, trn_size_t n_channels, float inv_n,
                                             trn_epilogue_t epilogue)
{
    for (trn_size_t c = 0; c < n_channels; c++) {
        const float d = 0.0f + e[c] * inv_n; /* a sum from +0: never -0 */
        for (trn_size_t p = 0; p < n_pixels; p++) {
            trn_epilogue_store(dx, p * n_channels + c, d, epilogue);
        }
    }
}

#endif
