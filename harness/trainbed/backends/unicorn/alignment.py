# SPDX-License-Identifier: Apache-2.0
"""Finds accesses the core refuses when they are not aligned: LDRD, STRD, LDM, STM, VLDR, VSTR, VLDM, VSTM, and on an
Armv6-M core all others too.

Unicorn carries them out at any address. A check of every access would cost more than the emulation, so a block is
looked at when it is translated, right before it runs for the first time: a base register that no instruction of the
block has written yet holds what the access will use. Pointers computed inside the block, and a block's later runs, go
unchecked.

Source: Armv7-M Architecture Reference Manual (DDI 0403E), A3.2.1, A5.2.4 and A5.3; Armv6-M (DDI 0419), A3.2.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any


@dataclass(frozen=True)
class _Access:
    """``registers`` and ``displacement`` add up to an address that must be a multiple of ``n_bytes``."""

    registers: tuple[int, ...]
    displacement: int = 0
    n_bytes: int = 4


def misaligned_access(
    code: bytes, address: int, read_register: Callable[[int], int], *, v6m: bool = False
) -> tuple[int, int, int] | None:
    """(instruction, what it accesses, alignment it needs) of the first such access in a block about to run, or None.

    Registers: 0 to 15.
    """
    for offset, access in _strict_accesses(code, v6m=v6m):
        target = sum(map(read_register, access.registers)) + access.displacement & 0xFFFF_FFFF
        if target % access.n_bytes and not _written(code[:offset], address).intersection(access.registers):
            return address + offset, target, access.n_bytes
    return None


def _strict_accesses(code: bytes, *, v6m: bool) -> Iterator[tuple[int, _Access]]:
    """(offset, access) of everything that must be aligned and is executed unconditionally."""
    at = 0
    conditional = 0
    while at + 2 <= len(code):
        first = code[at] | code[at + 1] << 8
        is_wide = first >> 11 in (0b11101, 0b11110, 0b11111)
        second = code[at + 2] | code[at + 3] << 8 if is_wide and at + 4 <= len(code) else 0
        base = _base_of_wide(first, second) if is_wide else _base_of_narrow(first)
        access = None if base is None else _Access((base,))
        if access is None and v6m and not is_wide:
            access = _single_access(first)
        if access is not None and not conditional:
            yield at, access
        conditional = max(0, conditional - 1)
        if first & 0xFF00 == 0xBF00 and first & 0xF:  # IT: the next one to four instructions may be skipped
            conditional = 4 - ((first & -first).bit_length() - 1)
        at += 4 if is_wide else 2


def _base_of_narrow(first: int) -> int | None:
    return first >> 8 & 7 if first & 0xF000 == 0xC000 else None  # LDM, STM


def _single_access(first: int) -> _Access | None:
    """LDR, STR, LDRH, STRH, LDRSH in their 16-bit encodings. Bytes need no alignment, literals have it."""
    base = first >> 3 & 7
    offset = first >> 6 & 0x1F
    if first & 0xF000 == 0x5000:  # register offset
        n_bytes = {0: 4, 1: 2, 4: 4, 5: 2, 7: 2}.get(first >> 9 & 7)
        return None if n_bytes is None else _Access((base, first >> 6 & 7), 0, n_bytes)
    if first & 0xF000 == 0x6000:
        return _Access((base,), 4 * offset, 4)
    if first & 0xF000 == 0x8000:
        return _Access((base,), 2 * offset, 2)
    return _Access((13,), 4 * (first & 0xFF), 4) if first & 0xF000 == 0x9000 else None


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
