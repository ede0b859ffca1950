# SPDX-License-Identifier: Apache-2.0
"""DWT: the cycle counter. It reads the machine's cycle model; the block it is read in is charged in full already."""

from __future__ import annotations

from collections.abc import Callable

from trainbed.backends.unicorn.registers import WORD, Unmodelled, words_only

_CTRL, _CYCCNT = 0x0, 0x4
_READ_AS_ZERO = (0x8, 0xC, 0x10, 0x14, 0x18)
"""CPI, exception, sleep, load-store and fold counts: profiling registers that count nothing here."""


class Dwt:
    """Registers at 0xE0001000. The counter runs while DWT_CTRL.CYCCNTENA is set and DEMCR.TRCENA powers the unit."""

    name = "DWT"

    def __init__(self, *, now: Callable[[], int]) -> None:
        self._now = now
        self.reset()

    def reset(self) -> None:
        self.powered = False
        self._enabled = False
        self._held = 0
        self._zero = 0

    def power(self, *, on: bool) -> None:
        """DEMCR.TRCENA."""
        count = self._count()
        self.powered = on
        self._set(count)

    def read(self, offset: int, size: int) -> int:
        words_only(size)
        if offset == _CTRL:
            return 0x4000_0000 | int(self._enabled)
        if offset == _CYCCNT:
            return self._count()
        if offset in _READ_AS_ZERO:
            return 0
        raise Unmodelled(f"no register at DWT offset 0x{offset:03x}")

    def write(self, offset: int, size: int, value: int) -> None:
        words_only(size)
        if offset == _CTRL:
            count = self._count()
            self._enabled = bool(value & 1)
            self._set(count)
        elif offset == _CYCCNT:
            self._set(value & WORD)
        elif offset not in _READ_AS_ZERO:
            raise Unmodelled(f"no register at DWT offset 0x{offset:03x}")

    @property
    def _running(self) -> bool:
        return self._enabled and self.powered

    def _count(self) -> int:
        return (self._now() - self._zero) & WORD if self._running else self._held

    def _set(self, count: int) -> None:
        self._held = count
        self._zero = self._now() - count
