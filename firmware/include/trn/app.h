/* SPDX-License-Identifier: Apache-2.0 */
/* The trainer application: carries out the requests of docs/protocol.md with the model of model.h. */
#ifndef TRN_APP_H
#define TRN_APP_H

#include <stdint.h>

#include "trn/link.h"

/* Forgets everything a session has set up, opens the link. After trn_port_init(). */
void trn_app_start(void);

/* Takes one reception, n_raw as trn_port_receive_wait() returned it, and answers it. */
void trn_app_handle(uint32_t n_raw);

/* An answer: its type (trn_message_t) and the bytes written to trn_link_answer_payload(). */
typedef struct {
    uint8_t type;
    uint32_t n_bytes;
} trn_answer_t;

/* Answers with these bytes, or refuses: error is a trn_error_t, detail the number to blame. */
trn_answer_t trn_answer_with(uint8_t type, const void *payload, uint32_t n_bytes);
trn_answer_t trn_answer_refused(int32_t error, uint32_t detail);

/* The training requests (app/train.c). */
void trn_train_forget(void);               /* as at start: no weights, nothing counted */
void trn_train_close_batch(void);          /* discards an unfinished batch */
void trn_train_weights_set(void);          /* weights are there; the epoch starts anew */
void trn_train_begin_epoch(void);          /* counters zero */
uint32_t trn_train_epoch_samples(void);    /* trained in this epoch */
uint32_t trn_train_batch_samples(void);    /* of them in an unfinished batch */
trn_answer_t trn_train_request(const trn_request_t *request);
trn_answer_t trn_evaluate_request(const trn_request_t *request);

#endif
