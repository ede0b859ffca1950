# SPDX-License-Identifier: Apache-2.0
"""One firmware on one of Renode's boards: plain values that cross the worker's pipe."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from trainbed.assets import asset_path
from trainbed.backends.base import GuestImage
from trainbed.backends.ported import PortedFirmware, ported_firmware
from trainbed.boards import Board
from trainbed.errors import InputError

if TYPE_CHECKING:
    from trainbed.backends.renode.guest import RenodeGuest


@dataclass(frozen=True)
class RenodeConfig:
    """``platform`` is the board's .repl file, ``uart`` the name of its UART in it."""

    firmware: PortedFirmware
    platform: str
    uart: str
    dma: tuple[int, int] | None
    """Addresses of RXD.MAXCNT and RXD.AMOUNT where the UART writes into memory itself; None: read byte by byte."""
    vectors: int
    """Address of the firmware's vector table, where the core starts: no boot ROM is modelled."""
    clock_hz: int
    gdb: bool = False
    """The guest belongs to a debugger."""

    def make_guest(self) -> RenodeGuest:
        """Called inside the worker."""
        from trainbed.backends.renode.debug_guest import RenodeDebugGuest
        from trainbed.backends.renode.guest import RenodeGuest

        return RenodeDebugGuest(self) if self.gdb else RenodeGuest(self)


def config_for(board: Board, image: GuestImage) -> RenodeConfig:
    """Raises InputError for a board Renode has no platform of, or a firmware without one of our ports."""
    platform = asset_path("platforms") / f"{board.name}.repl"
    options = board.options.get("renode", {})
    if "uart" not in options or not platform.is_file():
        raise InputError(f"{board.name} has no platform for Renode (platforms/{board.name}.repl and options.renode)")
    firmware = ported_firmware(board, image)
    if firmware.receiver is None and "rx_dma" not in options:
        raise InputError(f"{image.elf.name} has no trn_port_receiver, and options.renode names no rx_dma")
    dma = options.get("rx_dma")
    flash = board.memory("flash")
    assert flash is not None  # as every board that is emulated
    return RenodeConfig(
        firmware=firmware,
        platform=str(platform),
        uart=options["uart"],
        dma=None if dma is None else (dma["max_count"], dma["amount"]),
        vectors=flash.origin + (board.boot.vectors if board.boot else 0),
        clock_hz=board.clock_hz,
    )
