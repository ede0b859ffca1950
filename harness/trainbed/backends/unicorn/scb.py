# SPDX-License-Identifier: Apache-2.0
"""System control block, debug, cache and floating-point control registers of a Cortex-M.

Sources: Armv7-M manual B3.2 and B3.5 (cache maintenance: B2.2.7), Armv6-M manual B3.2.
"""

from __future__ import annotations

from collections.abc import Callable

from trainbed.backends.unicorn.cores import CoreFacts
from trainbed.backends.unicorn.dwt import Dwt
from trainbed.backends.unicorn.nvic import EXTERNAL, PENDSV, SYSTICK, Nvic
from trainbed.backends.unicorn.registers import Unmodelled, words_only

_ACTLR, _CPUID, _ICSR, _VTOR, _AIRCR, _SCR = 0x008, 0xD00, 0xD04, 0xD08, 0xD0C, 0xD10
_CCR, _SHPR, _SHCSR = 0xD14, 0xD18, 0xD24
_CFSR, _HFSR, _DFSR, _MMFAR, _BFAR, _CPACR, _DEMCR = 0xD28, 0xD2C, 0xD30, 0xD34, 0xD38, 0xD88, 0xDFC
_MPU_TYPE, _FPCCR, _FPCAR, _FPDSCR, _ICTR = 0xD90, 0xF34, 0xF38, 0xF3C, 0x004
_CP10_CP11 = 0xF << 20
_TRCENA = 1 << 24
_RESET_VALUES = {
    _CCR: 0x200,  # STKALIGN
    _AIRCR: 0xFA05_0000,
    _FPCCR: 0xC000_0000,  # ASPEN, LSPEN
}
_PLAIN = (_ACTLR, _SCR, _CCR, _SHCSR, _FPCCR, _FPCAR, _FPDSCR, _MMFAR, _BFAR, _AIRCR)
"""Registers that hold what was written; none of their bits changes how this machine behaves."""
_WRITE_ONE_CLEARS = (_CFSR, _HFSR, _DFSR)
_V6M = frozenset((_CPUID, _ICSR, _VTOR, _AIRCR, _SCR, _CCR, _SHCSR, _MPU_TYPE, _DEMCR))
"""What an Armv6-M core has of all these, beside the priorities; the rest faults."""
_CCSIDR, _CSSELR = 0xD80, 0xD84
_ICIALLU, _BPIALL = 0xF50, 0xF78
_CACHE_WRITES = (*range(_ICIALLU, _BPIALL + 4, 4), 0xFA8)
"""Invalidate and clean: nothing to do, the engine has no caches. 0xFA8: AHB slave control, with the TCM registers."""
_TCM_CONTROL = (0xF90, 0xF94, 0xF98, 0xF9C, 0xFA0)
_CACHE_LINE = 32
_FEATURES = range(0xD40, 0xD80, 4)
"""CPU identification registers: read as zero."""


