# SPDX-License-Identifier: Apache-2.0
"""Cortex-M7 and its single-precision FPU in tightly coupled memory: two instructions a cycle, in order.

Rules, from jnk0le's measurements on an STM32H743 ("pipeline cycle test", cortex_m7) unless another source is named:

* every cycle issues an older and a younger instruction; the tables below say what may stand beside what;
* an instruction needs its operands in one of two stages: address registers and shifted operands early, all others late.
  A load's word is there for the late stage in the next cycle, a byte or half-word a cycle later; a product one later;
* simple additions and moves run early if their own operands are there, and then serve a late one in the same cycle;
* single-precision arithmetic: one a cycle, latency 3; multiply-accumulate into an accumulator 3, into a factor 5;
* behind a multiply-accumulate no VADD for three cycles, and no VLDR or VSTR from the younger slot;
* VDIV and VSQRT hold the pipeline for 16 and 14 cycles.

A branch takes a slot, and the first instruction of the block that follows may issue beside it (`open_end`, `joins`).
What it costs when the predictor was wrong is the block hook's business (`mispredicted`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from trainbed.backends.timing.fetch import ZERO_WAIT, CodeMemory
from trainbed.backends.timing.model import CoreCost
from trainbed.backends.timing.thumb import FLOAT_KINDS, Instruction, Kind

_DIVISION = 6  # static stand-in; a code hook replaces it by the cost of the operands
_MISPREDICTED, _MISPREDICTED_EARLY = 8, 6  # the flags set at least three cycles before the branch
_FLAGS_EARLY = 3
_BARRIER = 4  # not measured
_FP_LATENCY = 3
_FP_DIVIDE, _FP_ROOT = 16, 14
_MAC_SHADOW = 3  # cycles behind a multiply-accumulate in which some float instructions cannot issue
_MULTIPLE = frozenset({Kind.LOAD_MULTIPLE, Kind.STORE_MULTIPLE})
_ARITHMETIC = frozenset({Kind.FP_ALU, Kind.FP_MAC, Kind.FP_DIVIDE})
_BITFIELD = frozenset(
    (
        "uxtb", "uxth", "sxtb", "sxth", "uxtb16", "sxtb16", "uxtab", "uxtah", "sxtab", "sxtah", "uxtab16", "sxtab16",
        "ubfx", "sbfx", "bfi", "bfc", "rev", "rev16", "revsh", "rbit", "clz", "pkhbt", "pkhtb", "ssat", "usat",
        "ssat16", "usat16", "uadd8", "uadd16", "usub8", "usub16", "sadd8", "sadd16", "ssub8", "ssub16", "qadd",
        "qsub", "qadd8", "qadd16", "qsub8", "qsub16", "uqadd8", "uqadd16", "uqsub8", "uqsub16", "shadd8", "shadd16",
        "uhadd8", "uhadd16", "sel", "usad8", "usada8",
    )
)  # fmt: skip
_SHIFTER = frozenset(
    (
        "bfi", "bfc", "sbfx", "ubfx", "rbit", "rev", "rev16", "revsh", "uxtab", "uxtah", "sxtab", "sxtah", "uxtab16",
        "sxtab16", "pkhbt", "pkhtb",
    )
)  # fmt: skip
"""Of these, the ones that use the shifter of the early stage."""
_EXTENDS = frozenset(("uxtb", "uxth", "sxtb", "sxth", "uxtb16", "sxtb16"))
"""They rotate on their own."""
_BITFIELD_EARLY = frozenset(["ubfx", "sbfx", "rev", "rev16", "revsh", "rbit"])
"""These run early altogether."""
_EARLY_RESULT = frozenset(("add", "sub", "mov", "movw", "adr", "addw", "subw"))
_SHIFTS = frozenset(("lsl", "lsr", "asr", "ror"))
_NARROW_LOADS = ("ldrb", "ldrh", "ldrsb", "ldrsh")
_WRITES_FLAGS = frozenset(("cmp", "cmn", "tst", "teq"))


_BRANCH = Instruction(0, 2, "b", Kind.BRANCH, conditional=True)
"""What a block that follows a branch finds in the older slot."""


@dataclass
class _Clock:
    """What has been issued so far. Times are cycles; a register that is not in a table is ready."""

    now: int = 0
    slots: int = 0
    """Used in cycle ``now``."""
    older: Instruction | None = None
    late: dict[str, int] = field(default_factory=dict)
    early: dict[str, int] = field(default_factory=dict)
    multiplicand: dict[str, int] = field(default_factory=dict)
    """Where it differs from ``late``: into a multiplication, or a float multiply-accumulate's factor."""
    accumulator: dict[str, int] = field(default_factory=dict)
    store: dict[str, int] = field(default_factory=dict)
    last_mac: int = -99
    flags: int = -99
    """Cycle that wrote the flags."""

    def advance(self, to: int) -> None:
        if to > self.now:
            self.now, self.slots, self.older = to, 0, None


