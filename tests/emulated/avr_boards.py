# SPDX-License-Identifier: Apache-2.0
"""Guests of the AVR boards, and the smallest firmware for them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from port_firmware import port_firmware
from trainbed.backends.avr.config import config_for
from trainbed.backends.base import Budget, GuestImage
from trainbed.backends.registry import availability, open_guest
from trainbed.backends.worker_guest import WorkerGuest
from trainbed.boards import load_board
from trainbed.toolchain import BuildOptions, Firmware, build

BOARDS = {"arduino_uno": "simavr", "arduino_mega": "simavr", "atmega4809_xplained": "yasimavr"}
BUDGET = Budget(cycles=200_000_000, steps=200_000_000, wall_s=120.0)

_MISSING = [found.reason for found in map(availability, ("simavr", "yasimavr")) if not found.usable]
needs_avr = pytest.mark.skipif(bool(_MISSING), reason="; ".join(_MISSING) or "no AVR emulator")
each_board = pytest.mark.parametrize("board", BOARDS)
each_core = pytest.mark.parametrize(
    "board", ["arduino_uno", "atmega4809_xplained", pytest.param("arduino_mega", marks=pytest.mark.slow)]
)
"""For what takes long: the ATmega2560 is left to the slow tests."""


def bare(board: str, folder: Path, main: str, *, baud: int = 0, optimize: str = "O2") -> Firmware:
    """The board's real port around a main.c."""
    loaded = load_board(board)
    loaded = replace(loaded, baud=baud or loaded.baud)
    return build(loaded, generated={}, options=BuildOptions(optimize=optimize), firmware=port_firmware(folder, main))


@contextmanager
def opened(board: str, image: GuestImage) -> Iterator[WorkerGuest]:
    """A guest at its first wait."""
    guest = open_guest(load_board(board), BOARDS[board], image)
    assert isinstance(guest, WorkerGuest)
    with guest:
        guest.start()
        yield guest


__all__ = ["BOARDS", "BUDGET", "bare", "config_for", "each_board", "each_core", "needs_avr", "opened"]
