# SPDX-License-Identifier: Apache-2.0
"""The guest a worker drives; the same calls as trainbed.backends.base.Guest, failures as GuestStopped."""

from __future__ import annotations

import struct
import time
from collections import deque

from trainbed.backends.base import PHASES, Budget, Cost, Counts, GuestState
from trainbed.backends.failure import Failure, GuestStopped
from trainbed.backends.painted_stack import high_water, used_up
from trainbed.backends.parked import explain_park
from trainbed.backends.renode.config import RenodeConfig
from trainbed.backends.renode.faults import explain_exception
from trainbed.backends.renode.log import Log
from trainbed.backends.renode.machine import Machine
from trainbed.errors import InputError

_SLICE = 500_000
"""Instructions the guest is given at a time. What is left of a slice when it falls asleep costs next to nothing."""
_START = Budget(cycles=1_000_000_000, steps=1_000_000_000, wall_s=120.0)
_RECEIVER = struct.Struct("<IIII")
_FLOOD_BYTES = 16 << 20
"""More than any answer; a guest that sends on and on is stopped here if its budget does not."""
_TRANSFERS, _TRANSFER_BYTES = 16, 256
"""Kept of what went over the UART: the last transfers, and the end of each."""


class RenodeGuest:
    """One firmware on one machine, inside the worker."""

    def __init__(self, config: RenodeConfig) -> None:
        self.config = config
        self._firmware = config.firmware
        self._log = Log()
        self._machine = Machine(config)
        self._log.attach()
        self._output = bytearray()
        self._transfers: deque[tuple[str, bytes]] = deque(maxlen=_TRANSFERS)
        self._failure: Failure | None
        self._forget()

    version = ""
    """The parent knows it."""

    def machines_built(self) -> int:
        """In this process."""
        return Machine.n_built

    def start(self) -> None:
        """Power on and run to the first wait."""
        self._forget()
        self._machine.power_on()
        self._run(_START)

    def exchange(self, data: bytes, budget: Budget) -> bytes:
        """Send, run to the next wait, return what came back. A guest that failed fails again until the next start."""
        if self._failure is not None:
            raise GuestStopped(self._failure)
        self._transfers.append(("host", data[-_TRANSFER_BYTES:]))
        if data:
            piece = self._admitted(data)
            self._lost += len(data) - len(piece)
            if piece:
                self._machine.watch.send(piece)
                self._run(budget)
        answer = bytes(self._output)
        self._output.clear()
        self._transfers.append(("guest", answer[-_TRANSFER_BYTES:]))
        return answer

    def cost(self) -> Cost:
        """Counts since start(): instructions, which is all Renode knows."""
        self._count_marks()
        executed = self._machine.executed - self._n_marks
        phases = list(self._phases)
        phases[self._phase] += executed - self._counted
        return Cost(
            cost_class="instructions",
            model="",
            phases={name: Counts(instructions=n) for name, n in zip(PHASES, phases, strict=True)},
            instructions=executed,
            busy_s=self._busy_s,
        )

    def stack_bytes(self) -> int:
        """High-water mark: everything from the lowest byte that lost its paint."""
        return high_water(self.read_memory, self._firmware.image.stack_low, self._firmware.image.stack_top)

    def lost_bytes(self) -> int:
        """Bytes the guest was sent and its receiver was not armed for, since start()."""
        return self._lost

    def read_memory(self, address: int, n_bytes: int) -> bytes:
        """Bytes of guest memory. Raises InputError when they are not all in one memory of the board."""
        self._require_memory(address, n_bytes)
        return self._machine.read(address, n_bytes)

    def load_samples(self, offset: int, data: bytes) -> None:
        """See LoadsSamples.load_samples."""
        start, size = self._firmware.resident or (0, 0)
        if offset < 0 or offset + len(data) > size:
            raise InputError(f"{len(data)} bytes at {offset} do not fit the firmware's sample buffer of {size}")
        self._machine.write(start + offset, data)
        if self._machine.read(start + offset, len(data)) != data:
            raise GuestStopped(Failure("crash", self._machine.pc, "samples written into memory do not read back"))

    def state(self) -> GuestState:
        """The guest as it stands, failed or waiting, and what Renode logged."""
        rams = [memory for memory in self._firmware.memories if memory.kind == "ram"]
        unread = [("guest", bytes(self._output[-_TRANSFER_BYTES:]))] if self._output else []
        return GuestState(
            registers=self._machine.registers(),
            memories=tuple((ram.origin, self._machine.read(ram.origin, ram.length)) for ram in rams),
            uart=(*self._transfers, *unread),
            log=self._log.read(),
        )

    # -- inside ------------------------------------------------------------------------------------------------------

    def _admitted(self, data: bytes) -> bytes:
        """What the sleeping guest will take: up to a delimiter or its buffer's end. A part would lose the rest."""
        if self.config.dma is not None:
            max_count, amount = self.config.dma
            room = self._machine.word(max_count) - self._machine.word(amount)
        else:
            assert self._firmware.receiver is not None  # config_for() saw to it
            receiver = self._machine.read(self._firmware.receiver, _RECEIVER.size)
            _buffer, capacity, n_bytes, _taken = _RECEIVER.unpack(receiver)
            room = capacity - n_bytes
        room = max(0, room)
        return data[: data.find(0, 0, room) + 1 or room]

    def _run(self, budget: Budget) -> None:
        begin = time.perf_counter()
        try:
            self._run_to_wait(budget)
            self._check_stack()
        except GuestStopped as stop:
            self._failure = stop.failure
            raise
        except Exception as error:  # .NET's, whatever it is called
            self._failure = Failure("crash", 0, f"Renode failed: {error}\n{self._log.tail()}".strip())
            raise GuestStopped(self._failure) from None
        finally:
            self._busy_s += time.perf_counter() - begin

    def _run_to_wait(self, budget: Budget) -> None:
        """Slices until the core sleeps in its port's wait. Raises GuestStopped when it ends in any other way."""
        machine, watch = self._machine, self._machine.watch
        steps = min(budget.steps, budget.cycles)
        begun, deadline = machine.executed, time.monotonic() + budget.wall_s
        given = 0  # also what a core slept away: an endless loop of one instruction counts as a sleep in Renode
        asleep = False
        while True:
            left = steps - max(machine.executed - begun, given)
            if left <= 0:
                raise self._hang(f"the guest spent its budget of {steps:,} instructions without waiting for input")
            if time.monotonic() > deadline:
                raise self._hang(f"the guest ran for {budget.wall_s:g} s of wall clock without waiting for input")
            self._run_slice(min(left, _SLICE))
            given += min(left, _SLICE)
            self._output += watch.sent()
            self._count_marks()
            stopped = watch.exception()
            if stopped is not None:
                raise GuestStopped(explain_exception(self._firmware, machine, *stopped))
            reset_at = watch.reset_at()
            if reset_at is not None:
                function = self._firmware.function_at(reset_at)
                raise GuestStopped(Failure("reset", reset_at, "the guest reset itself", function=function))
            asleep = watch.sleeping(asleep)
            if asleep:
                if self._firmware.waits_at(machine.pc):
                    return
                raise self._asleep_elsewhere()
            if len(self._output) > _FLOOD_BYTES:
                raise self._hang(f"the guest sent {len(self._output):,} bytes without waiting for input")

    def _run_slice(self, n_instructions: int) -> None:
        """Renode tells that the core sleeps when it would go on: a slice not used up is followed by a short one."""
        machine = self._machine
        before = machine.executed
        machine.run(n_instructions)
        if machine.executed - before < n_instructions - machine.mips:
            machine.run(1)

    def _asleep_elsewhere(self) -> GuestStopped:
        """Nothing but a byte wakes this core, and it is not at the place that would take one."""
        machine = self._machine
        if self._firmware.park_at(machine.pc):
            return GuestStopped(
                explain_park(self._firmware, machine, self._machine.read, pc=machine.pc, before=machine.pc)
            )
        return self._hang("the guest sleeps and nothing can wake it")

    def _check_stack(self) -> None:
        """The stack's lowest word keeps its paint. Where RAM ends there, the guard stops an overflow at once."""
        low, top = self._firmware.image.stack_low, self._firmware.image.stack_top
        if used_up(self._machine.read, low, top):
            pc = self._machine.pc
            detail = f"the stack of {top - low} bytes was used to its last word, noticed here"
            raise GuestStopped(Failure("fault", pc, detail, "stack_overflow", self._firmware.function_at(pc)))

    def _hang(self, reason: str) -> GuestStopped:
        pc = self._machine.pc
        return GuestStopped(Failure("hang", pc, reason, function=self._firmware.function_at(pc)))

    def _require_memory(self, address: int, n_bytes: int) -> None:
        if self._firmware.memory_at(address, n_bytes) is None:
            raise InputError(f"no memory at 0x{address:08x} + {n_bytes} bytes")

    def _forget(self) -> None:
        """What was known of a guest that is no more."""
        self._busy_s = 0.0
        self._failure = None
        self._output.clear()
        self._transfers.clear()
        self._phases = [0] * len(PHASES)
        self._phase = 0
        self._counted = 0
        self._n_marks = 0
        self._lost = 0

    def _count_marks(self) -> None:
        """Each mark ends the phase before it. The breakpoint it is made of is no instruction of the firmware."""
        marks = self._firmware.image.marks
        for executed, address in self._machine.watch.marks():
            executed -= self._n_marks
            self._n_marks += 1
            self._phases[self._phase] += executed - self._counted
            self._counted = executed
            self._phase = marks.get(address, marks.get(address | 1, 0))
