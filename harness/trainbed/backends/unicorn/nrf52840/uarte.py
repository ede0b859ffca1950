# SPDX-License-Identifier: Apache-2.0
"""UARTE: UART with EasyDMA, as strict as the part.

A byte is received only while ENABLE is 8 and STARTRX has armed RXD.PTR and RXD.MAXCNT; all others are lost and counted.
Bytes the host sends arrive together, when the last of them would be through, ten bit times each; a burst that is sent
leaves at once and ENDTX follows when its last bit would. Left out: the receiver's FIFO (a byte beyond MAXCNT is lost at
once, the part keeps four), RXTO comes with STOPRX (the part takes four byte times), SHORTS must stay 0.

Source: nRF52840 Product Specification v1.7, 6.34.
"""

from __future__ import annotations

from collections.abc import Callable

from trainbed.backends.unicorn.memory import Bus
from trainbed.backends.unicorn.nrf52840.memory import RAM
from trainbed.backends.unicorn.registers import WORD, BusFault, Unmodelled, words_only
from trainbed.backends.unicorn.schedule import Schedule

_STARTRX, _STOPRX, _STARTTX, _STOPTX, _FLUSHRX = 0x000, 0x004, 0x008, 0x00C, 0x02C
_RXDRDY, _ENDRX, _TXDRDY, _ENDTX, _ERROR, _RXTO = 0x108, 0x110, 0x11C, 0x120, 0x124, 0x144
_RXSTARTED, _TXSTARTED, _TXSTOPPED = 0x14C, 0x150, 0x158
_EVENTS = (0x100, 0x104, _RXDRDY, _ENDRX, _TXDRDY, _ENDTX, _ERROR, _RXTO, _RXSTARTED, _TXSTARTED, _TXSTOPPED)
_SHORTS, _INTEN, _INTENSET, _INTENCLR, _ERRORSRC, _ENABLE = 0x200, 0x300, 0x304, 0x308, 0x480, 0x500
_PSEL = (0x508, 0x50C, 0x510, 0x514)
_BAUDRATE, _CONFIG = 0x524, 0x56C
_RXD_PTR, _RXD_MAXCNT, _RXD_AMOUNT = 0x534, 0x538, 0x53C
_TXD_PTR, _TXD_MAXCNT, _TXD_AMOUNT = 0x544, 0x548, 0x54C
_PLAIN = (*_PSEL, _BAUDRATE, _CONFIG, _RXD_PTR, _RXD_MAXCNT, _TXD_PTR, _TXD_MAXCNT)
_RESET = {**dict.fromkeys(_PSEL, WORD), _BAUDRATE: 0x0400_0000}
_MAXCNT_MASK = 0xFFFF
_ENABLED = 8
_OVERRUN = 1
_INPUT_CLOCK_HZ = 16_000_000
"""BAUDRATE is a fraction of this clock in units of 2^-32."""

_SPIN_CYCLES = 200
"""Reads of one event no further apart than this are a loop that waits for it."""
_SPIN_READS = 16
"""As many reads in a row before a waiting loop is believed to be one."""


def _interrupt_bit(event: int) -> int:
    return 1 << (event - 0x100) // 4


