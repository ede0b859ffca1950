# SPDX-License-Identifier: Apache-2.0
"""Where the i.MX RT1062's units lie. Source: IMXRT1060RM, chapter 3.

Code in ITCM and data in DTCM, both tightly coupled; the 512 KB of OCRAM hold what a firmware puts there by hand. Flash
is read-only and answers at once. The caches change no result, so only their registers are there.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from trainbed.backends.unicorn.elf_segments import Segment
from trainbed.backends.unicorn.engine import unicorn
from trainbed.backends.unicorn.imxrt1062.clock import Clocks
from trainbed.backends.unicorn.imxrt1062.flexram import DTCM, ITCM, FlexRam
from trainbed.backends.unicorn.imxrt1062.lpuart import Lpuart
from trainbed.backends.unicorn.imxrt1062.rom import find_image
from trainbed.backends.unicorn.memory import Region
from trainbed.backends.unicorn.nvic import Nvic
from trainbed.backends.unicorn.pages import Place
from trainbed.backends.unicorn.register_file import AtomicAliases, RegisterFile
from trainbed.backends.unicorn.registers import BusFault, Peripheral
from trainbed.backends.unicorn.soc import Boot, Parts, ReadOnlyFlash

_LPUART6_IRQ = 25
_OCRAM = Region(0x2020_0000, 0x0008_0000)
_PINS = dict.fromkeys(range(0x14, 0x660, 4), 0)
_NAMES = {
    0x400B_8000: "WDOG1", 0x400B_C000: "WDOG3", 0x400C_4000: "ADC1", 0x400D_0000: "WDOG2", 0x400D_4000: "SNVS",
    0x400D_C000: "ANATOP", 0x400E_C000: "GPT1", 0x400F_0000: "GPT2", 0x400F_4000: "GPC", 0x400F_8000: "SRC",
    0x4008_4000: "PIT", 0x400E_8000: "DMA0", 0x4018_4000: "LPUART1", 0x4018_8000: "LPUART2", 0x4018_C000: "LPUART3",
    0x4019_0000: "LPUART4", 0x4019_4000: "LPUART5", 0x4019_C000: "LPUART7", 0x401A_0000: "LPUART8",
    0x401B_8000: "GPIO1", 0x401B_C000: "GPIO2", 0x402A_8000: "FLEXSPI", 0x402E_0000: "USB", 0x403F_0000: "LPI2C1",
    0x4200_0000: "GPIO6", 0x4200_4000: "GPIO7",
}  # fmt: skip


class Imxrt1062(ReadOnlyFlash):
    """Memories and peripherals of the part, mapped into an engine."""

    flash = Region(0x6000_0000, 0x0020_0000)
    n_interrupts = 158
    priority_bits = 4
    cache_bytes = 32768
    uart_irq = _LPUART6_IRQ

    def __init__(self, parts: Parts, nvic: Nvic) -> None:
        self.nvic = nvic
        self.ram = parts.ram or Region(DTCM, 0x0006_0000)
        self.memories = (self.flash, Region(ITCM, 0x0002_0000), self.ram, _OCRAM)
        clocks = Clocks()
        self._flexram = FlexRam(parts.schedule)
        self.uart = Lpuart(
            parts,
            set_line=lambda high: nvic.set_line(_LPUART6_IRQ, high=high),
            gate=clocks.lpuart6_gate,
            core_clock_hz=clocks.core_hz,
            input_clock_hz=clocks.uart_hz,
        )
        pins = _Gated(RegisterFile("IOMUXC", _PINS), clocks.pins_gate)
        analog = AtomicAliases(clocks.analog, step=4, order=("set", "clear", "xor"))
        self.places: tuple[Place, ...] = (
            (0x4008_0000, 0x1000, 0, clocks.dcdc),
            (0x400A_C000, 0x1000, 0, self._flexram.registers),
            (0x400D_8000, 0x1000, 0, analog),
            (0x400F_C000, 0x1000, 0, clocks.ccm),
            (0x4019_8000, 0x1000, 0, self.uart),
            (0x401F_8000, 0x1000, 0, pins),
        )
        self.units: tuple[Peripheral, ...] = (
            clocks.dcdc, self._flexram.registers, clocks.analog, clocks.ccm, self.uart, pins,
        )  # fmt: skip

    def map_memories(self, uc: Any, code: Sequence[Segment]) -> None:
        """Flash, OCRAM, and FlexRAM as the fuses split it."""
        uc.mem_map(self.flash.origin, self.flash.length, unicorn.UC_PROT_READ | unicorn.UC_PROT_EXEC)
        uc.mem_map(_OCRAM.origin, _OCRAM.length, unicorn.UC_PROT_READ | unicorn.UC_PROT_WRITE)
        self._flexram.map_into(uc)

    def boot(self, uc: Any, vectors: int) -> Boot:
        """The boot ROM reads the flash configuration and starts the image."""
        self._flexram.power_on()
        uc.mem_write(_OCRAM.origin, bytes(_OCRAM.length))
        return find_image(uc, self.flash)

    @staticmethod
    def unit_name(address: int) -> str:
        """Name of the peripheral at an address that no model answers, or an empty string."""
        return _NAMES.get(address & ~0x3FFF, "")


class _Gated:
    """A unit behind a clock gate: until it is open, an access is a fault."""

    def __init__(self, unit: Peripheral, gate: Callable[[], str]) -> None:
        self.name = unit.name
        self._unit = unit
        self._gate = gate

    def reset(self) -> None:
        self._unit.reset()

    def read(self, offset: int, size: int) -> int:
        self._check("read_unmapped")
        return self._unit.read(offset, size)

    def write(self, offset: int, size: int, value: int) -> None:
        self._check("write_unmapped")
        self._unit.write(offset, size, value)

    def _check(self, kind: str) -> None:
        if reason := self._gate():
            raise BusFault(kind, f"{self.name}: {reason}")
