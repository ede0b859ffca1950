/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A model that learns nothing but remembers everything: which sample trained when, in which batch. Its parameters depend on
 * the order of all of it, so two runs with equal parameters trained the same samples in the same order.
 */
#include <string.h>

#include "loopback.h"
#include "trn/model.h"
#include "trn_config.h"

const uint32_t trn_model_fingerprint = 0x5afe1234u;
float trn_parameters[TRN_N_PARAMETERS];

static float gradient[TRN_N_PARAMETERS];
static float scale;
static int32_t step;

stub_record_t stub_records[STUB_MAX_RECORDS];
uint32_t stub_n_records;

static void record(uint32_t kind, float value)
{
    if (stub_n_records < STUB_MAX_RECORDS) {
        stub_records[stub_n_records++] = (stub_record_t){kind, value};
    }
}

void trn_model_init(uint32_t seed)
{
    for (int32_t i = 0; i < TRN_N_PARAMETERS; i++) {
        trn_parameters[i] = (float)(seed % 97u) + (float)i;
    }
    trn_model_reset_optimizer();
}

void trn_model_reset_optimizer(void)
{
    memset(gradient, 0, sizeof gradient);
    step = 0;
}

void trn_model_begin_batch(int32_t n_samples)
{
    scale = 1.0f / (float)n_samples;
    record(STUB_BEGIN, (float)n_samples);
}

float trn_model_train_sample(const float *x, const float *t, float *p)
{
    for (int32_t i = 0; i < TRN_N_PARAMETERS; i++) {
        gradient[i] = gradient[i] * 0.75f + (x[i % TRN_N_INPUTS] + t[i % TRN_N_OUTPUTS]) * scale;
    }
    for (int32_t k = 0; k < TRN_N_OUTPUTS; k++) {
        p[k] = x[k % TRN_N_INPUTS];
    }
    record(STUB_TRAIN, x[0]);
    const float poison = x[1] == 77.0f ? 1e38f : 1.0f;
    return (x[0] + 0.1f) * poison * poison;
}

void trn_model_end_batch(void)
{
    step++;
    for (int32_t i = 0; i < TRN_N_PARAMETERS; i++) {
        trn_parameters[i] = trn_parameters[i] * 0.9f + gradient[i] * (float)step;
    }
    memset(gradient, 0, sizeof gradient);
    record(STUB_END, (float)step);
}

void trn_model_set_lr(float lr)
{
    (void)lr;
}

void trn_model_discard_batch(void)
{
    memset(gradient, 0, sizeof gradient);
    record(STUB_DISCARD, 0.0f);
}

float trn_model_evaluate(const float *x, const float *t, float *p)
{
    trn_model_predict(x, p);
    return x[0] + t[0];
}

void trn_model_predict(const float *x, float *p)
{
    for (int32_t k = 0; k < TRN_N_OUTPUTS; k++) {
        p[k] = x[k % TRN_N_INPUTS] + trn_parameters[k % TRN_N_PARAMETERS];
    }
}
