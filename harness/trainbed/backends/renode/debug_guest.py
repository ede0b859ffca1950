# SPDX-License-Identifier: Apache-2.0
"""A guest in Renode that belongs to gdb, by way of Renode's own gdb server.

Time is given out in slices all along; while gdb holds the core they pass without an instruction.
"""

from __future__ import annotations

import time
from typing import Any

from trainbed.backends.base import Budget, Cost
from trainbed.backends.renode.config import RenodeConfig
from trainbed.backends.renode.dotnet import namespace
from trainbed.backends.renode.guest import RenodeGuest
from trainbed.debug.rsp import listen

_NAP_S = 0.01
"""Between two looks at a core that gdb holds: a person is at work."""
_HELD_SLICE = 1000


class RenodeDebugGuest(RenodeGuest):
    """Halted before its first instruction until gdb lets it go on."""

    def __init__(self, config: RenodeConfig) -> None:
        super().__init__(config)
        self._modes: Any = namespace("Antmicro.Renode.Peripherals.CPU").ExecutionMode

    def listen(self, port: int) -> int:
        """Starts the server; ``port`` 0: any free one. Raises InputError when the port is taken."""
        with listen(port) as probe:
            port = int(probe.getsockname()[1])
        self._machine.command(f"machine StartGdbServer {port} false")
        return port

    def start(self) -> None:
        """Waits for gdb, then runs to the first wait as gdb lets it."""
        self._forget()
        self._machine.power_on()
        self._machine.cpu.ExecutionMode = self._modes.SingleStep
        self._machine.run(1)  # the core takes stack pointer and PC from the vectors
        while not self._machine.cpu.DebuggerConnected:
            time.sleep(_NAP_S)
        self._run(Budget(cycles=1 << 62, steps=1 << 62, wall_s=float("inf")))

    def exchange(self, data: bytes, budget: Budget) -> bytes:
        """As any guest's; nothing is too much while somebody looks."""
        return super().exchange(data, Budget(cycles=1 << 62, steps=1 << 62, wall_s=float("inf")))

    def cost(self) -> Cost:
        """Class ``none``: steps and breakpoints are no part of the firmware's work."""
        return Cost(cost_class="none", model="", busy_s=self._busy_s)

    def finish(self) -> None:
        """gdb sees the connection end."""
        self._machine.command("machine StopGdbServer")

    def _run_slice(self, n_instructions: int) -> None:
        cpu = self._machine.cpu
        if not cpu.DebuggerConnected and cpu.ExecutionMode == self._modes.SingleStep:
            cpu.ExecutionMode = self._modes.Continuous  # gdb went without letting go
        if cpu.ExecutionMode == self._modes.SingleStep:
            time.sleep(_NAP_S)
            n_instructions = _HELD_SLICE
        super()._run_slice(n_instructions)
