# SPDX-License-Identifier: Apache-2.0
"""What an AVR board is emulated from: plain values that cross the worker's pipe."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from trainbed.avr.image import RAM_SPACE, flash_segments
from trainbed.backends.base import GuestImage
from trainbed.backends.ported import read_symbols
from trainbed.boards import Board, Memory
from trainbed.errors import BuildError, InputError
from trainbed.toolchain.avr_linker import MAPPED_AT

if TYPE_CHECKING:
    from trainbed.backends.avr.guest import AvrGuest

RECEIVER, WAKE = "trn_port_receiver", "trn_wake"
_WAIT = "trn_port_receive_wait"
_DATA_SPACE = 0xFFFF
CLASSIC, XT = "classic", "xt"


@dataclass(frozen=True)
class AvrConfig:
    """One firmware on one board. Addresses and sizes in bytes; those of RAM as the core sees them, in data space."""

    emulator: str
    """``simavr`` or ``yasimavr``."""
    part: str
    """The emulator's name for the part."""
    core: str
    """``classic`` (AVRe+) or ``xt`` (AVRxt)."""
    return_bytes: int
    clock_hz: int
    image: GuestImage
    ram: Memory
    stack_low: int
    stack_top: int
    receiver: int | None
    """The port's trn_port_receiver (firmware/port/bytewise/byte_uart.h); None: a firmware that reads its
    UART by itself, and is sent whatever there is.
    """
    mapped_from: int
    """Where data space shows the flash; 0: nowhere."""

    def function_at(self, pc: int) -> str:
        """Name of the function an address lies in, or an empty string."""
        return next((name for start, size, name in self.image.functions if start <= pc < start + size), "")

    def make_guest(self) -> AvrGuest:
        """The guest, inside the worker."""
        from trainbed.backends.avr.guest import AvrGuest

        return AvrGuest(self)


def config_for(board: Board, emulator: str, image: GuestImage) -> AvrConfig:
    """Raises InputError for a board the emulator does not know, BuildError for constants where nobody looks."""
    options = board.options.get(emulator)
    ram = board.memory("ram")
    if options is None or ram is None:
        raise InputError(f"platforms/{board.name}.yaml names no part of {emulator} (options: {{{emulator}: {{...}}}})")
    symbols = read_symbols(image.elf, (RECEIVER,))
    data = {name: (value & _DATA_SPACE, size) for name, (value, size) in symbols.items()}
    framed = RECEIVER in data and any(name == _WAIT for _, _, name in image.functions)
    xt = board.core == "avrxt"
    if xt:
        _check_constants(image)
    return AvrConfig(
        emulator=emulator,
        part=options["part"],
        core=XT if xt else CLASSIC,
        return_bytes=3 if board.core == "avr6" else 2,
        clock_hz=board.clock_hz,
        image=image,
        ram=ram,
        stack_low=image.stack_low & _DATA_SPACE,
        stack_top=image.stack_top & _DATA_SPACE,
        receiver=data[RECEIVER][0] if framed else None,
        mapped_from=MAPPED_AT if xt else 0,
    )


def _check_constants(image: GuestImage) -> None:
    """A constant that is not read where the flash is seen reads as something else, silently."""
    for segment in flash_segments(image.elf):
        shift = segment.address - segment.programmed_at
        if shift not in (0, MAPPED_AT) and segment.address < RAM_SPACE:
            raise BuildError(
                f"{image.elf.name}: constants programmed at 0x{segment.programmed_at:x} are read from"
                f" 0x{segment.address:x}; the part shows its flash 0x{MAPPED_AT:x} above"
            )
