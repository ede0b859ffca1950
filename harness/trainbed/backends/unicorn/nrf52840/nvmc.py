# SPDX-License-Identifier: Apache-2.0
"""NVMC: erasing and writing flash. Source: nRF52840 Product Specification v1.7, 4.3.

The core halts while flash is worked on; that time passes as sleep. Writing clears bits and never sets one.
"""

from __future__ import annotations

from trainbed.backends.unicorn.memory import Bus
from trainbed.backends.unicorn.nrf52840.memory import FLASH, FLASH_PAGE
from trainbed.backends.unicorn.registers import BusFault, Unmodelled, words_only

_READY, _READYNEXT, _CONFIG, _ERASEPAGE, _ICACHECNF = 0x400, 0x408, 0x504, 0x508, 0x540
_IHIT, _IMISS = 0x548, 0x54C
_READ_ONLY, _WRITE, _ERASE = 0, 1, 2
_ERASE_S = 0.085
_WRITE_S = 41e-6


class Nvmc:
    """Registers at 0x4001E000. ``on_change`` is told when flash changed: code may have."""

    name = "NVMC"

    def __init__(self, bus: Bus, *, clock_hz: int) -> None:
        self._bus = bus
        self._clock_hz = clock_hz
        self.reset()

    def reset(self) -> None:
        self._mode = _READ_ONLY
        self._cache = 0
        self.dirty = False

    def read(self, offset: int, size: int) -> int:
        words_only(size)
        values = {_READY: 1, _READYNEXT: 1, _CONFIG: self._mode, _ICACHECNF: self._cache, _IHIT: 0, _IMISS: 0}
        if offset not in values:
            raise Unmodelled(f"no register at NVMC offset 0x{offset:03x}")
        return values[offset]

    def write(self, offset: int, size: int, value: int) -> None:
        words_only(size)
        if offset == _CONFIG:
            self._mode = value & 3
        elif offset == _ERASEPAGE:
            self._erase(value)
        elif offset == _ICACHECNF:
            self._cache = value & 0x101
        elif offset not in (_IHIT, _IMISS):
            raise Unmodelled(f"no writable register at NVMC offset 0x{offset:03x}")

    @property
    def writable(self) -> bool:
        """A store to flash programs it."""
        return self._mode == _WRITE

    def programmed(self) -> None:
        """A word was written."""
        self.dirty = True
        self._bus.sleep_until(self._bus.now() + int(_WRITE_S * self._clock_hz))

    def _erase(self, address: int) -> None:
        if self._mode != _ERASE:
            return  # ignored by the part as well
        if address % FLASH_PAGE or not FLASH.holds(address):
            raise BusFault("write_unmapped", f"NVMC ERASEPAGE 0x{address:08x} is not the start of a flash page")
        self._bus.write(address, b"\xff" * FLASH_PAGE)
        self.dirty = True
        self._bus.sleep_until(self._bus.now() + int(_ERASE_S * self._clock_hz))
