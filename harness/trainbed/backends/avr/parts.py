# SPDX-License-Identifier: Apache-2.0
"""The emulated part behind a board: how simavr and yasimavr make one, and what has to be given back in which order."""

from __future__ import annotations

import ctypes
from typing import Any, Protocol

from trainbed.backends.avr.library import State, simavr_library, yasimavr_library
from trainbed.errors import EmulatorCrash

_WAKE_VECTORS = {"atmega328p": 18, "atmega2560": 25}
"""Of USART0's receiver. Source: DS40002061 and DS40002211, interrupts."""


class Part(Protocol):
    """One part, and the native helper that runs it."""

    library: ctypes.CDLL

    def power_on(self, state: State, content: bytes) -> int:
        """The helper's handle of a part at reset, its flash programmed. Raises EmulatorCrash."""
        ...

    def close(self) -> None:
        """Gives everything back; safe to call twice."""
        ...


def part_for(emulator: str, name: str, clock_hz: int) -> Part:
    """The part of an emulator by its name there."""
    return SimavrPart(name, clock_hz) if emulator == "simavr" else YasimavrPart(name, clock_hz)


class SimavrPart:
    """Made once and reset from then on: simavr does not give all of a part back."""

    def __init__(self, name: str, clock_hz: int) -> None:
        self.library = simavr_library()
        self._name = name
        self._clock_hz = clock_hz
        self._handle: int | None = None

    def power_on(self, state: State, content: bytes) -> int:
        """See Part."""
        if self._handle is None:
            vector = _WAKE_VECTORS[self._name]
            self._handle = self.library.trn_board_open(self._name.encode(), self._clock_hz, len(content), vector)
        if self._handle is None:
            raise EmulatorCrash(f"simavr has no {self._name} that takes {len(content)} bytes of flash")
        self.library.trn_board_power_on(self._handle, ctypes.byref(state), content, len(content))
        return self._handle

    def close(self) -> None:
        """See Part."""
        handle, self._handle = self._handle, None
        if handle is not None:
            self.library.trn_board_close(handle)


class YasimavrPart:
    """Made anew each time, which is quick; the device is Python's, the clock it lives by is the helper's."""

    def __init__(self, name: str, clock_hz: int) -> None:
        self.library = yasimavr_library()
        self._name = name
        self._clock_hz = clock_hz
        self._device: Any = None
        self._handle: int | None = None

    def power_on(self, state: State, content: bytes) -> int:
        """See Part. yasimavr is imported here: the other emulator's worker is not to load it."""
        from yasimavr.device_library import load_device
        from yasimavr.lib import _sip

        self.close()
        self._delete = _sip.delete
        self._device = load_device(self._name)
        device = _sip.unwrapinstance(self._device)
        self._handle = self.library.trn_board_open(ctypes.byref(state), device, self._clock_hz, content, len(content))
        if self._handle is None:
            said = state.message.decode(errors="replace")
            raise EmulatorCrash(f"yasimavr's {self._name} does not take {len(content)} bytes of flash: {said}")
        return self._handle

    def close(self) -> None:
        """See Part. The device goes before its clock."""
        device, self._device = self._device, None
        handle, self._handle = self._handle, None
        if device is not None:
            self._delete(device)
        if handle is not None:
            self.library.trn_board_close(handle)
