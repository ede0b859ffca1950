# SPDX-License-Identifier: Apache-2.0
"""A board that answers the raw protocol of firmware/raw/main.c, as a serial port: for hosts that know no frames.

Shaped after pyserial's Serial, so that such a host's program works against the emulated part.
"""

from __future__ import annotations

from types import TracebackType

from trainbed.backends.base import Budget
from trainbed.backends.registry import choose_backend, open_guest
from trainbed.prepare import Prepared, build_raw_firmware, prepare
from trainbed.scenario.scenario import Scenario
from trainbed.toolchain import Firmware


def build_raw(scenario: Scenario, *, board: str | None = None) -> tuple[Prepared, Firmware]:
    """The firmware, and what it was built from.

    The network's parameters lie in flash, all of them: there is nobody to set others.
    Raises InputError for a network with parameters to train, what build_raw_firmware raises.
    """
    prepared = prepare(scenario, board=board)
    in_ram = [field.layer for field in prepared.plan.parameters.fields if not field.in_flash]
    if in_ram:
        raise scenario.error(
            f"the raw protocol sets no weights: {in_ram[0]} needs 'trainable: false' (or training 'epochs: 0')",
            "network",
        )
    return prepared, build_raw_firmware(prepared)


class RawPort:
    """The emulated UART. A context manager; powered on when entered."""

    def __init__(self, scenario: Scenario, *, board: str | None = None, backend: str | None = None) -> None:
        prepared, self.firmware = build_raw(scenario, board=board)
        chosen = choose_backend(prepared.board, backend or scenario.backend)
        self.guest = open_guest(prepared.board, chosen, self.firmware.image)
        self._budget = Budget()
        self._received = bytearray()

    def write(self, data: bytes) -> int:
        """Sends; returns once the part waits for more. Raises GuestError."""
        self._received += self.guest.exchange(bytes(data), budget=self._budget)
        return len(data)

    def read(self, size: int = 1) -> bytes:
        """At most ``size`` of the bytes received; fewer where a real port would time out."""
        data = bytes(self._received[:size])
        del self._received[:size]
        return data

    def __enter__(self) -> RawPort:
        self.guest.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.guest.close()
