/* SPDX-License-Identifier: Apache-2.0 */
/* 8-bit 1 x 1 convolution: x uint8 [n_pixels, in_c], w int8 [out_c, in_c], b int32 [out_c], y uint8 and e int8 [n_pixels, out_c]. */
#ifndef TRN_INT8_POINTWISE_H
#define TRN_INT8_POINTWISE_H

#include "trn/int8/base.h"
#include "trn/int8/conv2d.h"

/* The pixels as one row. */
TRN_KERNEL trn_window_t trn_i8_pointwise_window(trn_size_t n_pixels, trn_size_t in_c, trn_size_t out_c)
{
    return (trn_window_t){1, (int16_t)n_pixels, (int16_t)in_c, 1, (int16_t)n_pixels, (int16_t)out_c, 1, 1, 1, 1, 0, 0};
}

/* y[p, o] = out(b[o] + sum over c of w[o, c] (x[p, c] - z_x)) */
TRN_KERNEL void trn_i8_pointwise_forward(const uint8_t *x, const int8_t *w, const int32_t *b, uint8_t *y, trn_size_t n_pixels,
                                         trn_size_t in_c, trn_size_t out_c, int32_t z_x, trn_i8_output_t out)
{
    trn_i8_conv2d_forward(x, w, b, y, trn_i8_pointwise_window(n_pixels, in_c, out_c), z_x, out);
}

/* Bytes of scratch for the input gradient: n structures take part. */
#define TRN_I8_POINTWISE_INPUT_SCRATCH(n_pixels, in_c, out_c, n) \
    (TRN_I8_WORDS((n) * (in_c)) + ((n) == (out_c) ? 0 : TRN_I8_WORDS((n) * (n_pixels))))

/* dx[p, c] = error(sum over o of w[o, c] e[p, o]), over the structures o that take part; dx never overlaps e. */
TRN_KERNEL void trn_i8_pointwise_backward_input(const int8_t *w, const int8_t *e, int8_t *dx, trn_size_t n_pixels, trn_size_t in_c,
                                                trn_size_t out_c, trn_i8_error_t error, trn_i8_structures_t which, int8_t *scratch)
{
    trn_i8_conv2d_backward_input(w, e, dx, trn_i8_pointwise_window(n_pixels, in_c, out_c), error, which, scratch);
}

/* to[c, o] = w[o, c] for n channels from w on. */
TRN_KERNEL void trn_i8_pointwise_transpose(const int8_t *w, int8_t *to, trn_size_t in_c, trn_size_t out_c, trn_size_t n)
{
#if TRN_I8_SIMD
    const trn_size_t fours = in_c % 4 == 0 && n % 4 == 0 ? out_c / 4 * 4 : 0;
    for (trn_size_t o = 0; o < fours; o += 4) {
        for (trn_size_t c = 0; c < n; c += 4) {
            trn_i8_transpose_four(w + o * in_c + c, in_c, to + c * out_c + o, out_c);
        }
    }
#else
    const trn_size_t fours = 0;
#endif
    for (trn_size_t o = fours; o < out_c; o++) {
        for (trn_size_t c = 0; c < n; c++) {
            to[c * out_c + o] = w[o * in_c + c];
        }
    }
}

/* Channels from c on, `n` of them and an even number but for the last, of `pixels` times `blocks` pixels from p on; wt: their weights. */
TRN_KERNEL void trn_i8_pointwise_input_channels(const int8_t *wt, trn_i8_codes_t e, trn_window_t s, trn_i8_sink_t to, trn_size_t p,
                                                trn_size_t pixels, trn_size_t blocks, trn_size_t c, trn_size_t n)
{
    const trn_size_t even = n / 2 * 2, first = p * s.in_c;
    e.at += p * s.out_c;
    trn_i8_conv2d_input_channels(wt, e, s, s.out_c, to, 1, 1, first, pixels, blocks, c, c + even, 2);
    if (even < n) {
        trn_i8_conv2d_input_channels(wt + even * s.out_c, e, s, s.out_c, to, 1, 1, first, pixels, blocks, c + even, c + n, 1);
    }
}

/* Bytes of scratch for the input gradient `tile` channels at a time; tile is a multiple of 4. */
#define TRN_I8_POINTWISE_TILES_SCRATCH(out_c, tile) TRN_I8_WORDS((trn_size_t)(out_c) * (tile))

/* The same with all structures, the weights of `tile` input channels transposed at a time. */
TRN_KERNEL void trn_i8_pointwise_backward_input_tiles(const int8_t *w, const int8_t *e, int8_t *dx, trn_size_t n_pixels, trn_size_t in_c,
                                                      trn_size_t out_c, trn_i8_error_t error, trn_size_t tile, int8_t *scratch)
{
    const trn_window_t s = trn_i8_pointwise_window(n_pixels, in_c, out_c);
    const trn_i8_codes_t codes = {(const uint8_t *)e, out_c, true, 0};
    const trn_i8_scale_t scale = error.scale == NULL ? (trn_i8_scale_t){1, 0} : *error.scale;
    const trn_i8_sink_t to = {.kind = TRN_I8_TO_ERROR, .dx = dx, .error = error, .scale = scale};
    for (trn_size_t c = 0; c < in_c; c += tile) {
        const trn_size_t n = trn_min(tile, in_c - c);
        trn_i8_pointwise_transpose(w + c, scratch, in_c, out_c, n);
        trn_i8_pointwise_input_channels(scratch, codes, s, to, 0, 2, n_pixels / 2, c, n);
        if (n_pixels % 2 != 0) {
            trn_i8_pointwise_input_channels(scratch, codes, s, to, n_pixels - 1, 1, 1, c, n);
        }
    }
}

/* gw[o, c] += sum over p of e[p, o] (x[p, c] - z_x);  gb[o] += sum of e[p, o]; gw [out_c, n_c], c < n_c. */
TRN_KERNEL void trn_i8_pointwise_backward_weights(const uint8_t *x, const int8_t *e, int32_t *gw, int32_t *gb, trn_size_t n_pixels,
                                                  trn_size_t in_c, trn_size_t out_c, int32_t z_x, trn_i8_structures_t which,
                                                  trn_size_t n_c)
{
    trn_i8_conv2d_backward_weights(x, e, gw, gb, trn_i8_pointwise_window(n_pixels, in_c, out_c), z_x, which, n_c);
}

/* The same with 16-bit gradients; scratch: TRN_I8_GRADIENT16_SCRATCH(n_c) bytes. */
TRN_KERNEL void trn_i8_pointwise_backward_weights16(const uint8_t *x, const int8_t *e, int16_t *gw, uint8_t *shift, int32_t *gb,
                                                    trn_size_t n_pixels, trn_size_t in_c, trn_size_t out_c, int32_t z_x,
                                                    trn_i8_structures_t which, trn_size_t n_c, int32_t *scratch)
{
    trn_i8_conv2d_backward_weights16(x, e, gw, shift, gb, trn_i8_pointwise_window(n_pixels, in_c, out_c), z_x, which, n_c, scratch);
}

#endif
