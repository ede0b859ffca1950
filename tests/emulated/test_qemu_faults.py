# SPDX-License-Identifier: Apache-2.0
"""Each way a guest, or QEMU itself, can break ends in a typed error that names the place, within the guest's budget."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from dataclasses import replace

import pytest
from port_guest import port_guest
from qemu_boards import BUDGET, needs_qemu, opened

from trainbed.backends.qemu.guest import QemuGuest
from trainbed.boards import load_board
from trainbed.errors import EmulatorCrash, GuestFault, GuestHang, GuestReset, InputError
from trainbed.toolchain import Firmware

pytestmark = needs_qemu

_BREAK = """\
#define REG(address) (*(volatile uint32_t *)(address))
switch (n > 0 ? rx[0] : 0) {
case 'u': __asm__ volatile("udf #1"); break;
case 'r': (void)REG(0x30000000u); break;
case 'w': REG(0x30000000u) = 1; break;
case 'c': __asm__ volatile("ldr r0, =0x30000001\\n\\tblx r0" ::: "r0", "r1", "r2", "r3", "lr", "memory"); break;
case 'v': __asm__ volatile("svc #0"); break;
case 'p': __asm__ volatile("1: push {r0-r7}\\n\\tb 1b" ::: "memory"); break;
case 'l': for (;;) { __asm__ volatile("nop"); }
case 'z': for (;;) { __asm__ volatile("wfi"); }
case 'R': REG(0xE000ED0Cu) = 0x05FA0004u; for (;;) { __asm__ volatile("nop"); }
case 'f': for (;;) { trn_port_send(tx, 64); }
case 'a': trn_port_receive_start(rx, 0); break;
default: break;
}
"""


@pytest.fixture(params=["mps2_an386", "microbit", "netduinoplus2"], scope="module")
def broken(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Firmware]:
    board: str = request.param
    return board, port_guest(load_board(board), tmp_path_factory.mktemp(board), before_send=_BREAK)


@pytest.fixture
def guest(broken: tuple[str, Firmware]) -> Iterator[QemuGuest]:
    with opened(broken[0], broken[1].image) as started:
        yield started


@pytest.mark.parametrize(
    ("way", "kinds"),
    [
        (b"u", {"undefined_instruction"}),
        (b"r", {"read_unmapped"}),
        (b"w", {"write_unmapped"}),
        (b"p", {"stack_overflow"}),
        (b"v", {"assertion"}),
    ],
)
def test_a_fault_names_its_kind_and_its_place(guest: QemuGuest, way: bytes, kinds: set[str]) -> None:
    with pytest.raises(GuestFault) as caught:
        guest.exchange(way + b"\0", budget=BUDGET)
    assert caught.value.kind in kinds, str(caught.value)
    assert caught.value.where.startswith("main (main.c:"), str(caught.value)


def test_a_call_into_nothing_names_the_caller(guest: QemuGuest) -> None:
    with pytest.raises(GuestFault) as caught:
        guest.exchange(b"c\0", budget=BUDGET)
    assert caught.value.kind == "fetch_unmapped"
    assert caught.value.where.startswith("main (main.c:"), str(caught.value)


def test_a_park_of_the_firmware_names_who_asked_for_it(guest: QemuGuest) -> None:
    with pytest.raises(GuestFault, match="parked itself in trn_fault_port") as caught:
        guest.exchange(b"a\0", budget=BUDGET)
    assert caught.value.where.startswith("trn_port_receive_start ("), str(caught.value)


def test_an_endless_loop_spends_its_budget_and_says_where(guest: QemuGuest) -> None:
    with pytest.raises(GuestHang, match=r"budget of 5,000,000 instructions.*main \(main.c:"):
        guest.exchange(b"l\0", budget=replace(BUDGET, steps=5_000_000))


def test_a_sleep_nothing_can_end_is_a_hang(guest: QemuGuest) -> None:
    with pytest.raises(GuestHang, match=r"nothing can wake it.*main \(main.c:"):
        guest.exchange(b"z\0", budget=BUDGET)


def test_a_guest_that_resets_itself_is_told_so(guest: QemuGuest) -> None:
    with pytest.raises(GuestReset, match=r"main \(main.c:"):
        guest.exchange(b"R\0", budget=BUDGET)


def test_a_flood_from_the_uart_ends_with_the_budget(guest: QemuGuest) -> None:
    with pytest.raises(GuestHang, match="budget of 3,000,000 instructions"):
        guest.exchange(b"f\0", budget=replace(BUDGET, steps=3_000_000))


def test_a_killed_emulator_is_a_crash_and_the_next_start_works(guest: QemuGuest) -> None:
    assert guest.emulator_pid is not None
    os.kill(guest.emulator_pid, signal.SIGKILL)
    with pytest.raises(EmulatorCrash, match="SIGKILL"):
        guest.exchange(b"x\0", budget=BUDGET)
    with pytest.raises(EmulatorCrash, match="not running"):
        guest.exchange(b"x\0", budget=BUDGET)
    guest.start()
    assert guest.exchange(b"x\0", budget=BUDGET).endswith(b"x\0")


def test_a_guest_that_broke_can_be_looked_at_until_it_is_closed(guest: QemuGuest) -> None:
    with pytest.raises(GuestFault) as caught:
        guest.exchange(b"u\0", budget=BUDGET)
    state = guest.state()
    assert state.registers["pc"] == caught.value.pc
    assert guest.read_memory(state.registers["pc"], 2) == b"\x01\xde"
    [(origin, ram)] = state.memories
    assert origin == 0x2000_0000 and len(ram) >= 16384
    assert origin < state.registers["sp"] < origin + len(ram)
    assert state.uart[-1] == ("host", b"u\0")
    with pytest.raises(EmulatorCrash, match="broke in an earlier exchange"):
        guest.exchange(b"x\0", budget=BUDGET)


def test_a_guest_that_loops_is_held_and_can_be_looked_at(guest: QemuGuest) -> None:
    with pytest.raises(GuestHang):
        guest.exchange(b"l\0", budget=replace(BUDGET, steps=1 << 60, cycles=1 << 60, wall_s=0.3))
    state = guest.state()
    assert guest.read_memory(state.registers["pc"], 2) in (b"\x00\xbf", b"\xc0\x46")  # NOP, on a Cortex-M0 too
    assert guest.state() == state


def test_an_emulator_killed_while_the_guest_computes_is_a_crash(guest: QemuGuest) -> None:
    pid = guest.emulator_pid
    assert pid is not None
    killer = threading.Timer(0.3, os.kill, (pid, signal.SIGKILL))
    killer.start()
    with pytest.raises(EmulatorCrash, match="SIGKILL"):
        guest.exchange(b"l\0", budget=replace(BUDGET, steps=1 << 60, cycles=1 << 60))
    killer.join()


def test_an_emulator_that_stands_still_is_ended_by_the_wall_clock(guest: QemuGuest) -> None:
    assert guest.emulator_pid is not None
    killer = threading.Timer(0.2, os.kill, (guest.emulator_pid, signal.SIGSTOP))
    killer.start()
    with pytest.raises(GuestHang, match="wall clock"):
        guest.exchange(b"l\0", budget=replace(BUDGET, steps=1 << 60, cycles=1 << 60, wall_s=1.0))
    killer.join()
    assert guest.emulator_pid is None


def test_the_wall_clock_is_the_last_resort(guest: QemuGuest) -> None:
    with pytest.raises(GuestHang, match="wall clock"):
        guest.exchange(b"l\0", budget=replace(BUDGET, steps=1 << 60, cycles=1 << 60, wall_s=0.3))


def test_memory_outside_the_board_is_refused(guest: QemuGuest) -> None:
    with pytest.raises(InputError, match="no memory at"):
        guest.read_memory(0x3000_0000, 4)
