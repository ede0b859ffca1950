# SPDX-License-Identifier: Apache-2.0
"""What the exception means that Renode's core stopped at, before the guest's handler could see it."""

from __future__ import annotations

from trainbed.backends.failure import Failure
from trainbed.backends.parked import is_store, read_instruction
from trainbed.backends.ported import PortedFirmware
from trainbed.backends.renode.machine import Machine

_UNDEFINED, _CALL, _FETCH, _DATA, _BREAKPOINT, _NO_COPROCESSOR, _STATE = 1, 2, 3, 4, 7, 17, 18
"""tlib's numbers of the exceptions of a Cortex-M (arch/arm/cpu.h)."""
_BELOW_STACK = 0x1_0000
"""An access as close below the stack is taken for its overflow."""


def explain_exception(firmware: PortedFirmware, machine: Machine, number: int, pc: int) -> Failure:
    """The failure behind exception ``number`` at ``pc``."""
    lr = machine.registers()["lr"]
    caller = (lr & ~1) - 2
    lost = not firmware.function_at(pc) and firmware.function_at(caller)
    instruction = read_instruction(firmware, machine.read, pc)

    def fault(kind: str, detail: str) -> Failure:
        return Failure("fault", pc, detail, kind, firmware.function_at(pc), caller=caller if lost else None)

    if number == _FETCH or (number in (_UNDEFINED, _STATE) and lost):
        return fault("fetch_unmapped", f"no code at 0x{pc:08x}")
    if number == _DATA:
        address = machine.fault_address
        low, top = firmware.image.stack_low, firmware.image.stack_top
        if top > low and low - _BELOW_STACK <= address < low:
            return fault("stack_overflow", f"the stack of {top - low} bytes is full (access to 0x{address:08x})")
        if firmware.memory_at(address) is not None:
            return fault("write_protected", f"store to flash at 0x{address:08x}")
        kind = "write_unmapped" if is_store(instruction) else "read_unmapped"
        return fault(kind, f"nothing answers at 0x{address:08x}")
    if number == _NO_COPROCESSOR:
        return fault("fpu_disabled", "the floating-point unit is not enabled")
    if number == _CALL:
        return fault("assertion", "supervisor call with interrupts masked")
    if number == _BREAKPOINT:
        return fault("assertion", "breakpoint instruction")
    if number in (_UNDEFINED, _STATE):
        encoding = "" if instruction is None else f"encoding {instruction[0]:04x} {instruction[1]:04x}"
        return fault("undefined_instruction", encoding)
    return fault("assertion", f"exception {number} of Renode's core")
