# SPDX-License-Identifier: Apache-2.0
"""One board put together, and the loop that runs, sleeps, interrupts and stops it.

Unicorn executes blocks; everything else happens between two blocks, where the counter's hook has stopped the guest
before the next one was charged. That keeps every count independent of how often the guest was stopped.
"""

from __future__ import annotations

import struct
import time
from pathlib import Path
from typing import Any

from unicorn import arm_const as arm

from trainbed.backends.block_hook import BlockCounter
from trainbed.backends.failure import Failure, GuestStopped
from trainbed.backends.painted_stack import paint, used_up
from trainbed.backends.unicorn import core_registers, exceptions
from trainbed.backends.unicorn.config import MachineConfig
from trainbed.backends.unicorn.cores import CORES
from trainbed.backends.unicorn.dwt import Dwt
from trainbed.backends.unicorn.elf_segments import read_segments
from trainbed.backends.unicorn.engine import unicorn
from trainbed.backends.unicorn.faults import FaultReporter
from trainbed.backends.unicorn.first_look import FirstLook
from trainbed.backends.unicorn.memory import Region
from trainbed.backends.unicorn.nvic import SVC
from trainbed.backends.unicorn.pages import Place, map_peripherals
from trainbed.backends.unicorn.scb import Scb
from trainbed.backends.unicorn.schedule import NEVER, Schedule
from trainbed.backends.unicorn.soc import Parts, make_soc
from trainbed.backends.unicorn.systick import SysTick
from trainbed.errors import InputError

_VAIN_SLEEPS = 20_000
"""As many WFI in a row end at once, at one place: an interrupt is pending that the guest neither takes nor clears."""
_SLICE_CYCLES = 50_000_000
"""The guest is stopped this often to look at the wall clock: some five times a second."""
_INTR_SVC, _INTR_BREAKPOINT, _INTR_RETURN = 2, 7, 8
_UNTIL = 0xFFFF_FFFF


