# SPDX-License-Identifier: Apache-2.0
"""Turns what went wrong inside the engine into a fault with a kind, an exact address and a reason.

A callback of the engine only notes the fault and stops the guest: the program counter is exact once the engine is back.
"""

from __future__ import annotations

from typing import Any

from unicorn import arm_const as arm

from trainbed.backends.failure import Failure, GuestStopped
from trainbed.backends.unicorn.config import MachineConfig
from trainbed.backends.unicorn.engine import unicorn
from trainbed.backends.unicorn.soc import Soc

_PARKS = "trn_fault_"
"""Functions the firmware parks in when it can go no further."""
_STACK_REACH = 0x1_0000
"""An access this close below the stack, by whatever instruction, is the stack's."""
_THUMB = 1 << 24
_KINDS = {
    unicorn.UC_ERR_READ_UNMAPPED: "read_unmapped", unicorn.UC_ERR_READ_PROT: "read_unmapped",
    unicorn.UC_ERR_WRITE_UNMAPPED: "write_unmapped", unicorn.UC_ERR_WRITE_PROT: "write_protected",
    unicorn.UC_ERR_FETCH_UNMAPPED: "fetch_unmapped", unicorn.UC_ERR_FETCH_PROT: "fetch_unmapped",
    unicorn.UC_ERR_READ_UNALIGNED: "unaligned", unicorn.UC_ERR_WRITE_UNALIGNED: "unaligned",
    unicorn.UC_ERR_FETCH_UNALIGNED: "unaligned", unicorn.UC_ERR_INSN_INVALID: "undefined_instruction",
    unicorn.UC_ERR_EXCEPTION: "undefined_instruction",
}  # fmt: skip


class FaultReporter:
    """Collects the first thing that went wrong in a run of the engine."""

    def __init__(self, uc: Any, config: MachineConfig, soc: Soc) -> None:
        self._uc = uc
        self._config = config
        self._soc = soc
        self.clear()

    def clear(self) -> None:
        """Forgets everything noted."""
        self._noted: tuple[str, str, int | None] | None = None
        self._reset = False
        self._error: BaseException | None = None
        self._address: int | None = None

    # -- noted by callbacks ----------------------------------------------------------------------------------------

    def access(self, kind: str, address: int, reason: str) -> None:
        """A peripheral access nobody models."""
        self._note(kind, f"0x{address:08x}: {reason}", None)

    def at_instruction(self, kind: str, pc: int, reason: str) -> None:
        """An instruction the core would refuse is about to run."""
        self._note(kind, reason, pc)

    def error(self, error: BaseException) -> None:
        """An exception inside a model: our bug, not the guest's."""
        self._error = self._error or error
        self._uc.emu_stop()

    def reset_requested(self) -> None:
        """AIRCR.SYSRESETREQ was written."""
        self._reset = True
        self._uc.emu_stop()

    def invalid_access(self, _access: int, address: int) -> None:
        """The engine found no memory, or the wrong kind, at an address."""
        self._address = address

    def _note(self, kind: str, detail: str, pc: int | None) -> None:
        self._noted = self._noted or (kind, detail, pc)
        self._uc.emu_stop()

    # -- raised by the loop ----------------------------------------------------------------------------------------

    def raise_pending(self, pc: int) -> None:
        """Raises what callbacks noted while the engine ran."""
        if self._error is not None:
            raise self._error
        if self._noted is not None:
            kind, detail, exact = self._noted
            raise self.stopped(kind, pc if exact is None else exact, detail)
        if self._reset:
            function = self._config.function_at(pc)
            raise GuestStopped(Failure("reset", pc, "the guest reset itself (AIRCR.SYSRESETREQ)", function=function))

    def of_engine(self, status: int, pc: int) -> GuestStopped:
        """The fault behind an error code of the engine."""
        kind = _KINDS.get(status)
        if kind is None:
            return GuestStopped(Failure("crash", pc, f"unicorn gave up: {unicorn.UcError(status)} at 0x{pc:08x}"))
        address = self._address
        if self._is_stack(address):
            sp = self._uc.reg_read(arm.UC_ARM_REG_SP)
            size = self._config.stack_top - self._config.stack_low
            return self.stopped("stack_overflow", pc, f"the stack of {size} bytes is full (sp 0x{sp:08x})")
        if kind == "undefined_instruction" and not self._uc.reg_read(arm.UC_ARM_REG_XPSR) & _THUMB:
            return self._wild_branch(kind, pc, f"branch to the even address 0x{pc:08x}: this core runs Thumb code only")
        if kind == "undefined_instruction":
            return self.stopped(kind, pc, self._instruction(pc))
        if kind == "fetch_unmapped":
            return self._wild_branch(kind, pc, self._describe(kind, address))
        return self.stopped(kind, pc, self._describe(kind, address))

    def check_park(self, pc: int) -> None:
        """Raises when the guest sleeps for good in one of the firmware's own fault handlers."""
        function = self._config.function_at(pc)
        if function.startswith(_PARKS):
            raise self.stopped("assertion", pc, f"the firmware parked itself in {function}")

    def stopped(self, kind: str, pc: int, detail: str) -> GuestStopped:
        """A fault as the exception the loop raises."""
        return GuestStopped(Failure("fault", pc, detail, kind=kind, function=self._config.function_at(pc)))

    def _wild_branch(self, kind: str, pc: int, detail: str) -> GuestStopped:
        """The link register tells who called, as long as it was a call."""
        caller = (self._uc.reg_read(arm.UC_ARM_REG_LR) & ~1) - 2
        function = self._config.function_at(caller)
        if not function:
            return self.stopped(kind, pc, detail)
        return GuestStopped(Failure("fault", pc, detail, kind=kind, function=function, caller=caller))

    # -- inside ----------------------------------------------------------------------------------------------------

    def _is_stack(self, address: int | None) -> bool:
        low = self._config.stack_low
        if low == 0:
            return False
        if self._uc.reg_read(arm.UC_ARM_REG_SP) < low:
            return True
        return address is not None and low - _STACK_REACH <= address < low

    def _instruction(self, pc: int) -> str:
        if not any(memory.holds(pc, 4) for memory in self._soc.memories):
            return ""
        first, second = (int.from_bytes(bytes(self._uc.mem_read(pc + i, 2)), "little") for i in (0, 2))
        wide = first >> 11 in (0b11101, 0b11110, 0b11111)
        return f"encoding {first:04x} {second:04x}" if wide else f"encoding {first:04x}"

    def _describe(self, kind: str, address: int | None) -> str:
        if address is None:
            return ""
        unit = self._soc.unit_name(address)
        if unit:
            return f"0x{address:08x} belongs to {unit}, which is not modelled"
        if kind == "write_protected":
            what = "flash" if self._soc.flash.holds(address) else "read-only memory"
            return f"store to {what} at 0x{address:08x}"
        if kind == "fetch_unmapped" and self._soc.ram.holds(address):
            return f"0x{address:08x} is data RAM, from which this backend does not execute"
        return f"nothing lies at 0x{address:08x}"
