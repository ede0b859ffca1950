# SPDX-License-Identifier: Apache-2.0
"""Cortex-M4F at zero wait states.

One instruction a cycle, plus what the rules below add. Each rule carries its source:

* [TRM] Arm Cortex-M4 Technical Reference Manual r0p1, 3.3 (instruction set, load/store timings) and 7.2.3 (FPU).
* [PIPE] jnk0le, "pipeline cycle test", measured on an STM32F407 at zero wait states.
* [ASM] asm-compendium, DWT measurements on STM32L4.

Pipeline of loads and stores: a load has an address and a data cycle; the address cycle of a load or store behind a load
overlaps the data cycle before it.
"""

from __future__ import annotations

from collections.abc import Sequence

from trainbed.backends.timing.fetch import ZERO_WAIT, CodeMemory, fetch_and_execute
from trainbed.backends.timing.model import CoreCost
from trainbed.backends.timing.thumb import Instruction, Kind

_DIVISION = 6  # static stand-in; a code hook replaces it by the cost of the operands
_TAKEN = 1  # [ASM] branch taken: 2 in all; BL + BX LR: 4 in all
_TAKEN_TABLE = 3  # [TRM] TBB/TBH block: two cycles for the load, one for the add, three to refill
_FP_MAC = 3  # [TRM]
_FP_DIVIDE = 14  # [TRM]
_ADDRESS_PRODUCERS = frozenset({Kind.ALU, Kind.MULTIPLY, Kind.DIVIDE})
_SINGLE = frozenset({Kind.LOAD, Kind.STORE})
_MEMORY = frozenset({Kind.LOAD, Kind.STORE, Kind.LOAD_MULTIPLE, Kind.STORE_MULTIPLE})
# [TRM] these take a cycle longer if the next instruction consumes their result
_FP_LATE = frozenset({Kind.FP_ALU, Kind.FP_MAC, Kind.FP_DIVIDE})


class CortexM4:
    """Cycle model of the Cortex-M4 and its single-precision FPU."""

    name = "cortex-m4/1"
    static_division = _DIVISION
    predicts = False

    def block(self, instructions: Sequence[Instruction], memory: CodeMemory = ZERO_WAIT) -> CoreCost:
        """Cost of a block whose code lies in ``memory``."""
        durations, divider_busy, first_float = _durations(instructions, memory)
        through = fetch_and_execute(instructions, durations, branched=False, memory=memory)
        branched = fetch_and_execute(instructions, durations, branched=True, memory=memory)
        taken = 0
        if instructions and instructions[-1].leaves:
            taken = _TAKEN_TABLE if instructions[-1].kind is Kind.BRANCH_TABLE else _TAKEN
            if instructions[-1].conditional:  # a return that IT skips takes one cycle, not the cycles of its loads
                skipped = max(0, durations[-1] - 1)
                through, branched, taken = through - skipped, branched - skipped, taken + skipped
        return CoreCost(
            cycles=through,
            taken=taken,
            target=max(0, branched - through),
            divider_busy=divider_busy,
            first_float=first_float,
        )

    def division_cycles(self, dividend_bits: int, divisor_bits: int) -> int:
        """[ASM] 2 with a zero operand, 3 with a dividend shorter than the divisor, else 5 to 12."""
        if dividend_bits == 0 or divisor_bits == 0:
            return 2
        if dividend_bits < divisor_bits:
            return 3
        return 5 + (dividend_bits - divisor_bits) // 4


def _durations(instructions: Sequence[Instruction], memory: CodeMemory) -> tuple[list[int], int, int | None]:
    """How long each instruction executes; how long the divider runs on; when the FPU is first needed."""
    durations: list[int] = []
    clock = 0
    divider_free = 0
    first_float: int | None = None
    previous: Instruction | None = None
    for this in instructions:
        cycles = _issue_cycles(this)
        if this.literal:
            cycles += memory.data_wait * this.words
        if this.is_float:
            # [TRM] VDIV and VSQRT run beside integer code; the next FPU instruction waits for them.
            cycles += max(0, divider_free - clock)
            if first_float is None:
                first_float = clock
        if previous is not None:
            if this.kind is Kind.IT and not previous.wide and previous.kind is not Kind.IT:
                cycles = 0  # [TRM] [ASM] folds into a 16-bit instruction before it
            elif _overlaps(this, previous):
                durations[-1] -= 1
                clock -= 1
            else:
                cycles += _stall(this, previous)
        durations.append(cycles)
        clock += cycles
        if this.kind is Kind.FP_DIVIDE:
            divider_free = clock + _FP_DIVIDE - 1
        previous = this
    return durations, max(0, divider_free - clock), first_float


def _overlaps(this: Instruction, previous: Instruction) -> bool:
    """This one starts in the data cycle of the load before it."""
    if previous.kind is not Kind.LOAD or previous.leaves:
        return False
    if this.kind is Kind.NOP:
        return True  # [PIPE] [ASM] LDR; NOP is as long as LDR
    if this.kind not in _SINGLE or previous.writes & this.address_registers or "pc" in this.writes:
        return False
    if this.kind is Kind.STORE:
        return True
    if this.unaligned:
        return False  # [PIPE] 32-bit loads that straddle two words of code do not pipeline
    return this.literal == previous.literal  # [ASM] literals come over another bus


def _stall(this: Instruction, previous: Instruction) -> int:
    if this.kind in _MEMORY and previous.kind in _ADDRESS_PRODUCERS:
        return 1 if previous.writes & this.address_registers else 0  # [TRM] no forwarding to the address stage
    if previous.kind is Kind.STORE and not previous.is_float and this.kind in (Kind.LOAD, Kind.LOAD_MULTIPLE):
        return 2 if this.literal else 1  # [PIPE] the store's data cycle shows; [ASM] STR; LDR literal takes 5
    if this.is_float and previous.kind in _FP_LATE:
        return 1 if previous.writes & this.reads else 0
    return 0


def _issue_cycles(this: Instruction) -> int:
    kind = this.kind
    if kind is Kind.LOAD:
        return 2
    if kind is Kind.STORE:
        return 2 if this.index or this.is_float else 1  # [TRM] STR Rx, [Ry, #imm] is always one cycle; VSTR takes two
    if kind in (Kind.LOAD_MULTIPLE, Kind.STORE_MULTIPLE):
        return 1 + this.words
    if kind is Kind.DIVIDE:
        return _DIVISION
    if kind is Kind.BRANCH_TABLE:
        return 3
    if kind is Kind.FP_MOVE:
        return max(1, this.words)
    if kind is Kind.FP_MAC:
        return _FP_MAC
    return 1
