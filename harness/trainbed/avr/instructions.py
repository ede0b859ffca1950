# SPDX-License-Identifier: Apache-2.0
"""AVR instructions: how they are coded, what they do to control and stack, what they cost.

Source: AVR Instruction Set Manual DS40002198; cycles of the cores AVRe+ (ATmega328P, ATmega2560) and AVRxt
(ATmega4809), for data in SRAM and a program counter of 16 bits.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from enum import Enum


class Kind(Enum):
    """What an instruction does beside computing."""

    PLAIN = "plain"
    LOAD = "load"
    STORE = "store"
    PUSH = "push"
    POP = "pop"
    BRANCH = "branch"
    """Conditional; a cycle more when taken."""
    SKIP = "skip"
    """A cycle more for each word skipped."""
    JUMP = "jump"
    CALL = "call"
    JUMP_INDIRECT = "jump indirect"
    CALL_INDIRECT = "call indirect"
    RETURN = "return"
    SLEEP = "sleep"
    ILLEGAL = "illegal"


@dataclass(frozen=True)
class Instruction:
    """One instruction. Cycles: of a branch not taken, of a skip that does not."""

    name: str
    kind: Kind
    words: int = 1
    cycles_classic: int = 1
    cycles_xt: int = 1
    pointer: str = ""
    """X, Y or Z where a load or store goes through it, ``direct`` where its address is the second word."""
    displacement: int = 0
    """Of the address from the pointer; -1: the pointer is decremented before."""


_ILLEGAL = Instruction("illegal", Kind.ILLEGAL)
_P, _L, _S = Kind.PLAIN, Kind.LOAD, Kind.STORE

# (mask, code, name, kind, words, cycles AVRe+, cycles AVRxt), the first that matches.
_CODES: tuple[tuple[int, int, str, Kind, int, int, int], ...] = (
    (0xFFFF, 0x0000, "nop", _P, 1, 1, 1),
    (0xFF00, 0x0100, "movw", _P, 1, 1, 1),
    (0xFF00, 0x0200, "muls", _P, 1, 2, 2),
    (0xFF00, 0x0300, "mulsu", _P, 1, 2, 2),
    (0xFC00, 0x0400, "cpc", _P, 1, 1, 1),
    (0xFC00, 0x0800, "sbc", _P, 1, 1, 1),
    (0xFC00, 0x0C00, "add", _P, 1, 1, 1),
    (0xFC00, 0x1000, "cpse", Kind.SKIP, 1, 1, 1),
    (0xFC00, 0x1400, "cp", _P, 1, 1, 1),
    (0xFC00, 0x1800, "sub", _P, 1, 1, 1),
    (0xFC00, 0x1C00, "adc", _P, 1, 1, 1),
    (0xFC00, 0x2000, "and", _P, 1, 1, 1),
    (0xFC00, 0x2400, "eor", _P, 1, 1, 1),
    (0xFC00, 0x2800, "or", _P, 1, 1, 1),
    (0xFC00, 0x2C00, "mov", _P, 1, 1, 1),
    (0xF000, 0x3000, "cpi", _P, 1, 1, 1),
    (0xF000, 0x4000, "sbci", _P, 1, 1, 1),
    (0xF000, 0x5000, "subi", _P, 1, 1, 1),
    (0xF000, 0x6000, "ori", _P, 1, 1, 1),
    (0xF000, 0x7000, "andi", _P, 1, 1, 1),
    (0xD208, 0x8000, "ldd z", _L, 1, 2, 2),
    (0xD208, 0x8008, "ldd y", _L, 1, 2, 2),
    (0xD208, 0x8200, "std z", _S, 1, 2, 1),
    (0xD208, 0x8208, "std y", _S, 1, 2, 1),
    (0xFE0F, 0x9000, "lds", _L, 2, 2, 3),
    (0xFE0F, 0x9001, "ld z+", _L, 1, 2, 2),
    (0xFE0F, 0x9002, "ld -z", _L, 1, 2, 2),
    (0xFE0E, 0x9004, "lpm", _P, 1, 3, 3),
    (0xFE0E, 0x9006, "elpm", _P, 1, 3, 3),
    (0xFE0F, 0x9009, "ld y+", _L, 1, 2, 2),
    (0xFE0F, 0x900A, "ld -y", _L, 1, 2, 2),
    (0xFE0F, 0x900C, "ld x", _L, 1, 2, 2),
    (0xFE0F, 0x900D, "ld x+", _L, 1, 2, 2),
    (0xFE0F, 0x900E, "ld -x", _L, 1, 2, 2),
    (0xFE0F, 0x900F, "pop", Kind.POP, 1, 2, 2),
    (0xFE0F, 0x9200, "sts", _S, 2, 2, 2),
    (0xFE0F, 0x9201, "st z+", _S, 1, 2, 1),
    (0xFE0F, 0x9202, "st -z", _S, 1, 2, 1),
    (0xFE0F, 0x9209, "st y+", _S, 1, 2, 1),
    (0xFE0F, 0x920A, "st -y", _S, 1, 2, 1),
    (0xFE0F, 0x920C, "st x", _S, 1, 2, 1),
    (0xFE0F, 0x920D, "st x+", _S, 1, 2, 1),
    (0xFE0F, 0x920E, "st -x", _S, 1, 2, 1),
    (0xFE0F, 0x920F, "push", Kind.PUSH, 1, 2, 1),
    (0xFE0F, 0x9400, "com", _P, 1, 1, 1),
    (0xFE0F, 0x9401, "neg", _P, 1, 1, 1),
    (0xFE0F, 0x9402, "swap", _P, 1, 1, 1),
    (0xFE0F, 0x9403, "inc", _P, 1, 1, 1),
    (0xFE0F, 0x9405, "asr", _P, 1, 1, 1),
    (0xFE0F, 0x9406, "lsr", _P, 1, 1, 1),
    (0xFE0F, 0x9407, "ror", _P, 1, 1, 1),
    (0xFE0F, 0x940A, "dec", _P, 1, 1, 1),
    (0xFF0F, 0x9408, "bset", _P, 1, 1, 1),
    (0xFFFF, 0x9409, "ijmp", Kind.JUMP_INDIRECT, 1, 2, 2),
    (0xFFFF, 0x9419, "eijmp", Kind.JUMP_INDIRECT, 1, 2, 2),
    (0xFFFF, 0x9508, "ret", Kind.RETURN, 1, 4, 4),
    (0xFFFF, 0x9509, "icall", Kind.CALL_INDIRECT, 1, 3, 2),
    (0xFFFF, 0x9518, "reti", Kind.RETURN, 1, 4, 4),
    (0xFFFF, 0x9519, "eicall", Kind.CALL_INDIRECT, 1, 3, 2),
    (0xFFFF, 0x9588, "sleep", Kind.SLEEP, 1, 1, 1),
    (0xFFFF, 0x9598, "break", _P, 1, 1, 1),
    (0xFFFF, 0x95A8, "wdr", _P, 1, 1, 1),
    (0xFFFF, 0x95C8, "lpm", _P, 1, 3, 3),
    (0xFFFF, 0x95D8, "elpm", _P, 1, 3, 3),
    (0xFE0E, 0x940C, "jmp", Kind.JUMP, 2, 3, 3),
    (0xFE0E, 0x940E, "call", Kind.CALL, 2, 4, 3),
    (0xFF00, 0x9600, "adiw", _P, 1, 2, 2),
    (0xFF00, 0x9700, "sbiw", _P, 1, 2, 2),
    (0xFF00, 0x9800, "cbi", _P, 1, 2, 1),
    (0xFF00, 0x9900, "sbic", Kind.SKIP, 1, 1, 1),
    (0xFF00, 0x9A00, "sbi", _P, 1, 2, 1),
    (0xFF00, 0x9B00, "sbis", Kind.SKIP, 1, 1, 1),
    (0xFC00, 0x9C00, "mul", _P, 1, 2, 2),
    (0xF800, 0xB000, "in", _P, 1, 1, 1),
    (0xF800, 0xB800, "out", _P, 1, 1, 1),
    (0xF000, 0xC000, "rjmp", Kind.JUMP, 1, 2, 2),
    (0xF000, 0xD000, "rcall", Kind.CALL, 1, 3, 2),
    (0xF000, 0xE000, "ldi", _P, 1, 1, 1),
    (0xF800, 0xF000, "brb", Kind.BRANCH, 1, 1, 1),
    (0xFC08, 0xF800, "bld/bst", _P, 1, 1, 1),
    (0xFC08, 0xFC00, "sbr", Kind.SKIP, 1, 1, 1),
)


@functools.cache
def decode(word: int) -> Instruction:
    """The instruction whose first word this is."""
    for mask, code, name, kind, words, classic, xt in _CODES:
        if word & mask == code:
            pointer, displacement = _addressing(name, word) if kind in (Kind.LOAD, Kind.STORE) else ("", 0)
            return Instruction(name, kind, words, classic, xt, pointer, displacement)
    return _ILLEGAL


def _addressing(name: str, word: int) -> tuple[str, int]:
    """Pointer and displacement of a load or store."""
    if name in ("lds", "sts"):
        return "direct", 0
    if name.startswith(("ldd", "std")):
        return name[-1].upper(), (word >> 8 & 0x20) | (word >> 7 & 0x18) | (word & 0x07)
    return name.strip("ldst +-").upper(), -1 if "-" in name else 0


def target(address: int, word: int, second: int) -> int | None:
    """Where a branch, jump or call coded so at a byte address leads; None for one through a register."""
    kind = decode(word).kind
    if kind is Kind.BRANCH:
        return address + 2 + 2 * _signed(word >> 3 & 0x7F, 7)
    if kind in (Kind.JUMP, Kind.CALL):
        if decode(word).words == 2:
            return 2 * (((word >> 3 & 0x3E) | (word & 1)) << 16 | second)
        return address + 2 + 2 * _signed(word & 0xFFF, 12)
    return None


def _signed(value: int, bits: int) -> int:
    return value - (1 << bits) if value >> (bits - 1) else value
