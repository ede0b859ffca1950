# SPDX-License-Identifier: Apache-2.0
"""The frame codec in C as a library of the host, and a judge of damaged streams."""

from __future__ import annotations

import ctypes
import random
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from trainbed.codegen.messages import write_messages_header
from trainbed.link import frames
from trainbed.link.faults import KINDS, mutate
from trainbed.link.frames import Frame

FIRMWARE = Path(__file__).resolve().parents[2] / "firmware"
MUTATIONS = (*KINDS, "reorder", "storm", "noise")


class Header(ctypes.Structure):
    """trn_frame_header_t."""

    _fields_ = (("type", ctypes.c_uint8), ("version", ctypes.c_uint8), ("seq", ctypes.c_uint16))


def build_codec(folder: Path, *flags: str) -> ctypes.CDLL:
    """firmware/link/frame.c and crc32.c as a shared library."""
    write_messages_header(folder)
    library = folder / "codec.so"
    sources = [str(FIRMWARE / "link" / name) for name in ("frame.c", "crc32.c")]
    includes = [f"-I{FIRMWARE / 'include'}", f"-I{folder}"]
    command = ["gcc", "-std=c11", "-O2", "-shared", "-fPIC", *flags, *includes, *sources, "-o", str(library)]
    subprocess.run(command, check=True, capture_output=True)
    codec = ctypes.CDLL(str(library))
    codec.trn_frame_decode.argtypes = [ctypes.c_void_p, ctypes.c_uint32]
    codec.trn_frame_decode.restype = ctypes.c_int32
    codec.trn_frame_encode.argtypes = [ctypes.c_void_p, ctypes.c_uint32, Header, ctypes.c_uint32]
    codec.trn_frame_encode.restype = ctypes.c_uint32
    codec.trn_crc32.argtypes = [ctypes.c_uint32, ctypes.c_void_p, ctypes.c_uint32]
    codec.trn_crc32.restype = ctypes.c_uint32
    return codec


def damage(rng: random.Random, raw: bytes, kind: str) -> bytes:
    """``raw`` damaged once: a fault of the line, or one only a test would think of."""
    if kind == "reorder":
        a, b, c = sorted(rng.randint(0, len(raw)) for _ in range(3))
        return raw[:a] + raw[b:c] + raw[a:b] + raw[c:]
    if kind == "storm":
        at = rng.randint(0, len(raw))
        return raw[:at] + bytes(rng.randint(2, 40)) + raw[at:]
    if kind == "noise":
        return rng.randbytes(len(raw))
    return mutate(rng, raw, kind=kind)


def payload(rng: random.Random) -> bytes:
    """A payload of 0 to 600 bytes: noise, zeros, small numbers, or none of them zero."""
    n = rng.choice((0, 1, 4, 12, 60, 245, 246, 247, 248, 600))
    style = rng.randrange(4)
    if style == 0:
        return rng.randbytes(n)
    if style == 1:
        return bytes(n)
    alphabet = bytes((0, 0, 0, 1, 7)) if style == 2 else bytes(range(1, 256))
    return bytes(rng.choices(alphabet, k=n))


@dataclass
class Verdict:
    """What became of damaged streams."""

    streams: int = 0
    changed: int = 0
    wrong: int = 0
    """Frames accepted that nobody had sent."""
    not_resynchronised: int = 0
    """Streams whose second frame after the damage was lost."""


def judge(
    n_streams: int, *, seed: int, encode: Callable[[Frame], bytes], decode: Callable[[bytes], Frame | None]
) -> Verdict:
    """Damages one frame in a stream of three, ``n_streams`` times, and looks at what is accepted."""
    rng = random.Random(seed)
    verdict = Verdict()
    while verdict.streams < n_streams:
        sent = [Frame(code=rng.randrange(256), seq=rng.randrange(65536), payload=payload(rng)) for _ in range(3)]
        raws = [encode(frame) for frame in sent]
        for kind in MUTATIONS * 8:
            damaged = damage(rng, raws[0], kind)
            verdict.streams += 1
            verdict.changed += damaged != raws[0]
            pieces, _ = frames.split(damaged + raws[1] + raws[2])
            accepted = [frame for frame in map(decode, pieces) if frame is not None]
            verdict.wrong += sum(frame not in sent for frame in accepted)
            verdict.not_resynchronised += not accepted or accepted[-1] != sent[2]
    return verdict
