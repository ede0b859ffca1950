/* SPDX-License-Identifier: Apache-2.0 */
/* Training and evaluation: samples of a request, one after the other, through the model. */
#include <string.h>

#include "trn/app.h"
#include "trn/mark.h"
#include "trn/model.h"
#include "trn/port.h"
#include "trn/sample.h"

#if TRN_RESIDENT_SAMPLES == 0
_Static_assert(TRN_LINK_RX_PAYLOAD_BYTES >= (int32_t)sizeof(trn_train_samples_t) + TRN_SAMPLE_BYTES,
               "the receive buffer takes no sample");
#ifdef TRN_RX_OFFSET
_Static_assert(TRN_LINK_RX_PAYLOAD_BYTES < 2 * TRN_SAMPLE_BYTES, "a second sample would be lost while the first is trained");
#endif
#else
_Static_assert(TRN_RESIDENT_SAMPLES <= 65536, "indices are 16 bits");
#endif

/* Losses of samples, added up as docs/numerics.md says (Kahan). */
typedef struct {
    uint32_t n_samples;
    uint32_t n_correct;
    float loss_sum;
    float loss_compensation;
} tally_t;

static struct {
    bool has_weights;
    bool diverged;
    uint32_t diverged_at;    /* position in the epoch */
    uint32_t batch_size;     /* of the unfinished batch */
    uint32_t batch_done;     /* samples of it so far; 0: none is unfinished */
    tally_t epoch;
    tally_t evaluation;
} train_state;

/* Outputs of the sample in hand. */
static float trn_output[TRN_N_OUTPUTS];

/* Where a request's samples are: whole samples behind its header, or indices into the resident set. */
typedef struct {
    const uint8_t *first;
    uint32_t n;
    bool indexed;
} samples_t;

static const uint8_t *sample_at(const samples_t *samples, uint32_t i)
{
#if TRN_RESIDENT_SAMPLES > 0
    if (samples->indexed) {
        uint16_t index;
        memcpy(&index, samples->first + i * sizeof index, sizeof index);
        return index < TRN_RESIDENT_SAMPLES ? trn_resident.bytes + (uint32_t)index * TRN_SAMPLE_BYTES : NULL;
    }
#endif
    return samples->first + i * TRN_SAMPLE_BYTES;
}

static bool is_finite(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return (bits & 0x7f800000u) != 0x7f800000u;
}

static void tally_add(tally_t *tally, float loss, bool correct)
{
    const float y = loss - tally->loss_compensation;
    const float t = tally->loss_sum + y;
    tally->loss_compensation = (t - tally->loss_sum) - y;
    tally->loss_sum = t;
    tally->n_samples++;
    tally->n_correct += correct ? 1u : 0u;
}

void trn_train_forget(void)
{
    memset(&train_state, 0, sizeof train_state);
}

void trn_train_close_batch(void)
{
    if (train_state.batch_done > 0u) {
        trn_model_discard_batch();
        train_state.batch_done = 0;
    }
}

void trn_train_begin_epoch(void)
{
    trn_train_close_batch();
    memset(&train_state.epoch, 0, sizeof train_state.epoch);
}

void trn_train_weights_set(void)
{
    train_state.batch_done = 0; /* the model has just cleared its gradients */
    train_state.has_weights = true;
    train_state.diverged = false;
    train_state.diverged_at = 0;
    trn_train_begin_epoch();
}

uint32_t trn_train_epoch_samples(void)
{
    return train_state.epoch.n_samples;
}

uint32_t trn_train_batch_samples(void)
{
    return train_state.batch_done;
}

/* Finds the samples behind a header of n_head bytes. Returns TRN_ERR_OK or the reason and number to refuse with. */
static int32_t find_samples(const trn_request_t *request, uint32_t n_head, bool indexed, samples_t *samples,
                            uint32_t *detail)
{
    const uint32_t stride = indexed ? (uint32_t)sizeof(uint16_t) : (uint32_t)TRN_SAMPLE_BYTES;
    *detail = request->n_bytes;
    if (indexed && TRN_RESIDENT_SAMPLES == 0) {
        return TRN_ERR_UNSUPPORTED;
    }
    if (request->n_bytes < n_head || (request->n_bytes - n_head) % stride != 0u) {
        return TRN_ERR_BAD_LENGTH;
    }
    *samples = (samples_t){request->payload + n_head, (request->n_bytes - n_head) / stride, indexed};
    for (uint32_t i = 0; i < samples->n; i++) {
        const uint8_t *const sample = sample_at(samples, i);
        if (sample == NULL || !trn_sample_is_valid(sample)) {
            *detail = i;
            return TRN_ERR_OUT_OF_RANGE;
        }
    }
    return TRN_ERR_OK;
}

