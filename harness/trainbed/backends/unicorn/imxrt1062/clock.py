# SPDX-License-Identifier: Apache-2.0
"""CCM, the PLL of the core and the voltage regulator of an i.MX RT1062. Source: IMXRT1060RM, chapters 14 and 18.

The boot ROM leaves the core at 396 MHz and the gates of what it used open. The PLL locks and multiplexers switch at
once.
"""

from __future__ import annotations

from trainbed.backends.unicorn.register_file import RegisterFile
from trainbed.backends.unicorn.registers import Unmodelled

_OSCILLATOR_HZ, _PLL3_80M_HZ = 24_000_000, 80_000_000
_CACRR, _CBCDR, _CBCMR, _CSCDR1, _CDHIPR = 0x10, 0x14, 0x18, 0x24, 0x48
_CCGR = range(0x68, 0x88, 4)
_CCGR3, _CCGR4 = 0x74, 0x78
_CCM = {
    **dict.fromkeys(range(0x00, 0x68, 4), 0),
    0x00: 0x0401_107F, _CACRR: 1, _CBCDR: 0x000A_8000, _CBCMR: 0x35AE_8304, _CSCDR1: 0x0641_1B00,
    **dict.fromkeys(_CCGR, 0), 0x68: 0x00C0_000F, 0x74: 0xFCC0_0000, 0x78: 0x0000_0003, 0x80: 0x0000_0C00,
}  # fmt: skip
_LOCK, _BYPASS, _ENABLE, _POWER_DOWN = 1 << 31, 1 << 16, 1 << 13, 1 << 12
_AFTER_ROM = _ENABLE | 66
_HIGHEST_HZ = 600_000_000
_LOWEST_VOLTAGE = ((528_000_000, 18), (0, 14))
"""Above a frequency the core wants so many steps of 25 mV over 0.8 V. IMXRT1060 data sheet, 4.1.3."""


class Clocks:
    """The three units, and the frequencies that follow from them. Raises Unmodelled for what the part cannot take."""

    def __init__(self) -> None:
        self.ccm = RegisterFile("CCM", _CCM, status={_CDHIPR: lambda: 0}, on_write=self._ccm_written)
        analog = dict.fromkeys(range(0, 384, 16), 0)
        self.analog = _Analog("CCM_ANALOG", {**analog, 0x00: _AFTER_ROM})
        self.dcdc = RegisterFile("DCDC", {0x4: 0, 0x8: 0, 0xC: 0x010E}, status={0x0: lambda: 1 << 31})

    def lpuart6_gate(self) -> str:
        """Why LPUART6 does not answer."""
        return "" if self.ccm[_CCGR3] >> 6 & 3 == 3 else "its clock is off (CCM_CCGR3.CG3)"

    def pins_gate(self) -> str:
        """Why IOMUXC does not answer."""
        return "" if self.ccm[_CCGR4] >> 2 & 3 == 3 else "its clock is off (CCM_CCGR4.CG1)"

    def core_hz(self) -> float:
        """AHB_CLK_ROOT: the core."""
        return self._periph_hz() / ((self.ccm[_CBCDR] >> 10 & 7) + 1)

    def uart_hz(self) -> float:
        """UART_CLK_ROOT."""
        source = _OSCILLATOR_HZ if self.ccm[_CSCDR1] >> 6 & 1 else _PLL3_80M_HZ
        return source / ((self.ccm[_CSCDR1] & 0x3F) + 1)

    def _periph_hz(self) -> float:
        if self.ccm[_CBCDR] >> 25 & 1:
            if self.ccm[_CBCMR] >> 12 & 3 != 1:
                raise Unmodelled("periph_clk2 comes from a source that is not modelled (CCM_CBCMR.PERIPH_CLK2_SEL)")
            return _OSCILLATOR_HZ / ((self.ccm[_CBCDR] >> 27 & 7) + 1)
        if self.ccm[_CBCMR] >> 18 & 3 != 3:
            raise Unmodelled("the core runs from a PLL that is not modelled (CCM_CBCMR.PRE_PERIPH_CLK_SEL)")
        return self.analog.pll_hz() / ((self.ccm[_CACRR] & 7) + 1)

    def _ccm_written(self, offset: int) -> None:
        if offset not in (_CACRR, _CBCDR, _CBCMR):
            return
        core = self.core_hz()
        if core > _HIGHEST_HZ:
            raise Unmodelled(f"the core would run at {core / 1e6:g} MHz; the part takes 600")
        steps = self.dcdc[0xC] & 0x1F
        needed = next(steps for above, steps in _LOWEST_VOLTAGE if core > above)
        if steps < needed:
            raise Unmodelled(f"{core / 1e6:g} MHz at {0.8 + 0.025 * steps:.3f} V (DCDC_REG3.TRG); set {needed}")


class _Analog(RegisterFile):
    """The PLLs; that of the core alone is followed."""

    def pll_hz(self) -> float:
        """PLL1. Raises Unmodelled while it is off or out of range."""
        value = self[0]
        if value & _POWER_DOWN or not value & _ENABLE:
            raise Unmodelled("the core runs from PLL1, which does not run")
        if value & _BYPASS:
            return _OSCILLATOR_HZ
        divider = value & 0x7F
        if not 54 <= divider <= 108:
            raise Unmodelled(f"PLL1 multiplies by 54 / 2 to 108 / 2, not by {divider} / 2")
        return _OSCILLATOR_HZ * divider / 2

    def read(self, offset: int, size: int) -> int:
        value = super().read(offset, size)
        return value | _LOCK if not value & _POWER_DOWN else value