class Scb:
    """Registers at 0xE000E000 that belong to no unit of their own."""

    name = "SCB"

    def __init__(
        self,
        core: CoreFacts,
        nvic: Nvic,
        dwt: Dwt,
        *,
        cache_bytes: int,
        on_reset: Callable[[], None],
        on_fpu: Callable[[bool], None],
    ) -> None:
        self._core = core
        self._cache_bytes = cache_bytes
        # The table holds 16 + n vectors of four bytes and lies on a multiple of its size, rounded up to a power of two.
        self._table_bytes = max(128 if not core.v6m else 256, 1 << (4 * (16 + nvic.n_interrupts) - 1).bit_length())
        self._constant = {_CPUID: core.cpuid, _MPU_TYPE: 0, _ICTR: (nvic.n_interrupts - 1) // 32}
        self._nvic = nvic
        self._dwt = dwt
        self._on_reset = on_reset
        self._on_fpu = on_fpu
        self.vtor = 0
        self.current_exception: Callable[[], int] = lambda: 0
        self.reset()

    def reset(self) -> None:
        self.vtor = 0
        self._cpacr = 0
        self._values = dict(_RESET_VALUES)

    @property
    def fpu_enabled(self) -> bool:
        """CPACR grants full access to CP10 and CP11."""
        return self._cpacr & _CP10_CP11 == _CP10_CP11

    def read(self, offset: int, size: int) -> int:
        if _SHPR <= offset < _SHPR + 12:
            return sum(self._nvic.priority(offset - _SHPR + 4 + i) << 8 * i for i in range(size))
        words_only(size)
        self._check_offered(offset)
        if offset == _ICSR:
            return self._interrupt_state()
        if offset == _VTOR:
            return self.vtor
        if offset == _CPACR:
            return self._cpacr
        if offset == _DEMCR:
            return _TRCENA if self._dwt.powered else 0
        if offset in self._constant:
            return self._constant[offset]
        if offset in _FEATURES:
            return 0
        if offset in _PLAIN or offset in _WRITE_ONE_CLEARS:
            return self._values.get(offset, 0)
        if self._core.has_caches and offset in (_CSSELR, *_TCM_CONTROL):
            return self._values.get(offset, 0)
        if self._core.has_caches and offset == _CCSIDR:
            return self._cache_geometry()
        raise Unmodelled(f"no register at 0x{0xE000E000 + offset:08x}")

    def write(self, offset: int, size: int, value: int) -> None:
        if _SHPR <= offset < _SHPR + 12:
            for i in range(size):
                self._nvic.set_priority(offset - _SHPR + 4 + i, value >> 8 * i & 0xFF)
            return
        words_only(size)
        self._check_offered(offset)
        if offset == _ICSR:
            self._set_interrupt_state(value)
        elif offset == _VTOR:
            if value % self._table_bytes:
                raise Unmodelled(f"VTOR 0x{value:08x} is not a multiple of {self._table_bytes}")
            self.vtor = value
        elif offset == _CPACR:
            before = self.fpu_enabled
            self._cpacr = value & _CP10_CP11
            if self.fpu_enabled != before:
                self._on_fpu(self.fpu_enabled)
        elif offset == _DEMCR:
            self._dwt.power(on=bool(value & _TRCENA))
        elif offset == _AIRCR:
            self._write_reset_control(value)
        elif offset in _PLAIN or (self._core.has_caches and offset in (_CSSELR, *_TCM_CONTROL)):
            self._values[offset] = value
        elif self._core.has_caches and offset in _CACHE_WRITES:
            pass
        elif offset in _WRITE_ONE_CLEARS:
            self._values[offset] = self._values.get(offset, 0) & ~value
        else:
            raise Unmodelled(f"no writable register at 0x{0xE000E000 + offset:08x}")

    def _cache_geometry(self) -> int:
        """CCSIDR of the instruction cache (two ways) or the data cache (four), whichever CSSELR selects."""
        ways = 2 if self._values.get(_CSSELR, 0) & 1 else 4
        sets = self._cache_bytes // (_CACHE_LINE * ways)
        return 0xF000_0001 | (sets - 1) << 13 | (ways - 1) << 3

    def _check_offered(self, offset: int) -> None:
        if self._core.v6m and offset not in _V6M:
            raise Unmodelled(f"this core has no register at 0x{0xE000E000 + offset:08x}")

    def _write_reset_control(self, value: int) -> None:
        if value >> 16 != 0x05FA:
            return  # without the key the core ignores the write
        if value & 4:
            self._on_reset()
        self._values[_AIRCR] = 0xFA05_0000 | value & 0x700

    def _interrupt_state(self) -> int:
        value = self.current_exception()
        value |= int(self._nvic.is_pending(SYSTICK)) << 26 | int(self._nvic.is_pending(PENDSV)) << 28
        value |= int(any(self._nvic.is_pending(EXTERNAL + i) for i in range(self._nvic.n_interrupts))) << 22
        return value

    def _set_interrupt_state(self, value: int) -> None:
        for number, set_bit, clear_bit in ((PENDSV, 28, 27), (SYSTICK, 26, 25)):
            if value >> set_bit & 1:
                self._nvic.pend(number)
            elif value >> clear_bit & 1:
                self._nvic.unpend(number)
