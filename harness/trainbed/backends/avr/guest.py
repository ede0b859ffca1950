# SPDX-License-Identifier: Apache-2.0
"""The guest a worker drives; the same calls as trainbed.backends.base.Guest, failures as GuestStopped."""

from __future__ import annotations

import struct
import time
from collections import deque
from functools import cached_property
from importlib.metadata import version

from trainbed.avr.image import RAM_SPACE
from trainbed.backends.avr import library as native
from trainbed.backends.avr.board import AvrBoard
from trainbed.backends.avr.config import CLASSIC, XT, AvrConfig
from trainbed.backends.avr.faults import failure_of
from trainbed.backends.avr.self_test import measure
from trainbed.backends.base import Budget, Cost, GuestState
from trainbed.backends.failure import Failure, GuestStopped
from trainbed.backends.painted_stack import high_water

_START_S = 2
"""Guest seconds a firmware may take from reset to its first wait."""
_START_WALL_S = 120.0
_SLICE_CYCLES = 20_000_000
"""The guest is stopped this often to look at the wall clock: some three times a second."""
_FLOOD_BYTES = 16 << 20
_TRANSFERS, _TRANSFER_BYTES = 16, 256
"""Kept of what went over the UART: the last transfers, and the end of each."""
_RECEIVER = struct.Struct("<HII")
"""buffer, capacity and n_bytes of trn_port_receiver_t, pointers of 16 bits."""
_MCLKCTRLB = 0x61
_TIMING = {CLASSIC: ("exact", "avre+/1"), XT: ("modelled", "avrxt/1 + atmega4809-flash/1")}
"""Class and model of the counts: docs/fidelity.md says what is in them."""


class AvrGuest:
    """One firmware on one board, inside the worker."""

    def __init__(self, config: AvrConfig) -> None:
        self.config = config
        self._board = AvrBoard(config)
        self._failure: Failure | None = None
        self._uart: deque[tuple[str, bytes]] = deque(maxlen=_TRANSFERS)
        self._output = bytearray()
        self._busy_s = 0.0
        self._lost = 0

    @property
    def version(self) -> str:
        """Version of the emulator."""
        return native.simavr_version() if self.config.emulator == "simavr" else version("yasimavr")

    def start(self) -> None:
        """Power on and run to the first wait."""
        self._failure = None
        self._busy_s, self._lost = 0.0, 0
        self._uart.clear()
        self._output.clear()
        self._board.power_on()
        cycles = _START_S * self.config.clock_hz
        self._run(Budget(cycles=cycles, steps=cycles, wall_s=_START_WALL_S))
        self._check_clock()

    def exchange(self, data: bytes, budget: Budget) -> bytes:
        """Send, run to the next wait, return what came back. A guest that failed fails again until the next start."""
        if self._failure is not None:
            raise GuestStopped(self._failure)
        self._uart.append(("host", data[-_TRANSFER_BYTES:]))
        admitted = self._admitted(data)
        self._lost += len(data) - len(admitted)
        if admitted:
            self._board.feed(admitted)
            self._run(budget)
        answer = bytes(self._output)
        self._output.clear()
        self._uart.append(("guest", answer[-_TRANSFER_BYTES:]))
        return answer

    def cost(self) -> Cost:
        """Counts since start()."""
        total = self._board.state.total
        cost_class, model = self._timing
        return Cost(
            cost_class=cost_class,
            model=model,
            phases=self._board.phase_counts(),
            functions=self._board.function_counts(),
            instructions=total.instructions,
            cycles=total.cycles + total.memory,
            busy_s=self._busy_s,
        )

    @cached_property
    def _timing(self) -> tuple[str, str]:
        return _timing(self.config)

    def stack_bytes(self) -> int:
        """High-water mark: everything from the lowest byte that lost its paint."""
        return high_water(self._board.read, self.config.stack_low, self.config.stack_top)

    def lost_bytes(self) -> int:
        """Bytes the guest was sent and did not receive, since start()."""
        return self._lost + int(self._board.state.overruns)

    def read_memory(self, address: int, n_bytes: int) -> bytes:
        """Bytes of data space; the linker's addresses of it are understood, too."""
        return self._board.read(address & 0xFFFF, n_bytes)

    def state(self) -> GuestState:
        """The guest as it stands, failed or waiting."""
        ram = self.config.ram
        unread = [("guest", bytes(self._output[-_TRANSFER_BYTES:]))] if self._output else []
        memories = ((RAM_SPACE + ram.origin, self._board.read(ram.origin, ram.length)),)
        return GuestState(registers=self._board.registers(), memories=memories, uart=(*self._uart, *unread))

    # -- inside ------------------------------------------------------------------------------------------------------

    def _admitted(self, data: bytes) -> bytes:
        """What the sleeping guest will take: up to a delimiter or its buffer's end. A part would lose the rest."""
        if self.config.receiver is None:
            return data
        _buffer, capacity, n_bytes = _RECEIVER.unpack(self._board.read(self.config.receiver, _RECEIVER.size))
        room = max(0, capacity - n_bytes)
        end = data.find(0, 0, room) + 1
        return data[: end or room]

    def _run(self, budget: Budget) -> None:
        """Until the guest waits."""
        begin = time.perf_counter()
        deadline = time.monotonic() + budget.wall_s
        total = self._board.state.total
        cycles, steps = total.cycles + total.memory + budget.cycles, total.instructions + budget.steps
        try:
            while True:
                total = self._board.state.total
                limit = min(cycles, total.cycles + total.memory + _SLICE_CYCLES)
                stop, sent = self._board.run(cycles=limit, steps=steps)
                self._output += sent
                if stop == native.STOP_WAIT:
                    return
                spent = stop == native.STOP_STEPS or (stop == native.STOP_CYCLES and limit == cycles)
                if stop != native.STOP_CYCLES or spent:
                    raise self._broken(failure_of(self.config, self._board, stop, budget))
                if time.monotonic() >= deadline or len(self._output) > _FLOOD_BYTES:
                    raise self._broken(self._overdue(budget))
        finally:
            self._busy_s += time.perf_counter() - begin

    def _overdue(self, budget: Budget) -> Failure:
        pc = self._board.state.pc
        what = (
            f"the guest sent {len(self._output):,} bytes"
            if len(self._output) > _FLOOD_BYTES
            else f"the guest ran for {budget.wall_s:g} s of wall clock"
        )
        return Failure("hang", pc, f"{what} without waiting for input", function=self.config.function_at(pc))

    def _broken(self, failure: Failure) -> GuestStopped:
        self._failure = failure
        return GuestStopped(failure)

    def _check_clock(self) -> None:
        """yasimavr runs at the full clock whatever the prescaler says; the part would not."""
        if self.config.core != XT:
            return
        divider = self._board.read(_MCLKCTRLB, 1)[0]
        if divider & 1:
            pc = self._board.state.pc
            detail = f"the clock is still divided (CLKCTRL.MCLKCTRLB is 0x{divider:02x}): the part would run slower"
            raise self._broken(Failure("fault", pc, detail, "assertion", self.config.function_at(pc)))


def _timing(config: AvrConfig) -> tuple[str, str]:
    """Class and model of the counts; instructions alone where the emulator's cycles are not the manual's."""
    wrong = [measured for measured in measure(config) if not measured.is_right]
    if not wrong:
        return _TIMING[config.core]
    first = wrong[0]
    found = f"{first.case.name} counted {first.cycles:g} cycles, the manual says {first.case.cycles}"
    return (
        "instructions",
        f"{config.emulator} counts otherwise than the manual: {found}; {len(wrong)} instructions differ",
    )
