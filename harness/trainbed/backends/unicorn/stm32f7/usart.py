# SPDX-License-Identifier: Apache-2.0
"""USART of an STM32F7: no FIFO, one byte in the receive register. Source: RM0385 Rev 8, 31.8.

Asynchronous mode with eight data bits and no parity; DMA, hardware flow control and all other modes are errors.
"""

from __future__ import annotations

from trainbed.backends.unicorn.byte_uart import ByteUart
from trainbed.backends.unicorn.registers import Unmodelled

_CR1, _CR2, _CR3, _BRR, _ISR, _ICR, _RDR, _TDR = 0x00, 0x04, 0x08, 0x0C, 0x1C, 0x20, 0x24, 0x28
_UE, _RE, _TE, _RXNEIE = 1 << 0, 1 << 2, 1 << 3, 1 << 5
_OVER8 = 1 << 15
_MODELLED_CR1 = _UE | _RE | _TE | _RXNEIE | _OVER8
_OVERRUN, _RXNE, _IDLE_FLAGS = 1 << 3, 1 << 5, 0x0060_00C0
"""Transmitter empty and complete, both directions acknowledged."""


class Usart(ByteUart):
    """USART1."""

    name = "USART1"
    fifo_depth = 1

    def reset(self) -> None:
        self._control = 0
        self._brr = 0
        super().reset()

    @property
    def armed(self) -> bool:
        return self._control & (_UE | _RE) == _UE | _RE

    @property
    def wakes_core(self) -> bool:
        return self.armed and bool(self._control & _RXNEIE)

    def _interrupts(self) -> bool:
        return self.wakes_core and (bool(self._received) or self._overrun)

    def _divisor(self) -> float:
        if not self._control & _OVER8:
            return self._brr
        return (self._brr & 0xFFF0 | (self._brr & 7) << 1) / 2

    def _read(self, offset: int) -> int:
        if offset == _ISR:
            return _IDLE_FLAGS | (_RXNE if self._received else 0) | (_OVERRUN if self._overrun else 0)
        if offset == _RDR:
            return self._take()
        values = {_CR1: self._control, _CR2: 0, _CR3: 0, _BRR: self._brr, _ICR: 0, _TDR: 0}
        if offset not in values:
            raise Unmodelled(f"no register at {self.name} offset 0x{offset:02x}")
        return values[offset]

    def _write(self, offset: int, value: int) -> None:
        if offset == _CR1:
            if value & ~_MODELLED_CR1:
                raise Unmodelled(f"{self.name} CR1 = 0x{value:08x} sets bits that are not modelled")
            starts = value & _UE and not self._control & _UE
            self._control = value
            if starts:
                self._check_speed()
        elif offset == _BRR:
            self._brr = value & 0xFFFF
        elif offset == _ICR:
            if value & _OVERRUN:
                self._overrun = False
        elif offset == _TDR:
            if self._control & (_UE | _TE) == _UE | _TE:
                self._put(value)
        elif offset not in (_CR2, _CR3) or value:
            raise Unmodelled(f"{self.name} offset 0x{offset:02x} = 0x{value:08x} is not modelled")
