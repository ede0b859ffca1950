/* SPDX-License-Identifier: Apache-2.0 */
#include "trn/app.h"

#include <string.h>

#include "trn/mark.h"
#include "trn/model.h"
#include "trn/port.h"
#include "trn/sample.h"

_Static_assert(TRN_LINK_TX_PAYLOAD_BYTES >= (int32_t)sizeof(trn_outputs_t) + 4 * (int32_t)TRN_N_OUTPUTS, "the transmit buffer takes no outputs");

void trn_app_start(void)
{
    trn_train_forget();
    trn_sample_set_targets(NULL, 0);
    trn_link_open();
}

static trn_answer_t ack(void)
{
    return (trn_answer_t){.type = TRN_MSG_ACK, .n_bytes = 0};
}

static trn_answer_t bad_length(const trn_request_t *request)
{
    return trn_answer_refused(TRN_ERR_BAD_LENGTH, request->n_bytes);
}

static trn_answer_t hello(const trn_request_t *request)
{
    if (request->n_bytes != sizeof(trn_hello_t)) {
        return bad_length(request);
    }
    trn_train_close_batch();
    const trn_info_t info = {
        .protocol = TRN_PROTOCOL_VERSION,
        .x_format = TRN_X_FORMAT,
        .t_format = TRN_T_FORMAT,
        .fingerprint = trn_model_fingerprint,
        .n_inputs = TRN_N_INPUTS,
        .n_outputs = TRN_N_OUTPUTS,
        .n_parameters = TRN_N_PARAMETERS,
        .sample_bytes = TRN_SAMPLE_BYTES,
        .resident_samples = TRN_RESIDENT_SAMPLES,
        .max_targets = TRN_MAX_TARGETS,
        .rx_bytes = TRN_RX_BYTES,
        .tx_bytes = TRN_TX_BYTES,
        .rx_payload_bytes = TRN_LINK_RX_PAYLOAD_BYTES,
        .tx_payload_bytes = TRN_LINK_TX_PAYLOAD_BYTES,
    };
    return trn_answer_with(TRN_MSG_INFO, &info, sizeof info);
}

static trn_answer_t init(const trn_request_t *request)
{
    trn_init_t m;
    if (request->n_bytes != sizeof m) {
        return bad_length(request);
    }
    memcpy(&m, request->payload, sizeof m);
    trn_model_init(m.seed);
    trn_train_weights_set();
    return ack();
}

static trn_answer_t set_targets(const trn_request_t *request)
{
    const uint32_t n = request->n_bytes / sizeof(float);
    if (request->n_bytes % sizeof(float) != 0u) {
        return bad_length(request);
    }
    if (n > (uint32_t)TRN_MAX_TARGETS) {
        return trn_answer_refused(TRN_ERR_OUT_OF_RANGE, n);
    }
    trn_sample_set_targets(request->payload, (uint16_t)n);
    return ack();
}

static bool in_range(uint32_t offset, uint32_t n, uint32_t size)
{
    return offset <= size && n <= size - offset;
}

static trn_answer_t write_parameters(const trn_request_t *request)
{
    trn_write_parameters_t m;
    if (request->n_bytes < sizeof m || request->n_bytes % sizeof(float) != 0u) {
        return bad_length(request);
    }
    memcpy(&m, request->payload, sizeof m);
    const uint32_t n_bytes = request->n_bytes - (uint32_t)sizeof m;
    if (!in_range(m.offset, n_bytes / sizeof(float), TRN_N_PARAMETERS)) {
        return trn_answer_refused(TRN_ERR_OUT_OF_RANGE, m.offset);
    }
    memcpy(&trn_parameters[m.offset], request->payload + sizeof m, (size_t)n_bytes);
    trn_model_reset_optimizer();
    trn_train_weights_set();
    return ack();
}

static trn_answer_t read_parameters(const trn_request_t *request)
{
    trn_read_parameters_t m;
    if (request->n_bytes != sizeof m) {
        return bad_length(request);
    }
    memcpy(&m, request->payload, sizeof m);
    const uint32_t capacity = (TRN_LINK_TX_PAYLOAD_BYTES - sizeof(trn_parameters_t)) / sizeof(float);
    if (m.count > capacity || !in_range(m.offset, m.count, TRN_N_PARAMETERS)) {
        return trn_answer_refused(TRN_ERR_OUT_OF_RANGE, m.count > capacity ? m.count : m.offset);
    }
    uint8_t *const payload = trn_link_answer_payload();
    const trn_parameters_t head = {.offset = m.offset};
    const uint32_t n_bytes = m.count * (uint32_t)sizeof(float);
    memcpy(payload, &head, sizeof head);
    memcpy(payload + sizeof head, &trn_parameters[m.offset], (size_t)n_bytes);
    return (trn_answer_t){.type = TRN_MSG_PARAMETERS, .n_bytes = (uint32_t)sizeof head + n_bytes};
}

