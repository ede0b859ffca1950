# SPDX-License-Identifier: Apache-2.0
"""The UART of the AVR boards: what was armed for arrives, the rest is lost and counted, at every rate the part has."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from avr_boards import BOARDS, BUDGET, bare, each_board, needs_avr, opened
from port_guest import READY, answer, port_guest

from trainbed.backends.ported import read_symbols
from trainbed.boards import load_board
from trainbed.errors import BuildError

pytestmark = needs_avr

CAPACITY = 192
FRAMES = [bytes(1 + (7 * i + n) % 255 for i in range(n - 1)) + b"\0" for n in (1, 2, 3, 31, 64, 191, 192)]


@each_board
def test_frames_come_back_silence_shows_and_what_is_beyond_the_credit_is_lost(board: str, tmp_path: Path) -> None:
    firmware = port_guest(load_board(board), tmp_path, capacity=CAPACITY)
    with opened(board, firmware.image) as guest:
        assert guest.exchange(b"", budget=BUDGET) == READY
        for frame in FRAMES:
            assert guest.exchange(frame, budget=BUDGET) == answer(frame)
        assert [guest.exchange(piece, budget=BUDGET) for piece in (b"a", b"bc", b"\0")] == [b"", b"", answer(b"abc\0")]
        assert guest.lost_bytes() == 0
        assert guest.exchange(b"one\0two\0", budget=BUDGET) == answer(b"one\0")
        assert guest.exchange(b"\xff" * (CAPACITY + 9), budget=BUDGET) == answer(b"")
        assert guest.lost_bytes() == 4 + 9
        assert guest.exchange(b"next\0", budget=BUDGET) == answer(b"next\0")
        assert 0 < guest.stack_bytes() <= (firmware.stack_bound_bytes or 0)


@pytest.mark.parametrize(
    ("board", "baud", "cycles"),
    [
        ("atmega4809_xplained", 115_200, 10 * 173),
        ("atmega4809_xplained", 1_250_000, 10 * 16),
        ("arduino_uno", 115_200, 10 * 8 * 17),
        ("arduino_uno", 1_000_000, 10 * 8 * 2),
        ("arduino_mega", 500_000, 10 * 8 * 4),
    ],
)
def test_a_byte_takes_its_time_on_the_line_both_ways(board: str, baud: int, cycles: int, tmp_path: Path) -> None:
    described = replace(load_board(board), baud=baud)
    with opened(board, port_guest(described, tmp_path, capacity=CAPACITY).image) as guest:
        guest.exchange(b"", budget=BUDGET)

        def spent(n: int) -> int:
            before = guest.cost().cycles
            assert guest.exchange(b"\x55" * (n - 1) + b"\0", budget=BUDGET) == answer(b"\x55" * (n - 1) + b"\0")
            return guest.cost().cycles - before

        each = (spent(192) - spent(64)) / 128
    # There and back; the rest is the copy between the buffers of the test's guest.
    assert 2 * cycles <= each <= 2 * cycles + 100


def test_rates_a_clock_does_not_offer_are_refused_by_the_build(tmp_path: Path) -> None:
    for board, baud in (("arduino_uno", 1_250_000), ("atmega4809_xplained", 2_000_000), ("arduino_mega", 230_400 * 7)):
        with pytest.raises(BuildError, match=r"uart\.baud: .*this clock offers"):
            port_guest(replace(load_board(board), baud=baud), tmp_path / f"{board}{baud}", capacity=CAPACITY)


SLOW = """\
#include <trn/mark.h>
#include <trn/port.h>
#include "soc.h"
static uint8_t kept[32];
volatile uint16_t idle;
int main(void);
int main(void)
{
    uint8_t n = 0;
    trn_port_init();
    for (;;) {
        while (!trn_uart_has_byte()) {
            trn_avr_sleep();
        }
        const uint8_t byte = trn_uart_take_byte();
        if (byte == 0) {
            trn_port_send(kept, n);
            n = 0;
        } else {
            kept[n++] = byte;
        }
        for (idle = 0; idle < 100; idle++) {
        }
    }
}
"""


@each_board
def test_a_reader_that_is_too_slow_loses_bytes_and_both_sides_know(board: str, tmp_path: Path) -> None:
    image = bare(board, tmp_path, SLOW).image
    overruns = read_symbols(image.elf, ("trn_port_overruns",))["trn_port_overruns"][0]
    with opened(board, image) as guest:
        assert guest.exchange(bytes(range(1, 4)), budget=BUDGET) == b""
        assert guest.lost_bytes() == 0  # the part holds three
        guest.exchange(b"\0", budget=BUDGET)
        kept = guest.exchange(bytes(range(1, 21)), budget=BUDGET) + guest.exchange(b"\0", budget=BUDGET)
        assert 3 <= len(kept) < 20
        assert list(kept) == sorted(kept)
        assert kept[0] == 1
        assert guest.lost_bytes() == 20 - len(kept)
        assert 0 < int.from_bytes(guest.read_memory(overruns, 2), "little") <= guest.lost_bytes()


def test_the_boards_are_those_of_the_platform_files() -> None:
    assert {board: load_board(board).backends[0] for board in BOARDS} == BOARDS
