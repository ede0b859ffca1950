# SPDX-License-Identifier: Apache-2.0
"""Memory map of the nRF52840, and what a peripheral may do on the bus. Source: Product Specification v1.7, 4.2, 4.4."""

from __future__ import annotations

import struct
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


FLASH = Region(0x0000_0000, 0x0010_0000)
RAM = Region(0x2000_0000, 0x0004_0000)
FICR = Region(0x1000_0000, 0x1000)
UICR = Region(0x1000_1000, 0x1000)
FLASH_PAGE = 4096
N_INTERRUPTS = 48
UARTE0_IRQ = 2

_FICR_VALUES = {
    0x010: FLASH_PAGE,
    0x014: FLASH.length // FLASH_PAGE,
    0x060: 0x7472_6169,  # device id: the same on every run
    0x064: 0x6E62_6564,
    0x0A0: 0xFFFF_FFFF,
    0x0A4: 0x7472_6169,  # device address
    0x0A8: 0x0000_6E62,
    0x100: 0x0005_2840,  # part
    0x104: 0x4141_4430,  # variant AAD0
    0x108: 0x0000_2004,  # package QI
    0x10C: RAM.length // 1024,
    0x110: FLASH.length // 1024,
}


def factory_information() -> bytes:
    """Content of FICR: part, sizes and a fixed identity; all else erased."""
    content = bytearray(b"\xff" * FICR.length)
    for offset, value in _FICR_VALUES.items():
        struct.pack_into("<I", content, offset, value)
    return bytes(content)


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