static trn_answer_t write_samples(const trn_request_t *request)
{
#if TRN_RESIDENT_SAMPLES > 0
    trn_write_samples_t m;
    if (request->n_bytes < sizeof m) {
        return bad_length(request);
    }
    memcpy(&m, request->payload, sizeof m);
    const uint32_t n_bytes = request->n_bytes - (uint32_t)sizeof m;
    if (!in_range(m.offset, n_bytes, sizeof trn_resident)) {
        return trn_answer_refused(TRN_ERR_OUT_OF_RANGE, m.offset);
    }
    memcpy(trn_resident.bytes + m.offset, request->payload + sizeof m, (size_t)n_bytes);
    return ack();
#else
    (void)request;
    return trn_answer_refused(TRN_ERR_UNSUPPORTED, 0);
#endif
}

static trn_answer_t epoch_begin(const trn_request_t *request)
{
    trn_epoch_begin_t m;
    if (request->n_bytes != sizeof m) {
        return bad_length(request);
    }
    memcpy(&m, request->payload, sizeof m);
    trn_train_begin_epoch();
    trn_model_set_lr(m.lr);
    return ack();
}

static trn_answer_t predict(const trn_request_t *request)
{
    if (request->n_bytes != (uint32_t)TRN_X_BYTES) {
        return bad_length(request);
    }
    trn_mark_convert();
    const trn_input_t *const x = trn_sample_inputs(request->payload);
    uint8_t *const payload = trn_link_answer_payload();
    trn_mark_evaluate();
    const uint32_t start = trn_port_cycles();
    /* outputs go straight to the answer: the payload is 4-aligned and lies in a union with floats */
    trn_model_predict(x, (float *)(void *)(payload + sizeof(trn_outputs_t)));
    trn_mark_other(); /* in front of the counter both times: the phase and what the counter tells are the same stretch of time */
    const trn_outputs_t head = {.device_cycles = trn_port_cycles() - start};
    memcpy(payload, &head, sizeof head);
    return (trn_answer_t){.type = TRN_MSG_OUTPUTS, .n_bytes = (uint32_t)(sizeof head + TRN_N_OUTPUTS * sizeof(float))};
}

static trn_answer_t status(const trn_request_t *request)
{
    if (request->n_bytes != 0u) {
        return bad_length(request);
    }
    const trn_link_counters_t counters = trn_link_counters();
    const trn_status_report_t report = {
        .n_frames = counters.n_frames,
        .n_repeats = counters.n_repeats,
        .n_damaged = counters.n_damaged,
        .n_overflows = counters.n_overflows,
        .epoch_samples = trn_train_epoch_samples(),
        .batch_samples = trn_train_batch_samples(),
    };
    return trn_answer_with(TRN_MSG_STATUS_REPORT, &report, sizeof report);
}

static trn_answer_t execute(const trn_request_t *request)
{
    switch (request->type) {
    case TRN_MSG_HELLO: return hello(request);
    case TRN_MSG_INIT: return init(request);
    case TRN_MSG_SET_TARGETS: return set_targets(request);
    case TRN_MSG_WRITE_PARAMETERS: return write_parameters(request);
    case TRN_MSG_READ_PARAMETERS: return read_parameters(request);
    case TRN_MSG_WRITE_SAMPLES: return write_samples(request);
    case TRN_MSG_EPOCH_BEGIN: return epoch_begin(request);
    case TRN_MSG_TRAIN_INDEXED:
    case TRN_MSG_TRAIN_SAMPLES: return trn_train_request(request);
    case TRN_MSG_EVALUATE_INDEXED:
    case TRN_MSG_EVALUATE_SAMPLES: return trn_evaluate_request(request);
    case TRN_MSG_PREDICT: return predict(request);
    case TRN_MSG_STATUS: return status(request);
    default: return trn_answer_refused(TRN_ERR_UNKNOWN_MESSAGE, request->type);
    }
}

void trn_app_handle(uint32_t n_raw)
{
    trn_request_t request;
    if (trn_link_accept(n_raw, &request)) {
        const trn_answer_t answer = execute(&request);
        trn_link_answer(answer.type, answer.n_bytes);
    }
}
