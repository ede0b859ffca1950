# SPDX-License-Identifier: Apache-2.0
"""Whether an emulator's cycles are the part's: sixteen of each instruction, counted, held against the manual.

A version of an emulator that counts otherwise is found out here, once per firmware, and its counts lose their class.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, replace

from trainbed.avr.instructions import Kind, decode
from trainbed.backends.avr.board import AvrBoard
from trainbed.backends.avr.config import XT, AvrConfig
from trainbed.backends.avr.library import STOP_PARK
from trainbed.backends.base import PHASES

REPEATS = 16
_RET, _TABLE, _CODE = 0x10, 0x20, 0x40
"""Flash addresses: a lone RET, something to load, the program."""
_END = "trn_fault_end"
_SIMPLE = {
    "add": 0x0C11, "movw": 0x0109, "mul": 0x9C11, "muls": 0x0211, "mulsu": 0x0311, "adiw": 0x9600, "sbiw": 0x9700,
    "com": 0x9510, "lsr": 0x9516, "swap": 0x9512, "cpi": 0x3011, "ldi": 0xE011, "in": 0xB71D, "out": 0xBB1E,
    "sbi": 0x9AF0, "cbi": 0x98F0, "bst": 0xFB10, "bld": 0xF910, "clt": 0x94E8, "wdr": 0x95A8, "nop": 0x0000,
    "ld X": 0x911C, "ld X+": 0x911D, "ld -X": 0x911E, "ld Y+": 0x9119, "ld -Y": 0x911A, "ldd Y": 0x8119,
    "ld Z+": 0x9111, "ld -Z": 0x9112, "ldd Z": 0x8111, "st X": 0x931C, "st X+": 0x931D, "st -X": 0x931E,
    "st Y+": 0x9319, "st -Y": 0x931A, "std Y": 0x8319, "st Z+": 0x9311, "st -Z": 0x9312, "std Z": 0x8311,
    "push": 0x931F, "pop": 0x911F, "rjmp": 0xC000, "brne taken": 0xF401, "breq not taken": 0xF001, "sbrc": 0xFD10,
}  # fmt: skip
"""One word each. r17 is 0xFF, the Z flag clear; X, Y, Z and the stack pointer are in the middle of RAM."""


@dataclass(frozen=True)
class Case:
    """One instruction, repeated, and the cycles the manual gives one."""

    name: str
    words: tuple[int, ...]
    cycles: int
    waits: int = 0
    """Cycles waiting for the flash that data space shows."""
    z: int | None = None
    """Where Z points, if not into RAM."""


@dataclass(frozen=True)
class Measured:
    """Cycles an emulator counted for one instruction of a case."""

    case: Case
    cycles: float
    waits: float

    @property
    def is_right(self) -> bool:
        """As the manual says."""
        return (self.cycles, self.waits) == (self.case.cycles, self.case.waits)


def cases(config: AvrConfig) -> Iterator[Case]:
    """Every kind of instruction GCC makes."""
    xt, wide = config.core == XT, config.return_bytes - 2
    ram = config.ram.origin + 0x80

    def cycles(word: int) -> int:
        instruction = decode(word)
        calls = instruction.kind in (Kind.CALL, Kind.CALL_INDIRECT, Kind.RETURN)
        return (instruction.cycles_xt if xt else instruction.cycles_classic) + wide * calls

    for name, word in _SIMPLE.items():
        yield Case(name, (word,), 2 if name == "brne taken" else cycles(word))
    yield Case("sbrs, one word skipped", (0xFF10, 0x0000), 2)
    yield Case("sbrs, two words skipped", (0xFF10, 0x9310, ram), 3)
    yield Case("lds", (0x9110, ram), cycles(0x9110))
    yield Case("sts", (0x9310, ram), cycles(0x9310))
    yield Case("lpm", (0x9114,), cycles(0x9114), z=_TABLE)
    yield Case("call", (0x940E, _RET // 2), cycles(0x940E))
    yield Case("rcall", (0xD000,), cycles(0xD000))
    yield Case("icall", (0x9509,), cycles(0x9509), z=_RET // 2)
    if config.mapped_from:
        flash = config.mapped_from + _TABLE
        yield Case("lds from flash", (0x9110, flash), cycles(0x9110), 1)
        yield Case("ldd Z from flash", (0x8111,), cycles(0x8111), 1, z=flash)


def measure(config: AvrConfig) -> tuple[Measured, ...]:
    """Runs the cases on a fresh board of this kind; the last is the RET all calls led to."""
    ram = config.ram.origin
    n_calls = 3 * REPEATS
    flash = {0: (0x940C, _CODE // 2), _RET: (0x9508,), _TABLE: (0x0101,) * 8}
    functions = [(0, 4, "reset"), (_RET, 2, "ret"), (_TABLE, 16, "table")]
    at = _CODE
    expected = list(cases(config))
    for case in expected:
        setup = (
            *_load(26, ram + 0x80), 0xBFBE, 0xBFAD,  # stack pointer from X
            *_load(26, ram + 0x80), *_load(28, ram + 0x80), *_load(30, ram + 0x80 if case.z is None else case.z),
            0xEF1F, 0x2B11,  # ldi r17, 0xFF; or r17, r17
        )  # fmt: skip
        begin = at + 2 * len(setup)
        words = [_placed(word, begin + 2 * i) for i, word in enumerate(case.words * REPEATS)]
        functions += [(at, 2 * len(setup), f"before {case.name}"), (begin, 2 * len(words), case.name)]
        flash[at] = (*setup, *words)
        at = begin + 2 * len(words)
    flash[at] = (0x9588,)
    functions.append((at, 2, _END))
    content = bytearray(b"\xff" * (at + 2))
    for address, code in flash.items():
        content[address : address + 2 * len(code)] = struct.pack(f"<{len(code)}H", *code)

    image = replace(config.image, marks={}, functions=tuple(functions))
    board = AvrBoard(replace(config, image=image, stack_low=0, stack_top=0, receiver=None), content=bytes(content))
    board.power_on()
    board.state.trained_phases = 1 << PHASES.index("other")
    stop, _ = board.run(cycles=1_000_000, steps=1_000_000)
    assert stop == STOP_PARK, f"the self-test of {config.emulator} ended early ({stop})"
    counted = board.function_counts()
    board.close()
    ret = Case("ret", (0x9508,), 4 + config.return_bytes - 2)
    return tuple(
        Measured(case, counted[case.name].cycles / n, counted[case.name].memory_cycles / n)
        for case, n in [*((case, REPEATS) for case in expected), (ret, n_calls)]
    )


def _load(register: int, value: int) -> tuple[int, int]:
    """LDI of a register pair from r16 on."""
    low, high = (
        0xE000 | (number - 16) << 4 | (byte & 0xF0) << 4 | (byte & 0x0F)
        for number, byte in ((register, value & 0xFF), (register + 1, value >> 8))
    )
    return low, high


def _placed(word: int, address: int) -> int:
    """RCALL reaches the RET from where it stands."""
    return 0xD000 | ((_RET - address - 2) // 2 & 0xFFF) if word == 0xD000 else word
