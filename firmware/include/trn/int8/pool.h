/* SPDX-License-Identifier: Apache-2.0 */
/* 8-bit pooling: x uint8 [in_h, in_w, c], y uint8 and e int8 [out_h, out_w, c], dx int8 like x; in_c = out_c = c. */
#ifndef TRN_INT8_POOL_H
#define TRN_INT8_POOL_H

#include "trn/int8/base.h"
#include "trn/int8/detail/errors.h"

#if TRN_I8_SIMD

/* The larger byte of either. */
TRN_KERNEL uint32_t trn_i8_larger(uint32_t a, uint32_t b)
{
    return a + trn_i8_uqsub8(b, a);
}

/* Four channels of one window; the taps up to the first that holds the maximum are counted in each byte. */
TRN_KERNEL void trn_i8_max_four(const uint8_t *window, uint8_t *y, uint8_t *index, trn_size_t out, trn_run_t rows, trn_run_t columns,
                                trn_window_t s)
{
    const trn_size_t in_row = (trn_size_t)s.in_w * s.in_c;
    uint32_t best = trn_i8_load(window);
    for (trn_size_t u = 0; u < rows.count; u++) {
        for (trn_size_t v = 0; v < columns.count; v++) {
            best = trn_i8_larger(best, trn_i8_load(window + u * in_row + v * s.in_c));
        }
    }
    trn_i8_store(y + out, best);
    if (index != NULL) {
        uint32_t place = (uint32_t)(rows.first * s.kernel_w + columns.first) * UINT32_C(0x01010101);
        uint32_t left = UINT32_C(0x01010101); /* 1 where it has not been met */
        for (trn_size_t u = 0; u < rows.count; u++) {
            for (trn_size_t v = 0; v < columns.count; v++) {
                left -= trn_i8_uqsub8(left, best - trn_i8_load(window + u * in_row + v * s.in_c));
                place += left;
            }
            place += left * (uint32_t)(s.kernel_w - columns.count);
        }
        trn_i8_store(index + out, place);
    }
}

#endif

/* y[i, j, c] = max over the window of x, at the scale of x. index: the place of the first maximum in the window, u * kernel_w + v, one byte
 * per output; NULL if nobody asks. */
TRN_KERNEL void trn_i8_max_pool_forward(const uint8_t *x, uint8_t *y, uint8_t *index, trn_window_t s)
{
    const trn_size_t n_c = s.in_c;
    for (trn_size_t i = 0; i < s.out_h; i++) {
        const trn_run_t rows = trn_taps_of_output(i, s.in_h, s.kernel_h, s.stride_h, s.pad_top);
        for (trn_size_t j = 0; j < s.out_w; j++) {
            const trn_run_t columns = trn_taps_of_output(j, s.in_w, s.kernel_w, s.stride_w, s.pad_left);
            const uint8_t *window = x + (rows.at * s.in_w + columns.at) * n_c;
#if TRN_I8_SIMD
            const trn_size_t fours = n_c / 4 * 4;
            for (trn_size_t c = 0; c < fours; c += 4) {
                trn_i8_max_four(window + c, y, index, (i * s.out_w + j) * n_c + c, rows, columns, s);
            }
#else
            const trn_size_t fours = 0;
#endif
            for (trn_size_t c = fours; c < n_c; c++) {
                const trn_size_t out = (i * s.out_w + j) * n_c + c;
                uint8_t best = window[c];
                trn_size_t best_tap = rows.first * s.kernel_w + columns.first;
                for (trn_size_t u = 0; u < rows.count; u++) {
                    for (trn_size_t v = 0; v < columns.count; v++) {
                        const uint8_t here = window[(u * s.in_w + v) * n_c + c];
                        if (here > best) {
                            best = here;
                            best_tap = (rows.first + u) * s.kernel_w + columns.first + v;
                        }
                    }
                }
                y[out] = best;
                if (index != NULL) {
                    index[out] = (uint8_t)best_tap;
                }
            }
        }
    }
}

