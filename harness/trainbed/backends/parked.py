# SPDX-License-Identifier: Apache-2.0
"""Why a guest parked itself: from the exception frame on its stack and the core's fault registers.

Source: Armv7-M Architecture Reference Manual, B1.5.6 (exception entry), B3.2.15 (CFSR). A Cortex-M0 has no fault
registers; there the instruction itself tells.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Protocol

from trainbed.backends.failure import Failure
from trainbed.backends.ported import PortedFirmware

_CALLED = ("trn_fault_returned", "trn_fault_port")
"""Parks the firmware calls; an exception enters the others."""
_CFSR, _BFAR = 0xE000_ED28, 0xE000_ED38
_FRAME = struct.Struct("<8I")
_FLOAT_FRAME_BYTES = 72
_NO_FLOATS = 1 << 4
"""Of EXC_RETURN: the frame holds no float registers (B1.5.8)."""
_ALIGNED = 1 << 9
"""Of the xPSR in a frame: a word was skipped to align the stack (B1.5.7)."""
_BITS = (
    (1 << 16, "undefined_instruction"),  # UNDEFINSTR
    (1 << 17, "undefined_instruction"),  # INVSTATE: branch to an even address
    (1 << 18, "fetch_unmapped"),  # INVPC
    (1 << 19, "fpu_disabled"),  # NOCP
    (1 << 24, "unaligned"),  # UNALIGNED
    (1 << 8, "fetch_unmapped"),  # IBUSERR
    (1 << 0, "fetch_unmapped"),  # IACCVIOL
    (1 << 9, "access"),  # PRECISERR
    (1 << 1, "access"),  # DACCVIOL
    (1 << 10, "access"),  # IMPRECISERR
)
_BFAR_VALID = 1 << 15
ReadMemory = Callable[[int, int], bytes]


class Core(Protocol):
    """A core that stands still."""

    def registers(self) -> dict[str, int]:
        """By name: r0 to r12, sp, lr, pc, xpsr."""
        ...

    def word(self, address: int) -> int:
        """One of its system registers."""
        ...


def explain_park(config: PortedFirmware, core: Core, read: ReadMemory, *, pc: int, before: int) -> Failure:
    """The failure behind a guest asleep at ``pc`` in one of its trn_fault_* functions.

    ``read`` reads guest memory. ``before``: start of the block it came from, named where there is no exception frame.
    """
    park = config.park_at(pc)
    registers = core.registers()
    if park in _CALLED:
        caller = (registers.get("lr", 0) & ~1) - 2
        detail = f"the firmware parked itself in {park}"
        return Failure("fault", pc, detail, "assertion", park, caller=caller if caller > 0 else None)
    sp = registers.get("sp", 0)
    has_fault_registers = config.core != "cortex-m0" and config.core != "cortex-m0plus"
    status = core.word(_CFSR) if has_fault_registers else 0
    low = config.image.stack_low
    if low and sp < low:
        size = config.image.stack_top - low
        detail = f"the stack of {size} bytes is full (sp 0x{sp:08x})"
        return Failure("fault", before, detail, "stack_overflow", config.function_at(before))
    if config.memory_at(sp, _FRAME.size) is None:
        return Failure("fault", before, f"stopped in {park}, sp 0x{sp:08x}", "assertion", config.function_at(before))
    frame = _FRAME.unpack(read(sp, _FRAME.size))
    return_address, at = frame[5], frame[6]
    instruction = read_instruction(config, read, at)
    kind = next((name for bit, name in _BITS if status & bit), "") or _guess(instruction)
    address = core.word(_BFAR) if status & _BFAR_VALID else None
    if kind == "access":
        kind = "write_unmapped" if is_store(instruction) else "read_unmapped"
    if address is not None and low and low - 0x1_0000 <= address < low:
        size = config.image.stack_top - low
        return Failure("fault", at, f"the stack of {size} bytes is full (access to 0x{address:08x})", "stack_overflow")
    detail = f"stopped in {park}"
    if address is not None:
        detail = f"nothing answers at 0x{address:08x}"
    elif kind == "undefined_instruction" and instruction is not None:
        detail = f"encoding {instruction[0]:04x} {instruction[1]:04x}"
    called_from = (return_address & ~1) - 2
    lost = not config.function_at(at) and config.function_at(called_from)
    return Failure("fault", at, detail, kind, config.function_at(at), caller=called_from if lost else None)


def registers_at_fault(config: PortedFirmware, core: Core, read: ReadMemory, *, park: str) -> dict[str, int]:
    """The registers as the exception that led to ``park`` found them, from its frame where there is one."""
    registers = core.registers()
    sp = registers.get("sp", 0)
    if park in _CALLED or config.memory_at(sp, _FRAME.size) is None or sp < config.image.stack_low:
        return registers
    frame = _FRAME.unpack(read(sp, _FRAME.size))
    registers.update(zip(("r0", "r1", "r2", "r3", "r12", "lr", "pc", "xpsr"), frame, strict=True))
    exc_return = core.registers().get("lr", 0)
    size = _FRAME.size if exc_return & _NO_FLOATS else _FRAME.size + _FLOAT_FRAME_BYTES
    registers["sp"] = sp + size + (4 if frame[7] & _ALIGNED else 0)
    registers["xpsr"] &= ~_ALIGNED
    return registers


def read_instruction(config: PortedFirmware, read: ReadMemory, pc: int) -> tuple[int, int] | None:
    """The two half-words at an address, or None where there is no code."""
    if config.memory_at(pc, 4) is None:
        return None
    first, second = struct.unpack("<HH", read(pc, 4))
    return first, second


def is_store(instruction: tuple[int, int] | None) -> bool:
    """By encoding (A5.2.4, A5.3.10): 16-bit STR, STRH, STRB, STM and PUSH; 32-bit STR, STRD, STM, VSTR and VPUSH."""
    if instruction is None:
        return False
    first = instruction[0]
    if first >> 11 in (0b11101, 0b11110, 0b11111):
        return not first & 0x0010
    top = first >> 9
    if first >> 12 == 0b0101:
        return top & 7 <= 2
    return first >> 11 in (0b01100, 0b01110, 0b10000, 0b10010, 0b11000) or top == 0b1011010


def _guess(instruction: tuple[int, int] | None) -> str:
    """Without fault registers."""
    if instruction is None:
        return "fetch_unmapped"
    first = instruction[0]
    if first >> 8 == 0xDE:
        return "undefined_instruction"
    if first >> 8 == 0xBE:
        return "assertion"  # BKPT
    if first >> 12 in (0b0101, 0b0110, 0b0111, 0b1000, 0b1001, 0b1100) or first >> 9 in (0b1011010, 0b1011110):
        return "access"
    return "assertion"
