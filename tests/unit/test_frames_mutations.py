# SPDX-License-Identifier: Apache-2.0
"""Damaged frames: none is taken for another one, and the stream is understood again one frame later."""

from __future__ import annotations

import ctypes
import random
from functools import partial, reduce
from pathlib import Path

import pytest
from frame_codec import MUTATIONS, Verdict, build_codec, damage, judge, payload

from trainbed.link import frames
from trainbed.link.frames import Checksum, Frame, FrameError


def decode_with(checksum: Checksum, raw: bytes) -> Frame | None:
    try:
        return frames.decode(raw, checksum=checksum)
    except FrameError:
        return None


def xor8(data: bytes) -> int:
    return reduce(lambda a, b: a ^ b, data, 0)


def judge_checksum(checksum: Checksum, n_streams: int, seed: int) -> Verdict:
    encode = partial(frames.encode, checksum=checksum)
    return judge(n_streams, seed=seed, encode=encode, decode=partial(decode_with, checksum))


def test_of_a_hundred_thousand_damaged_frames_none_is_accepted() -> None:
    verdict = judge_checksum(frames.crc32, 100_000, seed=1)
    assert verdict.changed > 95_000
    assert verdict.wrong == 0
    assert verdict.not_resynchronised == 0


@pytest.mark.slow
def test_of_a_million_damaged_frames_none_is_accepted() -> None:
    verdict = judge_checksum(frames.crc32, 1_050_000, seed=2)
    assert verdict.changed > 1_000_000
    assert verdict.wrong == 0
    assert verdict.not_resynchronised == 0


def test_the_same_frames_get_past_an_eight_bit_checksum() -> None:
    """The canary: a suite that cannot see a weak checksum would prove nothing about a strong one."""
    assert judge_checksum(xor8, 20_000, seed=1).wrong > 20


def test_the_device_accepts_and_refuses_exactly_what_the_host_does(tmp_path: Path) -> None:
    codec = build_codec(tmp_path)
    rng = random.Random(3)
    buffer = ctypes.create_string_buffer(4096)
    accepted = 0
    for _ in range(2_000):
        raw = frames.encode(Frame(code=rng.randrange(256), seq=rng.randrange(65536), payload=payload(rng)))
        for kind in ("bit_flip", *MUTATIONS):
            damaged = raw if kind == "bit_flip" else damage(rng, raw, kind)
            for piece in frames.split(damaged + b"\x00")[0]:
                ctypes.memmove(buffer, piece + b"\x00", len(piece) + 1)
                n = codec.trn_frame_decode(buffer, len(piece) + 1)
                expected = decode_with(frames.crc32, piece)
                assert (n >= 0) == (expected is not None), piece.hex()
                if expected is not None:
                    accepted += 1
                    head = bytes((expected.code, expected.version)) + expected.seq.to_bytes(2, "little")
                    assert buffer.raw[: 4 + n] == head + expected.payload
    assert accepted >= 2_000


@pytest.mark.slow
def test_the_device_accepts_none_of_a_million_damaged_frames(tmp_path: Path) -> None:
    codec = build_codec(tmp_path)
    buffer = ctypes.create_string_buffer(4096)

    def decode(piece: bytes) -> Frame | None:
        ctypes.memmove(buffer, piece + b"\x00", len(piece) + 1)
        n = codec.trn_frame_decode(buffer, len(piece) + 1)
        if n < 0:
            return None
        raw = buffer.raw[: 4 + n]
        return Frame(code=raw[0], version=raw[1], seq=int.from_bytes(raw[2:4], "little"), payload=raw[4:])

    verdict = judge(1_050_000, seed=4, encode=frames.encode, decode=decode)
    assert verdict.changed > 1_000_000
    assert verdict.wrong == 0
    assert verdict.not_resynchronised == 0