/* The sum that one input gets back: of e[i, j, c] over the outputs that saw it (average) or, if index is given, that took it. */
TRN_KERNEL int32_t trn_i8_pool_gather(const uint8_t *index, const int8_t *e, trn_window_t s, trn_run_t rows, trn_run_t columns,
                                      trn_size_t c)
{
    int32_t d = 0;
    for (trn_size_t u = 0; u < rows.count; u++) {
        for (trn_size_t v = 0; v < columns.count; v++) {
            const trn_size_t out = ((rows.at - u) * s.out_w + columns.at - v) * s.in_c + c;
            const trn_size_t tap = (rows.first + u * s.stride_h) * s.kernel_w + columns.first + v * s.stride_w;
            d += index == NULL || index[out] == tap ? e[out] : 0;
        }
    }
    return d;
}

TRN_KERNEL void trn_i8_pool_backward(const uint8_t *index, const int8_t *e, int8_t *dx, trn_window_t s, trn_i8_error_t error)
{
    for (trn_size_t a = 0; a < s.in_h; a++) {
        const trn_run_t rows = trn_taps_of_input(a, s.out_h, s.kernel_h, s.stride_h, s.pad_top);
        for (trn_size_t b = 0; b < s.in_w; b++) {
            const trn_run_t columns = trn_taps_of_input(b, s.out_w, s.kernel_w, s.stride_w, s.pad_left);
            for (trn_size_t c = 0; c < s.in_c; c++) {
                trn_i8_store_error(dx, (a * s.in_w + b) * s.in_c + c, trn_i8_pool_gather(index, e, s, rows, columns, c), error);
            }
        }
    }
}

#if TRN_I8_SIMD

/* Windows side by side, no scale: an input belongs to one window, or to none behind the last of them. Four channels at a time. */
TRN_KERNEL void trn_i8_max_pool_backward_tiles(const uint8_t *index, const int8_t *e, int8_t *dx, trn_window_t s, trn_i8_error_t error)
{
    const trn_size_t under_h = (trn_size_t)s.out_h * s.stride_h, under_w = (trn_size_t)s.out_w * s.stride_w;
    for (trn_size_t a = 0; a < s.in_h; a++) {
        const trn_size_t row = a * s.in_w * s.in_c, left = (trn_size_t)s.in_w * s.in_c;
        for (trn_size_t c = a < under_h ? under_w * s.in_c : 0; c < left; c += 4) {
            trn_i8_store_errors(dx, row + c, 0, error);
        }
    }
    for (trn_size_t i = 0; i < s.out_h; i++) {
        for (trn_size_t j = 0; j < s.out_w; j++) {
            for (trn_size_t c = 0; c < s.in_c; c += 4) {
                const trn_size_t out = (i * s.out_w + j) * s.in_c + c;
                const uint32_t place = trn_i8_load(index + out);
                uint32_t d = trn_i8_load((const uint8_t *)e + out);
                trn_i8_error_t each = error;
                if (!error.accumulate && error.y != NULL) { /* only the largest y of a window matters */
                    uint32_t y = 0;
                    for (trn_size_t u = 0; u < s.kernel_h; u++) {
                        for (trn_size_t v = 0; v < s.kernel_w; v++) {
                            const uint32_t here = trn_i8_load(error.y + ((i * s.stride_h + u) * s.in_w + j * s.stride_w + v) * s.in_c + c);
                            y = trn_i8_larger(y, here);
                        }
                    }
                    d = trn_i8_mask_bytes(d, y, error);
                    each.y = NULL;
                }
                uint32_t tap = 0;
                for (trn_size_t u = 0; u < s.kernel_h; u++) {
                    for (trn_size_t v = 0; v < s.kernel_w; v++) {
                        const trn_size_t in = ((i * s.stride_h + u) * s.in_w + j * s.stride_w + v) * s.in_c + c;
                        trn_i8_store_errors(dx, in, trn_i8_where_equal(d, place, tap), each);
                        tap += UINT32_C(0x01010101);
                    }
                }
            }
        }
    }
}

#endif

/* True if no input lies under two windows, and none before the first. */
TRN_KERNEL bool trn_i8_pool_tiles(trn_window_t s)
{
    return s.kernel_h == s.stride_h && s.kernel_w == s.stride_w && s.pad_top == 0 && s.pad_left == 0 && s.in_h >= s.out_h * s.stride_h &&
           s.in_w >= s.out_w * s.stride_w;
}

/* dx[a, b, c] = error(sum of e[i, j, c] over the windows i, j whose maximum was at a, b), index as the forward pass left it and
 * error.y, if given, the x it saw. With error.scale NULL dx keeps the scale of e. */
