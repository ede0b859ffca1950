# SPDX-License-Identifier: Apache-2.0
"""One firmware on one board, as the QEMU backend sees it."""

from __future__ import annotations

from dataclasses import dataclass

from trainbed.backends.base import GuestImage
from trainbed.backends.ported import PortedFirmware, ported_firmware
from trainbed.boards import Board
from trainbed.errors import InputError


@dataclass(frozen=True)
class QemuConfig(PortedFirmware):
    """The firmware and the machine of QEMU that has its board's parts."""

    receiver: int
    machine: str


def config_for(board: Board, image: GuestImage) -> QemuConfig:
    """Raises InputError for a board that names no QEMU machine, or a firmware without a port for such a board."""
    machine = board.options.get("qemu", {}).get("machine")
    if machine is None:
        raise InputError(f"platforms/{board.name}.yaml names no machine of QEMU (options: {{qemu: {{machine: ...}}}})")
    firmware = ported_firmware(board, image)
    if firmware.receiver is None:
        raise InputError(f"{image.elf.name} has no trn_port_receiver: its port is not one QEMU can drive")
    return QemuConfig(
        core=firmware.core,
        image=firmware.image,
        memories=firmware.memories,
        receiver=firmware.receiver,
        resident=firmware.resident,
        wait=firmware.wait,
        parks=firmware.parks,
        machine=machine,
    )
