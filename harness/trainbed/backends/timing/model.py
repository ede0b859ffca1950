# SPDX-License-Identifier: Apache-2.0
"""The values and interfaces of a cycle model.

A core model answers for zero wait states; a memory model adds what flash costs on top. The two never mix: every count
is reported as core cycles and memory cycles.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from trainbed.backends.timing.thumb import Instruction, decode_block


@dataclass(frozen=True)
class CoreCost:
    """Core cycles of a block at zero wait states.

    ``cycles``: straight through, branch at the end not taken. ``taken``: more if it is taken. ``target``: more if the
    block was itself reached by a taken branch.
    """

    cycles: int
    taken: int
    target: int


@dataclass(frozen=True)
class MemoryCost:
    """Cycles the memory adds to a block: fetched straight through, and more if reached by a taken branch."""

    cycles: int = 0
    target: int = 0


@dataclass(frozen=True)
class BlockCost:
    """All there is to know about the cost of one block."""

    core: CoreCost
    memory: MemoryCost
    instructions: int


class CoreModel(Protocol):
    """Timing of one core. ``name`` carries a version that changes whenever a count can change."""

    name: str
    static_division: int
    """Cycles `block` charges for a division, whose operands it cannot know; 0: the core has no divider."""

    def block(self, instructions: Sequence[Instruction]) -> CoreCost:
        """Cost of a block; its last instruction is the only one that may branch."""
        ...

    def division_cycles(self, dividend_bits: int, divisor_bits: int) -> int:
        """Cycles of a division by the bits of the operands' magnitudes (0 bits: the operand is 0).

        A division in a block is charged ``static_division``; where the operands can be seen, this replaces it.
        """
        ...


class MemoryModel(Protocol):
    """Wait states of one memory system."""

    name: str

    def block(self, instructions: Sequence[Instruction]) -> MemoryCost:
        """Cycles to add to a block."""
        ...


@dataclass(frozen=True)
class TimingModel:
    """A core and, if its code does not run from zero-wait memory, the memory beside it."""

    core: CoreModel
    memory: MemoryModel | None = None

    @property
    def name(self) -> str:
        """For example "cortex-m4/1 + nrf52840-flash/1"."""
        return self.core.name if self.memory is None else f"{self.core.name} + {self.memory.name}"

    def cost(self, code: bytes, address: int) -> BlockCost:
        """Cost of the block ``code`` at ``address``."""
        instructions = decode_block(code, address)
        memory = MemoryCost() if self.memory is None else self.memory.block(instructions)
        return BlockCost(self.core.block(instructions), memory, len(instructions))
