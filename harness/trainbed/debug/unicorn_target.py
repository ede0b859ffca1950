# SPDX-License-Identifier: Apache-2.0
"""A Unicorn machine under a debugger, inside the worker: it halts at reset, at breakpoints and faults, and steps.

Only here does the engine count instructions one by one or carry hooks that come and go: counts of such a run say
nothing, which is why its cost is of class ``none``. Guest time goes on per block, stepped instructions pay for
theirs in full. An IT block is one step: the engine does not stop inside one.
"""

from __future__ import annotations

import dataclasses
import socket
from typing import Any

from trainbed.backends.base import Budget, Cost
from trainbed.backends.failure import Failure, GuestStopped
from trainbed.backends.unicorn import core_registers
from trainbed.backends.unicorn.config import MachineConfig
from trainbed.backends.unicorn.cores import CORES
from trainbed.backends.unicorn.engine import unicorn
from trainbed.backends.unicorn.guest import UnicornGuest
from trainbed.backends.unicorn.machine import Machine
from trainbed.debug.registers import registers, target_xml
from trainbed.debug.rsp import listen
from trainbed.debug.stub import (
    FOREVER_S,
    SIGABRT,
    SIGILL,
    SIGINT,
    SIGSEGV,
    SIGTRAP,
    BadAddress,
    Resume,
    Stub,
    Watchpoint,
)

_WIDEST = 8
"""Bytes one access may take: one that begins so far in front of a watched place may reach it."""
_ACCESSES = {
    "watch": unicorn.UC_HOOK_MEM_WRITE, "rwatch": unicorn.UC_HOOK_MEM_READ,
    "awatch": unicorn.UC_HOOK_MEM_READ | unicorn.UC_HOOK_MEM_WRITE,
}  # fmt: skip
_THUMB = 1 << 24
_WFI = b"\x30\xbf"
_SIGNALS = {"undefined_instruction": SIGILL, "fpu_disabled": SIGILL, "assertion": SIGABRT}


@dataclasses.dataclass(frozen=True)
class DebugConfig:
    """What a worker builds a debugger's guest from."""

    machine: MachineConfig

    def make_guest(self) -> DebuggedGuest:
        """Called by the worker."""
        return DebuggedGuest(self)


class DebuggedGuest(UnicornGuest):
    """The guest of one session; the same calls as any, and two more."""

    def __init__(self, debug: DebugConfig) -> None:
        self._target = DebuggedMachine(debug.machine)
        super().__init__(debug.machine, machine=self._target)

    def listen(self, port: int) -> int:
        """Opens the port gdb connects to, before start(); returns its number. Raises InputError."""
        listener = listen(port)
        self._target.serve(listener)
        return int(listener.getsockname()[1])

    def finish(self) -> None:
        """gdb sees the program exit; the port is closed."""
        self._target.finish()

    def cost(self) -> Cost:
        """Class ``none``."""
        return Cost(cost_class="none", model="", busy_s=self._busy_s)

    def _run(self, budget: Budget) -> None:
        super()._run(dataclasses.replace(budget, wall_s=FOREVER_S))