TRN_KERNEL void trn_i8_max_pool_backward(const uint8_t *index, const int8_t *e, int8_t *dx, trn_window_t s, trn_i8_error_t error)
{
#if TRN_I8_SIMD
    if (trn_i8_pool_tiles(s) && s.in_c % 4 == 0 && error.scale == NULL && error.range == NULL && trn_i8_errors_pack(error)) {
        trn_i8_max_pool_backward_tiles(index, e, dx, s, error);
        return;
    }
#endif
    trn_i8_pool_backward(index, e, dx, s, error);
}

/* y[i, j, c] = out(sum over the window of (x - z_x)), the scale of out being s_x / (s_y kernel_h kernel_w) */
TRN_KERNEL void trn_i8_avg_pool_forward(const uint8_t *x, uint8_t *y, trn_window_t s, int32_t z_x, trn_i8_output_t out)
{
    const trn_size_t n_c = s.in_c;
    for (trn_size_t i = 0; i < s.out_h; i++) {
        const trn_run_t rows = trn_taps_of_output(i, s.in_h, s.kernel_h, s.stride_h, s.pad_top);
        for (trn_size_t j = 0; j < s.out_w; j++) {
            const trn_run_t columns = trn_taps_of_output(j, s.in_w, s.kernel_w, s.stride_w, s.pad_left);
            const uint8_t *window = x + (rows.at * s.in_w + columns.at) * n_c;
            for (trn_size_t c = 0; c < n_c; c++) {
                int32_t sum = 0;
                for (trn_size_t u = 0; u < rows.count; u++) {
                    for (trn_size_t v = 0; v < columns.count; v++) {
                        sum += (int32_t)window[(u * s.in_w + v) * n_c + c] - z_x;
                    }
                }
                y[(i * s.out_w + j) * n_c + c] = trn_i8_output(sum, c, out);
            }
        }
    }
}

/* dx[a, b, c] = error(sum of e[i, j, c] over the windows i, j that hold a, b), the scale of error being s_e / (s_dx kernel_h kernel_w) */
TRN_KERNEL void trn_i8_avg_pool_backward(const int8_t *e, int8_t *dx, trn_window_t s, trn_i8_error_t error)
{
    trn_i8_pool_backward(NULL, e, dx, s, error);
}

/* y[c] = out(sum over p of (x[p, c] - z_x)), the scale of out being s_x / (s_y n_pixels) */
TRN_KERNEL void trn_i8_global_avg_pool_forward(const uint8_t *x, uint8_t *y, trn_size_t n_pixels, trn_size_t n_channels, int32_t z_x,
                                               trn_i8_output_t out)
{
    for (trn_size_t c = 0; c < n_channels; c++) {
        int32_t sum = 0;
        for (trn_size_t p = 0; p < n_pixels; p++) {
            sum += x[p * n_channels + c];
        }
        y[c] = trn_i8_output(sum - n_pixels * z_x, c, out);
    }
}

/* dx[p, c] = error(e[c]), the scale of error being s_e / (s_dx n_pixels) */
TRN_KERNEL void trn_i8_global_avg_pool_backward(const int8_t *e, int8_t *dx, trn_size_t n_pixels, trn_size_t n_channels,
                                                trn_i8_error_t error)
{
#if TRN_I8_SIMD
    if (n_channels % 4 == 0 && trn_i8_errors_pack(error)) { /* each code once, then stored for all pixels */
        for (trn_size_t c = 0; c < n_channels; c += 4) {
            uint32_t word = 0;
            for (trn_size_t k = 0; k < 4; k++) {
                const int32_t sum = e[c + k];
                trn_i8_range_add(error.range, sum);
                const int32_t d = trn_i8_saturate(error.scale == NULL ? sum : trn_i8_requantise(sum, *error.scale, 0));
                word |= (uint32_t)(uint8_t)d << (8 * k);
            }
            for (trn_size_t i = c; i < n_pixels * n_channels; i += n_channels) {
                trn_i8_store_errors(dx, i, word, error);
            }
        }
        return;
    }
#endif
    for (trn_size_t p = 0; p < n_pixels; p++) {
        for (trn_size_t c = 0; c < n_channels; c++) {
            trn_i8_store_error(dx, p * n_channels + c, e[c], error);
        }
    }
}

#endif
