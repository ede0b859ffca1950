# SPDX-License-Identifier: Apache-2.0
"""LPUART of an i.MX RT1062 with its FIFOs of four words. Source: IMXRT1060RM, 49.4.

Eight data bits, one stop bit, no parity. After an overrun nothing is received until STAT.OR is cleared. DMA, address
match, break, infrared and hardware flow control are errors.
"""

from __future__ import annotations

from trainbed.backends.unicorn.byte_uart import ByteUart
from trainbed.backends.unicorn.registers import Unmodelled

_VERID, _PARAM, _GLOBAL, _BAUD, _STAT, _CTRL, _DATA = 0x00, 0x04, 0x08, 0x10, 0x14, 0x18, 0x1C
_MATCH, _MODIR, _FIFO, _WATER = 0x20, 0x24, 0x28, 0x2C
_BOTH_EDGES, _MODELLED_BAUD = 1 << 17, 0x1F02_1FFF
_OVERRUN, _RX_FULL, _TX_EMPTY_AND_COMPLETE = 1 << 19, 1 << 21, 3 << 22
_RE, _TE, _RIE, _ORIE = 1 << 18, 1 << 19, 1 << 21, 1 << 27
_RX_FIFO_ON, _TX_FIFO_ON, _RX_FLUSH, _BOTH_EMPTY, _SIZES = 1 << 3, 1 << 7, 1 << 14, 3 << 22, 0x11
_NO_DATA = 1 << 12


class Lpuart(ByteUart):
    """LPUART6."""

    name = "LPUART6"

    @property
    def fifo_depth(self) -> int:  # type: ignore[override]
        """One word while the FIFO is off."""
        return 4 if self._values[_FIFO] & _RX_FIFO_ON else 1

    def reset(self) -> None:
        self._values = {_GLOBAL: 0, _BAUD: 0x0F00_0004, _CTRL: 0, _MATCH: 0, _MODIR: 0, _FIFO: 0, _WATER: 0}
        super().reset()

    @property
    def armed(self) -> bool:
        return bool(self._values[_CTRL] & _RE) and not self._overrun

    @property
    def wakes_core(self) -> bool:
        return self.armed and bool(self._values[_CTRL] & _RIE)

    def _rx_full(self) -> bool:
        return len(self._received) > (self._values[_WATER] >> 16 & 3)

    def _interrupts(self) -> bool:
        control = self._values[_CTRL]
        return bool((control & _RIE and self._rx_full()) or (control & _ORIE and self._overrun))

    def _divisor(self) -> float:
        return ((self._values[_BAUD] >> 24 & 0x1F) + 1) * (self._values[_BAUD] & 0x1FFF)

    def _read(self, offset: int) -> int:
        if offset == _STAT:
            flags = (_RX_FULL if self._rx_full() else 0) | (_OVERRUN if self._overrun else 0)
            return _TX_EMPTY_AND_COMPLETE | flags
        if offset == _DATA:
            return self._take_word()
        if offset == _FIFO:
            empty = _BOTH_EMPTY if not self._received else 1 << 23
            return self._values[_FIFO] | empty | _SIZES
        if offset == _WATER:
            return self._values[_WATER] | min(len(self._received), self.fifo_depth) << 24
        values = {_VERID: 0x0401_0003, _PARAM: 0x0202}
        if offset in values:
            return values[offset]
        if offset not in self._values:
            raise Unmodelled(f"no register at {self.name} offset 0x{offset:02x}")
        return self._values[offset]

    def _take_word(self) -> int:
        if not self._received:
            return _NO_DATA
        byte = self._take()
        self._update_line()
        return byte

    def _write(self, offset: int, value: int) -> None:
        if offset == _DATA:
            if self._values[_CTRL] & _TE:
                self._put(value)
        elif offset == _STAT:
            if value & _OVERRUN:
                self._overrun = False
        elif offset == _CTRL:
            if value & ~(_RE | _TE | _RIE | _ORIE):
                raise Unmodelled(f"{self.name} CTRL = 0x{value:08x} sets bits that are not modelled")
            starts = value & (_RE | _TE) and not self._values[_CTRL] & (_RE | _TE)
            self._values[_CTRL] = value
            if starts:
                self._check_speed()
        elif offset == _BAUD:
            if value & ~_MODELLED_BAUD:
                raise Unmodelled(f"{self.name} BAUD = 0x{value:08x} sets bits that are not modelled")
            samples = (value >> 24 & 0x1F) + 1
            if samples < 4 or (samples < 8 and not value & _BOTH_EDGES):
                raise Unmodelled(f"{self.name} BAUD: {samples} samples a bit (below 8 with BOTHEDGE, never below 4)")
            self._values[_BAUD] = value
        elif offset == _FIFO:
            if value & _RX_FLUSH:
                self._received.clear()
            self._values[_FIFO] = value & (_RX_FIFO_ON | _TX_FIFO_ON)
        elif offset in (_MATCH, _MODIR, _GLOBAL):
            if value:
                raise Unmodelled(f"{self.name} offset 0x{offset:02x} = 0x{value:08x} is not modelled")
        elif offset == _WATER:
            self._values[_WATER] = value & 0x0003_0003
        else:
            raise Unmodelled(f"no writable register at {self.name} offset 0x{offset:02x}")
