# SPDX-License-Identifier: Apache-2.0
"""System control block, debug and floating-point control registers of an Armv7-M core. Source: Armv7-M manual B3.2."""

from __future__ import annotations

from collections.abc import Callable

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
_CONSTANT = {_CPUID: 0x410F_C241, _MPU_TYPE: 0, _ICTR: 1}
_FEATURES = range(0xD40, 0xD80, 4)
"""CPU identification registers: read as zero."""


class Scb:
    """Registers at 0xE000E000 that belong to no unit of their own."""

    name = "SCB"

    def __init__(self, nvic: Nvic, dwt: Dwt, *, on_reset: Callable[[], None], on_fpu: Callable[[bool], None]) -> None:
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
        if offset == _ICSR:
            return self._interrupt_state()
        if offset == _VTOR:
            return self.vtor
        if offset == _CPACR:
            return self._cpacr
        if offset == _DEMCR:
            return _TRCENA if self._dwt.powered else 0
        if offset in _CONSTANT:
            return _CONSTANT[offset]
        if offset in _FEATURES:
            return 0
        if offset in _PLAIN or offset in _WRITE_ONE_CLEARS:
            return self._values.get(offset, 0)
        raise Unmodelled(f"no register at 0x{0xE000E000 + offset:08x}")

    def write(self, offset: int, size: int, value: int) -> None:
        if _SHPR <= offset < _SHPR + 12:
            for i in range(size):
                self._nvic.set_priority(offset - _SHPR + 4 + i, value >> 8 * i & 0xFF)
            return
        words_only(size)
        if offset == _ICSR:
            self._set_interrupt_state(value)
        elif offset == _VTOR:
            if value & 0xFF:  # 16 + 48 vectors of four bytes: the table must lie on a multiple of 256
                raise Unmodelled(f"VTOR 0x{value:08x} is not a multiple of 256")
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
        elif offset in _PLAIN:
            self._values[offset] = value
        elif offset in _WRITE_ONE_CLEARS:
            self._values[offset] = self._values.get(offset, 0) & ~value
        else:
            raise Unmodelled(f"no writable register at 0x{0xE000E000 + offset:08x}")

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
