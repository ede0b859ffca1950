# SPDX-License-Identifier: Apache-2.0
"""What UARTs without DMA have in common: bytes wait in a receive FIFO until the core reads them one by one.

Bytes the host sends arrive together, when the last of them would be through. A core that sleeps for them takes each as
it comes, so all are there to be read; to one that is busy only the FIFO's depth is left, the rest is lost and counted.
Bytes it leaves unread are cut to the FIFO's depth too, as soon as it sends or has looked away for as long as that takes
to fill: then it has stopped reading.
A byte that is sent leaves at once and guest time moves on by its ten bit times: the transmitter is never full.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from trainbed.backends.unicorn.registers import BusFault, Unmodelled, words_only
from trainbed.backends.unicorn.soc import Parts

_BITS = 10
"""Start, eight data, stop; no other format is modelled."""
_TOLERANCE = 0.025
"""How far two UARTs may differ in speed: a quarter of a bit at the end of a byte."""


class ByteUart:
    """The wires, the receive FIFO and the host's side; registers are a subclass's.

    ``gate`` gives the reason why the unit does not answer (its clock is off, it is held in reset), or "".
    ``core_clock_hz`` and ``input_clock_hz`` are what the guest has made of its clocks.
    """

    name: str
    fifo_depth: int

    def __init__(
        self,
        parts: Parts,
        *,
        set_line: Callable[[bool], None],
        gate: Callable[[], str],
        core_clock_hz: Callable[[], float],
        input_clock_hz: Callable[[], float],
    ) -> None:
        self._parts = parts
        self._bus = parts.bus
        self._schedule = parts.schedule
        self._set_line = set_line
        self._gate = gate
        self._core_clock_hz = core_clock_hz
        self._input_clock_hz = input_clock_hz
        self.output = bytearray()
        self.reset()

    def reset(self) -> None:
        self._received: deque[int] = deque()
        self._on_wire = bytearray()
        self._overrun = False
        self._looked_at = 0
        self.lost_bytes = 0
        self.output.clear()

    # -- what a subclass answers -----------------------------------------------------------------------------------

    @property
    def armed(self) -> bool:
        """The receiver is on."""
        raise NotImplementedError

    @property
    def wakes_core(self) -> bool:
        """A received byte would raise the interrupt line."""
        raise NotImplementedError

    def _interrupts(self) -> bool:
        """The state of the interrupt line."""
        raise NotImplementedError

    def _divisor(self) -> float:
        """Cycles of the input clock in a bit; 0: not set."""
        raise NotImplementedError

    def _read(self, offset: int) -> int:
        """Value of a register. Raises Unmodelled."""
        raise NotImplementedError

    def _write(self, offset: int, value: int) -> None:
        """Effect of a write. Raises Unmodelled."""
        raise NotImplementedError

    # -- registers -------------------------------------------------------------------------------------------------

    def read(self, offset: int, size: int) -> int:
        words_only(size)
        if reason := self._gate():
            raise BusFault("read_unmapped", f"{self.name}: {reason}")
        if len(self._received) > self.fifo_depth:
            self._cut_after_a_pause()
        return self._read(offset)

    def write(self, offset: int, size: int, value: int) -> None:
        words_only(size)
        if reason := self._gate():
            raise BusFault("write_unmapped", f"{self.name}: {reason}")
        self._write(offset, value)
        self._update_line()

    # -- the host's side -------------------------------------------------------------------------------------------

    def host_sends(self, data: bytes) -> None:
        """Puts bytes on the wire; they arrive when the last of them is through."""
        if data:
            self._on_wire += data
            if self.armed:
                time = self._bus.now() + self._wire_cycles(len(self._on_wire))
                self._schedule.at(time, f"{self.name} rx", self._arrive)
            else:
                self._arrive()

    def take_output(self) -> bytes:
        """What the guest sent since the last call."""
        data = bytes(self.output)
        self.output.clear()
        return data

    def _arrive(self) -> None:
        data, self._on_wire = bytes(self._on_wire), bytearray()
        if not self.armed:
            self.lost_bytes += len(data)
            return
        self._received.extend(data)
        self._looked_at = self._bus.now()
        if not (self._parts.core_waits() and self.wakes_core):
            self._cut()
        self._update_line()

    def _cut(self) -> None:
        """What lies beyond the FIFO never got in."""
        while len(self._received) > self.fifo_depth:
            self._received.pop()
            self.lost_bytes += 1
            self._overrun = True

    def _cut_after_a_pause(self) -> None:
        now = self._bus.now()
        if now - self._looked_at > self._wire_cycles(self.fifo_depth + 1):
            self._cut()
        self._looked_at = now

    # -- for subclasses --------------------------------------------------------------------------------------------

    def _take(self) -> int:
        """The next received byte; 0 when there is none."""
        byte = self._received.popleft() if self._received else 0
        if not self._received:
            self._update_line()
        return byte

    def _put(self, byte: int) -> None:
        self._cut()
        self.output.append(byte & 0xFF)
        self._bus.sleep_until(self._bus.now() + self._wire_cycles(1))

    def _update_line(self) -> None:
        self._set_line(self._interrupts())

    def _wire_cycles(self, n_bytes: int) -> int:
        return int(n_bytes * _BITS * self._parts.clock_hz * self._divisor() / self._input_clock_hz())

    def _check_speed(self) -> None:
        """For a unit that is being switched on. Raises Unmodelled when the host could not understand it."""
        core, expected = self._core_clock_hz(), self._parts.clock_hz
        if abs(core - expected) > 1:
            raise Unmodelled(f"{self.name} is used at a core clock of {core:.0f} Hz; the board's file has {expected}")
        divisor = self._divisor()
        baud = self._input_clock_hz() / divisor if divisor else 0.0
        wanted = self._parts.baud
        if baud == 0 or (wanted and abs(baud / wanted - 1) > _TOLERANCE):
            raise Unmodelled(f"{self.name} is set to {baud:.0f} baud; the board's file has {wanted}")
