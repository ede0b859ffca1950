/* SPDX-License-Identifier: Apache-2.0 */
/* Every kernel under its own name behind `shim_`, with run-time shapes, for the tests to call through ctypes. */
#include "shim.h"

#include "trn/add.h"
#include "trn/conv2d.h"
#include "trn/dense.h"
#include "trn/depthwise.h"
#include "trn/loss.h"
#include "trn/optimizer.h"
#include "trn/pool.h"
#include "trn/random.h"

void shim_dense_forward(const float *x, const float *w, const float *b, float *y, trn_size_t n_in, trn_size_t n_out, trn_activation_t act)
{
    trn_dense_forward(x, w, b, y, n_in, n_out, act);
}

void shim_dense_backward_weights(const float *x, const float *e, float *gw, float *gb, trn_size_t n_in, trn_size_t n_out)
{
    trn_dense_backward_weights(x, e, gw, gb, n_in, n_out);
}

void shim_dense_backward_input(const float *w, const float *e, float *dx, trn_size_t n_in, trn_size_t n_out, trn_epilogue_t epilogue)
{
    trn_dense_backward_input(w, e, dx, n_in, n_out, epilogue);
}

void shim_conv2d_forward(const float *x, const float *w, const float *b, float *y, trn_window_t s, trn_activation_t act)
{
    trn_conv2d_forward(x, w, b, y, s, act);
}

void shim_conv2d_backward_weights(const float *x, const float *e, float *gw, float *gb, trn_window_t s)
{
    trn_conv2d_backward_weights(x, e, gw, gb, s);
}

void shim_conv2d_backward_input(const float *w, const float *e, float *dx, trn_window_t s, trn_epilogue_t epilogue)
{
    trn_conv2d_backward_input(w, e, dx, s, epilogue);
}

void shim_pointwise_forward(const float *x, const float *w, const float *b, float *y, trn_size_t n_pixels, trn_size_t in_c,
                            trn_size_t out_c, trn_activation_t act)
{
    trn_pointwise_forward(x, w, b, y, n_pixels, in_c, out_c, act);
}

void shim_pointwise_backward_weights(const float *x, const float *e, float *gw, float *gb, trn_size_t n_pixels, trn_size_t in_c,
                                     trn_size_t out_c)
{
    trn_pointwise_backward_weights(x, e, gw, gb, n_pixels, in_c, out_c);
}

void shim_pointwise_backward_input(const float *w, const float *e, float *dx, trn_size_t n_pixels, trn_size_t in_c, trn_size_t out_c,
                                   trn_epilogue_t epilogue)
{
    trn_pointwise_backward_input(w, e, dx, n_pixels, in_c, out_c, epilogue);
}

void shim_depthwise_conv2d_forward(const float *x, const float *w, const float *b, float *y, trn_window_t s, trn_activation_t act)
{
    trn_depthwise_conv2d_forward(x, w, b, y, s, act);
}

void shim_depthwise_conv2d_backward_weights(const float *x, const float *e, float *gw, float *gb, trn_window_t s)
{
    trn_depthwise_conv2d_backward_weights(x, e, gw, gb, s);
}

void shim_depthwise_conv2d_backward_input(const float *w, const float *e, float *dx, trn_window_t s, trn_epilogue_t epilogue)
{
    trn_depthwise_conv2d_backward_input(w, e, dx, s, epilogue);
}

void shim_max_pool_forward(const float *x, float *y, uint8_t *index, trn_window_t s)
{
    trn_max_pool_forward(x, y, index, s);
}

void shim_max_pool_backward(const uint8_t *index, const float *e, float *dx, trn_window_t s, trn_epilogue_t epilogue)
{
    trn_max_pool_backward(index, e, dx, s, epilogue);
}

void shim_avg_pool_forward(const float *x, float *y, trn_window_t s, float inv_n)
{
    trn_avg_pool_forward(x, y, s, inv_n);
}

void shim_avg_pool_backward(const float *e, float *dx, trn_window_t s, float inv_n, trn_epilogue_t epilogue)
{
    trn_avg_pool_backward(e, dx, s, inv_n, epilogue);
}

void shim_global_avg_pool_forward(const float *x, float *y, trn_size_t n_pixels, trn_size_t n_channels, float inv_n)
{
    trn_global_avg_pool_forward(x, y, n_pixels, n_channels, inv_n);
}

void shim_global_avg_pool_backward(const float *e, float *dx, trn_size_t n_pixels, trn_size_t n_channels, float inv_n,
                                   trn_epilogue_t epilogue)
{
    trn_global_avg_pool_backward(e, dx, n_pixels, n_channels, inv_n, epilogue);
}

void shim_add_forward(const float *a, const float *b, float *y, trn_size_t n, trn_activation_t act)
{
    trn_add_forward(a, b, y, n, act);
}

void shim_pass_gradient(const float *e, float *dx, trn_size_t n, trn_epilogue_t epilogue)
{
    trn_pass_gradient(e, dx, n, epilogue);
}

void shim_activation_forward(float *y, trn_size_t n, trn_activation_t act)
{
    trn_activation_forward(y, n, act);
}

void shim_activation_bits(const float *y, uint8_t *bits, trn_size_t n, trn_activation_t act)
{
    trn_activation_bits(y, bits, n, act);
}

float shim_exp_neg(float x)
{
    return trn_exp_neg(x);
}

float shim_log(float x)
{
    return trn_log(x);
}

float shim_sqrt(float x)
{
    return trn_sqrt(x);
}

float shim_mse(const float *p, const float *t, trn_size_t n, float inv_n)
{
    return trn_mse(p, t, n, inv_n);
}

float shim_binary_crossentropy(float *z, const float *t, trn_size_t n, float inv_n)
{
    return trn_binary_crossentropy(z, t, n, inv_n);
}

float shim_categorical_crossentropy(float *z, const float *t, trn_size_t n)
{
    return trn_categorical_crossentropy(z, t, n);
}

void shim_mse_gradient(const float *p, const float *t, float *e, trn_size_t n, float inv_n, float scale, trn_activation_t act)
{
    trn_mse_gradient(p, t, e, n, inv_n, scale, act);
}

void shim_crossentropy_gradient(const float *p, const float *t, float *e, trn_size_t n, float factor)
{
    trn_crossentropy_gradient(p, t, e, n, factor);
}

void shim_sgd_step(float *w, float *g, trn_size_t n, float lr)
{
    trn_sgd_step(w, g, n, lr);
}

void shim_sgd_momentum_step(float *w, float *g, float *v, trn_size_t n, float lr, float momentum)
{
    trn_sgd_momentum_step(w, g, v, n, lr, momentum);
}

float shim_adam_begin_step(trn_adam_t *adam)
{
    return trn_adam_begin_step(adam);
}

void shim_adam_step(const trn_adam_t *adam, float lr_t, float *w, float *g, float *m, float *v, trn_size_t n)
{
    trn_adam_step(adam, lr_t, w, g, m, v, n);
}

void shim_init_uniform(float *w, trn_size_t n, uint32_t key, float limit)
{
    trn_init_uniform(w, n, key, limit);
}
