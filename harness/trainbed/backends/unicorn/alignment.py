# SPDX-License-Identifier: Apache-2.0
"""Finds accesses the core refuses when they are not word-aligned: LDRD, STRD, LDM, STM, VLDR, VSTR, VLDM, VSTM.

Unicorn carries them out at any address. A check of every access would cost more than the emulation, so a block is
looked at when it is translated, right before it runs for the first time: a base register that no instruction of the
block has written yet holds what the access will use. Pointers computed inside the block, and a block's later runs, go
unchecked.

Source: Armv7-M Architecture Reference Manual (DDI 0403E), A3.2.1 and A5.3.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any


def misaligned_access(code: bytes, address: int, read_register: Callable[[int], int]) -> tuple[int, int] | None:
    """(address, base value) of the first such access in a block about to run, or None. Registers: 0 to 15."""
    for offset, base in _strict_accesses(code):
        value = read_register(base)
        if value & 3 and base not in _written(code[:offset], address):
            return address + offset, value
    return None


def _strict_accesses(code: bytes) -> Iterator[tuple[int, int]]:
    """(offset, base register) of every access that must be aligned and is executed unconditionally."""
    at = 0
    conditional = 0
    while at + 2 <= len(code):
        first = code[at] | code[at + 1] << 8
        is_wide = first >> 11 in (0b11101, 0b11110, 0b11111)
        second = code[at + 2] | code[at + 3] << 8 if is_wide and at + 4 <= len(code) else 0
        base = _base_of_wide(first, second) if is_wide else _base_of_narrow(first)
        if base is not None and not conditional:
            yield at, base
        conditional = max(0, conditional - 1)
        if first & 0xFF00 == 0xBF00 and first & 0xF:  # IT: the next one to four instructions may be skipped
            conditional = 4 - ((first & -first).bit_length() - 1)
        at += 4 if is_wide else 2


def _base_of_narrow(first: int) -> int | None:
    return first >> 8 & 7 if first & 0xF000 == 0xC000 else None  # LDM, STM


def _base_of_wide(first: int, second: int) -> int | None:
    base = first & 15
    if base == 15:
        return None  # a literal: aligned by the encoding
    if first & 0xFE40 == 0xE840 and first & 0x0120:  # LDRD, STRD: bit 8 (P) or 5 (W) tells them from LDREX and TBB
        return base
    if first & 0xFFC0 in (0xE880, 0xE900):  # LDM, STM
        return base
    if first & 0xFE00 == 0xEC00 and second >> 8 & 0xE == 0xA and first & 0x01A0:  # VLDR, VSTR, VLDM, VSTM
        return base
    return None


def _written(code: bytes, address: int) -> set[int]:
    """Numbers of the core registers a run of instructions writes. Reached only when a base looks misaligned: rarely."""
    decoder, numbers = _decoder()
    return {
        numbers[register]
        for instruction in decoder.disasm(code, address)
        for register in instruction.regs_access()[1]
        if register in numbers
    }


@lru_cache(maxsize=1)
def _decoder() -> tuple[Any, dict[int, int]]:
    import capstone
    from capstone import arm

    decoder = capstone.Cs(capstone.CS_ARCH_ARM, capstone.CS_MODE_THUMB | capstone.CS_MODE_MCLASS)
    decoder.detail = True
    numbers = {getattr(arm, f"ARM_REG_R{i}"): i for i in range(13)}
    return decoder, {**numbers, arm.ARM_REG_SP: 13, arm.ARM_REG_LR: 14}
