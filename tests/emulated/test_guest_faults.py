# SPDX-License-Identifier: Apache-2.0
"""Each way a guest, or its emulator, can break ends in a typed error that names the place, within the guest's budget;
what comes after it runs as if nothing had happened. On every backend.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from guests import BREAK, BUDGET, emulator_pid, on, opened
from port_guest import answer, port_guest

from trainbed.backends.base import KeepsState
from trainbed.boards import load_board
from trainbed.errors import EmulatorCrash, GuestFault, GuestHang, GuestReset
from trainbed.toolchain import Firmware

Where = tuple[str, str, Firmware]


@pytest.fixture(
    params=[
        on("unicorn", "arduino_nano_33_ble"),
        on("qemu", "mps2_an386"),
        on("qemu", "microbit"),
        on("qemu", "netduinoplus2"),
        on("renode", "arduino_nano_33_ble"),
        on("renode", "microbit"),
        on("renode", "netduinoplus2"),
    ],
    scope="module",
)
def broken(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Where:
    backend, board = request.param
    return backend, board, port_guest(load_board(board), tmp_path_factory.mktemp(board), before_send=BREAK)


@pytest.fixture
def guest(broken: Where) -> Iterator[Any]:
    backend, board, firmware = broken
    with opened(backend, board, firmware.image) as started:
        yield started


@pytest.mark.parametrize(
    ("way", "kind"),
    [
        (b"u", "undefined_instruction"),
        (b"r", "read_unmapped"),
        (b"w", "write_unmapped"),
        (b"p", "stack_overflow"),
    ],
)
def test_a_fault_names_its_kind_and_its_place(guest: Any, way: bytes, kind: str) -> None:
    with pytest.raises(GuestFault) as caught:
        guest.exchange(way + b"\0", budget=BUDGET)
    assert caught.value.kind == kind, str(caught.value)
    assert caught.value.where.startswith("main (main.c:"), str(caught.value)


def test_a_call_into_nothing_names_the_caller(guest: Any) -> None:
    with pytest.raises(GuestFault) as caught:
        guest.exchange(b"c\0", budget=BUDGET)
    assert caught.value.kind == "fetch_unmapped"
    assert caught.value.where.startswith("main (main.c:"), str(caught.value)


def test_a_park_of_the_firmware_is_a_fault(guest: Any) -> None:
    with pytest.raises(GuestFault, match="trn_fault_port"):
        guest.exchange(b"a\0", budget=BUDGET)


def test_an_endless_loop_spends_its_budget_and_says_where(guest: Any) -> None:
    before = guest.cost().instructions
    with pytest.raises(GuestHang, match=r"budget of 5,000,000 (instructions|cycles).*main \(main.c:"):
        guest.exchange(b"l\0", budget=replace(BUDGET, steps=5_000_000, cycles=5_000_000))
    assert guest.cost().instructions - before < 6_000_000


def test_a_sleep_nothing_can_end_is_a_hang(guest: Any) -> None:
    with pytest.raises(GuestHang, match=r"nothing can wake it.*main \(main.c:"):
        guest.exchange(b"z\0", budget=BUDGET)


def test_a_guest_that_resets_itself_is_told_so(guest: Any) -> None:
    with pytest.raises(GuestReset, match=r"main \(main.c:"):
        guest.exchange(b"R\0", budget=BUDGET)


def test_a_flood_from_the_uart_ends_with_the_budget(guest: Any) -> None:
    with pytest.raises(GuestHang, match=r"budget of 3,000,000 (instructions|cycles)"):
        guest.exchange(b"f\0", budget=replace(BUDGET, steps=3_000_000, cycles=3_000_000))


@pytest.mark.parametrize("way", [b"u", b"r", b"p", b"R", b"f", b"z"])
def test_what_follows_a_break_runs_as_if_nothing_had_happened(guest: Any, broken: Where, way: bytes) -> None:
    first = guest.exchange(b"next\0", budget=BUDGET)
    counted = guest.cost().instructions
    with pytest.raises((GuestFault, GuestHang, GuestReset)):
        guest.exchange(way + b"\0", budget=replace(BUDGET, steps=1_000_000, cycles=1_000_000))
    with opened(*broken[:2], broken[2].image) as after:
        assert after.exchange(b"next\0", budget=BUDGET) == first == answer(b"next\0")
        if after.backend != "qemu":  # whose wait loop turns as often as bytes trickle in
            assert after.cost().instructions == counted


def test_a_killed_emulator_is_a_crash_and_the_next_start_works(guest: Any) -> None:
    os.kill(emulator_pid(guest), signal.SIGKILL)
    with pytest.raises(EmulatorCrash, match="SIGKILL"):
        guest.exchange(b"x\0", budget=BUDGET)
    with pytest.raises(EmulatorCrash, match="not running"):
        guest.exchange(b"x\0", budget=BUDGET)
    guest.start()
    assert guest.exchange(b"x\0", budget=BUDGET).endswith(b"x\0")


def test_an_emulator_killed_while_the_guest_computes_is_a_crash(guest: Any) -> None:
    killer = threading.Timer(0.3, os.kill, (emulator_pid(guest), signal.SIGKILL))
    killer.start()
    with pytest.raises(EmulatorCrash, match="SIGKILL"):
        guest.exchange(b"l\0", budget=replace(BUDGET, steps=1 << 60, cycles=1 << 60))
    killer.join()


def test_the_wall_clock_is_the_last_resort(guest: Any) -> None:
    with pytest.raises(GuestHang, match="wall clock"):
        guest.exchange(b"l\0", budget=replace(BUDGET, steps=1 << 60, cycles=1 << 60, wall_s=0.3))


def test_a_guest_that_broke_can_be_looked_at_until_it_is_closed(guest: Any) -> None:
    with pytest.raises(GuestFault) as caught:
        guest.exchange(b"u\0", budget=BUDGET)
    assert isinstance(guest, KeepsState)
    state = guest.state()
    assert state.registers["pc"] == caught.value.pc
    assert guest.read_memory(state.registers["pc"], 2) == b"\x01\xde"
    [(origin, ram)] = state.memories
    assert origin == 0x2000_0000 and len(ram) >= 16384
    assert origin < state.registers["sp"] < origin + len(ram)
    assert state.uart[-1] == ("host", b"u\0")
    with pytest.raises((GuestFault, EmulatorCrash)):
        guest.exchange(b"x\0", budget=BUDGET)
