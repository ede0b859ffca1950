# SPDX-License-Identifier: Apache-2.0
"""The values and interfaces of a cycle model.

A core model answers for zero wait states; a memory model adds what flash costs on top. The two never mix: every count
is reported as core cycles and memory cycles.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from trainbed.backends.timing.fetch import ZERO_WAIT, CodeMemory
from trainbed.backends.timing.memory import InstructionCache
from trainbed.backends.timing.thumb import Instruction, decode_backwards, decode_block


@dataclass(frozen=True)
class CoreCost:
    """Core cycles of a block at zero wait states.

    ``cycles``: straight through, branch at the end not taken. ``taken``: more if it is taken. ``target``: more if the
    block was itself reached by a taken branch. ``divider_busy``: how long the floating-point divider still runs when
    the block ends. ``first_float``: when the block first needs the FPU, counted from its start; None: never.
    ``mispredicted``: more if the branch at the end goes where the predictor did not expect it to; 0: no predictor.
    ``indirect``: the predictor has to know where it goes, not only whether. ``open_end``: the branch at the end leaves
    an issue slot free; ``joins``: a block that finds one takes a cycle less.
    """

    cycles: int
    taken: int
    target: int
    divider_busy: int = 0
    first_float: int | None = None
    mispredicted: int = 0
    indirect: bool = False
    open_end: bool = False
    joins: bool = False


SIXTEENTHS = 16
"""Memory costs are kept in sixteenths of a cycle: a cache miss is partly hidden by the prefetch buffer."""


@dataclass(frozen=True)
class MemoryCost:
    """What the memory adds to a block, in sixteenths of a cycle.

    ``through`` and ``branched``: fetched straight through, or reached by a taken branch, every line in the cache (or no
    cache). ``miss_through`` and ``miss_branched``: more for each line that is not in the cache. ``off_through`` and
    ``off_branched``: all of it while the cache is switched off.
    """

    through: int = 0
    branched: int = 0
    miss_through: int = 0
    miss_branched: int = 0
    off_through: int = 0
    off_branched: int = 0


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

    predicts: bool
    """It has a branch predictor: the last fields of a `CoreCost` are set."""

    def block(self, instructions: Sequence[Instruction], memory: CodeMemory = ZERO_WAIT) -> CoreCost:
        """Cost of a block in ``memory``; its last instruction is the only one that may branch."""
        ...

    def division_cycles(self, dividend_bits: int, divisor_bits: int) -> int:
        """Cycles of a division by the bits of the operands' magnitudes (0 bits: the operand is 0).

        A division in a block is charged ``static_division``; where the operands can be seen, this replaces it.
        """
        ...


class MemoryModel(Protocol):
    """Wait states of one memory system: what the fetch unit meets on a hit, and the cache, if there is one."""

    name: str
    region: range
    """Addresses it answers for; code elsewhere runs at zero wait states."""
    code: CodeMemory
    cache: InstructionCache | None


@dataclass(frozen=True)
class TimingModel:
    """A core and, if its code does not run from zero-wait memory, the memory beside it."""

    core: CoreModel
    memory: MemoryModel | None = None
    data_reads_apart: bool = False
    """Reads of data in ``memory`` are charged as they happen, so blocks do not charge their literals."""

    @property
    def name(self) -> str:
        """For example "cortex-m4/1 + nrf52840-flash/1"."""
        if self.memory is None:
            return self.core.name
        return f"{self.core.name} + {self.memory.name}" + (" + data reads" if self.data_reads_apart else "")

    def cost(self, code: bytes, address: int, *, before: bytes = b"") -> BlockCost:
        """Cost of the block ``code`` at ``address``.

        ``before`` is the code that ends at ``address``, for a block that may be the rest of a longer one: an emulator
        splits blocks where its pages end, the core knows nothing of it.
        """
        instructions = decode_block(code, address)
        context = decode_backwards(before, address)
        core = self._in_context(context, instructions, ZERO_WAIT)
        return BlockCost(core, self._memory_cost(context, instructions, core), len(instructions))

    def _in_context(
        self, context: Sequence[Instruction], instructions: Sequence[Instruction], memory: CodeMemory
    ) -> CoreCost:
        alone = self.core.block(instructions, memory)
        if not context:
            return alone
        both = self.core.block([*context, *instructions], memory)
        through = max(0, both.cycles - self.core.block(context, memory).cycles)
        return replace(alone, cycles=through, target=max(0, alone.cycles + alone.target - through))

    def _memory_cost(
        self, context: Sequence[Instruction], instructions: Sequence[Instruction], core: CoreCost
    ) -> MemoryCost:
        if self.memory is None or not instructions or instructions[0].address not in self.memory.region:
            return MemoryCost()
        code = replace(self.memory.code, data_wait=0) if self.data_reads_apart else self.memory.code
        hit = self._in_context(context, instructions, code)
        through, branched = _extra(hit, core)
        cache = self.memory.cache
        if cache is None:
            return MemoryCost(through, branched)
        miss = self._in_context(context, instructions, replace(code, line_bytes=cache.line, line_wait=cache.miss_wait))
        off = self._in_context(context, instructions, replace(code, line_bytes=cache.line, line_wait=cache.off_wait))
        miss_through, miss_branched = _extra(miss, hit)
        end = instructions[-1].address + instructions[-1].size - 1
        lines = end // cache.line - instructions[0].address // cache.line + 1
        return MemoryCost(
            through, branched, round(miss_through / lines), round(miss_branched / lines), *_extra(off, core)
        )


def _extra(slow: CoreCost, quick: CoreCost) -> tuple[int, int]:
    """What a block takes more in one memory than in another, through and branched to, in sixteenths of a cycle."""
    through = max(0, slow.cycles - quick.cycles)
    branched = max(0, slow.cycles + slow.target - quick.cycles - quick.target)
    return SIXTEENTHS * through, SIXTEENTHS * branched
