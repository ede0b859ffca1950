# SPDX-License-Identifier: Apache-2.0
"""One emulated AVR board: the native helper, its tables and its books, from reset on."""

from __future__ import annotations

import ctypes
from contextlib import suppress
from typing import Any

from trainbed.avr.image import flash_content
from trainbed.backends.avr.code import code_tables, segments
from trainbed.backends.avr.config import AvrConfig
from trainbed.backends.avr.library import STOP_OUTPUT, Segment, State
from trainbed.backends.avr.parts import part_for
from trainbed.backends.base import PHASES, Counts
from trainbed.backends.painted_stack import paint
from trainbed.errors import EmulatorCrash, InputError

REGISTERS = (*(f"r{i}" for i in range(32)), "sreg", "sp", "pc")
_OUTPUT_BYTES = 4096
_TRAINED = ("forward", "backward", "update")


class AvrBoard:
    """Built once per firmware; power_on() may be called any number of times."""

    def __init__(self, config: AvrConfig, *, content: bytes | None = None) -> None:
        """``content``: of the flash from address 0 on; None: the ELF's."""
        self.config = config
        self._tables = code_tables(config, flash_content(config.image.elf) if content is None else content)
        self._segment_of = (ctypes.c_uint16 * len(self._tables.segment_of))(*self._tables.segment_of)
        self._output = ctypes.create_string_buffer(_OUTPUT_BYTES)
        self._part = part_for(config.emulator, config.part, config.clock_hz)
        self._library = self._part.library
        self._handle: int | None = None
        self.state = State()

    def power_on(self) -> None:
        """Reset state of everything; RAM cleared, stack painted, counters at zero. Runs nothing yet."""
        tables, config = self._tables, self.config
        found = segments(tables, config.image.marks, config)
        self._segments = (Segment * len(found))(*found)
        self._breaks: Any = None
        self._input = b""
        self.state = State(
            segment_of=ctypes.addressof(self._segment_of),
            cost_of=tables.cost_of,
            displacement_of=tables.displacement_of,
            segments=self._segments,
            output=ctypes.addressof(self._output),
            n_words=len(self._segment_of),
            stack_low=config.stack_low,
            ram_from=config.ram.origin,
            mapped_from=config.mapped_from,
            trained_phases=sum(1 << PHASES.index(phase) for phase in _TRAINED),
            output_bytes=_OUTPUT_BYTES,
        )
        self._handle = self._part.power_on(self.state, tables.content)
        self.write(config.ram.origin, bytes(config.ram.length))
        paint(self.write, config.stack_low, config.stack_top)

    def close(self) -> None:
        """Frees the emulator; safe to call twice."""
        self._handle = None
        self._part.close()

    def __del__(self) -> None:
        with suppress(AttributeError):  # not even made
            self.close()

    # -- running -----------------------------------------------------------------------------------------------------

    def feed(self, data: bytes) -> None:
        """Puts bytes on the line to the guest's UART, behind what is still on it."""
        self._input = self._input[self.state.input_at :] + data
        self.state.input, self.state.n_input, self.state.input_at = self._input, len(self._input), 0

    def run(self, *, cycles: int, steps: int) -> tuple[int, bytes]:
        """Runs until there is a reason to stop, at the latest at these totals. The reason, and what was sent."""
        self.state.cycle_limit, self.state.step_limit = cycles, steps
        sent = bytearray()
        while True:
            self.state.n_output = 0
            self._library.trn_board_run(self._handle)
            sent += self._output.raw[: self.state.n_output]
            if self.state.stop != STOP_OUTPUT:
                return self.state.stop, bytes(sent)

    def break_at(self, addresses: frozenset[int]) -> None:
        """Stops before instructions at these addresses; none: a little faster."""
        self._breaks = None
        self.state.break_at = None
        if addresses:
            self._breaks = (ctypes.c_uint8 * len(self._segment_of))()
            for address in addresses:
                if address // 2 < len(self._breaks):
                    self._breaks[address // 2] = 1
            self.state.break_at = ctypes.addressof(self._breaks)

    # -- looking -----------------------------------------------------------------------------------------------------

    def read(self, address: int, n_bytes: int) -> bytes:
        """Bytes of data space. Raises InputError when they are not all there."""
        buffer = ctypes.create_string_buffer(max(n_bytes, 1))
        if not self._library.trn_board_read(self._running(), address, buffer, n_bytes):
            raise InputError(f"the guest has no memory at 0x{address:04x} + {n_bytes} bytes")
        return buffer.raw[:n_bytes]

    def write(self, address: int, data: bytes) -> None:
        """Changes data space. Raises InputError when the bytes are not all there."""
        if not self._library.trn_board_write(self._running(), address, data, len(data)):
            raise InputError(f"the guest has no memory at 0x{address:04x} + {len(data)} bytes")

    def flash(self) -> bytes:
        """What is programmed, from address 0 on."""
        return self._tables.content

    def registers(self) -> dict[str, int]:
        """r0 .. r31, sreg, sp, pc."""
        values = (ctypes.c_uint32 * len(REGISTERS))()
        self._library.trn_board_registers(self._running(), values)
        return dict(zip(REGISTERS, values, strict=True))

    def set_register(self, name: str, value: int) -> None:
        """Changes a register."""
        self._library.trn_board_set_register(self._running(), REGISTERS.index(name), value)

    def phase_counts(self) -> dict[str, Counts]:
        """Counts of each phase so far."""
        self._library.trn_board_settle(self._running())
        return {phase: _counts(self.state.phases[i]) for i, phase in enumerate(PHASES)}

    def function_counts(self) -> dict[str, Counts]:
        """Self cost of each function in the phases of training."""
        self._library.trn_board_settle(self._running())
        counted = {name: _counts(self._segments[i].trained) for i, name in enumerate(self._tables.names)}
        return {name: counts for name, counts in counted.items() if counts.instructions}

    # -- inside ------------------------------------------------------------------------------------------------------

    def _running(self) -> int:
        if self._handle is None:
            raise EmulatorCrash("the board is not powered")
        return self._handle


def _counts(count: Any) -> Counts:
    return Counts(count.cycles, count.memory, count.instructions)
