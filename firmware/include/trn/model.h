/* SPDX-License-Identifier: Apache-2.0 */
/* What the generated model.c offers to the application. Sizes and formats are in the generated trn_config.h. */
#ifndef TRN_MODEL_H
#define TRN_MODEL_H

#include <stdint.h>

#include "trn_config.h"

/* What the network reads: float, or in the integer precisions the codes that travel. */
typedef TRN_INPUT_TYPE trn_input_t;

/* Identifies the plan the firmware was built from; the host compares it. */
extern const uint32_t trn_model_fingerprint;

/* What is trained, layer by layer in forward order: TRN_N_PARAMETERS words; in float32 weights, then biases. */
extern float trn_parameters[];

/* Weights from the seeded generator, biases zero, optimizer state zero, gradients zero. */
void trn_model_init(uint32_t seed);

/* Optimizer state and gradients zero, as after trn_model_init; call after writing parameters. */
void trn_model_reset_optimizer(void);

/* Learning rate of the steps that follow; trn_model_reset_optimizer sets the one the model was built with. */
void trn_model_set_lr(float lr);

/* Starts a batch of n_samples: the error of each sample is scaled by 1 / n_samples. */
void trn_model_begin_batch(int32_t n_samples);

/*
 * Forward, loss, backward of one sample; gradients are added to the batch's.
 * x: TRN_N_INPUTS inputs, never written. t: TRN_N_OUTPUTS target values. p: receives TRN_N_OUTPUTS outputs.
 * Returns the loss of the sample.
 */
float trn_model_train_sample(const trn_input_t *x, const float *t, float *p);

/* Applies the accumulated gradients and leaves them zero. */
void trn_model_end_batch(void);

/* Drops the accumulated gradients: the batch is as if it had never begun. */
void trn_model_discard_batch(void);

/* Forward and loss of one sample without training. Returns the loss. */
float trn_model_evaluate(const trn_input_t *x, const float *t, float *p);

/* Forward of one sample: p receives TRN_N_OUTPUTS outputs. */
void trn_model_predict(const trn_input_t *x, float *p);

#endif