class CortexM7:
    """Cycle model of the Cortex-M7 with its single-precision FPU."""

    name = "cortex-m7/1"
    static_division = _DIVISION
    predicts = True

    def block(self, instructions: Sequence[Instruction], memory: CodeMemory = ZERO_WAIT) -> CoreCost:
        """Cost of a block; it begins with every operand ready and both slots free."""
        clock = _Clock()
        cycles = _run(clock, instructions)
        joined = _run(_Clock(slots=1, older=_BRANCH), instructions) - 1
        last = instructions[-1] if instructions else None
        mispredicted = 0
        indirect = last is not None and last.leaves and last.kind is not Kind.BRANCH
        if last is not None and last.leaves and (last.conditional or indirect):
            early = not indirect and clock.now - clock.flags >= _FLAGS_EARLY
            mispredicted = _MISPREDICTED_EARLY if early else _MISPREDICTED
        return CoreCost(
            cycles=cycles,
            taken=0,
            target=0,
            mispredicted=mispredicted,
            indirect=indirect,
            open_end=last is not None and last.leaves and clock.older is last,
            joins=joined < cycles,
        )

    def division_cycles(self, dividend_bits: int, divisor_bits: int) -> int:
        """As measured on the Cortex-M4 (`cortex_m4`): the manuals give both the same range, 2 to 12."""
        if dividend_bits == 0 or divisor_bits == 0:
            return 2
        if dividend_bits < divisor_bits:
            return 3
        return 5 + (dividend_bits - divisor_bits) // 4


def _run(clock: _Clock, instructions: Sequence[Instruction]) -> int:
    """Cycles until all of them have issued."""
    for this in instructions:
        _issue(clock, this)
    return clock.now + (1 if clock.slots else 0)


def _issue(clock: _Clock, this: Instruction) -> None:
    clock.advance(_operands_ready(clock, this))
    if clock.slots and not _pairs(clock, this):
        clock.advance(clock.now + 1)
        clock.advance(_operands_ready(clock, this))
    if clock.slots and clock.now < _operands_ready(clock, this):  # only as an older one it would have run early
        clock.advance(clock.now + 1)
    is_older = clock.slots == 0
    runs_early = _may_run_early(clock, this, is_older=is_older)
    at = clock.now
    _retire(clock, this, at, runs_early=runs_early)
    cycles = _exclusive_cycles(this)
    if cycles:
        clock.advance(at + cycles)
    elif is_older:
        clock.slots, clock.older = 1, this
    else:
        clock.advance(at + 1)


