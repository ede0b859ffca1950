/* SPDX-License-Identifier: Apache-2.0 */
#include "trn/sample.h"

#include <string.h>

_Static_assert(TRN_SAMPLE_BYTES % 4 == 0, "samples follow each other 4-aligned");
_Static_assert(TRN_X_BYTES + TRN_T_BYTES <= TRN_SAMPLE_BYTES, "a sample holds x and t");
_Static_assert(TRN_T_BYTES == (TRN_T_FORMAT == TRN_T_LABEL ? 2 : 4 * (int32_t)TRN_N_OUTPUTS), "size of t");

#if TRN_RESIDENT_SAMPLES > 0
trn_resident_t trn_resident;
#endif

/* Target of the sample in hand, one float per output. */
static float trn_target[TRN_N_OUTPUTS];

#if TRN_N_OUTPUTS == 1 && TRN_T_FORMAT == TRN_T_LABEL
/* Target value of each label. */
static float trn_targets[TRN_MAX_TARGETS];
static uint16_t n_targets;
#endif

#if TRN_X_AS_IS
_Static_assert(TRN_X_BYTES == (int32_t)sizeof(trn_input_t) * (int32_t)TRN_N_INPUTS, "size of x");

const trn_input_t *trn_sample_inputs(const uint8_t *x)
{
    /* lies in a union with floats (trn_link_rx, trn_resident) or in the arena at a multiple of 4; the cast through void says so */
    return (const trn_input_t *)(const void *)x;
}
#else
/* Inputs of the sample in hand. */
static float trn_sample[TRN_N_INPUTS];

#if TRN_X_FORMAT == TRN_X_U8
typedef uint8_t x_t;
#else
typedef int16_t x_t;
#endif
_Static_assert(TRN_X_BYTES == (int32_t)sizeof(x_t) * (int32_t)TRN_N_INPUTS, "size of x");

const trn_input_t *trn_sample_inputs(const uint8_t *x)
{
    for (int32_t i = 0; i < (int32_t)TRN_N_INPUTS; i++) {
        x_t q;
        memcpy(&q, x + (uint32_t)i * sizeof q, sizeof q);
        trn_sample[i] = (float)q * TRN_X_SCALE + TRN_X_OFFSET;
    }
    return trn_sample;
}
#endif

#if TRN_T_FORMAT == TRN_T_LABEL
static uint16_t read_label(const uint8_t *sample)
{
    uint16_t label;
    memcpy(&label, sample + TRN_X_BYTES, sizeof label);
    return label;
}

#if TRN_N_OUTPUTS == 1
static uint16_t n_labels(void)
{
    return n_targets;
}
#else
static uint16_t n_labels(void)
{
    return (uint16_t)TRN_N_OUTPUTS;
}
#endif
#endif

void trn_sample_set_targets(const uint8_t *values, uint16_t n)
{
#if TRN_N_OUTPUTS == 1 && TRN_T_FORMAT == TRN_T_LABEL
    if (n > 0u) { /* without targets there may be no pointer either */
        memcpy(trn_targets, values, (size_t)n * sizeof(float));
    }
    n_targets = n;
#else
    (void)values;
    (void)n;
#endif
}

bool trn_sample_is_valid(const uint8_t *sample)
{
#if TRN_T_FORMAT == TRN_T_LABEL
    return read_label(sample) < n_labels();
#else
    (void)sample;
    return true;
#endif
}

trn_sample_view_t trn_sample_view(const uint8_t *sample)
{
    trn_sample_view_t view = {.x = trn_sample_inputs(sample), .t = trn_target, .label = TRN_NO_LABEL};
#if TRN_T_FORMAT == TRN_T_VALUES
    memcpy(trn_target, sample + TRN_X_BYTES, sizeof trn_target);
#else
    view.label = read_label(sample);
#if TRN_N_OUTPUTS == 1
    trn_target[0] = trn_targets[view.label];
#else
    memset(trn_target, 0, sizeof trn_target);
    trn_target[view.label] = 1.0f;
#endif
#endif
    return view;
}

#if TRN_T_FORMAT == TRN_T_VALUES
bool trn_sample_is_correct(const float *p, uint16_t label)
{
    (void)p;
    (void)label;
    return false;
}
#elif TRN_N_OUTPUTS == 1
static float distance(float a, float b)
{
    const float d = a - b;
    return d < 0.0f ? -d : d;
}

bool trn_sample_is_correct(const float *p, uint16_t label)
{
    uint16_t best = 0;
    for (uint16_t k = 1; k < n_targets; k++) {
        if (distance(p[0], trn_targets[k]) < distance(p[0], trn_targets[best])) {
            best = k;
        }
    }
    return best == label;
}
#else
bool trn_sample_is_correct(const float *p, uint16_t label)
{
    uint16_t best = 0;
    for (uint16_t k = 1; k < (uint16_t)TRN_N_OUTPUTS; k++) {
        if (p[k] > p[best]) {
            best = k;
        }
    }
    return best == label;
}
#endif