class Machine:
    """A core, its memories and peripherals. Built once per firmware; power_on() may be called any number of times."""

    def __init__(self, config: MachineConfig) -> None:
        self.config = config
        self._uc: Any = unicorn.Uc(unicorn.UC_ARCH_ARM, unicorn.UC_MODE_THUMB | unicorn.UC_MODE_MCLASS)
        self._core = CORES[config.core]
        self._uc.ctl_set_cpu_model(self._core.engine)
        self.counter = BlockCounter(
            self._core.timing, memory=config.flash_timing, marks=config.marks, functions=config.functions
        )
        self._asleep = False
        self._schedule = Schedule(self._event_posted)
        self._segments = read_segments(Path(config.elf))
        self._copied_code = [segment for segment in self._segments if segment.is_copied_code]
        parts = Parts(
            bus=self,
            schedule=self._schedule,
            clock_hz=config.clock_hz,
            baud=config.baud,
            ram=None if config.ram is None else Region(*config.ram),
            on_idle_polling=self._guest_polls_for_input,
            core_waits=lambda: self._asleep,
        )
        self._soc = make_soc(config, parts, self._interrupts_changed)
        self._nvic = self._soc.nvic
        self.uart = self._soc.uart
        self._systick = SysTick(self._schedule, self._nvic, now=self.now)
        self._dwt = Dwt(now=self.now)
        self._scb = Scb(
            self._core,
            self._nvic,
            self._dwt,
            cache_bytes=self._soc.cache_bytes,
            on_reset=self._reset_requested,
            on_fpu=self._fpu_switched,
        )
        self._scb.current_exception = lambda: exceptions.current_exception(self._uc)
        self._faults = FaultReporter(self._uc, config, self._soc)
        self._soc.map_memories(self._uc, self._copied_code)
        places: tuple[Place, ...] = (
            *self._soc.places,
            *(() if self._core.v6m else ((0xE000_1000, 0x1000, 0, self._dwt),)),
            (0xE000_E010, 0x10, 0, self._systick),
            (0xE000_E100, 0x400, 0, self._nvic),
            (0xE000_E000, 0x1000, 0, self._scb),
        )
        self._keep = map_peripherals(self._uc, places, on_fault=self._faults.access, on_error=self._faults.error)
        self._load_flash()
        self._install_hooks()
        self._after_build = self._uc.context_save()

    # -- power -----------------------------------------------------------------------------------------------------

    def power_on(self) -> None:
        """Reset state of everything; RAM cleared, stack painted, counters at zero. Runs nothing yet."""
        self._uc.context_restore(self._after_build)
        if self._soc.flash_changed:
            self._load_flash()
            self._uc.ctl_flush_tb()
            self.counter.flush()
        for unit in (*self._soc.units, self._systick, self._dwt, self._scb):
            unit.reset()
        start = self._soc.boot(self._uc, self.config.vectors)
        paint(self._uc.mem_write, self.config.stack_low, self.config.stack_top)
        self.counter.reset()
        self._schedule.clear()
        self._nvic.reset()
        self._faults.clear()
        self._first_look.fpu_enabled = False
        self._scb.vtor = start.vtor
        self._asleep = False
        self._vain_sleeps = 0
        self._slept_at = 0
        self._polls_for_input = False
        self._trap = 0
        self._uc.reg_write(arm.UC_ARM_REG_CONTROL, 0)
        self._uc.reg_write(arm.UC_ARM_REG_MSP, start.sp)
        self._uc.reg_write(arm.UC_ARM_REG_SP, start.sp)
        self._uc.reg_write(arm.UC_ARM_REG_LR, 0xFFFF_FFFF)
        self._pc = start.pc

    # -- what peripherals see (Bus) --------------------------------------------------------------------------------

    def now(self) -> int:
        """Guest time in core cycles."""
        return self.counter.cycles

    def sleep_until(self, time: int) -> None:
        """Moves guest time forward; no phase pays."""
        self.counter.add_cycles(max(0, time - self.counter.cycles))

    def read(self, address: int, n_bytes: int) -> bytes:
        """Bytes of guest memory."""
        return bytes(self._uc.mem_read(address, n_bytes)) if n_bytes else b""

    def write(self, address: int, data: bytes) -> None:
        """Changes guest memory."""
        self._uc.mem_write(address, data)

    # -- what somebody looks at who comes afterwards ---------------------------------------------------------------

    def registers(self) -> dict[str, int]:
        """All registers of the core by name."""
        names = core_registers.ALL if self._core.has_fpu else core_registers.GENERAL | core_registers.SYSTEM
        return {name: int(self._uc.reg_read(number)) for name, number in names.items()} | {"pc": self._pc}

    def ram(self) -> tuple[int, bytes]:
        """Where RAM lies, and all of it."""
        ram = self._soc.ram
        return ram.origin, self.read(ram.origin, ram.length)

    # -- run -------------------------------------------------------------------------------------------------------

    def run(self, *, cycles: int, steps: int, wall_s: float) -> None:
        """Runs until the guest waits for input.

        Raises GuestStopped on a fault, a reset, or when ``cycles``, ``steps`` (instructions) or ``wall_s`` are spent.
        """
        counter = self.counter
        end_cycles, end_steps = counter.cycles + cycles, counter.instructions + steps
        deadline = time.monotonic() + wall_s
        self._polls_for_input = False
        while True:
            self._schedule.run_due(counter.cycles)
            if self._asleep and not self._wake(end_cycles):
                return
            if self._polls_for_input:
                return
            left = min(end_cycles - counter.cycles, end_steps - counter.instructions)
            if left <= 0:
                spent = f"{cycles:,} cycles" if counter.cycles >= end_cycles else f"{steps:,} instructions"
                raise self._hang(f"the guest spent its budget of {spent} without waiting for input")
            if time.monotonic() > deadline:
                raise self._hang(f"the guest ran for {wall_s:g} s of wall clock without waiting for input")
            self._take_interrupt()
            counter.next_event = min(self._schedule.next_time, counter.cycles + min(left, _SLICE_CYCLES))
            self._execute()

    def _execute(self) -> None:
        """One start of the engine, and what it stopped for."""
        self._trap = 0
        status = 0
        try:
            self._start_engine()
        except unicorn.UcError as error:
            status = error.errno
        self._pc = self._uc.reg_read(arm.UC_ARM_REG_PC)
        self.counter.raise_pending()
        self._faults.raise_pending(self._pc)
        if self._trap:
            self._handle_trap()
        elif status:
            if status == unicorn.UC_ERR_INSN_INVALID and self._is_wfe(self._pc - 2):
                self._asleep = True
            else:
                raise self._faults.of_engine(status, self._pc)
        elif not self._stopped_on_purpose():
            self._asleep = True

    def _start_engine(self) -> None:
        """From ``_pc`` on, until something stops it. A debugger's machine runs less at a time."""
        self._uc.emu_start(self._pc | 1, _UNTIL)

    def _stopped_on_purpose(self) -> bool:
        """The engine came back because it was told to; if not, the guest sleeps."""
        return self.counter.stopped_by_event

    def _is_wfe(self, address: int) -> bool:
        """The engine leaves WFE as if it did not know it."""
        return self._holds_code(address) and self.read(address, 2) == b"\x20\xbf"

    def _holds_code(self, address: int) -> bool:
        return self._soc.flash.holds(address, 2) or any(
            segment.runs_at <= address < segment.runs_at + len(segment.content) for segment in self._copied_code
        )

    def _wake(self, end_cycles: int) -> bool:
        """Sleeps until an interrupt wakes the core; False when none will without the host."""
        in_vain = self._wake_pending() and self._slept_at == self._pc
        self._vain_sleeps = self._vain_sleeps + 1 if in_vain else 0
        self._slept_at = self._pc
        if self._vain_sleeps > 0:
            self._faults.check_park(self._pc)
        if self._vain_sleeps > _VAIN_SLEEPS:
            raise self._hang("the guest sleeps in vain: an interrupt is pending that it neither takes nor clears")
        while not self._wake_pending():
            upcoming = self._schedule.next_time
            if upcoming == NEVER:
                self._faults.check_park(self._pc)
                return False
            if upcoming > end_cycles:
                self.sleep_until(end_cycles)
                return True  # the caller finds the budget spent
            self.sleep_until(upcoming)
            self._schedule.run_due(self.counter.cycles)
        self._asleep = False
        return True

    def _wake_pending(self) -> bool:
        """WFI ends at an interrupt that would be taken if PRIMASK were clear."""
        basepri = self._uc.reg_read(arm.UC_ARM_REG_BASEPRI)
        return self._nvic.preempting(primask=False, faultmask=False, basepri=basepri) is not None

    @property
    def reachable(self) -> bool:
        """A byte from the host would get the guest going: it is not asleep for good."""
        uart = self._soc.uart
        if not self._asleep:
            return uart.armed
        return uart.wakes_core and self._nvic.is_enabled(self._soc.uart_irq)

    def unreachable(self) -> GuestStopped:
        """What a guest asleep for good is reported as."""
        return self._hang("the guest sleeps and nothing can wake it: no armed receiver with its interrupt enabled")

    def check_stack(self) -> None:
        """Raises GuestStopped when the stack has used up its last word.

        Where the stack lies at the bottom of RAM the engine itself catches an overflow, at the very instruction.
        """
        low, top = self.config.stack_low, self.config.stack_top
        at_the_bottom = low == self._soc.ram.origin
        if not at_the_bottom and used_up(self.read, low, top):
            raise self._faults.stopped(
                "stack_overflow", self._pc, f"the stack of {top - low} bytes was used to its last word, noticed here"
            )

    # -- exceptions ------------------------------------------------------------------------------------------------

    def _take_interrupt(self) -> None:
        uc = self._uc
        number = self._nvic.preempting(
            primask=bool(uc.reg_read(arm.UC_ARM_REG_PRIMASK) & 1),
            faultmask=bool(uc.reg_read(arm.UC_ARM_REG_FAULTMASK) & 1),
            basepri=uc.reg_read(arm.UC_ARM_REG_BASEPRI),
        )
        if number is not None:
            self._enter(number)

    def _enter(self, number: int) -> None:
        handler = struct.unpack("<I", self.read(self._scb.vtor + 4 * number, 4))[0]
        try:
            self._pc = exceptions.enter(self._uc, number, return_to=self._pc, handler=handler)
        except unicorn.UcError as error:
            raise self._faults.of_engine(error.errno, self._pc) from None
        self._nvic.activate(number)
        self.counter.add_cycles(exceptions.ENTRY_CYCLES)

    def _handle_trap(self) -> None:
        if self._trap == _INTR_RETURN:
            self._nvic.deactivate(exceptions.current_exception(self._uc))
            try:
                self._pc = exceptions.leave(self._uc, self._pc)
            except unicorn.UcError as error:
                raise self._faults.of_engine(error.errno, self._pc) from None
            self.counter.add_cycles(exceptions.RETURN_CYCLES)
        elif self._trap == _INTR_SVC:
            self._nvic.pend(SVC)
        elif self._trap == _INTR_BREAKPOINT:
            raise self._faults.stopped("assertion", self._pc, "breakpoint instruction")
        else:
            raise self._faults.stopped("undefined_instruction", self._pc, f"exception {self._trap} of the engine")

    # -- callbacks -------------------------------------------------------------------------------------------------

    def _install_hooks(self) -> None:
        uc = self._uc
        copied = [(segment.runs_at, segment.content) for segment in self._copied_code]
        self.counter.attach(uc, copied_code=copied)
        self._first_look = FirstLook(uc, v6m=self._core.v6m, on_fault=self._faults.at_instruction)
        uc.hook_add(unicorn.UC_HOOK_INTR, self._on_trap)
        uc.hook_add(unicorn.UC_HOOK_MEM_INVALID, self._on_invalid_access)
        flash = self._soc.flash
        for origin, code in ((flash.origin, self.read(flash.origin, flash.length)), *copied):
            for address in exceptions.find_unmasking(code, origin):
                uc.hook_add(unicorn.UC_HOOK_CODE, self._on_unmasking, begin=address, end=address)

    def _on_trap(self, uc: Any, number: int, _user: Any) -> None:
        self._trap = number
        uc.emu_stop()

    def _on_invalid_access(self, _uc: Any, access: int, address: int, size: int, value: int, _user: Any) -> bool:
        if access == unicorn.UC_MEM_WRITE_PROT and self._soc.program_flash(address, size, value):
            return True  # the engine drops the store itself
        self._faults.invalid_access(access, address)
        return False

    def _on_unmasking(self, _uc: Any, _address: int, _size: int, _user: Any) -> None:
        """The instruction ends its block; the loop looks at what is pending before the next one."""
        self.counter.request_stop()

    def _interrupts_changed(self) -> None:
        self.counter.request_stop()

    def _event_posted(self, when: int) -> None:
        if when < self.counter.next_event:
            self.counter.next_event = when

    def _guest_polls_for_input(self) -> None:
        self._polls_for_input = True
        self.counter.request_stop()

    def _reset_requested(self) -> None:
        self._faults.reset_requested()

    def _fpu_switched(self, enabled: bool) -> None:
        self._first_look.fpu_enabled = enabled
        if not enabled:
            self._uc.ctl_flush_tb()  # blocks translated while it was on have to be looked at again

    # -- inside ----------------------------------------------------------------------------------------------------

    def _load_flash(self) -> None:
        flash = self._soc.flash
        self._uc.mem_write(flash.origin, b"\xff" * flash.length)
        for segment in self._segments:
            if not flash.holds(segment.address, len(segment.content)):
                raise InputError(
                    f"{self.config.elf} has content at 0x{segment.address:08x}, where the part has no flash"
                )
            self._uc.mem_write(segment.address, segment.content)

    def _hang(self, reason: str) -> GuestStopped:
        return GuestStopped(Failure("hang", self._pc, reason, function=self.config.function_at(self._pc)))
