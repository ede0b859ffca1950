# SPDX-License-Identifier: Apache-2.0
"""How QEMU's guests break, beyond what every backend's do (test_guest_faults.py)."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from dataclasses import replace

import pytest
from guests import BREAK
from port_guest import port_guest
from qemu_boards import BUDGET, needs_qemu, opened

from trainbed.backends.qemu.guest import QemuGuest
from trainbed.boards import load_board
from trainbed.errors import GuestFault, GuestHang, InputError
from trainbed.toolchain import Firmware

pytestmark = needs_qemu


@pytest.fixture(params=["mps2_an386", "microbit", "netduinoplus2"], scope="module")
def broken(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Firmware]:
    board: str = request.param
    return board, port_guest(load_board(board), tmp_path_factory.mktemp(board), before_send=BREAK)


@pytest.fixture
def guest(broken: tuple[str, Firmware]) -> Iterator[QemuGuest]:
    with opened(broken[0], broken[1].image) as started:
        yield started


def test_a_park_of_the_firmware_names_who_asked_for_it(guest: QemuGuest) -> None:
    with pytest.raises(GuestFault, match="parked itself in trn_fault_port") as caught:
        guest.exchange(b"a\0", budget=BUDGET)
    assert caught.value.where.startswith("trn_port_receive_start ("), str(caught.value)


def test_a_guest_that_loops_is_held_and_can_be_looked_at(guest: QemuGuest) -> None:
    with pytest.raises(GuestHang):
        guest.exchange(b"l\0", budget=replace(BUDGET, steps=1 << 60, cycles=1 << 60, wall_s=0.3))
    state = guest.state()
    assert guest.read_memory(state.registers["pc"], 2) in (b"\x00\xbf", b"\xc0\x46")  # NOP, on a Cortex-M0 too
    assert guest.state() == state


def test_an_emulator_that_stands_still_is_ended_by_the_wall_clock(guest: QemuGuest) -> None:
    assert guest.emulator_pid is not None
    killer = threading.Timer(0.2, os.kill, (guest.emulator_pid, signal.SIGSTOP))
    killer.start()
    with pytest.raises(GuestHang, match="wall clock"):
        guest.exchange(b"l\0", budget=replace(BUDGET, steps=1 << 60, cycles=1 << 60, wall_s=1.0))
    killer.join()
    assert guest.emulator_pid is None


def test_memory_outside_the_board_is_refused(guest: QemuGuest) -> None:
    with pytest.raises(InputError, match="no memory at"):
        guest.read_memory(0x3000_0000, 4)
