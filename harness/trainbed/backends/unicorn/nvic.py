# SPDX-License-Identifier: Apache-2.0
"""Interrupt controller: what is pending, enabled and active, and what may preempt what.

Exceptions carry their Armv7-M numbers: 11 SVC, 14 PendSV, 15 SysTick, 16 + n for interrupt n. Interrupt lines are
levels: a line still high when its handler returns, or when software clears the pending bit, is pending again. PRIGROUP
is not modelled: every implemented priority bit preempts.

Source: Armv7-M Architecture Reference Manual (DDI 0403E), B1.5 and B3.4.
"""

from __future__ import annotations

from collections.abc import Callable

from trainbed.backends.unicorn.registers import WORD, Unmodelled, words_only

SVC, PENDSV, SYSTICK, EXTERNAL = 11, 14, 15, 16
THREAD_PRIORITY = 256


class Nvic:
    """NVIC registers 0xE000E100-0xE000E4EF and the state of all exceptions.

    ``priority_bits``: how many upper bits of a priority the part implements.
    """

    name = "NVIC"

    def __init__(self, n_interrupts: int, *, priority_bits: int = 3, on_change: Callable[[], None]) -> None:
        self.n_interrupts = n_interrupts
        self._priority_mask = 0xFF00 >> priority_bits & 0xFF
        self._on_change = on_change
        self.reset()

    def reset(self) -> None:
        self._enabled: set[int] = {SVC, PENDSV, SYSTICK}
        self._pending: set[int] = set()
        self._lines: set[int] = set()
        self.active: set[int] = set()
        self._priority = [0] * (EXTERNAL + self.n_interrupts)

    # -- what devices and the core do ------------------------------------------------------------------------------

    def set_line(self, interrupt: int, *, high: bool) -> None:
        """Level of an interrupt line."""
        number = EXTERNAL + interrupt
        if high and number not in self._lines:
            self._lines.add(number)
            self.pend(number)
        elif not high:
            self._lines.discard(number)

    def pend(self, number: int) -> None:
        """Makes an exception pending."""
        self._pending.add(number)
        if number in self._enabled:
            self._on_change()

    def unpend(self, number: int) -> None:
        """Clears a pending exception, unless its line is still high."""
        if number not in self._lines:
            self._pending.discard(number)

    def is_pending(self, number: int) -> bool:
        """True if an exception is pending."""
        return number in self._pending

    def is_enabled(self, interrupt: int) -> bool:
        """True if an interrupt is enabled."""
        return EXTERNAL + interrupt in self._enabled

    def activate(self, number: int) -> None:
        """The core has entered the handler."""
        self._pending.discard(number)
        self.active.add(number)

    def deactivate(self, number: int) -> None:
        """The core has left the handler."""
        self.active.discard(number)
        if number in self._lines:
            self._pending.add(number)

    def preempting(self, *, primask: bool, faultmask: bool, basepri: int) -> int | None:
        """The exception that would be taken now, or None. Lowest priority value first, then lowest number."""
        candidates = self._pending & self._enabled
        if not candidates:
            return None
        limit = min((self._priority[number] for number in self.active), default=THREAD_PRIORITY)
        if basepri & self._priority_mask:
            limit = min(limit, basepri & self._priority_mask)
        if primask:
            limit = min(limit, 0)
        if faultmask:
            limit = -1
        best = min(candidates, key=lambda number: (self._priority[number], number))
        return best if self._priority[best] < limit else None

    def set_priority(self, number: int, value: int) -> None:
        """Priority of an exception; bits the part does not implement read as zero."""
        self._priority[number] = value & self._priority_mask
        self._on_change()

    def priority(self, number: int) -> int:
        """Priority of an exception."""
        return self._priority[number]

    # -- registers, offsets from 0xE000E100 ------------------------------------------------------------------------

    def read(self, offset: int, size: int) -> int:
        if 0x300 <= offset < 0x300 + self.n_interrupts:
            first = EXTERNAL + offset - 0x300
            return sum(self._priority[first + i] << 8 * i for i in range(size) if first + i < len(self._priority))
        words_only(size)
        group, base = offset & ~0x7F, (offset & 0x7F) // 4 * 32
        enabled, pending = self._enabled, self._pending
        source = {0x000: enabled, 0x080: enabled, 0x100: pending, 0x180: pending, 0x200: self.active}
        if group not in source or base >= EXTERNAL + self.n_interrupts:
            raise Unmodelled(f"no register at NVIC offset 0x{offset:03x}")
        return sum(1 << i for i in range(32) if EXTERNAL + base + i in source[group])

    def write(self, offset: int, size: int, value: int) -> None:
        if 0x300 <= offset < 0x300 + self.n_interrupts:
            for i in range(size):
                if EXTERNAL + offset - 0x300 + i < len(self._priority):
                    self.set_priority(EXTERNAL + offset - 0x300 + i, value >> 8 * i & 0xFF)
            return
        words_only(size)
        group, base = offset & ~0x7F, (offset & 0x7F) // 4 * 32
        numbers = [EXTERNAL + base + i for i in range(32) if (value & WORD) >> i & 1 and base + i < self.n_interrupts]
        if group == 0x000:
            self._enabled.update(numbers)
            self._on_change()
        elif group == 0x080:
            self._enabled.difference_update(numbers)
        elif group == 0x100:
            for number in numbers:
                self.pend(number)
        elif group == 0x180:
            for number in numbers:
                self.unpend(number)
        else:
            raise Unmodelled(f"no writable register at NVIC offset 0x{offset:03x}")
