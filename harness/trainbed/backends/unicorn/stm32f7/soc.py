# SPDX-License-Identifier: Apache-2.0
"""Where the STM32F746's units lie. Source: RM0385 Rev 8, 2.2.2.

Flash cannot be programmed by the guest. The instruction and data caches and the flash interface's prefetch and
accelerator change no result, so only their registers are there.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from trainbed.backends.unicorn.elf_segments import Segment
from trainbed.backends.unicorn.engine import unicorn
from trainbed.backends.unicorn.memory import Region
from trainbed.backends.unicorn.nvic import Nvic
from trainbed.backends.unicorn.pages import Place
from trainbed.backends.unicorn.register_file import RegisterFile
from trainbed.backends.unicorn.registers import Peripheral
from trainbed.backends.unicorn.soc import Boot, Parts, ReadOnlyFlash, vectors_at
from trainbed.backends.unicorn.stm32f7.clock import Clocks
from trainbed.backends.unicorn.stm32f7.usart import Usart

_USART1_IRQ = 37
_GPIO = {0x00: 0, 0x04: 0, 0x08: 0, 0x0C: 0, 0x14: 0, 0x18: 0, 0x1C: 0, 0x20: 0, 0x24: 0}
_NAMES = {
    0x4000_0000: "TIM2", 0x4000_0400: "TIM3", 0x4000_2C00: "WWDG", 0x4000_3000: "IWDG", 0x4000_4400: "USART2",
    0x4000_4800: "USART3", 0x4000_5400: "I2C1", 0x4001_0000: "TIM1", 0x4001_1400: "USART6", 0x4001_2000: "ADC",
    0x4001_3000: "SPI1", 0x4001_3800: "SYSCFG", 0x4001_6800: "LTDC", 0x4002_3000: "CRC", 0x4002_6000: "DMA1",
    0x4002_6400: "DMA2", 0x4002_B000: "DMA2D", 0x5005_0000: "DCMI", 0x5006_0800: "RNG", 0xA000_0000: "FMC",
    0xA000_1000: "QUADSPI",
}  # fmt: skip


class Stm32f7(ReadOnlyFlash):
    """Memories and peripherals of the part, mapped into an engine."""

    flash = Region(0x0800_0000, 0x0010_0000)
    n_interrupts = 98
    priority_bits = 4
    cache_bytes = 4096
    uart_irq = _USART1_IRQ

    def __init__(self, parts: Parts, nvic: Nvic) -> None:
        self.nvic = nvic
        self.ram = parts.ram or Region(0x2000_0000, 0x0005_0000)
        self.memories = (self.flash, self.ram)
        clocks = Clocks()
        self.uart = Usart(
            parts,
            set_line=lambda high: nvic.set_line(_USART1_IRQ, high=high),
            gate=clocks.usart1_gate,
            core_clock_hz=clocks.core_hz,
            input_clock_hz=clocks.usart1_hz,
        )
        ports = RegisterFile("GPIOA", {**_GPIO, 0x00: 0xA800_0000}), RegisterFile("GPIOB", {**_GPIO, 0x00: 0x280})
        self.places: tuple[Place, ...] = (
            (0x4000_7000, 0x400, 0, clocks.pwr),
            (0x4001_1000, 0x400, 0, self.uart),
            (0x4002_0000, 0x400, 0, ports[0]),
            (0x4002_0400, 0x400, 0, ports[1]),
            (0x4002_3800, 0x400, 0, clocks.rcc),
            (0x4002_3C00, 0x400, 0, clocks.flash),
        )
        self.units: tuple[Peripheral, ...] = (clocks.rcc, clocks.pwr, clocks.flash, *ports, self.uart)

    def map_memories(self, uc: Any, code: Sequence[Segment]) -> None:
        """Flash, and RAM that does not execute: no firmware for this board runs from it."""
        uc.mem_map(self.flash.origin, self.flash.length, unicorn.UC_PROT_READ | unicorn.UC_PROT_EXEC)
        uc.mem_map(self.ram.origin, self.ram.length, unicorn.UC_PROT_READ | unicorn.UC_PROT_WRITE)

    def boot(self, uc: Any, vectors: int) -> Boot:
        """BOOT0 is low: the core starts from flash."""
        uc.mem_write(self.ram.origin, bytes(self.ram.length))
        return vectors_at(uc, vectors)

    @staticmethod
    def unit_name(address: int) -> str:
        """Name of the peripheral at an address that no model answers, or an empty string."""
        return _NAMES.get(address & ~0x3FF, "")
