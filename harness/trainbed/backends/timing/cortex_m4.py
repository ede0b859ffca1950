# SPDX-License-Identifier: Apache-2.0
"""Cortex-M4F at zero wait states.

One instruction a cycle, plus what the rules below add. Sources: Arm Cortex-M4 TRM r0p1 sections 3.3 and 7.2.3 (counts,
load pipelining, float latencies) and published DWT measurements; docs/fidelity.md names one for each rule.
"""

from __future__ import annotations

from collections.abc import Sequence

from trainbed.backends.timing.model import CoreCost
from trainbed.backends.timing.thumb import FLOAT_KINDS, Instruction, Kind

_MEMORY_SINGLE = (Kind.LOAD, Kind.STORE)
_DIVISION = 6  # static stand-in; a code hook replaces it by the cost of the operands
_TAKEN = 1
_FP_CYCLES = {Kind.FP_ALU: 1, Kind.FP_MAC: 3, Kind.FP_DIVIDE: 14, Kind.FP_MOVE: 1}


class CortexM4:
    """Cycle model of the Cortex-M4 and its single-precision FPU."""

    name = "cortex-m4/0"
    static_division = _DIVISION

    def block(self, instructions: Sequence[Instruction]) -> CoreCost:
        """Cost of a block at zero wait states."""
        cycles = 0
        taken = 0
        previous: Instruction | None = None
        for position, this in enumerate(instructions):
            cycles += self._cycles(this, previous)
            if this.leaves and position == len(instructions) - 1:
                taken = _TAKEN
            previous = this
        target = 1 if instructions and instructions[0].unaligned else 0
        return CoreCost(cycles, taken, target)

    def division_cycles(self, dividend_bits: int, divisor_bits: int) -> int:
        """Measured closed form (asm-compendium, DWT): 2 with a zero operand, 3 with a short dividend, else 5 to 12."""
        if dividend_bits == 0 or divisor_bits == 0:
            return 2
        if dividend_bits < divisor_bits:
            return 3
        return 5 + (dividend_bits - divisor_bits) // 4

    def _cycles(self, this: Instruction, previous: Instruction | None) -> int:
        kind = this.kind
        cycles = _base_cycles(this)
        if previous is None:
            return cycles
        if kind is Kind.IT and not previous.wide and previous.kind is not Kind.IT:
            return 0
        if kind is Kind.LOAD and "pc" not in this.writes and _pipelines(this, previous):
            cycles -= 1
        if kind in (Kind.LOAD, Kind.STORE) and previous.kind in (Kind.ALU, Kind.MULTIPLY):
            cycles += bool(previous.writes & this.address_registers)
        if kind is Kind.LOAD and previous.kind is Kind.STORE:
            cycles += 1
        if previous.kind in FLOAT_KINDS and previous.kind is not Kind.FP_MOVE and this.is_float:
            cycles += bool(previous.writes & this.reads)
        return cycles


def _base_cycles(this: Instruction) -> int:
    kind = this.kind
    if kind is Kind.LOAD:
        return 2
    if kind is Kind.STORE:
        return 2 if this.index else 1
    if kind in (Kind.LOAD_MULTIPLE, Kind.STORE_MULTIPLE):
        return 1 + this.words
    if kind is Kind.DIVIDE:
        return _DIVISION
    if kind is Kind.BRANCH_TABLE:
        return 2
    if kind is Kind.FP_MOVE:
        return max(1, this.words)
    return _FP_CYCLES.get(kind, 1)


def _pipelines(this: Instruction, previous: Instruction) -> bool:
    if previous.kind is not Kind.LOAD or this.writeback:
        return False
    return this.literal == previous.literal and not previous.writes & this.address_registers