class DebuggedMachine(Machine):
    """Halts where gdb wants it to."""

    has_watchpoints = True

    def __init__(self, config: MachineConfig) -> None:
        has_fpu = CORES[config.core].has_fpu
        self.register_set = registers(has_fpu=has_fpu)
        self.description = target_xml(has_fpu=has_fpu)
        self.breakpoints: set[int] = set()
        self.watchpoints: set[Watchpoint] = set()
        self._hooked: tuple[frozenset[int], frozenset[Watchpoint]] = (frozenset(), frozenset())
        self._hooks: list[int] = []
        self._watched: Watchpoint | None = None
        self._stub: Stub | None = None
        self._resume = Resume()
        self._hit = False
        self._passing: int | None = None
        super().__init__(config)

    def serve(self, listener: socket.socket) -> None:
        """From now on."""
        self._stub = Stub(self, listener)

    def finish(self) -> None:
        """No more gdb."""
        stub, self._stub = self._stub, None
        if stub is not None:
            stub.finish()

    def power_on(self) -> None:
        """Halts before the first instruction."""
        super().power_on()
        self._halt(SIGTRAP)

    def run(self, *, cycles: int, steps: int, wall_s: float) -> None:
        """As any machine; what would end the run halts it first, for a look at the cause."""
        try:
            super().run(cycles=cycles, steps=steps, wall_s=wall_s)
        except GuestStopped as stop:
            if not self._resume.killed:
                self._halt(_SIGNALS.get(stop.failure.kind, SIGSEGV if stop.failure.what == "fault" else SIGABRT))
            raise

    # -- the loop ----------------------------------------------------------------------------------------------------

    def _execute(self) -> None:
        if self._stub is not None and self._stub.poll():
            self._halt(SIGINT)
        begin = self._pc
        self._follow_breakpoints()
        self._passing = begin
        super()._execute()
        until = self._resume.until
        is_unmoved = self.counter.stopped_by_event and self._pc == begin  # something was due first
        watched, self._watched = self._watched, None
        if self._hit or watched or (until is not None and not is_unmoved and self._pc not in until):
            self._halt(SIGTRAP, watched=watched)

    def _start_engine(self) -> None:
        self._hit = False
        if self._resume.until is None:
            super()._start_engine()
        else:
            self._uc.emu_start(self._pc | 1, 0xFFFF_FFFF, count=1)

    def _stopped_on_purpose(self) -> bool:
        if super()._stopped_on_purpose() or self._hit or self._watched:
            return True
        return self._resume.until is not None and self.read(self._pc - 2, 2) != _WFI

    def _take_interrupt(self) -> None:
        if self._resume.until is None:  # a step stays in the code being looked at
            super()._take_interrupt()

    def _halt(self, signal: int, *, watched: Watchpoint | None = None) -> None:
        """Serves gdb until it lets the guest go on."""
        if self._stub is None:
            return
        self._resume = self._stub.halt(signal, watched=watched)
        if self._resume.killed:
            raise GuestStopped(Failure("crash", self._pc, "gdb ended the guest"))

    # -- breakpoints -------------------------------------------------------------------------------------------------

    def _follow_breakpoints(self) -> None:
        """Hooks where gdb wants to stop. They act on what the engine translates from now on: the rest must go."""
        wanted = frozenset(self.breakpoints), frozenset(self.watchpoints)
        if self._hooked == wanted or (self._resume.until is not None and not self.watchpoints):
            return  # a single step needs no breakpoint
        for hook in self._hooks:
            self._uc.hook_del(hook)
        add = self._uc.hook_add
        self._hooks = [add(unicorn.UC_HOOK_CODE, self._on_breakpoint, begin=at, end=at) for at in self.breakpoints]
        for watchpoint in self.watchpoints:
            begin, end = max(0, watchpoint.address - _WIDEST), watchpoint.address + watchpoint.n_bytes - 1
            self._hooks.append(add(_ACCESSES[watchpoint.kind], self._on_access, watchpoint, begin=begin, end=end))
        if self.watchpoints:
            self._hooks.append(add(unicorn.UC_HOOK_CODE, self._on_instruction))
        self._hooked = wanted
        self._uc.ctl_flush_tb()

    def _on_access(self, _uc: Any, _kind: int, address: int, size: int, _value: int, watchpoint: Watchpoint) -> None:
        """The access is still to come, and inside a block the engine does not stop: the next instruction does."""
        if address + size > watchpoint.address:
            self._watched = watchpoint

    def _on_instruction(self, uc: Any, _address: int, _size: int, _user: Any) -> None:
        if self._watched is not None:
            uc.emu_stop()

    def _on_breakpoint(self, uc: Any, address: int, _size: int, _user: Any) -> None:
        passing, self._passing = self._passing, None
        if address != passing:
            self._hit = True
            uc.emu_stop()

    # -- what gdb looks at -------------------------------------------------------------------------------------------

    def read_register(self, name: str) -> int:
        """See Target."""
        if name == "pc":
            return int(self._pc)
        value = int(self._uc.reg_read(core_registers.ALL[name]))
        return value if name != "xpsr" else value | _THUMB

    def write_register(self, name: str, value: int) -> None:
        """See Target."""
        if name == "pc":
            self._pc = value & ~1
        else:
            self._uc.reg_write(core_registers.ALL[name], value)

    def read_memory(self, address: int, n_bytes: int) -> bytes:
        """Flash and RAM: reading a peripheral could change it. Raises BadAddress."""
        if not any(memory.holds(address, n_bytes) for memory in self._soc.memories):
            raise BadAddress
        return self.read(address, n_bytes)

    def write_memory(self, address: int, data: bytes) -> None:
        """Changes RAM, or code in flash. Raises BadAddress."""
        if not any(memory.holds(address, len(data)) for memory in self._soc.memories):
            raise BadAddress
        self.write(address, data)
        if self._holds_code(address) or self._holds_code(address + len(data) - 1):
            self._uc.ctl_flush_tb()
            self.counter.flush()
