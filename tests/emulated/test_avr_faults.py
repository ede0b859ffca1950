# SPDX-License-Identifier: Apache-2.0
"""What breaks on an AVR board is named: what, in which function, on which line."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from avr_boards import BOARDS, bare, config_for, each_board, needs_avr, opened

from trainbed.avr import stack as avr_stack
from trainbed.backends.avr.guest import AvrGuest
from trainbed.backends.base import Budget, KeepsState
from trainbed.backends.failure import GuestStopped
from trainbed.boards import load_board
from trainbed.errors import BuildError, EmulatorCrash, GuestError, GuestFault, GuestHang, GuestReset
from trainbed.toolchain import Firmware

pytestmark = needs_avr

BUDGET = Budget(cycles=2_000_000, steps=2_000_000, wall_s=60.0)
MAIN = """\
#include <trn/mark.h>
#include <trn/port.h>
#include "avr.h"
static uint8_t rx[16], tx[1] = {'R'};
static const uint8_t answers[4] = {'R', 'S', 'T', 'U'};
volatile uint8_t *volatile wild = (volatile uint8_t *)0xFF00;
#define HERE __attribute__((noinline)) static void
HERE illegal(void) { __asm__ volatile(".word 0xFFFF"); }
HERE lost(void) { __asm__ volatile("jmp 0x7800"); }
HERE restart(void) { __asm__ volatile("jmp 0"); }
HERE push_on(void) { __asm__ volatile("1:\\tpush r1\\n\\trjmp 1b"); }
HERE call_on(void) { __asm__ volatile("1:\\trcall 2f\\n2:\\trcall 1b"); }
HERE write_wild(void) { *wild = 1; }
HERE spin(void) { for (;;) { } }
HERE doze(void) { __asm__ volatile("cli\\n\\tsleep"); }
HERE ask_for_nothing(void) { trn_port_receive_start(rx, 0); }
int main(void);
int main(void)
{
    trn_port_init();
    for (;;) {
        trn_port_receive_start(rx, sizeof rx);
        trn_port_send(tx, 1);
        trn_port_receive_wait();
        tx[0] = answers[rx[15] & 3];
        switch (rx[0]) {
        case 'i': illegal(); break;
        case 'j': lost(); break;
        case 'r': restart(); break;
        case 'p': push_on(); break;
        case 'c': call_on(); break;
        case 'w': write_wild(); break;
        case 'l': spin(); break;
        case 'd': doze(); break;
        case 'n': ask_for_nothing(); break;
        case 'x': return 0;
        default: break;
        }
    }
}
"""


@pytest.fixture(scope="module")
def firmware(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Firmware]]:
    """The stack of this one has no bound, which is the point: it is built as if it had."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TRAINBED_CACHE", str(tmp_path_factory.mktemp("cache")))
        patch.setattr(avr_stack, "stack_bound", lambda *_, **__: 64)
        yield {board: bare(board, tmp_path_factory.mktemp(board), MAIN) for board in BOARDS}


def broken(board: str, firmware: Firmware, command: str) -> GuestError:
    with opened(board, firmware.image) as guest:
        assert guest.exchange(b"", budget=BUDGET) == b"R"
        with pytest.raises(GuestError) as first:
            guest.exchange(command.encode() + b"\0", budget=BUDGET)
        with pytest.raises(GuestError) as again:
            guest.exchange(b"\0", budget=BUDGET)
        assert str(again.value) == str(first.value)
        assert isinstance(guest, KeepsState)
        state = guest.state()
        assert set(state.registers) == {*(f"r{i}" for i in range(32)), "sreg", "sp", "pc"}
        assert state.memories[0][1] == guest.read_memory(state.memories[0][0], len(state.memories[0][1]))
        assert ("host", command.encode() + b"\0") in state.uart
        return first.value


