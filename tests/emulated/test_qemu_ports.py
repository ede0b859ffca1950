# SPDX-License-Identifier: Apache-2.0
"""The ports with a byte-wise UART on QEMU: what was armed for arrives, the rest is lost, silence shows at once."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from port_guest import CAPACITY, answer, port_guest
from qemu_boards import BOARDS, BUDGET, needs_qemu, opened

from trainbed.backends.qemu.guest import QemuGuest
from trainbed.boards import load_board

pytestmark = needs_qemu


@pytest.fixture(params=BOARDS, scope="module")
def guest(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[QemuGuest]:
    firmware = port_guest(load_board(request.param), tmp_path_factory.mktemp(request.param))
    with opened(request.param, firmware.image) as started:
        yield started


def test_every_byte_value_comes_back_in_frames_of_many_lengths(guest: QemuGuest) -> None:
    data = bytes(1 + i % 255 for i in range(CAPACITY))
    for n in (1, 2, 3, 31, 32, 33, 64, 255, 256, CAPACITY - 1, CAPACITY):
        frame = data[: n - 1] + b"\0"
        assert guest.exchange(frame, budget=BUDGET) == answer(frame)


def test_the_escape_of_the_emulator_is_a_byte_like_any_other(guest: QemuGuest) -> None:
    for frame in (b"\x1e\0", b"\x1e\x1e\0", b"\x1ex\x1e\x1eh\0", b"\x1e" * 999 + b"\0"):
        assert guest.exchange(frame, budget=BUDGET) == answer(frame)


def test_a_frame_in_pieces_is_one_frame_and_each_piece_is_silence(guest: QemuGuest) -> None:
    for _ in range(8):
        assert guest.exchange(b"a\x1e", budget=BUDGET) == b""
        assert guest.exchange(b"bc", budget=BUDGET) == b""
        assert guest.exchange(b"\0", budget=BUDGET) == answer(b"a\x1ebc\0")


def test_silence_shows_without_a_clock(guest: QemuGuest) -> None:
    """Far sooner than any timeout could tell: 100 pieces without an answer."""
    begin = time.monotonic()
    for _ in range(100):
        assert guest.exchange(b"x", budget=BUDGET) == b""
    assert time.monotonic() - begin < 20
    assert guest.exchange(b"\0", budget=BUDGET) == answer(b"x" * 100 + b"\0")


def test_a_full_buffer_without_a_delimiter_is_no_frame_and_what_is_beyond_is_lost(guest: QemuGuest) -> None:
    lost = guest.lost_bytes()
    assert guest.exchange(b"\xff" * (CAPACITY + 99), budget=BUDGET) == answer(b"")
    assert guest.lost_bytes() == lost + 99
    assert guest.exchange(b"next\0", budget=BUDGET) == answer(b"next\0")


def test_bytes_behind_a_delimiter_are_lost(guest: QemuGuest) -> None:
    lost = guest.lost_bytes()
    assert guest.exchange(b"one\0two\0", budget=BUDGET) == answer(b"one\0")
    assert guest.lost_bytes() == lost + 4
    assert guest.exchange(b"three\0", budget=BUDGET) == answer(b"three\0")


def test_the_stack_is_painted_and_measured_within_its_bound(guest: QemuGuest) -> None:
    assert 0 < guest.stack_bytes() <= 256


def test_instructions_beside_a_peripheral_access_are_counted_once(tmp_path: Path) -> None:
    """QEMU repeats part of a block behind each access. A byte takes 23 instructions both ways; counted twice, 44."""
    board = "netduinoplus2"  # its UART never makes the guest wait for room
    with opened(board, port_guest(load_board(board), tmp_path).image) as guest:

        def instructions(n: int) -> int:
            before = guest.cost().instructions
            assert guest.exchange(b"\x55" * (n - 1) + b"\0", budget=BUDGET) == answer(b"\x55" * (n - 1) + b"\0")
            return guest.cost().instructions - before

        assert (instructions(4096) - instructions(2048)) / 2048 < 30
