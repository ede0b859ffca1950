/* SPDX-License-Identifier: Apache-2.0 */
/* Pointwise convolution (1 x 1, stride 1): a matrix product over pixels.
 *
 * x [n_pixels, in_c], w [out_c, in_c], b [out_c], y and e [n_pixels, out_c]. The dense layer is the case of one pixel. */
#ifndef TRN_POINTWISE_H
#define TRN_POINTWISE_H

#include "trn/activation.h"
#include "trn/base.h"
#include "trn/detail/block.h"
#include "trn/detail/epilogue.h"

/* `pixels` x `filters` outputs, the first of them pixel p and filter o. */
TRN_KERNEL void trn_pointwise_forward_block(const float *x, const float *w, const float *b, float *y, trn_size_t in_c, trn_size_t out_c,
                                            trn_activation_t act, trn_size_t p, trn_size_t pixels, trn_size_t o, trn_size_t filters)
{
    float acc[TRN_BLOCK_MAX];
    trn_block_start(acc, pixels, filters, b + o);
    trn_block_accumulate(acc, pixels, filters, (trn_factor_t){x + p * in_c, in_c, 0, 0, 1}, (trn_factor_t){w + o * in_c, in_c, 0, 0, 1},
                         (trn_extent_t){1, 1, in_c});
    trn_block_store(acc, pixels, filters, y + p * out_c + o, out_c, act);
}

TRN_KERNEL void trn_pointwise_forward_pixels(const float *x, const float *w, const float *b, float *y, trn_size_t in_c, trn_size_t out_c,
                                             trn_activation_t act, trn_size_t p, trn_size_t pixels)
{
    TRN_FOR_BLOCKS(o, filters, out_c, trn_block_columns(pixels),
                   trn_pointwise_forward_block(x, w, b, y, in_c, out_c, act, p, pixels, o, filters););
}

/* y[p, o] = act(b[o] + sum over c of w[o, c] x[p, c]) */
TRN_KERNEL void trn_pointwise_forward(const float *x, const float *w, const float *b, float *y, trn_size_t n_pixels, trn_size_t in_c,
                                      trn_size_t out_c, trn_activation_t act)
{
    const trn_activation_t now = trn_activation_is_cheap(act) ? act : TRN_ACT_NONE;
    TRN_FOR_BLOCKS(p, pixels, n_pixels, trn_block_rows(n_pixels, out_c),
                   trn_pointwise_forward_pixels(x, w, b, y, in_c, out_c, now, p, pixels););
    if (!trn_activation_is_cheap(act)) {
        trn_activation_forward(y, n_pixels * out_c, act);
    }
}

/* gw of `filters` x `channels` weights, the first of them (o, c). */
TRN_KERNEL void trn_pointwise_weights_block(const float *x, const float *e, float *gw, trn_size_t n_pixels, trn_size_t in_c,
                                            trn_size_t out_c, trn_size_t o, trn_size_t filters, trn_size_t c, trn_size_t channels)
{
    float acc[TRN_BLOCK_MAX];
    trn_block_start(acc, filters, channels, NULL);
    trn_block_accumulate(acc, filters, channels, (trn_factor_t){e + o, 1, 0, 0, out_c}, (trn_factor_t){x + c, 1, 0, 0, in_c},
                         (trn_extent_t){1, 1, n_pixels});
    trn_block_store_sum(acc, filters, channels, gw + o * in_c + c, in_c);
}

TRN_KERNEL void trn_pointwise_weights_filters(const float *x, const float *e, float *gw, trn_size_t n_pixels, trn_size_t in_c,
                                              trn_size_t out_c, trn_size_t o, trn_size_t filters)
{
    TRN_FOR_BLOCKS(c, channels, in_c, trn_block_columns(filters),
                   trn_pointwise_weights_block(x, e, gw, n_pixels, in_c, out_c, o, filters, c, channels););
}

