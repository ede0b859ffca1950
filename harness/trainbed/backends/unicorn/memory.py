# SPDX-License-Identifier: Apache-2.0
"""Ranges of addresses, and what a peripheral may do on the bus."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


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