def _exclusive_cycles(this: Instruction) -> int:
    """Cycles of an instruction that nothing issues beside; 0 for all others."""
    if this.kind in _MULTIPLE:
        return max(1, (this.words + 1) // 2)
    if this.kind is Kind.DIVIDE:
        return _DIVISION
    if this.kind is Kind.FP_DIVIDE:
        return _FP_ROOT if this.mnemonic == "vsqrt" else _FP_DIVIDE
    if this.kind in (Kind.BARRIER, Kind.SYSTEM, Kind.EXCEPTION):
        return _BARRIER
    if this.kind is Kind.FP_MOVE and this.words > 1:
        return 1
    if this.mnemonic in ("vmrs", "vmsr"):
        return 1
    return 0


def _operands_ready(clock: _Clock, this: Instruction) -> int:
    """First cycle in which every operand is there for the stage that wants it."""
    ready = clock.now
    early = set(this.address_registers)
    if _shifts_operand(this):
        early.add(this.shifted)
    if this.mnemonic in _BITFIELD_EARLY:
        early |= this.reads
    for name in this.reads:
        if name in early:
            ready = max(ready, clock.early.get(name, 0))
        elif this.kind is Kind.STORE:
            ready = max(ready, clock.store.get(name, 0))
        elif name == this.accumulator and name in clock.accumulator:
            ready = max(ready, clock.accumulator[name])
        elif this.kind in (Kind.MULTIPLY, Kind.FP_MAC) and name in clock.multiplicand:
            ready = max(ready, clock.multiplicand[name])
        else:
            ready = max(ready, clock.late.get(name, 0))
    if this.is_float and clock.now - clock.last_mac <= _MAC_SHADOW and _is_shadowed(this):
        ready = max(ready, clock.last_mac + _MAC_SHADOW + 1)
    return ready


def _is_shadowed(this: Instruction) -> bool:
    """Cannot issue at all close behind a multiply-accumulate."""
    return this.mnemonic in ("vadd", "vsub", "vldm", "vstm", "vpush", "vpop") or (
        this.kind in _MULTIPLE and this.is_float
    )


def _pairs(clock: _Clock, this: Instruction) -> bool:
    """May issue beside the older instruction of this cycle."""
    older = clock.older
    assert older is not None
    if _exclusive_cycles(this):
        return False
    if older.leaves and not older.conditional:
        return False
    if older.kind is this.kind is Kind.STORE:
        return False
    multiplies = (older.kind is Kind.MULTIPLY) + (this.kind is Kind.MULTIPLY)
    if multiplies == 2 or (multiplies and Kind.STORE in (older.kind, this.kind)):
        return False
    if this.mnemonic in _BITFIELD:  # in the older slot alone
        return False
    if _shifts_operand(this) and (_shifts_operand(older) or older.mnemonic in _SHIFTER):
        return False
    if older.kind in _ARITHMETIC and this.kind in _ARITHMETIC:
        return False
    if Kind.FP_MAC in (older.kind, this.kind):
        other = this if older.kind is Kind.FP_MAC else older
        return not other.is_float
    shadow = this.is_float and clock.now - clock.last_mac <= _MAC_SHADOW
    return not (shadow and (this.kind in (Kind.LOAD, Kind.STORE, Kind.FP_MOVE) or this.mnemonic == "vmov"))


def _shifts_operand(this: Instruction) -> bool:
    """Shifts or rotates an operand on its way into another operation. MOV with a shift is a shift."""
    return bool(this.shifted) and this.mnemonic not in _EXTENDS and this.mnemonic != "mov"


def _may_run_early(clock: _Clock, this: Instruction, *, is_older: bool) -> bool:
    is_shift = this.mnemonic in _SHIFTS or (this.mnemonic == "mov" and this.shifted)
    if this.kind is not Kind.ALU or not (is_shift or (is_older and this.mnemonic in _EARLY_RESULT)):
        return False
    if not is_shift and this.shifted:
        return False
    partner = clock.older
    if is_shift and partner is not None and (_shifts_operand(partner) or partner.mnemonic in _SHIFTER):
        return False
    return all(clock.early.get(name, 0) <= clock.now for name in this.reads)


def _retire(clock: _Clock, this: Instruction, at: int, *, runs_early: bool) -> None:
    """When the results are there."""
    if this.kind is Kind.FP_MAC:
        clock.last_mac = at
    if this.mnemonic in _WRITES_FLAGS or this.sets_flags:
        clock.flags = at
    late, early = at + 1, at + 2
    multiplicand: int | None = None
    accumulator: int | None = None
    store = at
    if this.kind is Kind.LOAD or (this.kind is Kind.LOAD_MULTIPLE and not this.is_float):
        late = at + (2 if this.mnemonic.startswith(_NARROW_LOADS) else 1)
        late += max(0, (this.words + 1) // 2 - 1) if this.kind is Kind.LOAD_MULTIPLE else 0
        early, multiplicand, accumulator = late + 1, late + 1, late
        if this.is_float:
            multiplicand, accumulator = late, at + 3
    elif this.kind is Kind.LOAD_MULTIPLE:
        late = at + (this.words + 1) // 2 + 1
        early, accumulator = late, late + 2
    elif this.kind is Kind.MULTIPLY:
        late, early, multiplicand, accumulator, store = at + 2, at + 3, at + 2, at + 1, at
    elif this.kind is Kind.FP_MAC:
        late = at + (5 if this.mnemonic.startswith(("vfm", "vfnm")) else 6)
        early, multiplicand, accumulator, store = late, late, at + 3, late - 2
    elif this.kind is Kind.FP_MOVE or (this.kind is Kind.FP_ALU and this.mnemonic == "vmov"):
        to_core = not any(name.startswith("s") and name[1:].isdigit() for name in this.writes)
        late = at + (2 if to_core else _FP_LATENCY)
        early, store = late + 1, late
    elif this.kind in FLOAT_KINDS:
        late = at + (_exclusive_cycles(this) or _FP_LATENCY)
        early, multiplicand, accumulator, store = late, late, late, at + 1
    elif runs_early:
        late, early = at, at + 1
    elif this.mnemonic in _BITFIELD_EARLY:
        late = at  # but not for addresses in the next cycle
    for name in this.writes:
        if name == "cpsr" or name == "pc":
            continue
        if name == this.base and this.writeback and this.kind in (Kind.LOAD, Kind.STORE):
            clock.late[name], clock.early[name], clock.store[name] = at, at + 1, at  # the address stage adds
            clock.multiplicand.pop(name, None)
            clock.accumulator.pop(name, None)
            continue
        clock.late[name], clock.early[name], clock.store[name] = late, early, store
        clock.multiplicand[name] = late if multiplicand is None else multiplicand
        clock.accumulator[name] = late if accumulator is None else accumulator
