# SPDX-License-Identifier: Apache-2.0
"""The guest a worker drives; the same calls as trainbed.backends.base.Guest, failures as GuestStopped."""

from __future__ import annotations

import time
from collections import deque
from importlib.metadata import version

from trainbed.backends.base import Budget, Cost, Counts, GuestState
from trainbed.backends.failure import Failure, GuestStopped
from trainbed.backends.painted_stack import high_water
from trainbed.backends.unicorn.config import MachineConfig
from trainbed.backends.unicorn.engine import unicorn
from trainbed.backends.unicorn.machine import Machine
from trainbed.errors import InputError

_START_S = 2
"""Guest seconds a firmware may take from reset to its first wait."""
_START_WALL_S = 120.0
_TRANSFERS, _TRANSFER_BYTES = 16, 256
"""Kept of what went over the UART: the last transfers, and the end of each."""


class UnicornGuest:
    """One firmware on one machine, inside the worker."""

    def __init__(self, config: MachineConfig, *, machine: Machine | None = None) -> None:
        self.config = config
        self._machine = machine or Machine(config)
        self._busy_s = 0.0
        self._failure: Failure | None = None
        self._uart: deque[tuple[str, bytes]] = deque(maxlen=_TRANSFERS)

    version = version("unicorn")

    def start(self) -> None:
        """Power on and run to the first wait."""
        self._busy_s = 0.0
        self._failure = None
        self._uart.clear()
        self._machine.power_on()
        cycles = _START_S * self.config.clock_hz
        self._run(Budget(cycles=cycles, steps=cycles, wall_s=_START_WALL_S))

    def exchange(self, data: bytes, budget: Budget) -> bytes:
        """Send, run to the next wait, return what came back. A guest that failed fails again until the next start."""
        if self._failure is not None:
            raise GuestStopped(self._failure)
        self._uart.append(("host", data[-_TRANSFER_BYTES:]))
        self._machine.uart.host_sends(data)
        self._run(budget)
        answer = self._machine.uart.take_output()
        self._uart.append(("guest", answer[-_TRANSFER_BYTES:]))
        if data and not answer and not self._machine.reachable:
            raise self._machine.unreachable()
        return answer

    def cost(self) -> Cost:
        """Counts since start()."""
        counter = self._machine.counter
        return Cost(
            cost_class="modelled",
            model=counter.model_name,
            phases={
                name: Counts(c.cycles, c.memory_cycles, c.instructions) for name, c in counter.phase_counts().items()
            },
            functions={
                name: Counts(c.cycles, c.memory_cycles, c.instructions) for name, c in counter.function_counts().items()
            },
            instructions=counter.instructions,
            cycles=counter.cycles,
            busy_s=self._busy_s,
        )

    def stack_bytes(self) -> int:
        """High-water mark: everything from the lowest byte that lost its paint."""
        return high_water(self._machine.read, self.config.stack_low, self.config.stack_top)

    def lost_bytes(self) -> int:
        """Bytes the guest was sent and did not receive, since start()."""
        return self._machine.uart.lost_bytes

    def read_memory(self, address: int, n_bytes: int) -> bytes:
        """Bytes of guest memory. Raises InputError when they are not all mapped."""
        try:
            return self._machine.read(address, n_bytes)
        except unicorn.UcError:
            raise InputError(f"the guest has no memory at 0x{address:08x} + {n_bytes} bytes") from None

    def state(self) -> GuestState:
        """The guest as it stands, failed or waiting."""
        unread = bytes(self._machine.uart.output)[-_TRANSFER_BYTES:]
        uart = (*self._uart, *([("guest", unread)] if unread else []))
        return GuestState(registers=self._machine.registers(), memories=(self._machine.ram(),), uart=uart)

    def _run(self, budget: Budget) -> None:
        begin = time.perf_counter()
        try:
            self._machine.run(cycles=budget.cycles, steps=budget.steps, wall_s=budget.wall_s)
            self._machine.check_stack()
        except GuestStopped as stop:
            self._failure = stop.failure
            raise
        finally:
            self._busy_s += time.perf_counter() - begin
