/* SPDX-License-Identifier: Apache-2.0 */
#include "trn/link.h"

#include <string.h>

#include "trn/port.h"
#include "trn_messages.h"

_Static_assert(TRN_RX_BYTES % 4 == 0 && TRN_TX_BYTES % 4 == 0, "link buffers are whole words");
_Static_assert(TRN_LINK_RX_PAYLOAD_BYTES >= 16, "the receive buffer takes no request");
_Static_assert(TRN_LINK_TX_PAYLOAD_BYTES >= (int32_t)sizeof(trn_info_t), "the transmit buffer takes no INFO");

#ifndef TRN_RX_OFFSET
trn_link_rx_t trn_link_rx;
#endif
trn_link_tx_t trn_link_tx;

static struct {
    bool session;           /* a HELLO has been seen */
    uint16_t last_seq;      /* of the last request that was executed */
    uint32_t n_answer;      /* raw bytes of its answer, kept in trn_link_tx */
    trn_link_counters_t counters;
} link_state;

static void arm(void)
{
    trn_port_receive_start(TRN_LINK_RX, TRN_RX_BYTES);
}

/* Sends a frame that must not disturb the answer kept in trn_link_tx. */
static void send_aside(uint8_t type, const void *payload, uint32_t n_bytes)
{
    uint8_t raw[4 + TRN_FRAME_HEADER_BYTES + 8 + TRN_FRAME_CRC_BYTES];
    _Static_assert(sizeof(trn_nak_t) <= 8 && sizeof(trn_ready_t) <= 8, "raw[] is too small");
    memcpy(raw + 4 + TRN_FRAME_HEADER_BYTES, payload, (size_t)n_bytes);
    const trn_frame_header_t header = {.type = type, .version = TRN_PROTOCOL_VERSION, .seq = 0};
    const uint32_t n_raw = trn_frame_encode(raw, 4, header, n_bytes);
    arm();
    trn_port_send(raw, n_raw);
}

static void send_nak(uint16_t reason)
{
    const trn_nak_t nak = {.reason = reason, .last_seq = link_state.last_seq, .grant = TRN_RX_BYTES};
    send_aside(TRN_MSG_NAK, &nak, sizeof nak);
}

void trn_link_open(void)
{
    memset(&link_state, 0, sizeof link_state);
    const trn_ready_t ready = {.protocol = TRN_PROTOCOL_VERSION, .grant = TRN_RX_BYTES};
    send_aside(TRN_MSG_READY, &ready, sizeof ready);
}

/* Says what to do with a frame whose CRC is right: 0 execute it, else the reason to refuse it. */
static uint16_t check_header(trn_frame_header_t header)
{
    if (header.version != TRN_PROTOCOL_VERSION) {
        return TRN_NAK_VERSION;
    }
    if (header.type == TRN_MSG_HELLO) {
        return 0;
    }
    if (!link_state.session) {
        return TRN_NAK_NO_SESSION;
    }
    const uint16_t next = (uint16_t)(link_state.last_seq + 1u);
    return header.seq == next || header.seq == link_state.last_seq ? 0 : TRN_NAK_SEQUENCE;
}

bool trn_link_accept(uint32_t n_raw, trn_request_t *request)
{
    uint8_t *const frame = TRN_LINK_RX;
    if (n_raw == 0u) {
        link_state.counters.n_overflows++;
        send_nak(TRN_NAK_OVERFLOW);
        return false;
    }
    const int32_t n_payload = trn_frame_decode(frame, n_raw);
    if (n_payload < 0) {
        link_state.counters.n_damaged += n_payload == -TRN_NAK_EMPTY ? 0u : 1u;
        send_nak((uint16_t)-n_payload);
        return false;
    }
    trn_frame_header_t header;
    memcpy(&header, frame, sizeof header);
    const uint16_t refusal = check_header(header);
    if (refusal != 0u) {
        send_nak(refusal);
        return false;
    }
    link_state.counters.n_frames++;
    if (link_state.session && header.seq == link_state.last_seq && header.type != TRN_MSG_HELLO) {
        link_state.counters.n_repeats++;
        arm();
        trn_port_send(trn_link_tx.bytes, link_state.n_answer);
        return false;
    }
    link_state.session = true;
    link_state.last_seq = header.seq;
    request->type = header.type;
    request->n_bytes = (uint32_t)n_payload;
    request->payload = frame + TRN_FRAME_HEADER_BYTES;
    return true;
}

uint8_t *trn_link_answer_payload(void)
{
    return trn_link_tx.bytes + TRN_FRAME_OFFSET(TRN_TX_BYTES) + TRN_FRAME_HEADER_BYTES;
}

void trn_link_answer(uint8_t type, uint32_t n_bytes)
{
    const trn_frame_header_t header = {.type = type, .version = TRN_PROTOCOL_VERSION, .seq = link_state.last_seq};
    link_state.n_answer = trn_frame_encode(trn_link_tx.bytes, TRN_FRAME_OFFSET(TRN_TX_BYTES), header, n_bytes);
    arm();
    trn_port_send(trn_link_tx.bytes, link_state.n_answer);
}

trn_link_counters_t trn_link_counters(void)
{
    return link_state.counters;
}