class Uarte:
    """One UARTE. ``output`` collects what the guest sent; ``lost_bytes`` counts what it failed to receive."""

    def __init__(
        self,
        name: str,
        *,
        bus: Bus,
        schedule: Schedule,
        clock_hz: int,
        set_line: Callable[[bool], None],
        on_idle_polling: Callable[[], None],
    ) -> None:
        self.name = name
        self._bus = bus
        self._schedule = schedule
        self._clock_hz = clock_hz
        self._set_line = set_line
        self._on_idle_polling = on_idle_polling
        self.output = bytearray()
        self.reset()

    def reset(self) -> None:
        self._values = dict(_RESET)
        self._events: set[int] = set()
        self._inten = 0
        self._errors = 0
        self._enabled = False
        self._rx_open = False
        self._rx_address = 0
        self._rx_size = 0
        self._rx_amount = 0
        self._tx_amount = 0
        self._on_wire = bytearray()
        self._polled = 0
        self._poll_time = 0
        self._poll_count = 0
        self.lost_bytes = 0
        self.output.clear()

    # -- the host's side -------------------------------------------------------------------------------------------

    def host_sends(self, data: bytes) -> None:
        """Puts bytes on the wire; they arrive when the last of them is through."""
        if data:
            self._on_wire += data
            self._schedule.at(self._bus.now() + self._wire_cycles(len(self._on_wire)), f"{self.name} rx", self._arrive)

    def take_output(self) -> bytes:
        """What the guest sent since the last call."""
        data = bytes(self.output)
        self.output.clear()
        return data

    @property
    def armed(self) -> bool:
        """The receiver would take a byte now."""
        return self._enabled and self._rx_open and self._rx_amount < self._rx_size

    @property
    def wakes_core(self) -> bool:
        """A received byte would raise the interrupt line."""
        ending = _interrupt_bit(_ENDRX) | _interrupt_bit(_RXDRDY)
        return self.armed and bool(self._inten & ending)

    # -- registers -------------------------------------------------------------------------------------------------

    def read(self, offset: int, size: int) -> int:
        words_only(size)
        if offset in _EVENTS:
            if offset not in self._events:
                self._note_poll(offset)
            return int(offset in self._events)
        if offset in (_INTEN, _INTENSET, _INTENCLR):
            return self._inten
        if offset == _ENABLE:
            return _ENABLED if self._enabled else 0
        if offset == _RXD_AMOUNT:
            return self._rx_amount
        if offset == _TXD_AMOUNT:
            return self._tx_amount
        if offset == _ERRORSRC:
            return self._errors
        if offset in _PLAIN:
            return self._values.get(offset, 0)
        if offset in (_SHORTS, _STARTRX, _STOPRX, _STARTTX, _STOPTX, _FLUSHRX):
            return 0
        raise Unmodelled(f"no register at {self.name} offset 0x{offset:03x}")

    def write(self, offset: int, size: int, value: int) -> None:
        words_only(size)
        self._polled = 0
        if offset in _EVENTS:
            if value == 0:
                self._events.discard(offset)
        elif offset == _INTEN:
            self._inten = value
        elif offset == _INTENSET:
            self._inten |= value
        elif offset == _INTENCLR:
            self._inten &= ~value
        elif offset == _ENABLE:
            self._write_enable(value)
        elif offset == _ERRORSRC:
            self._errors &= ~value
        elif offset in (_RXD_MAXCNT, _TXD_MAXCNT):
            self._values[offset] = value & _MAXCNT_MASK
        elif offset in _PLAIN:
            self._values[offset] = value
        elif offset in (_STARTRX, _STOPRX, _STARTTX, _STOPTX, _FLUSHRX):
            if value & 1:
                self._task(offset)
        elif offset != _SHORTS or value:
            raise Unmodelled(f"no writable register at {self.name} offset 0x{offset:03x}")
        self._update_line()

    def _task(self, task: int) -> None:
        if task == _STARTRX:
            self._start_rx()
        elif task == _STOPRX:
            self._stop_rx()
        elif task == _STARTTX:
            self._start_tx()
        elif task == _STOPTX:
            self._events.add(_TXSTOPPED)
        else:
            self._rx_amount = 0  # FLUSHRX: nothing waits in a FIFO here
            self._events.add(_ENDRX)

    def _write_enable(self, value: int) -> None:
        if value not in (0, _ENABLED):
            raise Unmodelled(f"{self.name} ENABLE = {value}: only the UARTE (8) is modelled, not the UART without DMA")
        self._enabled = value == _ENABLED
        if not self._enabled:
            self._rx_open = False

    # -- receive ---------------------------------------------------------------------------------------------------

    def _start_rx(self) -> None:
        if not self._enabled:
            return
        address, n_bytes = self._values.get(_RXD_PTR, 0), self._values.get(_RXD_MAXCNT, 0)
        if not RAM.holds(address, n_bytes):
            raise BusFault(
                "write_unmapped",
                f"{self.name} RXD.PTR 0x{address:08x} + {n_bytes} bytes is not data RAM: EasyDMA cannot reach it",
            )
        self._rx_address, self._rx_size, self._rx_amount = address, n_bytes, 0
        self._rx_open = True
        self._events.add(_RXSTARTED)

    def _stop_rx(self) -> None:
        if self._rx_open and self._rx_amount < self._rx_size:
            self._events.add(_ENDRX)
        self._rx_open = False
        self._events.add(_RXTO)

    def _arrive(self) -> None:
        data, self._on_wire = bytes(self._on_wire), bytearray()
        room = self._rx_size - self._rx_amount if self.armed else 0
        taken, lost = data[:room], len(data) - min(room, len(data))
        if taken:
            self._bus.write(self._rx_address + self._rx_amount, taken)
            self._rx_amount += len(taken)
            self._events.add(_RXDRDY)
            if self._rx_amount == self._rx_size:
                self._events.add(_ENDRX)
        if lost:
            self.lost_bytes += lost
            if self._enabled and self._rx_open:
                self._errors |= _OVERRUN
                self._events.add(_ERROR)
        self._update_line()

    # -- send ------------------------------------------------------------------------------------------------------

    def _start_tx(self) -> None:
        if not self._enabled:
            return
        address, n_bytes = self._values.get(_TXD_PTR, 0), self._values.get(_TXD_MAXCNT, 0)
        if n_bytes and not RAM.holds(address, n_bytes):
            raise BusFault(
                "read_unmapped",
                f"{self.name} TXD.PTR 0x{address:08x} + {n_bytes} bytes is not data RAM: EasyDMA cannot reach it",
            )
        self.output += self._bus.read(address, n_bytes)
        self._tx_amount = n_bytes
        self._events.add(_TXSTARTED)
        self._schedule.at(self._bus.now() + self._wire_cycles(n_bytes), f"{self.name} tx", self._sent)

    def _sent(self) -> None:
        self._events.update((_TXDRDY, _ENDTX))
        self._update_line()

    # -- inside ----------------------------------------------------------------------------------------------------

    def _wire_cycles(self, n_bytes: int) -> int:
        config = self._values.get(_CONFIG, 0)
        bits = 10 + int(config >> 1 & 7 == 7) + (config >> 4 & 1)  # start, eight data, stop; parity; second stop bit
        rate = max(1, self._values[_BAUDRATE])
        return n_bytes * bits * self._clock_hz * 2**32 // (rate * _INPUT_CLOCK_HZ)

    def _update_line(self) -> None:
        self._set_line(any(self._inten & _interrupt_bit(event) for event in self._events))

    def _note_poll(self, event: int) -> None:
        """A loop that does nothing but read this event: what it waits for may as well happen now.

        While a burst is under way guest time jumps to its end; with an armed receiver and nothing under way the guest
        waits for the host. A loop that waits for anything else runs until its budget is spent.
        """
        now = self._bus.now()
        in_loop = self._polled == event and now - self._poll_time <= _SPIN_CYCLES
        self._poll_count = self._poll_count + 1 if in_loop else 1
        self._polled, self._poll_time = event, now
        if self._poll_count < _SPIN_READS:
            return
        upcoming = self._schedule.next_name
        if upcoming in (f"{self.name} rx", f"{self.name} tx"):
            self._bus.sleep_until(self._schedule.next_time)
            self._schedule.run_due(self._bus.now())
            self._poll_count = 0
        elif upcoming is None and event in (_RXDRDY, _ENDRX) and self.armed:
            self._poll_count = 0
            self._on_idle_polling()