@each_board
@pytest.mark.parametrize(
    ("command", "kind", "function"),
    [
        ("i", "undefined_instruction", "illegal"),
        ("j", "fetch_unmapped", "lost"),
        ("p", "stack_overflow", "push_on"),
        ("c", "stack_overflow", "call_on"),
        ("n", "assertion", "ask_for_nothing"),
        ("w", "write_unmapped", "write_wild"),
    ],
)
def test_a_fault_is_named_with_its_kind_function_and_line(
    firmware: dict[str, Firmware], board: str, command: str, kind: str, function: str
) -> None:
    error = broken(board, firmware[board], command)
    assert isinstance(error, GuestFault)
    line = next(i for i, text in enumerate(MAIN.splitlines(), 1) if f" {function}(void)" in text)
    if command == "n":
        # The port parks; who asked it is named only by whoever unwinds the stack.
        assert error.kind == kind
        assert "trn_fault_port" in str(error)
        return
    assert (error.kind, error.where) == (kind, f"{function} (main.c:{line})")


@each_board
def test_restarts_hangs_and_endless_sleep_are_told_apart(firmware: dict[str, Firmware], board: str) -> None:
    restart = broken(board, firmware[board], "r")
    assert isinstance(restart, GuestReset)
    assert "restart (main.c:" in str(restart)
    spin = broken(board, firmware[board], "l")
    assert isinstance(spin, GuestHang)
    assert "2,000,000 cycles" in str(spin)
    assert "spin (main.c:" in str(spin)
    doze = broken(board, firmware[board], "d")
    assert isinstance(doze, GuestHang)
    assert "sleeps with interrupts off" in str(doze)
    returned = broken(board, firmware[board], "x")
    assert isinstance(returned, GuestFault)
    assert "trn_fault_returned" in str(returned)


@each_board
def test_a_guest_that_broke_starts_again(firmware: dict[str, Firmware], board: str) -> None:
    with opened(board, firmware[board].image) as guest:
        with pytest.raises(GuestFault):
            guest.exchange(b"i\0", budget=BUDGET)
        guest.start()
        assert guest.exchange(b"", budget=BUDGET) == b"R"
        assert guest.exchange(b"?\0", budget=BUDGET) == b"R"


def test_a_clock_that_is_still_divided_is_a_fault(
    firmware: dict[str, Firmware], monkeypatch: pytest.MonkeyPatch
) -> None:
    board = "atmega4809_xplained"
    guest = AvrGuest(config_for(load_board(board), BOARDS[board], firmware[board].image))
    guest.start()
    read = guest._board.read
    monkeypatch.setattr(guest._board, "read", lambda at, n: b"\x11" if at == 0x61 else read(at, n))
    with pytest.raises(GuestStopped) as stopped:
        guest.start()
    assert "MCLKCTRLB is 0x11" in stopped.value.failure.detail


def test_constants_that_are_not_read_where_the_flash_is_seen_are_refused(
    firmware: dict[str, Firmware], tmp_path: Path
) -> None:
    """As the linker's default has it for another part: 0x8000 instead of 0x4000."""
    board = "atmega4809_xplained"
    elf = bytearray(firmware[board].image.elf.read_bytes())
    headers, size, number = int.from_bytes(elf[28:32], "little"), elf[42], elf[44]
    moved = 0
    for at in range(headers, headers + size * number, size):
        virtual, physical = (int.from_bytes(elf[at + o : at + o + 4], "little") for o in (8, 12))
        if physical < 0x800000 and virtual == physical + 0x4000:
            elf[at + 8 : at + 12] = (virtual + 0x4000).to_bytes(4, "little")
            moved += 1
    assert moved == 1
    (tmp_path / "moved.elf").write_bytes(elf)
    with pytest.raises(BuildError, match="the part shows its flash 0x4000 above"):
        config_for(load_board(board), "yasimavr", replace(firmware[board].image, elf=tmp_path / "moved.elf"))


def test_a_worker_that_dies_is_an_emulator_crash(firmware: dict[str, Firmware]) -> None:
    import os
    import signal

    with opened("arduino_uno", firmware["arduino_uno"].image) as guest:
        assert guest.worker_pid is not None
        os.kill(guest.worker_pid, signal.SIGKILL)
        with pytest.raises(EmulatorCrash):
            guest.exchange(b"\0", budget=BUDGET)
