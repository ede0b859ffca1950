# SPDX-License-Identifier: Apache-2.0
"""What a machine is built from: plain values that cross the worker's pipe."""

from __future__ import annotations

from dataclasses import dataclass, field

from trainbed.backends.base import GuestImage
from trainbed.boards import Board
from trainbed.errors import InputError

SOCS = ("nrf52840", "imxrt1062", "rp2040", "stm32f7")
"""Names of the parts this backend models; each is a folder beside this file, with its class in soc.py."""


@dataclass(frozen=True)
class MachineConfig:
    """One firmware on one board. Addresses and sizes in bytes, clock in Hz."""

    soc: str
    core: str
    clock_hz: int
    flash_timing: str | None
    elf: str
    sha256: str
    vectors: int
    """Address of the vector table the boot loader jumps through: the board's flash origin."""
    marks: dict[int, int] = field(default_factory=dict)
    functions: tuple[tuple[int, int, str], ...] = ()
    stack_low: int = 0
    stack_top: int = 0
    ram: tuple[int, int] | None = None
    """Origin and length of the RAM that holds data and stack; None: the part's own."""
    baud: int = 0
    """Of the host's UART; 0: not checked."""

    def function_at(self, pc: int) -> str:
        """Name of the function an address lies in, or an empty string."""
        return next((name for start, size, name in self.functions if start & ~1 <= pc < (start & ~1) + size), "")


def machine_config(board: Board, image: GuestImage) -> MachineConfig:
    """The machine for a firmware on a board. Raises InputError for a part that is not modelled."""
    flash, ram = board.memory("flash"), board.memory("ram")
    if board.soc not in SOCS or flash is None or ram is None:
        raise InputError(f"the unicorn backend has no model of {board.soc}; it knows: {', '.join(SOCS)}")
    return MachineConfig(
        soc=board.soc,
        core=board.core,
        clock_hz=board.clock_hz,
        flash_timing=board.flash_timing,
        elf=str(image.elf),
        sha256=image.sha256,
        vectors=flash.origin + (board.boot.vectors if board.boot else 0),
        marks=dict(image.marks),
        functions=tuple(image.functions),
        stack_low=image.stack_low,
        stack_top=image.stack_top,
        ram=(ram.origin, ram.length),
        baud=board.baud,
    )
