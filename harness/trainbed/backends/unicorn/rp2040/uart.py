# SPDX-License-Identifier: Apache-2.0
"""UART of an RP2040: an Arm PL011 with FIFOs of 32 bytes. Source: RP2040 Datasheet, 4.2.

Eight data bits, one stop bit, no parity. The receive timeout, 32 bit times on the part, comes with the last byte.
DMA, break, modem lines and hardware flow control are errors.
"""

from __future__ import annotations

from trainbed.backends.unicorn.byte_uart import ByteUart
from trainbed.backends.unicorn.registers import Unmodelled

_DR, _RSR, _FR, _IBRD, _FBRD, _LCR_H, _CR, _IFLS = 0x00, 0x04, 0x18, 0x24, 0x28, 0x2C, 0x30, 0x34
_IMSC, _RIS, _MIS, _ICR = 0x38, 0x3C, 0x40, 0x44
_UARTEN, _TXE, _RXE = 1 << 0, 1 << 8, 1 << 9
_8_BITS, _FIFOS = 3 << 5, 1 << 4
_RX, _RX_TIMEOUT, _OVERRUN = 1 << 4, 1 << 6, 1 << 10
_RX_EMPTY, _RX_FULL, _TX_EMPTY = 1 << 4, 1 << 6, 1 << 7
_LEVELS = (4, 8, 16, 24, 28)
"""Bytes at which the FIFO asks, by IFLS.RXIFLSEL."""


class Uart(ByteUart):
    """UART0."""

    name = "UART0"

    @property
    def fifo_depth(self) -> int:  # type: ignore[override]
        """One byte while the FIFOs are off."""
        return 32 if self._values[_LCR_H] & _FIFOS else 1

    def reset(self) -> None:
        self._values = {_IBRD: 0, _FBRD: 0, _LCR_H: 0, _CR: 0x300, _IFLS: 0x12, _IMSC: 0}
        super().reset()

    @property
    def armed(self) -> bool:
        return self._values[_CR] & (_UARTEN | _RXE) == _UARTEN | _RXE

    @property
    def wakes_core(self) -> bool:
        mask = _RX_TIMEOUT if self._values[_LCR_H] & _FIFOS else _RX
        return self.armed and bool(self._values[_IMSC] & mask)

    def _raw_interrupts(self) -> int:
        waiting = len(self._received)
        level = _LEVELS[min(self._values[_IFLS] >> 3 & 7, 4)] if self._values[_LCR_H] & _FIFOS else 1
        timeout = waiting and self._values[_LCR_H] & _FIFOS
        return (_RX if waiting >= level else 0) | (_RX_TIMEOUT if timeout else 0) | (_OVERRUN if self._overrun else 0)

    def _interrupts(self) -> bool:
        return bool(self._raw_interrupts() & self._values[_IMSC])

    def _divisor(self) -> float:
        return 16 * (self._values[_IBRD] + self._values[_FBRD] / 64)

    def _read(self, offset: int) -> int:
        if offset == _DR:
            byte = self._take()
            self._update_line()
            return byte
        if offset == _FR:
            full = len(self._received) >= self.fifo_depth
            return _TX_EMPTY | (_RX_FULL if full else 0) | (0 if self._received else _RX_EMPTY)
        if offset == _RIS:
            return self._raw_interrupts()
        if offset == _MIS:
            return self._raw_interrupts() & self._values[_IMSC]
        if offset in (_RSR, _ICR):
            return 0
        if offset not in self._values:
            raise Unmodelled(f"no register at {self.name} offset 0x{offset:02x}")
        return self._values[offset]

    def _write(self, offset: int, value: int) -> None:
        if offset == _DR:
            if self._values[_CR] & (_UARTEN | _TXE) == _UARTEN | _TXE:
                self._put(value)
        elif offset == _CR:
            starts = value & _UARTEN and not self._values[_CR] & _UARTEN
            self._values[_CR] = value
            if value & ~(_UARTEN | _TXE | _RXE):
                raise Unmodelled(f"{self.name} CR = 0x{value:04x} sets bits that are not modelled")
            if starts:
                self._check_format()
        elif offset == _ICR:
            if value & _OVERRUN:
                self._overrun = False
        elif offset in self._values:
            self._values[offset] = value
        elif offset != _RSR:
            raise Unmodelled(f"no writable register at {self.name} offset 0x{offset:02x}")

    def _check_format(self) -> None:
        if self._values[_LCR_H] & ~_FIFOS != _8_BITS:
            raise Unmodelled(f"{self.name} LCR_H = 0x{self._values[_LCR_H]:02x}: 8 bits without parity are modelled")
        self._check_speed()
