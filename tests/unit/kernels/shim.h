/* SPDX-License-Identifier: Apache-2.0 */
/* Prototypes of shim.c: the kernels with run-time shapes and external linkage. */
#ifndef TRN_TESTS_SHIM_H
#define TRN_TESTS_SHIM_H

#include "trn/base.h"
#include "trn/optimizer.h"

void shim_dense_forward(const float *x, const float *w, const float *b, float *y, trn_size_t n_in, trn_size_t n_out, trn_activation_t act);
void shim_dense_backward_weights(const float *x, const float *e, float *gw, float *gb, trn_size_t n_in, trn_size_t n_out);
void shim_dense_backward_input(const float *w, const float *e, float *dx, trn_size_t n_in, trn_size_t n_out, trn_epilogue_t epilogue);
void shim_conv2d_forward(const float *x, const float *w, const float *b, float *y, trn_window_t s, trn_activation_t act);
void shim_conv2d_backward_weights(const float *x, const float *e, float *gw, float *gb, trn_window_t s);
void shim_conv2d_backward_input(const float *w, const float *e, float *dx, trn_window_t s, trn_epilogue_t epilogue);
void shim_pointwise_forward(const float *x, const float *w, const float *b, float *y, trn_size_t n_pixels, trn_size_t in_c,
                            trn_size_t out_c, trn_activation_t act);
void shim_pointwise_backward_weights(const float *x, const float *e, float *gw, float *gb, trn_size_t n_pixels, trn_size_t in_c,
                                     trn_size_t out_c);
void shim_pointwise_backward_input(const float *w, const float *e, float *dx, trn_size_t n_pixels, trn_size_t in_c, trn_size_t out_c,
                                   trn_epilogue_t epilogue);
void shim_depthwise_conv2d_forward(const float *x, const float *w, const float *b, float *y, trn_window_t s, trn_activation_t act);
void shim_depthwise_conv2d_backward_weights(const float *x, const float *e, float *gw, float *gb, trn_window_t s);
void shim_depthwise_conv2d_backward_input(const float *w, const float *e, float *dx, trn_window_t s, trn_epilogue_t epilogue);
void shim_max_pool_forward(const float *x, float *y, uint8_t *index, trn_window_t s);
void shim_max_pool_backward(const uint8_t *index, const float *e, float *dx, trn_window_t s, trn_epilogue_t epilogue);
void shim_avg_pool_forward(const float *x, float *y, trn_window_t s, float inv_n);
void shim_avg_pool_backward(const float *e, float *dx, trn_window_t s, float inv_n, trn_epilogue_t epilogue);
void shim_global_avg_pool_forward(const float *x, float *y, trn_size_t n_pixels, trn_size_t n_channels, float inv_n);
void shim_global_avg_pool_backward(const float *e, float *dx, trn_size_t n_pixels, trn_size_t n_channels, float inv_n,
                                   trn_epilogue_t epilogue);
void shim_add_forward(const float *a, const float *b, float *y, trn_size_t n, trn_activation_t act);
void shim_pass_gradient(const float *e, float *dx, trn_size_t n, trn_epilogue_t epilogue);
void shim_activation_forward(float *y, trn_size_t n, trn_activation_t act);
void shim_activation_bits(const float *y, uint8_t *bits, trn_size_t n, trn_activation_t act);
float shim_exp_neg(float x);
float shim_log(float x);
float shim_sqrt(float x);
float shim_mse(const float *p, const float *t, trn_size_t n, float inv_n);
float shim_binary_crossentropy(float *z, const float *t, trn_size_t n, float inv_n);
float shim_categorical_crossentropy(float *z, const float *t, trn_size_t n);
void shim_mse_gradient(const float *p, const float *t, float *e, trn_size_t n, float inv_n, float scale, trn_activation_t act);
void shim_crossentropy_gradient(const float *p, const float *t, float *e, trn_size_t n, float factor);
void shim_sgd_step(float *w, float *g, trn_size_t n, float lr);
void shim_sgd_momentum_step(float *w, float *g, float *v, trn_size_t n, float lr, float momentum);
float shim_adam_begin_step(trn_adam_t *adam);
void shim_adam_step(const trn_adam_t *adam, float lr_t, float *w, float *g, float *m, float *v, trn_size_t n);
void shim_init_uniform(float *w, trn_size_t n, uint32_t key, float limit);

#endif
