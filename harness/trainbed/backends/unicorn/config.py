# SPDX-License-Identifier: Apache-2.0
"""What a machine is built from: plain values that cross the worker's pipe."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class MachineConfig:
    """One firmware on one board. Addresses and sizes in bytes, clock in Hz."""

    soc: str
    core: str
    clock_hz: int
    flash_timing: str | None
    elf: str
    sha256: str
    vectors: int
    """Address of the vector table the boot loader jumps through: the board's flash origin."""
    marks: dict[int, int] = field(default_factory=dict)
    functions: tuple[tuple[int, int, str], ...] = ()
    stack_low: int = 0
    stack_top: int = 0

    def function_at(self, pc: int) -> str:
        """Name of the function an address lies in, or an empty string."""
        return next((name for start, size, name in self.functions if start & ~1 <= pc < (start & ~1) + size), "")
