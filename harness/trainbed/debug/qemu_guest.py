# SPDX-License-Identifier: Apache-2.0
"""A QEMU guest behind QEMU's own gdb server, on a socket that listens before QEMU starts: no port is guessed."""

from __future__ import annotations

import select
from contextlib import suppress
from dataclasses import replace

from trainbed.backends.base import Budget, Cost, GuestImage
from trainbed.backends.qemu.config import config_for
from trainbed.backends.qemu.control import Gone
from trainbed.backends.qemu.guest import QemuGuest
from trainbed.backends.qemu.process import QemuProcess
from trainbed.boards import Board
from trainbed.debug.rsp import OnListening, listen
from trainbed.debug.stub import FOREVER_S
from trainbed.errors import EmulatorCrash, GuestError, GuestReset

_FAREWELL_S = 5.0


class QemuDebugGuest(QemuGuest):
    """Halted before its first instruction until gdb lets it go on."""

    def __init__(self, board: Board, image: GuestImage, *, port: int, on_listening: OnListening) -> None:
        super().__init__(config_for(board, image))
        self._port = port
        self._on_listening = on_listening

    def cost(self) -> Cost:
        """Class ``none``: steps and breakpoints cut the blocks that are counted."""
        return Cost(cost_class="none", model="", busy_s=self._busy_s)

    def close(self) -> None:
        """gdb sees the program exit."""
        process = self._process
        if process is not None:
            with suppress(Gone, OSError, RuntimeError):
                process.monitor.command("quit")
                select.select([process.control.fileno()], [], [], _FAREWELL_S)  # its end shows there
        super().close()

    def _launch(self) -> QemuProcess:
        with listen(self._port) as listener:
            self._port = int(listener.getsockname()[1])
            return QemuProcess(self._config, gdb=listener)

    def _release(self, process: QemuProcess) -> None:
        self._on_listening(self._port)

    def _run(self, budget: Budget) -> None:
        super()._run(replace(budget, wall_s=FOREVER_S))

    def _ended(self) -> GuestError:
        error = super()._ended()
        if isinstance(error, GuestReset):  # QEMU ends the same way for both
            return EmulatorCrash("gdb ended the guest, or the guest reset itself")
        return error
