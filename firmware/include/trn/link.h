/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The device's end of the link: one request at a time, answered under its sequence number. The answer stays in the
 * transmit buffer; a request that comes again is answered from there and not executed. The receiver is armed before
 * anything is sent, so the host may send as soon as it hears.
 */
#ifndef TRN_LINK_H
#define TRN_LINK_H

#include <stdbool.h>
#include <stdint.h>

#include "trn/frame.h"
#include "trn_config.h"

/* Largest payloads. */
#define TRN_LINK_RX_PAYLOAD_BYTES TRN_FRAME_PAYLOAD_BYTES(TRN_RX_BYTES)
#define TRN_LINK_TX_PAYLOAD_BYTES                                                                                      \
    (TRN_TX_BYTES - TRN_FRAME_OFFSET(TRN_TX_BYTES) - TRN_FRAME_HEADER_BYTES - TRN_FRAME_CRC_BYTES)

/* A buffer seen as bytes by the link and as floats by the trainer. */
typedef union {
    uint8_t bytes[TRN_RX_BYTES];
    float floats[TRN_RX_BYTES / 4];
} trn_link_rx_t;

typedef union {
    uint8_t bytes[TRN_TX_BYTES];
    float floats[TRN_TX_BYTES / 4];
} trn_link_tx_t;

#ifdef TRN_RX_OFFSET
/* Frames are received in the model's arena, one sample at a time: while the receiver is armed, no sample is in hand. */
extern float trn_arena[];
#define TRN_LINK_RX ((uint8_t *)(void *)trn_arena + TRN_RX_OFFSET)
#else
extern trn_link_rx_t trn_link_rx;
#define TRN_LINK_RX (trn_link_rx.bytes)
#endif
extern trn_link_tx_t trn_link_tx;

/* A request to be executed. The payload lies in TRN_LINK_RX, 4-aligned, until trn_link_answer(). */
typedef struct {
    uint8_t type;
    uint32_t n_bytes;
    const uint8_t *payload;
} trn_request_t;

/* What the link has seen since it was opened. */
typedef struct {
    uint32_t n_frames;
    uint32_t n_repeats;
    uint32_t n_damaged;
    uint32_t n_overflows;
} trn_link_counters_t;

/* Forgets everything, arms the receiver, sends READY. */
void trn_link_open(void);

/*
 * Takes what the receiver got: n_raw as trn_port_receive_wait() returned it. True: *request is to be executed and
 * trn_link_answer() must follow. False: the link has answered by itself (NAK, or an earlier answer again).
 */
bool trn_link_accept(uint32_t n_raw, trn_request_t *request);

/* Where the payload of the next answer is to be written: TRN_LINK_TX_PAYLOAD_BYTES, 4-aligned. */
uint8_t *trn_link_answer_payload(void);

/* Arms the receiver and sends the answer. type: trn_message_t. */
void trn_link_answer(uint8_t type, uint32_t n_bytes);

/* Counters of the link. */
trn_link_counters_t trn_link_counters(void);

#endif