TRN_KERNEL void trn_bias_block(const float *e, float *gb, trn_size_t n_pixels, trn_size_t out_c, trn_size_t columns)
{
    float acc[TRN_BLOCK_MAX];
    trn_block_start(acc, 1, columns, NULL);
    const trn_size_t pixels = __builtin_constant_p(n_pixels) && n_pixels % 2 == 0 && 2 * columns <= TRN_BLOCK_MAX ? 2 : 1;
    for (trn_size_t p = 0; p < n_pixels; p += pixels) {
        float error[TRN_BLOCK_MAX];
        TRN_ALIGN_CODE();
        TRN_UNROLL
        for (trn_size_t i = 0; i < pixels * columns; i++) {
            error[i] = trn_load(e + i / columns * out_c + i % columns);
        }
        TRN_UNROLL
        for (trn_size_t i = 0; i < pixels * columns; i++) {
            acc[i % columns] = trn_sum(acc[i % columns], error[i]);
        }
        e += pixels * out_c;
    }
    trn_block_store_sum(acc, 1, columns, gb, 0);
}

/* gb[o] += sum over p of e[p, o] */
TRN_KERNEL void trn_bias_backward(const float *e, float *gb, trn_size_t n_pixels, trn_size_t out_c)
{
    TRN_FOR_BLOCKS(o, columns, out_c, TRN_BLOCK_MAX > 1 ? 8 : 1, trn_bias_block(e + o, gb + o, n_pixels, out_c, columns););
}

/* gw[o, c] += sum over p of e[p, o] x[p, c];  gb[o] += sum over p of e[p, o]
 * Source: Goodfellow, Bengio, Courville, Deep Learning, eq. 6.47 ff. */
TRN_KERNEL void trn_pointwise_backward_weights(const float *x, const float *e, float *gw, float *gb, trn_size_t n_pixels,
                                               trn_size_t in_c, trn_size_t out_c)
{
    TRN_FOR_BLOCKS(o, filters, out_c, trn_block_rows(out_c, in_c),
                   trn_pointwise_weights_filters(x, e, gw, n_pixels, in_c, out_c, o, filters););
    trn_bias_backward(e, gb, n_pixels, out_c);
}

/* dx of `pixels` x `channels` inputs, the first of them (p, c). */
TRN_KERNEL void trn_pointwise_input_block(const float *w, const float *e, float *dx, trn_size_t in_c, trn_size_t out_c,
                                          trn_epilogue_t epilogue, trn_size_t p, trn_size_t pixels, trn_size_t c, trn_size_t channels)
{
    float acc[TRN_BLOCK_MAX];
    trn_block_start(acc, pixels, channels, NULL);
    trn_block_accumulate(acc, pixels, channels, (trn_factor_t){e + p * out_c, out_c, 0, 0, 1}, (trn_factor_t){w + c, 1, 0, 0, in_c},
                         (trn_extent_t){1, 1, out_c});
    trn_block_store_input(acc, pixels, channels, dx, p * in_c + c, in_c, 1, epilogue);
}

TRN_KERNEL void trn_pointwise_input_pixels(const float *w, const float *e, float *dx, trn_size_t in_c, trn_size_t out_c,
                                           trn_epilogue_t epilogue, trn_size_t p, trn_size_t pixels)
{
    TRN_FOR_BLOCKS(c, channels, in_c, trn_block_columns(pixels),
                   trn_pointwise_input_block(w, e, dx, in_c, out_c, epilogue, p, pixels, c, channels););
}

/* dx[p, c] = epilogue(sum over o of w[o, c] e[p, o]);  dx never overlaps e.
 * Source: Goodfellow, Bengio, Courville, Deep Learning, eq. 6.47 ff. */
TRN_KERNEL void trn_pointwise_backward_input(const float *w, const float *e, float *dx, trn_size_t n_pixels, trn_size_t in_c,
                                             trn_size_t out_c, trn_epilogue_t epilogue)
{
    TRN_FOR_BLOCKS(p, pixels, n_pixels, trn_block_rows(n_pixels, in_c),
                   trn_pointwise_input_pixels(w, e, dx, in_c, out_c, epilogue, p, pixels););
}

#endif
