# SPDX-License-Identifier: Apache-2.0
"""Tables over a firmware's flash, one entry a word: the function it belongs to, what its instruction costs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from trainbed.avr.instructions import Instruction, Kind, decode
from trainbed.backends.avr.config import WAKE, XT, AvrConfig
from trainbed.backends.avr.library import (
    COST_DIRECT,
    COST_ILLEGAL,
    COST_PERIPHERAL,
    COST_PUSHES,
    COST_X,
    COST_Y,
    COST_Z,
    Segment,
)

_POINTERS = {"X": COST_X, "Y": COST_Y, "Z": COST_Z}
_EMULATORS_OWN = (Kind.BRANCH, Kind.SKIP)
"""Costed by the emulator, which knows what was taken and skipped; right in all of them."""
_IO = ("in", "out", "sbi", "cbi", "sbic", "sbis", "sleep", "wdr", "reti", "break")
"""May reach a peripheral; loads and stores, too, where their address says so."""
_AT_FLASH, _AT_PERIPHERAL = 1, 2
"""What a direct load or store reaches, instead of a displacement."""
_PUSHING = (Kind.PUSH, Kind.CALL, Kind.CALL_INDIRECT)
_PARKS = "trn_fault_"


@dataclass(frozen=True)
class CodeTables:
    """What native/avr_board.h wants to know of a firmware."""

    content: bytes
    segment_of: Sequence[int]
    cost_of: bytes
    displacement_of: bytes
    names: tuple[str, ...]
    """Name of each segment; segment 0 is no code."""


def code_tables(config: AvrConfig, content: bytes) -> CodeTables:
    """``content``: of the flash from address 0 on. Code reaches from function to function."""
    content += b"\xff" * (len(content) % 2)
    n_words = len(content) // 2
    code_end = max((start + size for start, size, _ in config.image.functions), default=0)
    segment_of, cost_of, displacement_of = [0] * n_words, bytearray(n_words), bytearray(n_words)
    functions = sorted(config.image.functions)
    ends = [start for start, _, _ in functions[1:]] + [code_end]
    for number, ((start, _, _), end) in enumerate(zip(functions, ends, strict=True), 1):
        segment_of[start // 2 : end // 2] = [number] * (end // 2 - start // 2)
    for word in range(n_words):
        if segment_of[word]:
            instruction = decode(content[2 * word] | content[2 * word + 1] << 8)
            cost_of[word] = _cost(instruction, config.core)
            if config.core == XT and instruction.pointer == "direct":
                second = content[2 * word + 2] | content[2 * word + 3] << 8
                at_peripheral = second < config.ram.origin
                displacement_of[word] = _AT_FLASH * (second >= config.mapped_from) + _AT_PERIPHERAL * at_peripheral
            else:
                displacement_of[word] = instruction.displacement & 0xFF
    return CodeTables(
        content, segment_of, bytes(cost_of), bytes(displacement_of), ("", *(name for _, _, name in functions))
    )


def _cost(instruction: Instruction, core: str) -> int:
    """The emulator's figures stand for AVRe+; for AVRxt the manual's are taken."""
    if instruction.kind is Kind.ILLEGAL:
        return COST_ILLEGAL
    if core != XT:
        return COST_PUSHES if instruction.kind in _PUSHING else 0
    cycles = 0 if instruction.kind in _EMULATORS_OWN else instruction.cycles_xt
    pointer = COST_DIRECT if instruction.pointer == "direct" else _POINTERS.get(instruction.pointer, 0)
    return cycles | pointer | (COST_PERIPHERAL if instruction.name in _IO else 0)


def segments(tables: CodeTables, marks: Mapping[int, int], config: AvrConfig) -> list[Segment]:
    """What entering each function means."""
    found = []
    starts = {name: start for start, _, name in config.image.functions}
    for name in tables.names:
        segment = Segment()
        phase = marks.get(starts.get(name, -1))
        segment.phase = 0 if phase is None else phase + 1
        segment.park = name.startswith(_PARKS)
        segment.entry_cycles = _interrupt_cycles(config) if name == WAKE else 0
        found.append(segment)
    return found


def _interrupt_cycles(config: AvrConfig) -> int:
    """What emulators forget of an interrupt that ends a sleep.

    AVRe+: 4 cycles, 5 with a program counter of 22 bits, and as many to wake. AVRxt: 2 to push the program counter; and
    the JMP of the vector, 3, was charged as the instruction it came before, 1. Source: DS40002061 and DS40002211, reset
    and interrupt handling; DS40002015, CPUINT.
    """
    return 4 if config.core == XT else 2 * (config.return_bytes + 2)
