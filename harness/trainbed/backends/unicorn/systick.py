# SPDX-License-Identifier: Apache-2.0
"""SysTick: a 24-bit counter that runs down with the core clock. Source: Armv7-M manual B3.3."""

from __future__ import annotations

from collections.abc import Callable

from trainbed.backends.unicorn.nvic import SYSTICK, Nvic
from trainbed.backends.unicorn.registers import Unmodelled, words_only
from trainbed.backends.unicorn.schedule import Schedule

_CTRL, _LOAD, _VAL, _CALIB = 0x0, 0x4, 0x8, 0xC
_ENABLE, _TICKINT, _CLKSOURCE, _COUNTFLAG = 1, 2, 4, 1 << 16


class SysTick:
    """Registers at 0xE000E010. The counter is worked out when read; only the wrap to zero is an event."""

    name = "SysTick"

    def __init__(self, schedule: Schedule, nvic: Nvic, *, now: Callable[[], int]) -> None:
        self._schedule = schedule
        self._nvic = nvic
        self._now = now
        self.reset()

    def reset(self) -> None:
        self._control = _CLKSOURCE
        self._reload = 0
        self._held = 0
        self._wraps_at = 0
        self._flag = False

    def read(self, offset: int, size: int) -> int:
        words_only(size)
        if offset == _CTRL:
            value = self._control | (_COUNTFLAG if self._flag else 0)
            self._flag = False
            return value
        if offset == _LOAD:
            return self._reload
        if offset == _VAL:
            return self._value()
        if offset == _CALIB:
            return 0xC000_0000  # no reference clock, no calibration value
        raise Unmodelled(f"no register at SysTick offset 0x{offset:x}")

    def write(self, offset: int, size: int, value: int) -> None:
        words_only(size)
        if offset == _CTRL:
            self._held = self._value()
            self._control = value & (_ENABLE | _TICKINT) | _CLKSOURCE
            self._flag = False
            self._plan()
        elif offset == _LOAD:
            self._reload = value & 0xFF_FFFF
        elif offset == _VAL:
            self._held = 0  # any write clears the counter; the next clock loads it
            self._flag = False
            self._plan()
        elif offset != _CALIB:
            raise Unmodelled(f"no register at SysTick offset 0x{offset:x}")

    def _value(self) -> int:
        if not self._control & _ENABLE or self._wraps_at == 0:
            return self._held
        left = self._wraps_at - self._now()
        return max(0, min(left, self._reload))

    def _plan(self) -> None:
        self._schedule.cancel(self.name)
        self._wraps_at = 0
        if self._control & _ENABLE and (self._held or self._reload):
            self._wraps_at = self._now() + (self._held or self._reload + 1)
            self._schedule.at(self._wraps_at, self.name, self._wrap)

    def _wrap(self) -> None:
        self._flag = True
        self._held = 0
        if self._control & _TICKINT:
            self._nvic.pend(SYSTICK)
        if self._reload:
            # From the planned time, not from now: the period does not drift by the length of a block.
            self._wraps_at += self._reload + 1
            self._schedule.at(self._wraps_at, self.name, self._wrap)
        else:
            self._wraps_at = 0
