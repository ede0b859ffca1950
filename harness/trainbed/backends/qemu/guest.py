# SPDX-License-Identifier: Apache-2.0
"""A firmware on one of QEMU's boards; implements trainbed.backends.base.Guest.

No clock decides anything: the plugin tells when the guest sleeps in its port's wait with every byte taken that was
sent. Then nothing but another byte could wake it, and what it sent is in our socket. The wall clock is the last resort.
"""

from __future__ import annotations

import select
import struct
import time
from collections import deque

from trainbed.backends.base import Budget, Cost, GuestState
from trainbed.backends.failure import Failure, as_error
from trainbed.backends.painted_stack import high_water, paint
from trainbed.backends.parked import explain_park, registers_at_fault
from trainbed.backends.qemu.config import QemuConfig
from trainbed.backends.qemu.control import Gone, Notice
from trainbed.backends.qemu.count import Counter
from trainbed.backends.qemu.process import QemuProcess, signal_name
from trainbed.backends.qemu.tool import qemu_version
from trainbed.errors import EmulatorCrash, GuestError, InputError

_START = Budget(cycles=1_000_000_000, steps=1_000_000_000, wall_s=120.0)
_RECEIVER = struct.Struct("<IIII")
_FLOOD_BYTES = 16 << 20
"""More than any answer; a guest that sends on and on is stopped here if its budget does not."""
_TRANSFERS, _TRANSFER_BYTES = 16, 256
"""Kept of what went over the UART: the last transfers, and the end of each."""
_LIFELESS_S = 1.0
"""A guest that sleeps outside its wait and executes nothing for this long sleeps for good."""


