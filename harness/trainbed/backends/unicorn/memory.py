# SPDX-License-Identifier: Apache-2.0
"""Ranges of addresses, and what a peripheral may do on the bus."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from trainbed.backends.unicorn.engine import unicorn

_PAGE = 0x1000


@dataclass(frozen=True)
class Region:
    """A range of addresses."""

    origin: int
    length: int

    @property
    def end(self) -> int:
        """First address behind the region."""
        return self.origin + self.length

    def holds(self, address: int, n_bytes: int = 1) -> bool:
        """True if all of ``n_bytes`` from ``address`` on lie in the region."""
        return self.origin <= address and address + n_bytes <= self.end


class Bus(Protocol):
    """The machine as a peripheral sees it."""

    def now(self) -> int:
        """Guest time in core cycles."""
        ...

    def sleep_until(self, time: int) -> None:
        """Moves guest time forward; nobody pays."""
        ...

    def read(self, address: int, n_bytes: int) -> bytes:
        """Bytes of memory."""
        ...

    def write(self, address: int, data: bytes) -> None:
        """Changes memory, flash included."""
        ...


def map_ram(uc: Any, ram: Region, executable: Sequence[Region]) -> None:
    """Maps a RAM; pages that hold one of ``executable`` can be executed, the others cannot."""
    pages = {
        page
        for region in executable
        for page in range(region.origin // _PAGE, -(-region.end // _PAGE))
        if region.length and ram.holds(page * _PAGE, _PAGE)
    }
    first = ram.origin // _PAGE
    while first < ram.end // _PAGE:
        last = first + 1
        while last < ram.end // _PAGE and (last in pages) == (first in pages):
            last += 1
        access = unicorn.UC_PROT_READ | unicorn.UC_PROT_WRITE | (unicorn.UC_PROT_EXEC if first in pages else 0)
        uc.mem_map(first * _PAGE, (last - first) * _PAGE, access)
        first = last
