# SPDX-License-Identifier: Apache-2.0
"""A real board on a serial port: the same ELF and the same protocol as on the emulators.

The board is flashed with the scenario's firmware beforehand (``trainbed build`` prints where it lies; a board with
another one is told by the fingerprint). What a port cannot tell is told by time: an answer is complete when the line
has been quiet for a moment behind a delimiter, and a request is lost when nothing has come back for ``silence_s``.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import select
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

from trainbed.backends.base import Budget, GuestImage
from trainbed.backends.uncounted import UncountedGuest
from trainbed.errors import GuestError, GuestHang, InputError, LinkLost, MissingTool

PORT_VARIABLE = "TRAINBED_SERIAL_PORT"
"""Environment variable that names the port, such as /dev/ttyACM0."""
INSTALL = "pip install 'trainbed[hw]'"
NAME_PORT = f"export {PORT_VARIABLE}=/dev/ttyACM0"
_DELIMITER = b"\x00"
_FLOOD_BYTES = 16 << 20
"""More than any answer."""


@dataclass(frozen=True)
class Patience:
    """How long to wait for a board, in seconds."""

    silence_s: float = 10.0
    """Nothing for so long: the request or its answer is lost. Longer than a message's worth of training."""
    quiet_s: float = 0.005
    """Behind a delimiter: the answer is complete. At slow rates the time of twenty bytes, if that is longer."""
    start_s: float = 30.0
    """For the board's first answer; long enough to press its reset button."""
    knock_s: float = 1.0
    """Between two delimiters sent to a board that has not answered yet."""


def serial_port() -> str:
    """The port the environment names, or an empty string."""
    return os.environ.get(PORT_VARIABLE, "")


def is_installed() -> bool:
    """pyserial can be imported."""
    return importlib.util.find_spec("serial") is not None


class SerialGuest(UncountedGuest):
    """The board behind one port."""

    _port: Any = None

    def __init__(self, image: GuestImage, *, port: str, baud: int, patience: Patience = Patience()) -> None:
        """``baud`` in bits per second. Nothing is opened yet."""
        self._image = image
        self._port_name = port
        self._baud = baud
        self._patience = patience
        self._quiet_s = max(patience.quiet_s, 20 * 10 / baud)
        self._port: Any = None

    @property
    def backend(self) -> str:
        """Name of the backend."""
        return "serial"

    @property
    def version(self) -> str:
        """Version of pyserial."""
        return str(_pyserial().__version__)

    def start(self) -> None:
        """Open the port, reset the board where DTR does that, wait for its first answer.

        Raises InputError when the port cannot be opened, MissingTool without pyserial, GuestHang when the board says
        nothing.
        """
        self.close()
        self._busy_s = 0.0
        self._port = self._open()
        with suppress(OSError):  # not every port has the line
            self._port.dtr = False
            self._port.dtr = True
        deadline = time.monotonic() + self._patience.start_s
        while time.monotonic() < deadline:
            self._write(_DELIMITER)
            # What it says is no news: READY, or that the delimiter ended no request.
            if _DELIMITER in self._collect(deadline, self._patience.knock_s):
                return
        self.close()
        raise GuestHang(
            f"the board on {self._port_name} said nothing within {self._patience.start_s:g} s at {self._baud} baud; is"
            f" it running {self._image.elf}, and wired to this port? Reset it and try again"
        )

    def exchange(self, data: bytes, *, budget: Budget) -> bytes:
        """See Guest.exchange; of the budget, only ``wall_s`` counts. Raises LinkLost when the port goes away."""
        begin = time.monotonic()
        deadline = begin + budget.wall_s
        late = self._read()  # answers of a request that was given up; a READY among them is not to be missed
        try:
            self._write(data)
            received = self._collect(deadline, self._patience.silence_s)
        finally:
            self._busy_s += time.monotonic() - begin
        if not received and time.monotonic() >= deadline:
            raise GuestHang(f"the board on {self._port_name} did not answer within {budget.wall_s:g} s")
        return late + received

    def read_memory(self, address: int, n_bytes: int) -> bytes:
        """Not offered. Raises InputError."""
        raise InputError("the serial backend cannot read the board's memory; attach a debug probe")

    def close(self) -> None:
        """Closes the port; safe to call twice. The board runs on."""
        port, self._port = self._port, None
        if port is not None:
            with suppress(OSError):
                port.close()

    # -- inside ------------------------------------------------------------------------------------------------------

    def _open(self) -> Any:
        serial = _pyserial()
        try:
            port = serial.Serial(
                self._port_name, self._baud, timeout=0, write_timeout=self._patience.silence_s, exclusive=True
            )
            port.reset_input_buffer()
        except (OSError, ValueError) as error:
            raise InputError(f"cannot open the serial port {self._port_name}: {error}; {_ports_here()}") from None
        return port

    def _collect(self, deadline: float, silence_s: float) -> bytes:
        """Bytes until the line is quiet behind a delimiter, or nothing comes for ``silence_s``."""
        received = bytearray()
        while True:
            wait_s = self._quiet_s if _DELIMITER in received else silence_s
            left_s = min(wait_s, deadline - time.monotonic())
            if left_s <= 0 or not self._attempt(partial(self._readable, left_s)):
                return bytes(received)
            received += self._read(at_least_one=True)
            if len(received) > _FLOOD_BYTES:
                raise GuestHang(f"the board on {self._port_name} sent {len(received):,} bytes without a pause")

    def _readable(self, wait_s: float) -> bool:
        return bool(select.select([self._port.fileno()], [], [], wait_s)[0])

    def _read(self, *, at_least_one: bool = False) -> bytes:
        """What has arrived; a readable port that holds nothing was unplugged."""
        received = bytearray()
        while part := self._attempt(lambda: self._port.read(1 << 16)):
            received += part
        if at_least_one and not received:
            raise self._gone("it was unplugged")
        return bytes(received)

    def _write(self, data: bytes) -> None:
        self._attempt(lambda: self._port.write(data))

    def _attempt(self, work: Callable[[], Any]) -> Any:
        if self._port is None:
            raise self._gone("it is not open")
        try:
            return work()
        except (OSError, TypeError) as error:  # pyserial trips over its own None when the port is closed meanwhile
            raise self._gone(str(error)) from None

    def _gone(self, reason: str) -> GuestError:
        self.close()
        return LinkLost(f"the serial port {self._port_name} is gone: {reason}")


def _pyserial() -> Any:
    if not is_installed():
        raise MissingTool("pyserial", install=INSTALL, detail="the serial backend drives real boards through it")
    return importlib.import_module("serial")


def _ports_here() -> str:
    found = [port.device for port in importlib.import_module("serial.tools.list_ports").comports()]
    return f"ports here: {', '.join(sorted(found))}" if found else "this machine has no serial port"
