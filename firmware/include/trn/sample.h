/* SPDX-License-Identifier: Apache-2.0 */
/* Samples as they travel and are stored: x, then t, padded to TRN_SAMPLE_BYTES. Formats: trn_config.h. */
#ifndef TRN_SAMPLE_H
#define TRN_SAMPLE_H

#include <stdbool.h>
#include <stdint.h>

#include "trn/model.h"
#include "trn_config.h"
#include "trn_messages.h"

#define TRN_NO_LABEL 0xffffu

/* A sample ready for the model. */
typedef struct {
    const trn_input_t *x; /* TRN_N_INPUTS inputs, where the sample lies or converted into trn_sample */
    const float *t;       /* TRN_N_OUTPUTS targets */
    uint16_t label;       /* class, or TRN_NO_LABEL */
} trn_sample_view_t;

#if TRN_RESIDENT_SAMPLES > 0
/* Samples kept on the device. */
typedef union {
    uint8_t bytes[(uint32_t)TRN_RESIDENT_SAMPLES * TRN_SAMPLE_BYTES];
    float floats[(uint32_t)TRN_RESIDENT_SAMPLES * TRN_SAMPLE_BYTES / 4u];
} trn_resident_t;

extern trn_resident_t trn_resident;
#endif

/*
 * Sets the target of labels 0 .. n-1 for a network with one output; n <= TRN_MAX_TARGETS. values: n floats as they travel.
 */
void trn_sample_set_targets(const uint8_t *values, uint16_t n);

/* Whether the sample's label has a target; always true for values. sample: TRN_SAMPLE_BYTES. */
bool trn_sample_is_valid(const uint8_t *sample);

/*
 * Converts inputs and target. sample: TRN_SAMPLE_BYTES, 4-aligned, valid; it must stay until the view has been used.
 * Both are shared: the next call replaces what the last view points to.
 */
trn_sample_view_t trn_sample_view(const uint8_t *sample);

/* Inputs alone: TRN_X_BYTES, 4-aligned -> TRN_N_INPUTS inputs. */
const trn_input_t *trn_sample_inputs(const uint8_t *x);

/* Whether outputs p (TRN_N_OUTPUTS floats) say `label`: the first largest; with one output the first nearest target. */
bool trn_sample_is_correct(const float *p, uint16_t label);

#endif
