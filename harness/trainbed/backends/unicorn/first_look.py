# SPDX-License-Identifier: Apache-2.0
"""Looks at every block once, when the engine has translated it and is about to run it for the first time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from unicorn import arm_const as arm

from trainbed.backends.unicorn.alignment import misaligned_access
from trainbed.backends.unicorn.engine import unicorn
from trainbed.backends.unicorn.fpu import first_vfp_instruction

_REGISTERS = (
    *(arm.UC_ARM_REG_R0 + i for i in range(13)), arm.UC_ARM_REG_SP, arm.UC_ARM_REG_LR, arm.UC_ARM_REG_PC,
)  # fmt: skip


class FirstLook:
    """``on_fault`` gets kind, address and detail; ``fpu_enabled`` follows CPACR. Code translated before costs nothing.

    The very first block after reset goes unseen: the engine reports the edges between blocks.
    """

    def __init__(self, uc: Any, *, v6m: bool, on_fault: Callable[[str, int, str], None]) -> None:
        self._v6m = v6m
        self.fpu_enabled = False
        self._on_fault = on_fault
        uc.hook_add(unicorn.UC_HOOK_EDGE_GENERATED, self._translated)

    def _translated(self, uc: Any, block: Any, _previous: Any, _user: Any) -> None:
        code, address = bytes(uc.mem_read(block.pc, block.size)), block.pc
        if not self.fpu_enabled:
            vfp = first_vfp_instruction(code, address)
            if vfp is not None:
                self._on_fault("fpu_disabled", vfp, "floating point before CPACR enabled it, or no ISB in between")
                return
        read_register = lambda number: int(uc.reg_read(_REGISTERS[number]))  # noqa: E731
        found = misaligned_access(code, address, read_register, v6m=self._v6m)
        if found is not None:
            at, target, n_bytes = found
            self._on_fault("unaligned", at, f"0x{target:08x} is no multiple of {n_bytes}, which this instruction needs")
