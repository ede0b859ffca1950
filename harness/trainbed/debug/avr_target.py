# SPDX-License-Identifier: Apache-2.0
"""An AVR board under a debugger, inside the worker: it halts at reset, at breakpoints and faults, and steps."""

from __future__ import annotations

from dataclasses import dataclass

from trainbed.avr.image import RAM_SPACE
from trainbed.backends.avr import library as native
from trainbed.backends.avr.board import AvrBoard
from trainbed.backends.avr.config import AvrConfig
from trainbed.backends.avr.faults import failure_of
from trainbed.backends.avr.guest import AvrGuest
from trainbed.backends.base import Budget, Cost
from trainbed.backends.failure import Failure, GuestStopped
from trainbed.debug.registers import avr_registers
from trainbed.debug.rsp import listen
from trainbed.debug.stub import SIGABRT, SIGILL, SIGINT, SIGSEGV, SIGTRAP, BadAddress, Resume, Stub, Watchpoint

_SLICE_CYCLES = 1_000_000
"""gdb's Ctrl-C is looked for this often."""
_SIGNALS = {"undefined_instruction": SIGILL, "assertion": SIGABRT}


@dataclass(frozen=True)
class AvrDebugConfig:
    """What a worker builds a debugger's guest from."""

    board: AvrConfig

    def make_guest(self) -> DebuggedAvrGuest:
        """Called by the worker."""
        return DebuggedAvrGuest(self.board)


class _Target:
    """What gdb looks at: flash from 0, data space from 0x800000 as in the ELF."""

    has_watchpoints = False
    description = ""
    register_set = avr_registers()

    def __init__(self, board: AvrBoard) -> None:
        self.breakpoints: set[int] = set()
        self.watchpoints: set[Watchpoint] = set()
        self._board = board
        self._ram = board.config.ram

    def read_register(self, name: str) -> int:
        """See Target."""
        return self._board.registers()[name]

    def write_register(self, name: str, value: int) -> None:
        """See Target."""
        self._board.set_register(name, value)

    def read_memory(self, address: int, n_bytes: int) -> bytes:
        """Flash and RAM: reading a peripheral could change it. Raises BadAddress."""
        if address < RAM_SPACE:
            flash = self._board.flash()
            if address >= len(flash):
                raise BadAddress
            return flash[address : address + n_bytes]
        return self._board.read(self._in_ram(address, n_bytes), n_bytes)

    def write_memory(self, address: int, data: bytes) -> None:
        """Changes RAM. Raises BadAddress."""
        self._board.write(self._in_ram(address, len(data)), data)

    def _in_ram(self, address: int, n_bytes: int) -> int:
        at = address - RAM_SPACE
        if not self._ram.origin <= at <= at + n_bytes <= self._ram.origin + self._ram.length:
            raise BadAddress
        return at


class DebuggedAvrGuest(AvrGuest):
    """The guest of one session; the same calls as any, and two more."""

    def __init__(self, config: AvrConfig) -> None:
        super().__init__(config)
        self._target = _Target(self._board)
        self._stub: Stub | None = None
        self._resume = Resume()
        self._at_reset = False

    def listen(self, port: int) -> int:
        """Opens the port gdb connects to, before start(); returns its number. Raises InputError."""
        listener = listen(port)
        self._stub = Stub(self._target, listener)
        return int(listener.getsockname()[1])

    def finish(self) -> None:
        """gdb sees the program exit; the port is closed."""
        stub, self._stub = self._stub, None
        if stub is not None:
            stub.finish()

    def start(self) -> None:
        """Halts before the first instruction."""
        self._at_reset = True
        super().start()

    def cost(self) -> Cost:
        """Class ``none``."""
        return Cost(cost_class="none", model="", busy_s=self._busy_s)

    def _run(self, budget: Budget) -> None:
        if self._at_reset:
            self._at_reset = False
            self._halt(SIGTRAP)
        total = self._board.state.total
        cycles, steps = total.cycles + total.memory + budget.cycles, total.instructions + budget.steps
        while True:
            if self._stub is not None and self._stub.poll():
                self._halt(SIGINT)
            stop = self._go_on(cycles, steps)
            if stop == native.STOP_WAIT:
                return
            if stop in (native.STOP_CYCLES, native.STOP_STEPS):
                total = self._board.state.total
                if total.cycles + total.memory < cycles and total.instructions < steps:
                    continue
            if stop == native.STOP_BREAK:
                self._halt(SIGTRAP)
                continue
            failure = failure_of(self.config, self._board, stop, budget)
            self._halt(_SIGNALS.get(failure.kind, SIGSEGV if failure.what == "fault" else SIGABRT))
            raise self._broken(failure)

    def _go_on(self, cycles: int, steps: int) -> int:
        """A slice, or a step; a step that is complete is a stop like a breakpoint."""
        total, until = self._board.state.total, self._resume.until
        self._board.break_at(frozenset() if until is not None else frozenset(self._target.breakpoints))
        limit = min(cycles, total.cycles + total.memory + _SLICE_CYCLES)
        stop, sent = self._board.run(cycles=limit, steps=steps if until is None else total.instructions + 1)
        self._output += sent
        pc = self._board.registers()["pc"]
        if stop == native.STOP_STEPS and until is not None:
            inside = pc in until and pc not in self._target.breakpoints
            return native.STOP_CYCLES if inside else native.STOP_BREAK
        return stop

    def _halt(self, signal: int) -> None:
        """Serves gdb until it lets the guest go on."""
        if self._stub is None:
            return
        self._resume = self._stub.halt(signal)
        if self._resume.killed:
            raise GuestStopped(Failure("crash", self._board.registers()["pc"], "gdb ended the guest"))
