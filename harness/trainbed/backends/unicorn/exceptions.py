# SPDX-License-Identifier: Apache-2.0
"""Exception entry and return of an Armv7-M core with FPU. Source: Armv7-M manual B1.5.6 to B1.5.8.

Two simplifications: the floating-point registers are stacked at once (the part reserves their place and stacks them
lazily), and entry and return cost a fixed 12 and 10 cycles, charged as sleep so that no phase of the training pays.
"""

from __future__ import annotations

import struct
from typing import Any

from unicorn import arm_const as arm

ENTRY_CYCLES = 12
RETURN_CYCLES = 10

_BASIC = (
    arm.UC_ARM_REG_R0, arm.UC_ARM_REG_R1, arm.UC_ARM_REG_R2, arm.UC_ARM_REG_R3, arm.UC_ARM_REG_R12, arm.UC_ARM_REG_LR,
)  # fmt: skip
_FLOATS = tuple(arm.UC_ARM_REG_S0 + i for i in range(16))
_BASIC_BYTES, _EXTENDED_BYTES = 0x20, 0x68
_FPCA, _SPSEL = 4, 2
_ALIGNED = 1 << 9
"""xPSR bit 9 in a frame: four bytes of padding lie above it."""
_THUMB = 1 << 24


def current_exception(uc: Any) -> int:
    """Number of the exception being handled; 0 in thread mode."""
    return int(uc.reg_read(arm.UC_ARM_REG_IPSR)) & 0x1FF


def enter(uc: Any, number: int, *, return_to: int, handler: int) -> int:
    """Stacks the context and puts the core in handler mode; returns where to go on: the handler.

    Raises UcError when the frame does not fit in mapped memory.
    """
    control = uc.reg_read(arm.UC_ARM_REG_CONTROL)
    has_floats = bool(control & _FPCA)
    in_thread = current_exception(uc) == 0
    on_process_stack = in_thread and bool(control & _SPSEL)
    n_bytes = _EXTENDED_BYTES if has_floats else _BASIC_BYTES
    sp = uc.reg_read(arm.UC_ARM_REG_SP)
    frame = (sp - n_bytes) & ~7
    padding = _ALIGNED if sp & 4 else 0
    words = [uc.reg_read(register) for register in _BASIC]
    words += [return_to & ~1, uc.reg_read(arm.UC_ARM_REG_XPSR) & ~_ALIGNED | _THUMB | padding]
    if has_floats:
        words += [uc.reg_read(register) & 0xFFFF_FFFF for register in _FLOATS]
        words += [uc.reg_read(arm.UC_ARM_REG_FPSCR), 0]
    uc.mem_write(frame, struct.pack(f"<{len(words)}I", *words))
    uc.reg_write(arm.UC_ARM_REG_SP, frame)
    uc.reg_write(arm.UC_ARM_REG_CONTROL, control & ~(_FPCA | _SPSEL))
    uc.reg_write(arm.UC_ARM_REG_XPSR, _THUMB | number)
    kind = 0xD if on_process_stack else 0x9 if in_thread else 0x1
    uc.reg_write(arm.UC_ARM_REG_LR, 0xFFFF_FFE0 | kind | (0 if has_floats else 0x10))
    return handler & ~1


def leave(uc: Any, exc_return: int) -> int:
    """Unstacks the context EXC_RETURN names; returns the address to go on at.

    Raises UcError when the frame does not lie in mapped memory.
    """
    has_floats = not exc_return & 0x10
    to_process_stack = bool(exc_return & 4)
    stack_register = arm.UC_ARM_REG_PSP if to_process_stack else arm.UC_ARM_REG_MSP
    frame = uc.reg_read(stack_register)
    n_bytes = _EXTENDED_BYTES if has_floats else _BASIC_BYTES
    words = struct.unpack(f"<{n_bytes // 4}I", bytes(uc.mem_read(frame, n_bytes)))
    xpsr = words[7]
    for register, value in zip(_BASIC, words, strict=False):
        uc.reg_write(register, value)
    if has_floats:
        for register, value in zip(_FLOATS, words[8:24], strict=True):
            uc.reg_write(register, value)
        uc.reg_write(arm.UC_ARM_REG_FPSCR, words[24])
    uc.reg_write(stack_register, frame + n_bytes + (4 if xpsr & _ALIGNED else 0))
    uc.reg_write(arm.UC_ARM_REG_XPSR, xpsr & ~_ALIGNED)
    control = uc.reg_read(arm.UC_ARM_REG_CONTROL) & ~(_FPCA | _SPSEL)
    uc.reg_write(arm.UC_ARM_REG_CONTROL, control | (_FPCA if has_floats else 0) | (_SPSEL if to_process_stack else 0))
    uc.reg_write(arm.UC_ARM_REG_FAULTMASK, 0)
    return int(words[6])


def find_unmasking(code: bytes, address: int) -> list[int]:
    """Addresses of CPSIE, and of MSR to PRIMASK, BASEPRI and FAULTMASK: behind each an interrupt may have to be taken.

    Data that reads like one is found too; a hook there never fires.
    """
    found = []
    start = 0
    while (at := code.find(b"\xb6", start)) >= 0:  # CPSIE is B66x, x = 1..3
        start = at + 1
        if at % 2 == 1 and code[at - 1] & 0xFC == 0x60 and code[at - 1] & 3:
            found.append(address + at - 1)
    start = 0
    while (at := code.find(b"\x88", start)) >= 0:  # MSR is F38n 88ss, ss = 10..13
        start = at + 1
        is_msr = at % 2 == 1 and at >= 3 and code[at - 2] == 0xF3 and code[at - 3] & 0xF0 == 0x80
        if is_msr and 0x10 <= code[at - 1] <= 0x13:
            found.append(address + at - 3)
    return sorted(found)
