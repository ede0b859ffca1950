# SPDX-License-Identifier: Apache-2.0
"""Where the nRF52840's units lie, and what lies where nothing is modelled. Source: Product Specification v1.7, 4.2."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from trainbed.backends.unicorn.elf_segments import Segment
from trainbed.backends.unicorn.engine import unicorn
from trainbed.backends.unicorn.nrf52840.clock import Clock
from trainbed.backends.unicorn.nrf52840.gpio import Gpio
from trainbed.backends.unicorn.nrf52840.memory import (
    FICR,
    FLASH,
    N_INTERRUPTS,
    RAM,
    UARTE0_IRQ,
    UICR,
    factory_information,
)
from trainbed.backends.unicorn.nrf52840.nvmc import Nvmc
from trainbed.backends.unicorn.nrf52840.uarte import Uarte
from trainbed.backends.unicorn.nvic import Nvic
from trainbed.backends.unicorn.pages import Place
from trainbed.backends.unicorn.registers import Peripheral
from trainbed.backends.unicorn.soc import Boot, Parts, vectors_at

_NAMES = {
    0x01: "RADIO", 0x03: "SPIM0/TWIM0", 0x04: "SPIM1/TWIM1", 0x05: "NFCT", 0x06: "GPIOTE",
    0x07: "SAADC", 0x08: "TIMER0", 0x09: "TIMER1", 0x0A: "TIMER2", 0x0B: "RTC0",
    0x0C: "TEMP", 0x0D: "RNG", 0x0E: "ECB", 0x0F: "CCM/AAR", 0x10: "WDT",
    0x11: "RTC1", 0x12: "QDEC", 0x13: "COMP/LPCOMP", 0x14: "SWI0/EGU0", 0x1A: "TIMER3",
    0x1B: "TIMER4", 0x1C: "PWM0", 0x1D: "PDM", 0x1F: "PPI", 0x20: "MWU",
    0x21: "PWM1", 0x22: "PWM2", 0x23: "SPIM2", 0x24: "RTC2", 0x25: "I2S",
    0x26: "FPU", 0x27: "USBD", 0x28: "UARTE1", 0x29: "QSPI", 0x2D: "PWM3",
    0x2F: "SPIM3",
}  # fmt: skip


class Nrf52840:
    """Memories and peripherals of the part, mapped into an engine."""

    flash = FLASH
    ram = RAM
    memories = (FLASH, RAM)
    n_interrupts = N_INTERRUPTS
    priority_bits = 3
    cache_bytes = 0

    def __init__(self, parts: Parts, nvic: Nvic) -> None:
        self.nvic = nvic
        self.uart = Uarte(
            "UARTE0",
            bus=parts.bus,
            schedule=parts.schedule,
            clock_hz=parts.clock_hz,
            set_line=lambda high: nvic.set_line(UARTE0_IRQ, high=high),
            on_idle_polling=parts.on_idle_polling,
        )
        self.uart_irq = UARTE0_IRQ
        self._bus = parts.bus
        self._nvmc = Nvmc(parts.bus, clock_hz=parts.clock_hz)
        ports = Gpio("P0"), Gpio("P1")
        clock = Clock()
        self.places: tuple[Place, ...] = (
            (0x4000_0000, 0x1000, 0, clock),
            (0x4000_2000, 0x1000, 0, self.uart),
            (0x4001_E000, 0x1000, 0, self._nvmc),
            (0x5000_0500, 0x300, 0x500, ports[0]),
            (0x5000_0800, 0x300, 0x500, ports[1]),
        )
        self.units: tuple[Peripheral, ...] = (clock, self.uart, self._nvmc, *ports)

    def map_memories(self, uc: Any, code: Sequence[Segment]) -> None:
        """Flash, RAM, FICR and UICR. RAM is not executable here: no firmware for this part runs from it."""
        uc.mem_map(FLASH.origin, FLASH.length, unicorn.UC_PROT_READ | unicorn.UC_PROT_EXEC)
        uc.mem_map(RAM.origin, RAM.length, unicorn.UC_PROT_READ | unicorn.UC_PROT_WRITE)
        for region, content in ((FICR, factory_information()), (UICR, b"\xff" * UICR.length)):
            uc.mem_map(region.origin, region.length, unicorn.UC_PROT_READ)
            uc.mem_write(region.origin, content)

    def boot(self, uc: Any, vectors: int) -> Boot:
        """The core starts at the image's vector table: the boot loader in front of it is not run."""
        uc.mem_write(RAM.origin, bytes(RAM.length))
        return vectors_at(uc, vectors)

    @property
    def flash_changed(self) -> bool:
        """NVMC has erased or written."""
        return self._nvmc.dirty

    def program_flash(self, address: int, size: int, value: int) -> bool:
        """A store while NVMC is in write mode clears bits."""
        if not (self._nvmc.writable and FLASH.holds(address, size)):
            return False
        old = int.from_bytes(self._bus.read(address, size), "little")
        self._bus.write(address, (old & value).to_bytes(size, "little"))
        self._nvmc.programmed()
        return True

    @staticmethod
    def unit_name(address: int) -> str:
        """Name of the peripheral at an address that no model answers, or an empty string."""
        if 0x4000_0000 <= address < 0x4003_0000:
            return _NAMES.get(address - 0x4000_0000 >> 12, "")
        return "CRYPTOCELL" if 0x5002_A000 <= address < 0x5002_C000 else ""
