/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Frames: COBS(type u8, version u8, seq u16, payload, crc32 u32) and a zero byte; numbers little-endian.
 * Byte-level specification: docs/protocol.md. Stateless: every buffer is the caller's.
 * COBS: S. Cheshire, M. Baker, "Consistent Overhead Byte Stuffing", IEEE/ACM Transactions on Networking 7(2), 1999.
 */
#ifndef TRN_FRAME_H
#define TRN_FRAME_H

#include <stdint.h>

#define TRN_FRAME_HEADER_BYTES 4
#define TRN_FRAME_CRC_BYTES 4

/* Largest payload that fits a raw frame of n_raw bytes, delimiter included, whatever its bytes are. */
#define TRN_FRAME_PAYLOAD_BYTES(n_raw) ((n_raw) - (n_raw) / 254 - 2 - TRN_FRAME_HEADER_BYTES - TRN_FRAME_CRC_BYTES)

/* Where trn_frame_encode() wants the header in a buffer of n_raw bytes: a multiple of 4 that leaves room for COBS. */
#define TRN_FRAME_OFFSET(n_raw) (((n_raw) / 254 + 2 + 3) / 4 * 4)

typedef struct {
    uint8_t type;
    uint8_t version;
    uint16_t seq;
} trn_frame_header_t;

/*
 * Decodes a raw frame of n_raw bytes, delimiter included, in place: the header then stands at frame[0], the payload at
 * frame[4], so both are aligned if the buffer is. Any bytes are safe.
 * Returns the size of the payload in bytes, or a negative trn_nak_reason_t.
 */
int32_t trn_frame_decode(uint8_t *frame, uint32_t n_raw);

/*
 * Encodes the header at buffer[offset] and the n_payload bytes behind it, in place; the raw frame then starts at
 * buffer[0]. offset: at least 1 + (n_payload + 8) / 254; the buffer holds offset + n_payload + 8 bytes or more.
 * Returns the raw size in bytes, delimiter included.
 */
uint32_t trn_frame_encode(uint8_t *buffer, uint32_t offset, trn_frame_header_t header, uint32_t n_payload);

/* CRC-32 of IEEE 802.3, continued from `crc` (0 at the start). */
uint32_t trn_crc32(uint32_t crc, const uint8_t *bytes, uint32_t n_bytes);

#endif
