# SPDX-License-Identifier: Apache-2.0
"""Catches floating point before the firmware enabled it.

Unicorn's FPU is on from reset, whatever CPACR says; on the part the first such instruction is a usage fault. Every
block is looked at once, when the engine translates it. The part wants an ISB between the write to CPACR and the first
use, and so does this check: without one both lie in the same block.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from trainbed.backends.unicorn.engine import unicorn


class FpuGuard:
    """Looks for VFP instructions in new blocks while ``enabled`` is False; ``on_use`` gets the first one's address."""

    def __init__(self, uc: Any, *, on_use: Callable[[int], None]) -> None:
        self.enabled = False
        self._on_use = on_use
        self._uc = uc
        uc.hook_add(unicorn.UC_HOOK_EDGE_GENERATED, self._translated)

    def _translated(self, uc: Any, block: Any, _previous: Any, _user: Any) -> None:
        if self.enabled:
            return
        address = first_vfp_instruction(bytes(uc.mem_read(block.pc, block.size)), block.pc)
        if address is not None:
            self._on_use(address)


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
