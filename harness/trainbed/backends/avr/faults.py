# SPDX-License-Identifier: Apache-2.0
"""Why an AVR guest stopped where it should not have."""

from __future__ import annotations

from trainbed.avr.instructions import Kind, decode
from trainbed.backends.avr import library as native
from trainbed.backends.avr.board import AvrBoard
from trainbed.backends.avr.config import AvrConfig
from trainbed.backends.base import Budget
from trainbed.backends.failure import Failure

_WRITES = (Kind.STORE, Kind.PUSH, Kind.CALL, Kind.CALL_INDIRECT)


def failure_of(config: AvrConfig, board: AvrBoard, stop: int, budget: Budget) -> Failure:
    """The failure behind one of the helper's reasons to stop."""
    state = board.state
    pc, before = int(state.pc), int(state.previous_pc)
    function = config.function_at(pc)
    if stop in (native.STOP_CYCLES, native.STOP_STEPS):
        what = f"{budget.cycles:,} cycles" if stop == native.STOP_CYCLES else f"{budget.steps:,} instructions"
        return Failure("hang", pc, f"the guest spent its budget of {what} without waiting for input", function=function)
    if stop == native.STOP_ASLEEP:
        return Failure("hang", pc, "the guest sleeps with interrupts off: nothing can wake it", function=function)
    if stop == native.STOP_RESET:
        detail = "control came to the reset vector again: a watchdog, or a jump to address 0"
        return Failure("reset", before, detail, function=config.function_at(before))
    if stop == native.STOP_PARK:
        detail = f"the firmware parked itself in {function}"
        return Failure("fault", pc, detail, "assertion", function, caller=_caller(config, board))
    if stop == native.STOP_NO_CODE:
        detail = f"control left the code: no function is at 0x{pc:04x}"
        return Failure("fault", pc, detail, "fetch_unmapped", config.function_at(before), caller=before)
    if stop == native.STOP_ILLEGAL:
        word = _word(board, pc)
        return Failure("fault", pc, f"encoding {word:04x}", "undefined_instruction", function)
    if stop == native.STOP_STACK:
        size = config.stack_top - config.stack_low
        detail = f"the stack of {size} bytes is full (sp 0x{board.registers()['sp']:04x})"
        return Failure("fault", pc, detail, "stack_overflow", function)
    return _crash(config, board, before)


def _crash(config: AvrConfig, board: AvrBoard, pc: int) -> Failure:
    """The emulator refused an access, and says so in words of its own."""
    said = board.state.message.decode(errors="replace").strip()
    kind = decode(_word(board, pc)).kind
    sp = board.registers()["sp"]
    low = config.stack_low
    if low and sp + 1 < low and kind in _WRITES:
        size = config.stack_top - low
        return Failure("fault", pc, f"the stack of {size} bytes is full (sp 0x{sp:04x})", "stack_overflow")
    what = "write_unmapped" if kind in _WRITES else "read_unmapped"
    return Failure("fault", pc, said or "the emulator stopped", what, config.function_at(pc))


def _caller(config: AvrConfig, board: AvrBoard) -> int | None:
    """The instruction a parked function was called from: its return address, most significant byte first."""
    sp = board.registers()["sp"]
    if not config.stack_low <= sp + 1 <= config.stack_top - config.return_bytes:
        return None
    words = int.from_bytes(board.read(sp + 1, config.return_bytes), "big")
    return 2 * words - 2 if words else None


def _word(board: AvrBoard, address: int) -> int:
    return int.from_bytes(board.flash()[address : address + 2], "little")
