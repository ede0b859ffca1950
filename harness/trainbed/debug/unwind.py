# SPDX-License-Identifier: Apache-2.0
"""The stack trace of a Cortex-M that stands still: by the call frame information of the ELF, through exceptions too.

Where that leads nowhere (a wild branch, a smashed stack), what looks like return addresses on the stack is listed and
called that. Inlined functions have no frame of their own here; gdb shows them.
Source: DWARF 5, 6.4 "Call Frame Information"; Armv7-M manual B1.5.6 to B1.5.8 for exception frames.
"""

from __future__ import annotations

import struct
from bisect import bisect_right
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trainbed.toolchain import elf as elf_facts

Read = Callable[[int, int], bytes]
"""Guest memory: address, number of bytes. Raises LookupError where there is none."""

_SP, _LR, _PC = 13, 14, 15
_EXC_RETURN = 0xFFFF_FF00
_NUMBERS = {**{f"r{i}": i for i in range(13)}, "sp": _SP, "lr": _LR, "pc": _PC}
_MAX_FRAMES = 32
_SCANNED_BYTES = 4096


@dataclass(frozen=True)
class Frame:
    """One level of the stack. ``how``: ``register``, ``frame`` (unwound), ``exception`` or ``scanned`` (a guess)."""

    pc: int
    where: str
    """``function (file:line)``; of a caller, the call's line."""
    how: str


class Code:
    """What unwinding needs of an ELF."""

    def __init__(self, elf: Path) -> None:
        from elftools.dwarf.callframe import FDE
        from elftools.elf.elffile import ELFFile

        self._elf = elf
        self._functions = elf_facts.facts(elf).functions
        with elf.open("rb") as stream:
            file = ELFFile(stream)
            dwarf: Any = file.get_dwarf_info()
            entries = dwarf.CFI_entries() if dwarf.has_CFI() else []
            found = sorted(
                (entry["initial_location"], entry["address_range"], entry.get_decoded().table)
                for entry in entries
                if isinstance(entry, FDE)
            )
            self._flash = [
                (segment["p_paddr"], segment.data()) for segment in file.iter_segments("PT_LOAD") if segment["p_filesz"]
            ]
        self._starts = [start for start, *_ in found]
        self._entries = found

    def holds(self, pc: int) -> bool:
        """The address lies in a function."""
        at = bisect_right(self._functions, (pc, 1 << 62, "")) - 1
        return at >= 0 and pc < self._functions[at][0] + self._functions[at][1]

    def where(self, pc: int) -> str:
        """``function (file:line)``."""
        return elf_facts.locate(self._elf, pc)

    def rules(self, pc: int) -> Mapping[Any, Any] | None:
        """How to undo the frame of the function an address lies in."""
        at = bisect_right(self._starts, pc) - 1
        if at < 0 or pc >= self._starts[at] + self._entries[at][1]:
            return None
        rows = [row for row in self._entries[at][2] if row["pc"] <= pc]
        return rows[-1] if rows else None

    def follows_call(self, address: int) -> bool:
        """The instruction in front of an address is BL or BLX."""
        for start, content in self._flash:
            if start + 4 <= address < start + len(content):
                first, second = struct.unpack_from("<HH", content, address - start - 4)
                return bool((first & 0xF800 == 0xF000 and second & 0xD000 == 0xD000) or second & 0xFF87 == 0x4780)
        return False


def stack_trace(elf: Path, registers: Mapping[str, int], read: Read) -> tuple[Frame, ...]:
    """The frames of a guest, innermost first. Raises OSError, ValueError when the ELF cannot be read."""
    if "sreg" in registers:
        from trainbed.debug.unwind_avr import avr_stack_trace

        return avr_stack_trace(elf, registers, read)
    code = Code(elf)
    state = {number: registers[name] for name, number in _NUMBERS.items()}
    frames = [Frame(state[_PC], code.where(state[_PC]), "register")]
    how = "exception"  # nothing has been called yet: the address is the instruction's own
    while len(frames) < _MAX_FRAMES:
        try:
            how = _unwind(code, state, read, is_call=how == "frame", is_first=len(frames) == 1)
        except LookupError:
            break
        at = state[_PC] - 2 if how == "frame" else state[_PC]  # of a caller, inside the call
        if not code.holds(at):
            break
        frames.append(Frame(state[_PC], code.where(at), how))
    return tuple(frames) if len(frames) > 1 else (*frames, *_scan(code, registers["sp"], read))


def _unwind(code: Code, state: dict[int, int], read: Read, *, is_call: bool, is_first: bool) -> str:
    """Makes the registers those of the caller. Returns how; raises LookupError where the trail ends."""
    rules = code.rules(state[_PC] - 2 if is_call else state[_PC])
    if rules is None and not is_first:
        raise LookupError
    if rules is None:
        target = state[_LR]  # assembly, or a wild branch: the link register may still tell who called
    else:
        cfa = (state[rules["cfa"].reg] + rules["cfa"].offset) & 0xFFFF_FFFF
        saved = {number: rule for number, rule in rules.items() if isinstance(number, int)}
        restored = {number: _word(read, cfa + rule.arg) for number, rule in saved.items() if rule.type == "OFFSET"}
        if _LR not in restored and is_call:
            raise LookupError  # it called on without keeping its own caller: the outermost
        state.update(restored)
        state[_SP] = cfa
        target = state[_LR]
    if target >= _EXC_RETURN:
        if target == 0xFFFF_FFFF:
            raise LookupError  # the link register's reset value
        _leave_exception(state, read, has_floats=not target & 0x10)
        return "exception"
    state[_PC] = target & ~1
    return "frame"


def _leave_exception(state: dict[int, int], read: Read, *, has_floats: bool) -> None:
    frame = state[_SP]
    words = [_word(read, frame + 4 * i) for i in range(8)]
    state.update(zip((0, 1, 2, 3, 12, _LR, _PC), words, strict=False))
    state[_SP] = frame + (0x68 if has_floats else 0x20) + (4 if words[7] & 1 << 9 else 0)


def _scan(code: Code, sp: int, read: Read) -> list[Frame]:
    """What on the stack could be return addresses."""
    found = []
    for address in range(sp & ~3, (sp & ~3) + _SCANNED_BYTES, 4):
        try:
            word = _word(read, address)
        except LookupError:
            break
        if word & 1 and code.holds(word - 3) and code.follows_call(word & ~1):
            found.append(Frame(word & ~1, code.where(word - 3), "scanned"))
    return found[:_MAX_FRAMES]


def _word(read: Read, address: int) -> int:
    return int.from_bytes(read(address & 0xFFFF_FFFF, 4), "little")
