# SPDX-License-Identifier: Apache-2.0
"""Frames: what travels over the UART. COBS(type u8, version u8, seq u16, payload, crc32 u32) and a zero byte."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass

from cobs import cobs

from trainbed.link.codes import PROTOCOL_VERSION

DELIMITER = b"\x00"
_HEADER = struct.Struct("<BBH")
_CRC = struct.Struct("<I")

Checksum = Callable[[bytes], int]
"""From the bytes of a frame to the 32-bit number that guards them."""


@dataclass(frozen=True)
class Frame:
    """One frame: the message's code, the sequence number (0..65535), the payload, the protocol version."""

    code: int
    seq: int
    payload: bytes = b""
    version: int = PROTOCOL_VERSION


class FrameError(ValueError):
    """Bytes between two delimiters that are not a frame."""


def crc32(data: bytes) -> int:
    """CRC-32 of IEEE 802.3 (reflected 0xEDB88320, start and final inversion)."""
    return zlib.crc32(data)


def encode(frame: Frame, *, checksum: Checksum = crc32) -> bytes:
    """The raw bytes of a frame, delimiter included."""
    body = _HEADER.pack(frame.code, frame.version, frame.seq) + frame.payload
    encoded: bytes = cobs.encode(body + _CRC.pack(checksum(body)))
    return encoded + DELIMITER


def decode(raw: bytes, *, checksum: Checksum = crc32) -> Frame:
    """The frame in ``raw`` (one frame, without delimiter). Raises FrameError."""
    try:
        decoded = cobs.decode(raw)
    except cobs.DecodeError as error:
        raise FrameError(str(error)) from None
    if len(decoded) < _HEADER.size + _CRC.size:
        raise FrameError(f"{len(decoded)} bytes are no frame")
    body, tail = decoded[: -_CRC.size], decoded[-_CRC.size :]
    if checksum(body) != _CRC.unpack(tail)[0]:
        raise FrameError("the CRC differs")
    code, version, seq = _HEADER.unpack_from(body)
    return Frame(code=code, seq=seq, payload=body[_HEADER.size :], version=version)


def split(stream: bytes) -> tuple[list[bytes], bytes]:
    """The pieces of a stream between delimiters (empty ones left out), and what follows the last delimiter."""
    *pieces, rest = stream.split(DELIMITER)
    return [piece for piece in pieces if piece], rest


def raw_bytes(n_payload: int) -> int:
    """Most raw bytes a payload of ``n_payload`` bytes can take: header, CRC, COBS, delimiter."""
    n = _HEADER.size + n_payload + _CRC.size
    return n + n // 254 + 2


def payload_bytes(n_raw: int) -> int:
    """Largest payload that fits ``n_raw`` raw bytes whatever its bytes are; the device computes the same (frame.h)."""
    n = n_raw - n_raw // 254 - 2
    return n - _HEADER.size - _CRC.size