class QemuGuest:
    """One QEMU process per run."""

    def __init__(self, config: QemuConfig) -> None:
        self._process: QemuProcess | None = None
        self._stood_at: Notice | None = None
        """What stopped a guest that broke; its QEMU stays for state()."""
        self._config = config
        self._version = qemu_version()
        self._counter: Counter | None = None
        self._output = bytearray()
        self._transfers: deque[tuple[str, bytes]] = deque(maxlen=_TRANSFERS)
        self._busy_s = 0.0
        self._lost = 0

    @property
    def backend(self) -> str:
        """Name of the backend."""
        return "qemu"

    @property
    def version(self) -> str:
        """Version of QEMU."""
        return self._version

    @property
    def emulator_pid(self) -> int | None:
        """Process id of QEMU, while it runs."""
        return None if self._process is None else self._process.pid

    def start(self) -> None:
        """A fresh QEMU, run to the guest's first wait; see Guest.start."""
        self.close()
        self._output.clear()
        self._busy_s, self._lost = 0.0, 0
        self._transfers.clear()
        process = self._process = self._launch()
        try:
            self._host = {m.origin: process.monitor.host_address(m.origin) for m in self._config.memories}
            image = self._config.image
            paint(self.write_memory, image.stack_low, image.stack_top)
            process.control.watch(self._host_address(self._config.receiver + 12, 4))
            process.control.begin_exchange(0, steps=_START.steps)
            self._release(process)
        except Gone:
            raise self._ended() from None
        except (RuntimeError, TimeoutError) as error:
            self.close()
            raise EmulatorCrash(f"QEMU does not run {self._config.machine}: {error}") from None
        self._run(_START)

    def exchange(self, data: bytes, *, budget: Budget) -> bytes:
        """Send and receive; see Guest.exchange."""
        process = self._running()
        if self._stood_at is not None:
            raise EmulatorCrash("the guest is not running: it broke in an earlier exchange")
        self._transfers.append(("host", data[-_TRANSFER_BYTES:]))
        if data:
            try:
                piece = self._admitted(data)
                self._lost += len(data) - len(piece)
                process.control.begin_exchange(len(piece), steps=min(budget.steps, budget.cycles))
                process.send(piece)
            except Gone:
                raise self._ended() from None
            if piece:
                self._run(budget)
        answer = bytes(self._output)
        self._output.clear()
        self._transfers.append(("guest", answer[-_TRANSFER_BYTES:]))
        return answer

    def cost(self) -> Cost:
        """Counts since start()."""
        process = self._running()
        if self._counter is None:
            self._counter = Counter(self._config)
        return self._counter.cost(process.control.blocks(), busy_s=self._busy_s)

    def stack_bytes(self) -> int:
        """High-water mark: everything from the lowest byte that lost its paint."""
        return high_water(self.read_memory, self._config.image.stack_low, self._config.image.stack_top)

    def lost_bytes(self) -> int:
        """Bytes sent to the guest that its receiver was not armed for, since start()."""
        return self._lost

    def read_memory(self, address: int, n_bytes: int) -> bytes:
        """Bytes of the guest's memory. Raises InputError when they are not all in one memory of the board."""
        process = self._running()
        try:
            return process.control.read(self._host_address(address, n_bytes), n_bytes)
        except Gone:
            raise self._ended() from None

    def write_memory(self, address: int, data: bytes) -> None:
        """Changes the guest's memory. Raises InputError when the bytes are not all in one memory of the board."""
        process = self._running()
        try:
            process.control.write(self._host_address(address, len(data)), data)
        except Gone:
            raise self._ended() from None

    def state(self) -> GuestState:
        """See KeepsState.state. Of a guest that faulted the registers are those at the fault."""
        monitor = self._running().monitor
        stood_at = self._stood_at
        if stood_at is not None and stood_at.kind == "P":
            park = self._config.function_at(stood_at.pc)
            registers = registers_at_fault(self._config, monitor, self.read_memory, park=park)
        else:
            registers = monitor.registers()
            if stood_at is not None:
                registers["pc"] = stood_at.pc
        rams = [memory for memory in self._config.memories if memory.kind == "ram"]
        memories = tuple((ram.origin, self.read_memory(ram.origin, ram.length)) for ram in rams)
        unread = [("guest", bytes(self._output[-_TRANSFER_BYTES:]))] if self._output else []
        return GuestState(registers=registers, memories=memories, uart=(*self._transfers, *unread))

    def load_samples(self, offset: int, data: bytes) -> None:
        """See LoadsSamples.load_samples."""
        start, size = self._config.resident or (0, 0)
        if offset < 0 or offset + len(data) > size:
            raise InputError(f"{len(data)} bytes at {offset} do not fit the firmware's sample buffer of {size}")
        self.write_memory(start + offset, data)
        if self.read_memory(start + offset, len(data)) != data:
            self.close()
            raise EmulatorCrash("samples written into QEMU's memory do not read back")

    def close(self) -> None:
        """Ends QEMU; safe to call twice."""
        process, self._process = self._process, None
        self._stood_at = None
        if process is not None:
            process.close()

    def __enter__(self) -> QemuGuest:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __del__(self) -> None:
        self.close()

    # -- inside ------------------------------------------------------------------------------------------------------

    def _launch(self) -> QemuProcess:
        """A QEMU halted before the guest's first instruction."""
        return QemuProcess(self._config)

    def _release(self, process: QemuProcess) -> None:
        """Lets the guest run; a debugger's guest is left to gdb."""
        process.monitor.command("cont")

    def _running(self) -> QemuProcess:
        if self._process is None:
            raise EmulatorCrash("the guest is not running: start() was not called, or QEMU ended")
        return self._process

    def _host_address(self, address: int, n_bytes: int) -> int:
        memory = self._config.memory_at(address, n_bytes)
        if memory is None:
            raise InputError(f"no memory at 0x{address:08x} + {n_bytes} bytes")
        return self._host[memory.origin] + address - memory.origin

    def _admitted(self, data: bytes) -> bytes:
        """What the sleeping guest will take: up to a delimiter or its buffer's end. A part would lose the rest."""
        receiver = self.read_memory(self._config.receiver, _RECEIVER.size)
        _buffer, capacity, n_bytes, _taken = _RECEIVER.unpack(receiver)
        room = max(0, capacity - n_bytes)
        end = data.find(0, 0, room) + 1
        return data[: end or room]

    def _run(self, budget: Budget) -> None:
        """Until the guest waits."""
        begin = time.perf_counter()
        try:
            notice = self._await_notice(budget)
        except Gone:
            raise self._ended() from None
        finally:
            self._busy_s += time.perf_counter() - begin
        if notice.kind == "P":
            raise self._parked(notice)
        if notice.kind == "H":
            steps = min(budget.steps, budget.cycles)
            detail = f"the guest spent its budget of {steps:,} instructions without waiting for input"
            raise self._hang(detail, notice)

    def _await_notice(self, budget: Budget) -> Notice:
        """The notice that ends a run, the guest's output collected."""
        process = self._running()
        control = process.control
        poll = select.poll()
        poll.register(control.fileno(), select.POLLIN)
        poll.register(process.uart_fileno(), select.POLLIN)
        deadline = time.monotonic() + budget.wall_s
        asleep_at: Notice | None = None
        executed = -1
        while True:
            if not process.send():
                poll.modify(process.uart_fileno(), select.POLLIN | select.POLLOUT)
            left_s = max(0.0, deadline - time.monotonic())
            ready = dict(poll.poll(1000 * (min(left_s, _LIFELESS_S) if asleep_at else left_s)))
            if control.fileno() in ready:
                notice = control.notice()
                self._output += process.receive()
                if notice.kind != "S":
                    return notice
                asleep_at, executed = notice, control.instructions
                continue
            if ready:
                self._output += process.receive()
            if asleep_at and not ready and executed == control.instructions:
                raise self._hang("the guest sleeps and nothing can wake it", asleep_at)
            executed = control.instructions
            if time.monotonic() >= deadline:
                detail = f"the guest ran for {budget.wall_s:g} s of wall clock without waiting for input"
                raise self._hang(detail, self._held())
            if len(self._output) > _FLOOD_BYTES:
                detail = f"the guest sent {len(self._output):,} bytes without waiting for input"
                raise self._hang(detail, self._held())

    def _parked(self, notice: Notice) -> GuestError:
        process = self._running()
        before = process.control.pc_before_park
        try:
            failure = explain_park(self._config, process.monitor, self.read_memory, pc=notice.pc, before=before)
        except Gone:
            return self._ended()
        except (RuntimeError, TimeoutError) as error:
            function = self._config.function_at(before)
            failure = Failure(
                "fault", before, f"the guest parked itself; QEMU tells no more: {error}", "assertion", function
            )
        self._stood_at = notice
        return as_error(failure, self._config.image.elf)

    def _held(self) -> Notice:
        """A guest that runs on is held; a QEMU that does not come to that is ended."""
        process = self._running()
        pc = process.control.last_pc
        process.control.hold()
        deadline = time.monotonic() + _LIFELESS_S
        poll = select.poll()
        poll.register(process.control.fileno(), select.POLLIN)
        while poll.poll(1000 * max(0.0, deadline - time.monotonic())):
            notice = process.control.notice()
            if notice.kind == "H":
                return notice
        self.close()
        return Notice("H", pc)

    def _hang(self, detail: str, notice: Notice) -> GuestError:
        if self._process is not None:
            self._stood_at = notice
        pc = notice.pc
        return as_error(Failure("hang", pc, detail, function=self._config.function_at(pc)), self._config.image.elf)

    def _ended(self) -> GuestError:
        """The typed error for a QEMU that is gone."""
        process, self._process = self._process, None
        assert process is not None
        pc = process.control.last_pc
        code, messages = process.ended()
        function = self._config.function_at(pc)
        failure = Failure("crash", pc, f"QEMU ended with exit code {code}:\n{messages[-2000:]}")
        if code == 0:
            failure = Failure("reset", pc, "the guest reset itself", function=function)
        elif "Lockup" in messages:
            detail = "the core locked up: a fault inside the fault handler"
            failure = Failure("fault", pc, detail, "assertion", function)
        elif code < 0:
            failure = Failure("crash", pc, f"QEMU was killed by {signal_name(code)}\n{messages[-2000:]}".strip())
        return as_error(failure, self._config.image.elf)
