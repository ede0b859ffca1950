# SPDX-License-Identifier: Apache-2.0
"""What every backend offers: a guest that runs one ELF, answers over its UART and is counted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, runtime_checkable

PHASES = ("other", "forward", "backward", "update", "evaluate", "convert")
"""Phases of the trainer's work, in the order of the trn_mark_* functions; the index is the phase's number."""

COST_CLASSES = ("exact", "modelled", "instructions", "none")
"""How far a count may be trusted: exact timing, a stated model, instructions only, nothing."""


@dataclass(frozen=True)
class Counts:
    """What a stretch of guest code cost: core cycles at zero wait states, extra cycles of its memories,
    instructions.
    """

    cycles: int = 0
    memory_cycles: int = 0
    instructions: int = 0


@dataclass(frozen=True)
class Cost:
    """Counts of a run so far. ``functions`` covers the phases forward, backward and update only (self cost)."""

    cost_class: str
    model: str
    phases: Mapping[str, Counts] = field(default_factory=dict)
    functions: Mapping[str, Counts] = field(default_factory=dict)
    instructions: int = 0
    cycles: int = 0
    busy_s: float = 0.0


@dataclass(frozen=True)
class Budget:
    """The most a guest may spend on one exchange, in guest time; ``wall_s`` is only a safety net."""

    cycles: int = 64_000_000_000
    steps: int = 64_000_000_000
    wall_s: float = 600.0


class Guest(Protocol):
    """A board that runs one ELF. Not thread-safe; used by one run at a time."""

    @property
    def backend(self) -> str:
        """Name of the backend, e.g. ``unicorn``."""
        ...

    @property
    def version(self) -> str:
        """Version of the emulator behind it."""
        ...

    def start(self) -> None:
        """Power on: memories cleared, ELF loaded, stack painted, counters zero, the guest runs to its first wait.

        Raises GuestFault, GuestHang, EmulatorCrash, MissingTool.
        """
        ...

    def exchange(self, data: bytes, *, budget: Budget) -> bytes:
        """Send ``data`` into the guest's UART and return what it sent until it waits for input again.

        Returns b"" when the guest waits (sleeps with nothing pending) without having answered: a lost frame shows at
        once,
        without a clock. Bytes sent while the guest has not armed its receiver, or beyond what it armed, are lost as
        on the part.
        Raises GuestHang when the budget is spent, GuestFault, GuestReset, EmulatorCrash.
        """
        ...

    def cost(self) -> Cost:
        """Counts since start()."""
        ...

    def stack_bytes(self) -> int:
        """High-water mark of the stack, by painting; -1 where a backend cannot tell."""
        ...

    def read_memory(self, address: int, n_bytes: int) -> bytes:
        """Bytes of the guest's memory."""
        ...

    def close(self) -> None:
        """Give the guest back; safe to call twice and after an error."""
        ...


@runtime_checkable
class LoadsSamples(Protocol):
    """A guest whose emulator puts resident samples into memory faster than its UART would take them."""

    def load_samples(self, offset: int, data: bytes) -> None:
        """Write ``data`` at ``offset`` bytes into the firmware's trn_resident, and read it back to be sure.

        The guest must wait for input. Raises InputError when it does not fit, EmulatorCrash when it does not read back.
        """
        ...


@dataclass(frozen=True)
class GuestState:
    """A guest as it stands still: what a look at it afterwards needs."""

    registers: Mapping[str, int]
    """r0 to r12, sp, lr, pc, xpsr, and where there is a floating-point unit d0 to d15 (bits) and fpscr."""
    memories: tuple[tuple[int, bytes], ...]
    """(address, content) of each RAM."""
    uart: tuple[tuple[str, bytes], ...] = ()
    """The last transfers: (``host`` or ``guest``, the end of what it sent), oldest first."""
    log: bytes = b""
    """The end of the emulator's own log, where it keeps one."""


@runtime_checkable
class KeepsState(Protocol):
    """A guest whose state can be read after it broke."""

    def state(self) -> GuestState:
        """Registers, RAM and last transfers, until the next start() or close()."""
        ...


@dataclass(frozen=True)
class GuestImage:
    """What a backend needs to run a firmware: the ELF, and facts read from it once (toolchain.elf)."""

    elf: Path
    sha256: str
    marks: Mapping[int, int]
    """Address of each trn_mark_* function -> phase number."""
    functions: tuple[tuple[int, int, str], ...] = ()
    """(start address, size in bytes, name) of every function."""
    stack_low: int = 0
    """Lowest address the stack may reach (symbol __stack_limit); 0 on native."""
    stack_top: int = 0
    """Initial stack pointer (symbol __stack_top)."""
