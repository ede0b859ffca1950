# SPDX-License-Identifier: Apache-2.0
"""Where the RP2040's units lie. Source: RP2040 Datasheet, 2.2.

One core; the other sleeps in the boot ROM for good. Flash is read at once: what the cache in front of it makes of that
is the cycle model's business. The boot ROM itself is not mapped, so that a null pointer is a fault.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from trainbed.backends.unicorn.elf_segments import Segment
from trainbed.backends.unicorn.engine import unicorn
from trainbed.backends.unicorn.memory import Region, map_ram
from trainbed.backends.unicorn.nvic import Nvic
from trainbed.backends.unicorn.pages import PAGE, Place
from trainbed.backends.unicorn.register_file import AtomicAliases, RegisterFile
from trainbed.backends.unicorn.registers import Peripheral
from trainbed.backends.unicorn.rp2040.clock import Clocks
from trainbed.backends.unicorn.rp2040.rom import STAGE_2, STAGE_2_AT, load_stage_2
from trainbed.backends.unicorn.rp2040.uart import Uart
from trainbed.backends.unicorn.soc import Boot, Parts, ReadOnlyFlash

_UART0_IRQ = 20
_SSI = {0x00: 0, 0x04: 0, 0x08: 0, 0x0C: 0, 0x10: 0, 0x14: 0, 0x18: 0, 0x1C: 0, 0xF0: 0, 0xF4: 0x0300_0000, 0xF8: 0}
_PINS = {0x04 + 8 * pin: 0x1F for pin in range(30)}
_PADS = {0x00: 0, **{0x04 + 4 * pin: 0x56 for pin in range(30)}}
_NAMES = {
    0x1400_0000: "XIP_CTRL", 0x4000_0000: "SYSINFO", 0x4000_4000: "SYSCFG", 0x4001_0000: "PSM",
    0x4001_8000: "IO_QSPI", 0x4002_0000: "PADS_QSPI", 0x4002_C000: "PLL_USB", 0x4003_0000: "BUSCTRL",
    0x4003_8000: "UART1", 0x4003_C000: "SPI0", 0x4004_0000: "SPI1", 0x4004_4000: "I2C0", 0x4004_8000: "I2C1",
    0x4004_C000: "ADC", 0x4005_0000: "PWM", 0x4005_4000: "TIMER", 0x4005_8000: "WATCHDOG", 0x4005_C000: "RTC",
    0x4006_0000: "ROSC", 0x4006_4000: "VREG_AND_CHIP_RESET", 0x5000_0000: "DMA", 0x5011_0000: "USB",
    0x5020_0000: "PIO0", 0x5030_0000: "PIO1", 0xD000_0000: "SIO",
}  # fmt: skip


class Rp2040(ReadOnlyFlash):
    """Memories and peripherals of the part, mapped into an engine."""

    flash = Region(0x1000_0000, 0x0020_0000)
    ram = Region(0x2000_0000, 0x0004_2000)
    memories = (flash, ram)
    n_interrupts = 26
    priority_bits = 2
    cache_bytes = 0
    uart_irq = _UART0_IRQ

    def __init__(self, parts: Parts, nvic: Nvic) -> None:
        self.nvic = nvic
        clocks = Clocks()
        self.uart = Uart(
            parts,
            set_line=lambda high: nvic.set_line(_UART0_IRQ, high=high),
            gate=clocks.uart0_gate,
            core_clock_hz=clocks.core_hz,
            input_clock_hz=clocks.peripheral_hz,
        )
        self._interface = RegisterFile("XIP_SSI", _SSI)
        units: tuple[tuple[int, Peripheral], ...] = (
            (0x4000_8000, clocks.clocks),
            (0x4000_C000, clocks.resets),
            (0x4001_4000, RegisterFile("IO_BANK0", _PINS)),
            (0x4001_C000, RegisterFile("PADS_BANK0", _PADS)),
            (0x4002_4000, clocks.xosc),
            (0x4002_8000, clocks.pll),
            (0x4003_4000, self.uart),
        )
        self.units: tuple[Peripheral, ...] = (self._interface, *(unit for _, unit in units))
        aliased = [(base, AtomicAliases(unit, step=PAGE, order=("xor", "set", "clear"))) for base, unit in units]
        self.places: tuple[Place, ...] = (
            (0x1800_0000, PAGE, 0, self._interface),
            *((base + i * PAGE, PAGE, i * PAGE, unit) for base, unit in aliased for i in range(4)),
        )

    def map_memories(self, uc: Any, code: Sequence[Segment]) -> None:
        """Flash; of RAM the pages that hold code execute, and the one the second boot stage runs in."""
        uc.mem_map(self.flash.origin, self.flash.length, unicorn.UC_PROT_READ | unicorn.UC_PROT_EXEC)
        executable = [Region(segment.runs_at, len(segment.content)) for segment in code]
        map_ram(uc, self.ram, [*executable, Region(STAGE_2_AT, STAGE_2)])

    def boot(self, uc: Any, vectors: int) -> Boot:
        """The boot ROM checks and loads the second stage, which starts the image."""
        uc.mem_write(self.ram.origin, bytes(self.ram.length))
        return load_stage_2(uc, self.flash.origin)

    @staticmethod
    def unit_name(address: int) -> str:
        """Name of the peripheral at an address that no model answers, or an empty string."""
        return _NAMES.get(address & ~0x3FFF, "")
