/* SPDX-License-Identifier: Apache-2.0 */
#include "trn/frame.h"

#include <stdbool.h>

#include "trn_messages.h"

/*
 * Removes COBS in place; frame[n_encoded] is the delimiter. Returns the decoded size, or -1 when a code points
 * beyond the end. A core spends most of a streamed epoch's link time here and in the CRC: runs of zeros (images) and long blocks
 * (floats) have loops of their own.
 */
static int32_t cobs_decode(uint8_t *frame, uint32_t n_encoded)
{
    const uint8_t *in = frame;
    const uint8_t *const end = frame + n_encoded;
    uint8_t *out = frame;
    uint32_t code;
    bool zero_pending = false; /* the last block wrote the zero that stands between blocks: one too many at the end */
    while ((code = *in++) != 0u) {
        while (code == 1u) {
            *out++ = 0;
            code = *in++;
            zero_pending = true;
        }
        if (code == 0u) {
            break;
        }
        uint32_t n = code - 1u;
        if (n > (uint32_t)(end - in)) {
            return -1;
        }
        for (; n >= 4u; n -= 4u, in += 4, out += 4) {
            out[0] = in[0];
            out[1] = in[1];
            out[2] = in[2];
            out[3] = in[3];
        }
        for (; n > 0u; n--) {
            *out++ = *in++;
        }
        zero_pending = code != 0xffu;
        if (zero_pending) {
            *out++ = 0;
        }
    }
    return in == end + 1 ? (int32_t)(out - frame) - (zero_pending ? 1 : 0) : -1;
}

int32_t trn_frame_decode(uint8_t *frame, uint32_t n_raw)
{
    if (n_raw <= 1u) {
        return -TRN_NAK_EMPTY;
    }
    const int32_t n = cobs_decode(frame, n_raw - 1u);
    if (n < 0) {
        return -TRN_NAK_COBS;
    }
    if (n < TRN_FRAME_HEADER_BYTES + TRN_FRAME_CRC_BYTES) {
        return -TRN_NAK_LENGTH;
    }
    const uint32_t n_body = (uint32_t)n - TRN_FRAME_CRC_BYTES;
    const uint8_t *const tail = frame + n_body;
    const uint32_t crc =
        (uint32_t)tail[0] | (uint32_t)tail[1] << 8 | (uint32_t)tail[2] << 16 | (uint32_t)tail[3] << 24;
    if (trn_crc32(0, frame, n_body) != crc) {
        return -TRN_NAK_CRC;
    }
    return (int32_t)(n_body - TRN_FRAME_HEADER_BYTES);
}

/* Applies COBS to n bytes at buffer[offset]; the result starts at buffer[0] and never overtakes what is to be read. */
static uint32_t cobs_encode(uint8_t *buffer, uint32_t offset, uint32_t n)
{
    const uint8_t *in = buffer + offset;
    const uint8_t *const end = in + n;
    uint8_t *code = buffer;
    uint8_t *out = buffer + 1;
    while (in < end) {
        const uint8_t byte = *in++;
        if (byte != 0u) {
            *out++ = byte;
        }
        const bool full = out - code == 0xff;
        if (byte == 0u || (full && in < end)) {
            *code = (uint8_t)(out - code);
            code = out++;
        }
    }
    *code = (uint8_t)(out - code);
    *out++ = 0;
    return (uint32_t)(out - buffer);
}

uint32_t trn_frame_encode(uint8_t *buffer, uint32_t offset, trn_frame_header_t header, uint32_t n_payload)
{
    uint8_t *const body = buffer + offset;
    const uint32_t n_body = TRN_FRAME_HEADER_BYTES + n_payload;
    body[0] = header.type;
    body[1] = header.version;
    body[2] = (uint8_t)(header.seq & 0xffu);
    body[3] = (uint8_t)(header.seq >> 8);
    const uint32_t crc = trn_crc32(0, body, n_body);
    for (uint8_t i = 0; i < TRN_FRAME_CRC_BYTES; i++) {
        body[n_body + i] = (uint8_t)(crc >> (8u * i));
    }
    return cobs_encode(buffer, offset, n_body + TRN_FRAME_CRC_BYTES);
}
