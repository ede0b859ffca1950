# SPDX-License-Identifier: Apache-2.0
"""What an ELF puts into a part's flash."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path

_LOAD = 1
RAM_SPACE = 0x80_0000
"""The linker's addresses of data space begin here."""


@dataclass(frozen=True)
class Segment:
    """A stretch of flash: where it is programmed, the linker's address of it in the running firmware, its bytes."""

    programmed_at: int
    address: int
    content: bytes


def flash_segments(elf: Path) -> tuple[Segment, ...]:
    """What is programmed, by address."""
    data = elf.read_bytes()
    (offset,) = struct.unpack_from("<I", data, 28)
    size, number = struct.unpack_from("<HH", data, 42)
    found = []
    for i in range(number):
        kind, start, virtual, physical, n_bytes = struct.unpack_from("<5I", data, offset + i * size)
        if kind == _LOAD and n_bytes and physical < RAM_SPACE:
            found.append(Segment(physical, virtual, data[start : start + n_bytes]))
    return tuple(sorted(found, key=lambda segment: segment.programmed_at))


def flash_content(elf: Path) -> bytes:
    """The flash from address 0 on, what is not programmed as it is when erased."""
    segments = flash_segments(elf)
    content = bytearray(b"\xff" * max((s.programmed_at + len(s.content) for s in segments), default=0))
    for segment in segments:
        content[segment.programmed_at : segment.programmed_at + len(segment.content)] = segment.content
    return bytes(content)
