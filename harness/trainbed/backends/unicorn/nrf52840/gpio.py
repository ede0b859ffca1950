# SPDX-License-Identifier: Apache-2.0
"""GPIO ports: what is written reads back, inputs read what the port drives. Source: Product Specification v1.7, 6.9."""

from __future__ import annotations

from trainbed.backends.unicorn.registers import WORD, Unmodelled, words_only

_OUT, _OUTSET, _OUTCLR, _IN, _DIR, _DIRSET, _DIRCLR, _LATCH, _DETECTMODE = range(0x504, 0x528, 4)
_PIN_CNF = range(0x700, 0x780, 4)


class Gpio:
    """One port; register offsets as in the data sheet (from 0x504). Nothing is connected: an input reads 0."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.reset()

    def reset(self) -> None:
        self._out = 0
        self._dir = 0
        self._detect_mode = 0
        self._config = dict.fromkeys(_PIN_CNF, 2)

    def read(self, offset: int, size: int) -> int:
        words_only(size)
        if offset in (_OUT, _OUTSET, _OUTCLR):
            return self._out
        if offset in (_DIR, _DIRSET, _DIRCLR):
            return self._dir
        if offset == _IN:
            return self._out & self._dir
        if offset == _LATCH:
            return 0
        if offset == _DETECTMODE:
            return self._detect_mode
        if offset in _PIN_CNF:
            return self._config[offset]
        raise Unmodelled(f"no register at {self.name} offset 0x{offset:03x}")

    def write(self, offset: int, size: int, value: int) -> None:
        words_only(size)
        if offset == _OUT:
            self._out = value
        elif offset == _OUTSET:
            self._out |= value
        elif offset == _OUTCLR:
            self._out &= ~value & WORD
        elif offset == _DIR:
            self._dir = value
        elif offset == _DIRSET:
            self._dir |= value
        elif offset == _DIRCLR:
            self._dir &= ~value & WORD
        elif offset == _DETECTMODE:
            self._detect_mode = value & 1
        elif offset in _PIN_CNF:
            self._config[offset] = value
            bit = 1 << (offset - _PIN_CNF.start) // 4
            self._dir = self._dir | bit if value & 1 else self._dir & ~bit
        elif offset not in (_IN, _LATCH):
            raise Unmodelled(f"no writable register at {self.name} offset 0x{offset:03x}")
