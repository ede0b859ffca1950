# SPDX-License-Identifier: Apache-2.0
"""What the machine asks of a microcontroller, and which ones there are."""

from __future__ import annotations

import importlib
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from trainbed.backends.unicorn.config import MachineConfig
from trainbed.backends.unicorn.elf_segments import Segment
from trainbed.backends.unicorn.memory import Bus, Region
from trainbed.backends.unicorn.nvic import Nvic
from trainbed.backends.unicorn.pages import Place
from trainbed.backends.unicorn.registers import Peripheral
from trainbed.backends.unicorn.schedule import Schedule


class Uart(Protocol):
    """The one UART that leads to the host."""

    output: bytearray
    """What the guest sent and nobody has fetched."""
    lost_bytes: int

    def host_sends(self, data: bytes) -> None:
        """Puts bytes on the wire."""
        ...

    def take_output(self) -> bytes:
        """What the guest sent since the last call."""
        ...

    @property
    def armed(self) -> bool:
        """The receiver would take a byte now."""
        ...

    @property
    def wakes_core(self) -> bool:
        """A received byte would raise the interrupt line."""
        ...


@dataclass(frozen=True)
class Parts:
    """What a part is put together from."""

    bus: Bus
    schedule: Schedule
    clock_hz: int
    baud: int
    ram: Region | None
    """RAM as the board's file has it; None: the part's own."""
    on_idle_polling: Callable[[], None]
    core_waits: Callable[[], bool]
    """The core sleeps and waits for an interrupt."""


@dataclass(frozen=True)
class Boot:
    """Where a core begins: program counter, stack pointer, address of the vector table it starts with."""

    pc: int
    sp: int
    vtor: int


def vectors_at(uc: Any, address: int) -> Boot:
    """What a core does at reset: stack pointer and program counter from the first two words of its vector table."""
    sp, pc = struct.unpack("<II", bytes(uc.mem_read(address, 8)))
    return Boot(pc & ~1, sp, address)


class Soc(Protocol):
    """One part: memories and peripherals. ``places`` and ``units`` are mapped and reset by the machine."""

    n_interrupts: int
    priority_bits: int
    cache_bytes: int
    flash: Region
    ram: Region
    """Where data and the stack lie."""
    memories: tuple[Region, ...]
    """All that a debugger may read, flash first."""
    uart: Uart
    uart_irq: int
    places: tuple[Place, ...]
    units: tuple[Peripheral, ...]
    nvic: Nvic

    def map_memories(self, uc: Any, code: Sequence[Segment]) -> None:
        """Maps all memories; ``code`` are the segments that start-up code copies to RAM and runs there."""
        ...

    def boot(self, uc: Any, vectors: int) -> Boot:
        """Power-on: RAM cleared, and what the part's ROM does. ``vectors``: the table of the image in flash.

        Raises GuestStopped when the ROM would not start the image.
        """
        ...

    @property
    def flash_changed(self) -> bool:
        """The guest has erased or written flash since the last reset."""
        ...

    def program_flash(self, address: int, size: int, value: int) -> bool:
        """A store to flash: True if the part takes it."""
        ...

    def unit_name(self, address: int) -> str:
        """Name of the peripheral at an address no model answers, or an empty string."""
        ...


class ReadOnlyFlash:
    """A part whose flash takes no stores."""

    flash_changed = False

    def program_flash(self, address: int, size: int, value: int) -> bool:
        """Never."""
        return False


def make_soc(config: MachineConfig, parts: Parts, on_change: Callable[[], None]) -> Soc:
    """The part a configuration names, with its interrupt controller."""
    module = importlib.import_module(f"trainbed.backends.unicorn.{config.soc}.soc")
    model = getattr(module, config.soc.capitalize())
    nvic = Nvic(model.n_interrupts, priority_bits=model.priority_bits, on_change=on_change)
    soc: Soc = model(parts, nvic)
    return soc
