# SPDX-License-Identifier: Apache-2.0
"""What a peripheral is: registers at offsets, reset, and an error for everything it does not model."""

from __future__ import annotations

from typing import Protocol

WORD = 0xFFFF_FFFF


class Unmodelled(Exception):
    """The guest touched something no model stands behind; a silent zero would be a lie about the part."""


class BusFault(Exception):
    """A peripheral was told to access memory it cannot reach. ``kind`` is the GuestFault kind."""

    def __init__(self, kind: str, detail: str) -> None:
        self.kind = kind
        super().__init__(detail)


class Peripheral(Protocol):
    """Registers behind one range of addresses. ``size`` is 1, 2 or 4 bytes."""

    name: str

    def read(self, offset: int, size: int) -> int:
        """Value of a register. Raises Unmodelled, BusFault."""
        ...

    def write(self, offset: int, size: int, value: int) -> None:
        """Effect of a write. Raises Unmodelled, BusFault."""
        ...

    def reset(self) -> None:
        """State after power-on."""
        ...


def words_only(size: int) -> None:
    """Most peripherals answer 32-bit accesses alone."""
    if size != 4:
        raise Unmodelled(f"{8 * size}-bit access, the register takes 32 bits")
