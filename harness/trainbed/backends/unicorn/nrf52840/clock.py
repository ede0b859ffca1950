# SPDX-License-Identifier: Apache-2.0
"""CLOCK: oscillators that run as soon as they are asked to. Source: nRF52840 Product Specification v1.7, 5.4."""

from __future__ import annotations

from trainbed.backends.unicorn.registers import Unmodelled, words_only

_HFCLKSTART, _HFCLKSTOP, _LFCLKSTART, _LFCLKSTOP = 0x000, 0x004, 0x008, 0x00C
_EVENTS_HF, _EVENTS_LF = 0x100, 0x104
_HFCLKRUN, _HFCLKSTAT, _LFCLKRUN, _LFCLKSTAT, _LFCLKSRC = 0x408, 0x40C, 0x414, 0x418, 0x518
_CRYSTAL_RUNNING = 1 << 16 | 1
_LF_RUNNING = 1 << 16
_RESETREAS, _DCDCEN = 0x400, 0x578


class Clock:
    """Registers at 0x40000000: CLOCK, and of POWER (same page) reset reason and converter switch, without effect.

    The start-up time of the crystal (some 0.4 ms) is left out. Clock interrupts are not modelled: INTENSET is an error.
    """

    name = "CLOCK"

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        self._hf = False
        self._lf = False
        self._events: set[int] = set()
        self._lf_source = 0
        self._dcdc = 0

    def read(self, offset: int, size: int) -> int:
        words_only(size)
        if offset in (_EVENTS_HF, _EVENTS_LF):
            return int(offset in self._events)
        values = {
            _HFCLKSTART: 0, _HFCLKSTOP: 0, _LFCLKSTART: 0, _LFCLKSTOP: 0,
            _HFCLKRUN: int(self._hf), _HFCLKSTAT: _CRYSTAL_RUNNING if self._hf else 1 << 16,
            _LFCLKRUN: int(self._lf), _LFCLKSTAT: _LF_RUNNING | self._lf_source if self._lf else 0,
            _LFCLKSRC: self._lf_source, _RESETREAS: 0, _DCDCEN: self._dcdc,
        }  # fmt: skip
        if offset not in values:
            raise Unmodelled(f"no register at CLOCK/POWER offset 0x{offset:03x}")
        return values[offset]

    def write(self, offset: int, size: int, value: int) -> None:
        words_only(size)
        if offset in (_EVENTS_HF, _EVENTS_LF):
            if value == 0:
                self._events.discard(offset)
        elif offset == _HFCLKSTART and value & 1:
            self._hf = True
            self._events.add(_EVENTS_HF)
        elif offset == _LFCLKSTART and value & 1:
            self._lf = True
            self._events.add(_EVENTS_LF)
        elif offset == _HFCLKSTOP and value & 1:
            self._hf = False
        elif offset == _LFCLKSTOP and value & 1:
            self._lf = False
        elif offset == _LFCLKSRC:
            self._lf_source = value & 3
        elif offset == _DCDCEN:
            self._dcdc = value & 1
        elif offset not in (_HFCLKSTART, _LFCLKSTART, _HFCLKSTOP, _LFCLKSTOP, _RESETREAS):
            raise Unmodelled(f"no writable register at CLOCK/POWER offset 0x{offset:03x}")
