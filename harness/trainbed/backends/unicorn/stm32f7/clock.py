# SPDX-License-Identifier: Apache-2.0
"""RCC, PWR and the flash interface of an STM32F746: what the core and USART1 are clocked with.

Source: RM0385 Rev 8, chapters 3 to 5. Oscillators, PLL and overdrive are ready as soon as they are asked for.
"""

from __future__ import annotations

from trainbed.backends.unicorn.register_file import RegisterFile
from trainbed.backends.unicorn.registers import Unmodelled

_CR, _PLLCFGR, _CFGR = 0x00, 0x04, 0x08
_AHB1ENR, _AHB2ENR, _AHB3ENR, _APB1ENR, _APB2ENR = 0x30, 0x34, 0x38, 0x40, 0x44
_DCKCFGR1, _DCKCFGR2 = 0x8C, 0x90
_RCC = {
    _CR: 0x0000_0083, _PLLCFGR: 0x2400_3010, _CFGR: 0, 0x0C: 0, 0x10: 0, 0x14: 0, 0x18: 0, 0x20: 0, 0x24: 0,
    _AHB1ENR: 0x0010_0000, _AHB2ENR: 0, _AHB3ENR: 0, _APB1ENR: 0, _APB2ENR: 0, 0x70: 0, 0x74: 0x0E00_0000,
    _DCKCFGR1: 0, _DCKCFGR2: 0,
}  # fmt: skip
_ON_AND_READY = (0, 16, 24, 26, 28)
"""Bits of RCC_CR that switch something on; the bit above each says that it runs."""
_HSI_HZ, _HSE_HZ = 16_000_000, 25_000_000
_HIGHEST_HZ, _HIGHEST_WITHOUT_OVERDRIVE_HZ = 216_000_000, 180_000_000
_HZ_PER_WAIT_STATE = 30_000_000
"""At 2.7 to 3.6 V. RM0385, table 7."""
_PERIPHERAL_CLOCK = 1


class Clocks:
    """The three units, and the frequencies that follow. Raises Unmodelled for what the part cannot take."""

    def __init__(self) -> None:
        self.rcc = RegisterFile("RCC", _RCC, on_write=self._rcc_written)
        self.pwr = RegisterFile("PWR", {0x00: 0x0000_C000, 0x08: 0, 0x0C: 0}, status={0x04: self._power_status})
        self.flash = RegisterFile("FLASH", {0x00: 0}, status={0x0C: lambda: 0})

    def reset(self) -> None:
        """As after power-on."""
        for unit in (self.rcc, self.pwr, self.flash):
            unit.reset()

    def enabled(self, register: int, bit: int) -> bool:
        """A clock enable bit of RCC."""
        return bool(self.rcc[register] >> bit & 1)

    def usart1_gate(self) -> str:
        """Why USART1 does not answer."""
        return "" if self.enabled(_APB2ENR, 4) else "its clock is off (RCC_APB2ENR.USART1EN)"

    def core_hz(self) -> float:
        """HCLK."""
        divider = self.rcc[_CFGR] >> 4 & 0xF
        return self._system_hz() / (1 if divider < 8 else (2, 4, 8, 16, 64, 128, 256, 512)[divider - 8])

    def usart1_hz(self) -> float:
        """APB2, SYSCLK or HSI, as RCC_DCKCFGR2 selects."""
        source = self.rcc[_DCKCFGR2] & 3
        if source == 0:
            divider = self.rcc[_CFGR] >> 13 & 7
            return self.core_hz() / (1 if divider < 4 else 2 << (divider - 4))
        if source == 3:
            raise Unmodelled("USART1 is clocked by the low-speed crystal")
        return self._system_hz() if source == _PERIPHERAL_CLOCK else _HSI_HZ

    def _system_hz(self) -> float:
        source = self.rcc[_CFGR] & 3
        if source == 0:
            return _HSI_HZ
        if source == 1:
            return _HSE_HZ
        configuration = self.rcc[_PLLCFGR]
        entry = _HSE_HZ if configuration >> 22 & 1 else _HSI_HZ
        m, n = configuration & 0x3F, configuration >> 6 & 0x1FF
        p = 2 * ((configuration >> 16 & 3) + 1)
        if m < 2 or not 50 <= n <= 432 or not 1e6 <= entry / m <= 2.1e6 or not 100e6 <= entry / m * n <= 432e6:
            raise Unmodelled(f"the PLL cannot lock: {entry / 1e6:g} MHz / {m} * {n}")
        return entry / m * n / p

    def _rcc_written(self, offset: int) -> None:
        if offset == _CR:
            value = self.rcc[_CR]
            for bit in _ON_AND_READY:
                value = value | 2 << bit if value >> bit & 1 else value & ~(2 << bit)
            self.rcc._values[_CR] = value
        elif offset == _CFGR:
            value = self.rcc[_CFGR]
            self.rcc._values[_CFGR] = value & ~0xC | (value & 3) << 2
            self._check_speed()

    def _check_speed(self) -> None:
        source, cr = self.rcc[_CFGR] & 3, self.rcc[_CR]
        if not cr >> (1, 17, 25, 0)[source] & 1:
            raise Unmodelled("RCC_CFGR selects a clock that does not run")
        core = self.core_hz()
        if core > _HIGHEST_HZ:
            raise Unmodelled(f"the core would run at {core / 1e6:g} MHz; the part takes 216")
        if core > _HIGHEST_WITHOUT_OVERDRIVE_HZ and not self.pwr[0] >> 17 & 1:
            raise Unmodelled(f"{core / 1e6:g} MHz without overdrive (PWR_CR1.ODSWEN)")
        if core > _HZ_PER_WAIT_STATE * ((self.flash[0] & 0xF) + 1):
            raise Unmodelled(f"{core / 1e6:g} MHz with {self.flash[0] & 0xF} wait states of flash (FLASH_ACR.LATENCY)")

    def _power_status(self) -> int:
        control = self.pwr[0]
        return (control >> 16 & 3) << 16 | 1 << 14