/* Trains one sample; applies the batch when it is complete. Returns false when the loss is not finite. */
static bool train_sample(const uint8_t *sample, uint32_t batch_size)
{
    trn_mark_convert();
    const trn_sample_view_t view = trn_sample_view(sample);
    if (train_state.batch_done == 0u) {
        train_state.batch_size = batch_size;
        trn_model_begin_batch((int32_t)batch_size);
    }
    const float loss = trn_model_train_sample(view.x, view.t, trn_output);
    trn_mark_other();
    if (!is_finite(loss)) {
        trn_model_discard_batch();
        train_state.batch_done = 0;
        train_state.diverged = true;
        train_state.diverged_at = train_state.epoch.n_samples;
        return false;
    }
    tally_add(&train_state.epoch, loss, trn_sample_is_correct(trn_output, view.label));
    train_state.batch_done++;
    if (train_state.batch_done == batch_size) {
        trn_model_end_batch();
        trn_mark_other();
        train_state.batch_done = 0;
    }
    return true;
}

/* What speaks against training these samples now: TRN_ERR_OK or the reason and number to refuse with. */
static int32_t check_train(const trn_train_samples_t *m, uint32_t *detail)
{
    if (train_state.diverged) {
        *detail = train_state.diverged_at;
        return TRN_ERR_DIVERGED;
    }
    if (!train_state.has_weights || m->position != train_state.epoch.n_samples) {
        *detail = train_state.epoch.n_samples;
        return TRN_ERR_BAD_STATE;
    }
    if (train_state.batch_done > 0u && m->batch_samples != train_state.batch_size) {
        *detail = train_state.batch_size;
        return TRN_ERR_BAD_STATE;
    }
    *detail = m->batch_samples;
    return m->batch_samples == 0u || m->batch_samples > 0x7fffffffu ? TRN_ERR_OUT_OF_RANGE : TRN_ERR_OK;
}

trn_answer_t trn_train_request(const trn_request_t *request)
{
    _Static_assert(sizeof(trn_train_samples_t) == sizeof(trn_train_indexed_t), "one header for both");
    const uint32_t start = trn_port_cycles();
    trn_train_samples_t m;
    samples_t samples;
    uint32_t detail;
    int32_t error = find_samples(request, sizeof m, request->type == TRN_MSG_TRAIN_INDEXED, &samples, &detail);
    if (error != TRN_ERR_OK) {
        return trn_answer_refused(error, detail);
    }
    memcpy(&m, request->payload, sizeof m);
    error = check_train(&m, &detail);
    if (error != TRN_ERR_OK) {
        return trn_answer_refused(error, detail);
    }
    for (uint32_t i = 0; i < samples.n; i++) {
        if (!train_sample(sample_at(&samples, i), m.batch_samples)) {
            break;
        }
    }
    const trn_trained_t trained = {
        .n_samples = train_state.epoch.n_samples,
        .loss_sum = train_state.epoch.loss_sum,
        .n_correct = train_state.epoch.n_correct,
        .status = train_state.diverged ? TRN_TRAIN_STATUS_DIVERGED : TRN_TRAIN_STATUS_DONE,
        .diverged_at = train_state.diverged_at,
        .device_cycles = trn_port_cycles() - start,
    };
    return trn_answer_with(TRN_MSG_TRAINED, &trained, sizeof trained);
}

trn_answer_t trn_evaluate_request(const trn_request_t *request)
{
    _Static_assert(sizeof(trn_evaluate_samples_t) == sizeof(trn_evaluate_indexed_t), "one header for both");
    trn_evaluate_samples_t m;
    samples_t samples;
    uint32_t detail;
    const int32_t error =
        find_samples(request, sizeof m, request->type == TRN_MSG_EVALUATE_INDEXED, &samples, &detail);
    if (error != TRN_ERR_OK) {
        return trn_answer_refused(error, detail);
    }
    memcpy(&m, request->payload, sizeof m);
    if (m.position == 0u) {
        memset(&train_state.evaluation, 0, sizeof train_state.evaluation);
    }
    if (!train_state.has_weights || m.position != train_state.evaluation.n_samples) {
        return trn_answer_refused(TRN_ERR_BAD_STATE, train_state.evaluation.n_samples);
    }
    for (uint32_t i = 0; i < samples.n; i++) {
        trn_mark_convert();
        const trn_sample_view_t view = trn_sample_view(sample_at(&samples, i));
        trn_mark_evaluate();
        const float loss = trn_model_evaluate(view.x, view.t, trn_output);
        tally_add(&train_state.evaluation, loss, trn_sample_is_correct(trn_output, view.label));
    }
    trn_mark_other();
    const trn_evaluated_t evaluated = {
        .n_samples = train_state.evaluation.n_samples,
        .loss_sum = train_state.evaluation.loss_sum,
        .n_correct = train_state.evaluation.n_correct,
    };
    return trn_answer_with(TRN_MSG_EVALUATED, &evaluated, sizeof evaluated);
}
