# SPDX-License-Identifier: Apache-2.0
"""Guests of the QEMU boards, started and ended."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from port_guest import READY

from trainbed.backends.base import Budget, GuestImage
from trainbed.backends.qemu.config import config_for
from trainbed.backends.qemu.guest import QemuGuest
from trainbed.backends.registry import availability
from trainbed.boards import load_board

BOARDS = ("mps2_an385", "mps2_an386", "mps2_an500", "netduinoplus2", "microbit")
BUDGET = Budget(cycles=50_000_000, steps=50_000_000, wall_s=60.0)

needs_qemu = pytest.mark.skipif(not availability("qemu").usable, reason=availability("qemu").reason or "no QEMU")


@contextmanager
def opened(board: str, image: GuestImage) -> Iterator[QemuGuest]:
    """A guest at its first wait, its greeting read."""
    with QemuGuest(config_for(load_board(board), image)) as guest:
        guest.start()
        assert guest.exchange(b"", budget=BUDGET) == READY
        yield guest
