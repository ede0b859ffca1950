# SPDX-License-Identifier: Apache-2.0
"""The stack trace of an AVR that stands still: what on its stack are return addresses, behind a call each.

An AVR keeps no frame pointers and GCC 5 no rules to undo frames; the stack is small, so all of it is looked at. A
number that happens to follow a call may be listed too: every caller is called a guess.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from trainbed.avr.image import RAM_SPACE, flash_content
from trainbed.avr.instructions import Kind, decode
from trainbed.debug.unwind import Frame, Read
from trainbed.toolchain import elf as elf_facts

_MAX_FRAMES = 32
_SCANNED_BYTES = 2048
_RAM_OF_2560 = 0x0200
"""Where the RAM of the one part begins whose return addresses have three bytes."""


def avr_stack_trace(elf: Path, registers: Mapping[str, int], read: Read) -> tuple[Frame, ...]:
    """The frames, innermost first. Raises OSError, ValueError when the ELF cannot be read."""
    facts = elf_facts.facts(elf)
    code = flash_content(elf)
    pc, sp = registers["pc"], registers["sp"]
    n_bytes = 3 if facts.stack_low & 0xFFFF == _RAM_OF_2560 else 2
    frames = [Frame(pc, elf_facts.locate(elf, pc), "register")]
    at, end = sp + 1, min(sp + 1 + _SCANNED_BYTES, facts.stack_top & 0xFFFF)
    while at + n_bytes <= end and len(frames) < _MAX_FRAMES:
        try:
            address = 2 * int.from_bytes(read(RAM_SPACE + at, n_bytes), "big")
        except LookupError:
            break
        if follows_call(code, address):
            frames.append(Frame(address, elf_facts.locate(elf, address - 2), "scanned"))
            at += n_bytes
        else:
            at += 1
    return tuple(frames)


def follows_call(code: bytes, address: int) -> bool:
    """The instruction in front of an address is a call: RCALL of one word, or CALL of two."""
    if not 4 <= address <= len(code):
        return False
    one, two = (int.from_bytes(code[address - n : address - n + 2], "little") for n in (2, 4))
    short = decode(one)
    long = decode(two)
    return (short.kind in (Kind.CALL, Kind.CALL_INDIRECT) and short.words == 1) or (
        long.kind is Kind.CALL and long.words == 2
    )
