# SPDX-License-Identifier: Apache-2.0
"""Frames on both sides of the link: the same bytes out of Python and out of C."""

from __future__ import annotations

import ctypes
import random
import zlib

import pytest
from frame_codec import Header, build_codec, payload

from trainbed.link import frames
from trainbed.link.frames import Frame, FrameError


@pytest.fixture(scope="module")
def codec(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    return build_codec(tmp_path_factory.mktemp("codec"))


@pytest.fixture(scope="module")
def avr_codec(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    """The same sources as for AVR, its program memory replaced by plain memory."""
    return build_codec(tmp_path_factory.mktemp("avr_codec"), "-D__AVR__", "-D__flash=")


def c_encode(codec: ctypes.CDLL, frame: Frame) -> bytes:
    """The raw frame as the device makes it, in a buffer with not a byte to spare."""
    n = len(frame.payload)
    offset = (n + 8) // 254 + 1
    head = bytes((frame.code, frame.version)) + frame.seq.to_bytes(2, "little")
    size = max(offset + n + 8, frames.raw_bytes(n))
    buffer = ctypes.create_string_buffer(bytes(offset) + head + frame.payload, size + 4)
    buffer[size : size + 4] = b"\xa5\xa5\xa5\xa5"
    n_raw = codec.trn_frame_encode(buffer, offset, Header(frame.code, frame.version, frame.seq), n)
    assert buffer.raw[size:] == b"\xa5\xa5\xa5\xa5"
    return buffer.raw[:n_raw]


def test_the_crc_is_the_one_of_ieee_802_3(codec: ctypes.CDLL, avr_codec: ctypes.CDLL) -> None:
    check = b"123456789"
    assert codec.trn_crc32(0, check, 9) == 0xCBF43926
    assert avr_codec.trn_crc32(0, check, 9) == 0xCBF43926
    assert frames.crc32(check) == 0xCBF43926


def test_the_crc_is_right_at_every_alignment_and_length(codec: ctypes.CDLL, avr_codec: ctypes.CDLL) -> None:
    data = random.Random(1).randbytes(300)
    buffer = ctypes.create_string_buffer(data, len(data))
    address = ctypes.addressof(buffer)
    for start in range(8):
        for n in (*range(20), 255, 256, 290):
            expected = zlib.crc32(data[start : start + n])
            assert codec.trn_crc32(0, address + start, n) == expected
            assert avr_codec.trn_crc32(0, address + start, n) == expected


def test_the_crc_of_parts_continues_to_the_crc_of_the_whole(codec: ctypes.CDLL) -> None:
    data = random.Random(2).randbytes(100)
    first = codec.trn_crc32(0, data[:37], 37)
    assert codec.trn_crc32(first, data[37:], 63) == zlib.crc32(data)


def test_both_sides_encode_to_the_same_bytes(codec: ctypes.CDLL) -> None:
    rng = random.Random(3)
    for _ in range(3_000):
        frame = Frame(code=rng.randrange(256), seq=rng.randrange(65536), payload=payload(rng))
        assert c_encode(codec, frame) == frames.encode(frame)


def test_blocks_of_254_bytes_without_zero_encode_alike_at_every_edge(codec: ctypes.CDLL) -> None:
    for n in range(520):
        for content in (bytes([1]) * n, bytes([1]) * n + b"\x00", b"\x00" + bytes([7]) * n):
            frame = Frame(code=1, seq=0x0101, payload=content)
            raw = frames.encode(frame)
            assert c_encode(codec, frame) == raw
            assert frames.decode(raw[:-1]) == frame
            buffer = ctypes.create_string_buffer(raw, len(raw))
            assert codec.trn_frame_decode(buffer, len(raw)) == len(content)
            assert buffer.raw[4 : 4 + len(content)] == content


def test_a_frame_never_takes_more_than_the_bound_and_reaches_it() -> None:
    for n in (0, 1, 245, 246, 247, 500, 1000, 4000):
        full = max(len(frames.encode(Frame(code=1, seq=257, payload=bytes([k]) * n))) for k in (1, 2, 3))
        assert full <= frames.raw_bytes(n)
        assert full >= frames.raw_bytes(n) - 1
        assert frames.raw_bytes(frames.payload_bytes(frames.raw_bytes(n))) <= frames.raw_bytes(n)


def test_what_is_no_frame_is_told_apart(codec: ctypes.CDLL) -> None:
    good = frames.encode(Frame(code=1, seq=2, payload=b"abc"))
    for raw, reason in ((b"", -1), (b"\x01", -4), (b"\x05ab", -3), (good[:-1][:3] + b"\x55" + good[4:-1], -5)):
        buffer = ctypes.create_string_buffer(raw + b"\x00", len(raw) + 1)
        assert codec.trn_frame_decode(buffer, len(raw) + 1) == reason
        with pytest.raises(FrameError):
            frames.decode(raw)


def test_the_device_survives_bytes_a_port_never_delivers(codec: ctypes.CDLL) -> None:
    """Zeros inside a frame cannot come from a receiver that stops at the first; they are refused all the same."""
    good = frames.encode(Frame(code=1, seq=2, payload=b"abc"))
    for raw in (good + b"\x02a\x00", b"\x01\x00\x01\x00", b"\x00\x00\x00\x00"):
        buffer = ctypes.create_string_buffer(raw, len(raw))
        assert codec.trn_frame_decode(buffer, len(raw)) == -3
