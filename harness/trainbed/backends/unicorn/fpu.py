# SPDX-License-Identifier: Apache-2.0
"""Finds floating point. Unicorn's FPU is on from reset, whatever CPACR says; on the part its first use is a fault.

The part wants an ISB between the write to CPACR and the first use, and so does a check made when a block is translated:
without one both lie in the same block.
"""

from __future__ import annotations


def first_vfp_instruction(code: bytes, address: int) -> int | None:
    """Address of the first instruction of coprocessor 10 or 11 in a run of Thumb code, or None."""
    at = 0
    while at + 2 <= len(code):
        first = code[at] | code[at + 1] << 8
        is_wide = first >> 11 in (0b11101, 0b11110, 0b11111)
        if is_wide and at + 4 <= len(code):
            second = code[at + 2] | code[at + 3] << 8
            if first & 0xEC00 == 0xEC00 and second >> 8 & 0xF in (10, 11):
                return address + at
        at += 4 if is_wide else 2
    return None
