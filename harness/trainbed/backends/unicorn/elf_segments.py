# SPDX-License-Identifier: Apache-2.0
"""Loadable segments of a 32-bit little-endian ELF file; all a worker needs of one."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path

from trainbed.errors import InputError

_PT_LOAD = 1
_EXECUTABLE = 1


@dataclass(frozen=True)
class Segment:
    """Bytes at their load address: initial values of RAM variables lie in flash, where start-up code finds them.

    ``runs_at``: where start-up code puts them; ``executable``: they are code.
    """

    address: int
    content: bytes
    runs_at: int = 0
    executable: bool = False

    @property
    def is_copied_code(self) -> bool:
        """Code that does not run where it is loaded."""
        return self.executable and self.runs_at != self.address


def read_segments(path: Path) -> tuple[Segment, ...]:
    """Segments with content, in file order. Raises InputError when the file is not a 32-bit little-endian ELF."""
    data = path.read_bytes()
    if data[:6] != b"\x7fELF\x01\x01":
        raise InputError(f"{path} is not a 32-bit little-endian ELF file")
    (table,) = struct.unpack_from("<I", data, 28)
    entry_size, count = struct.unpack_from("<HH", data, 42)
    segments = []
    for i in range(count):
        kind, offset, runs_at, physical, n_bytes, _, flags = struct.unpack_from("<7I", data, table + i * entry_size)
        if kind == _PT_LOAD and n_bytes:
            content = data[offset : offset + n_bytes]
            segments.append(Segment(physical, content, runs_at, bool(flags & _EXECUTABLE)))
    return tuple(segments)
