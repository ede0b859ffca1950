# SPDX-License-Identifier: Apache-2.0
"""Resets, crystal, PLL and clock multiplexers of an RP2040. Source: RP2040 Datasheet, 2.14 to 2.18.

The crystal and the PLL are ready as soon as they are switched on; switching a clock takes no time.
"""

from __future__ import annotations

from trainbed.backends.unicorn.register_file import RegisterFile
from trainbed.backends.unicorn.registers import Unmodelled

_CRYSTAL_HZ, _RING_HZ = 12_000_000, 6_500_000
_ALL_UNITS = 0x01FF_FFFF
_RELEASED_BY_ROM = 1 << 6 | 1 << 9  # IO_QSPI, PADS_QSPI
_REF_CTRL, _SYS_CTRL, _SYS_DIV, _PERI_CTRL = 0x30, 0x3C, 0x40, 0x48
_CS, _PWR, _FBDIV, _PRIM = 0x0, 0x4, 0x8, 0xC
_ENABLE, _ENABLED = 0xFFF << 12, 0xFAB << 12
_HIGHEST_HZ = 133_000_000


class Clocks:
    """The four units, and the frequencies that follow from them. Raises Unmodelled for what the part cannot take."""

    def __init__(self) -> None:
        self.resets = RegisterFile(
            "RESETS",
            {0x0: _ALL_UNITS & ~_RELEASED_BY_ROM, 0x4: 0},
            status={0x8: lambda: ~self.resets[0] & _ALL_UNITS},
        )
        self.xosc = RegisterFile("XOSC", {0x0: 0, 0x8: 0, 0xC: 0xC4}, status={0x4: lambda: self._crystal_runs() << 31})
        self.clocks = RegisterFile(
            "CLOCKS",
            {_REF_CTRL: 0, 0x34: 0x100, _SYS_CTRL: 0, _SYS_DIV: 0x100, _PERI_CTRL: 0},
            status={0x38: lambda: 1 << (self.clocks[_REF_CTRL] & 3), 0x44: lambda: 1 << (self.clocks[_SYS_CTRL] & 1)},
            on_write=self._clocks_written,
        )
        self.pll = _Pll(self)

    def in_reset(self, bit: int) -> bool:
        """A unit is held in reset."""
        return bool(self.resets[0] >> bit & 1)

    def uart0_gate(self) -> str:
        """Why UART0 does not answer."""
        if self.in_reset(22):
            return "it is held in reset (RESETS_RESET.UART0)"
        return "" if self.clocks[_PERI_CTRL] >> 11 & 1 else "its clock is off (CLK_PERI_CTRL.ENABLE)"

    def core_hz(self) -> float:
        """clk_sys."""
        divider = self.clocks[_SYS_DIV] / 256
        if not self.clocks[_SYS_CTRL] & 1:
            return self._reference_hz() / divider
        if self.clocks[_SYS_CTRL] >> 5 & 7:
            raise Unmodelled("clk_sys comes from a source that is not modelled (CLK_SYS_CTRL.AUXSRC)")
        return self.pll_hz() / divider

    def peripheral_hz(self) -> float:
        """clk_peri, which the UART divides."""
        if self.clocks[_PERI_CTRL] >> 5 & 7:
            raise Unmodelled("clk_peri comes from a source that is not modelled (CLK_PERI_CTRL.AUXSRC)")
        return self.core_hz()

    def pll_hz(self) -> float:
        """Output of PLL_SYS. Raises Unmodelled while it is off or out of range."""
        if self.in_reset(12) or self.pll[_PWR] & 0x29 or not self._crystal_runs():
            raise Unmodelled("clk_sys is taken from PLL_SYS, which does not run")
        vco = _CRYSTAL_HZ / (self.pll[_CS] & 0x3F) * self.pll[_FBDIV]
        if not 750e6 <= vco <= 1600e6:
            raise Unmodelled(f"PLL_SYS cannot run at {vco / 1e6:g} MHz; it takes 750 to 1600")
        return vco / ((self.pll[_PRIM] >> 16 & 7) * (self.pll[_PRIM] >> 12 & 7))

    def _crystal_runs(self) -> bool:
        return self.xosc[0] & _ENABLE == _ENABLED

    def _reference_hz(self) -> float:
        source = self.clocks[_REF_CTRL] & 3
        if source == 2 and not self._crystal_runs():
            raise Unmodelled("clk_ref is taken from the crystal, which does not run")
        if source in (1, 3):
            raise Unmodelled("clk_ref comes from a source that is not modelled (CLK_REF_CTRL.SRC)")
        return _CRYSTAL_HZ if source == 2 else _RING_HZ

    def _clocks_written(self, offset: int) -> None:
        if offset in (_REF_CTRL, _SYS_CTRL, _SYS_DIV) and self.core_hz() > _HIGHEST_HZ:
            raise Unmodelled(f"the core would run at {self.core_hz() / 1e6:g} MHz; the part takes 133")


class _Pll(RegisterFile):
    """PLL_SYS. CS tells in its top bit that the PLL has locked."""

    def __init__(self, clocks: Clocks) -> None:
        self._clocks = clocks
        super().__init__("PLL_SYS", {_CS: 1, _PWR: 0x2D, _FBDIV: 0, _PRIM: 0x77000})

    def read(self, offset: int, size: int) -> int:
        locked = offset == _CS and not self[_PWR] & 0x21 and self[_FBDIV] >= 16
        return super().read(offset, size) | (locked << 31)
