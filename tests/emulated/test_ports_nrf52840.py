# SPDX-License-Identifier: Apache-2.0
"""The nRF52840 port in the strict Unicorn model: what was armed for arrives, the rest is lost."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
from port_guest import CAPACITY, READY, answer, frames, port_guest

from trainbed.backends.base import Budget
from trainbed.boards import load_board
from trainbed.toolchain import Firmware

pytest.importorskip("unicorn", reason="the unicorn extra is not installed")

from trainbed.backends.failure import GuestStopped
from trainbed.backends.unicorn.config import MachineConfig
from trainbed.backends.unicorn.guest import UnicornGuest

BOARD = load_board("arduino_nano_33_ble")
MEMORY_CHECK = """
static uint8_t before[64], a[64], b[64];
uint32_t wrong = 0;
for (uint32_t i = 0; i < 64; i++) { before[i] = (uint8_t)(i * 7 + n); }
for (uint32_t to = 0; to < 6; to++) {
    for (uint32_t from = 0; from < 6; from++) {
        for (uint32_t len = 0; len < 40; len++) {
            for (uint32_t i = 0; i < 64; i++) { a[i] = before[i]; b[i] = before[i]; }
            wrong += memmove(a + to, a + from, len) != a + to;
            wrong += memcpy(b + to, before + from, len) != b + to;
            for (uint32_t i = 0; i < 64; i++) {
                const uint8_t expected = i >= to && i < to + len ? before[i - to + from] : before[i];
                wrong += (uint32_t)(a[i] != expected) + (uint32_t)(b[i] != expected);
            }
            wrong += memcmp(a, b, 64) != 0;
            wrong += memset(a + to, (int)from + 250, len) != a + to;
            for (uint32_t i = 0; i < 64; i++) {
                wrong += a[i] != (i >= to && i < to + len ? (uint8_t)(from + 250) : b[i]);
            }
        }
    }
}
a[0] = 1; b[0] = 200;
wrong += (uint32_t)(memcmp(a, b, n) >= 0) + (uint32_t)(memcmp(b, a, n) <= 0) + (uint32_t)(memcmp(a, b, n - n) != 0);
for (uint32_t i = 0; i < 4; i++) { tx[i] = (uint8_t)(wrong >> 8 * i); }
"""
BUDGET = Budget(cycles=100_000_000, steps=100_000_000, wall_s=30.0)


def started(firmware: Firmware) -> UnicornGuest:
    """The guest at its first wait, its greeting read."""
    image = firmware.image
    flash = BOARD.memory("flash")
    assert flash is not None
    guest = UnicornGuest(
        MachineConfig(
            soc=BOARD.soc,
            core=BOARD.core,
            clock_hz=BOARD.clock_hz,
            flash_timing=BOARD.flash_timing,
            elf=str(image.elf),
            sha256=image.sha256,
            vectors=flash.origin,
            marks=dict(image.marks),
            functions=image.functions,
            stack_low=image.stack_low,
            stack_top=image.stack_top,
        )
    )
    guest.start()
    assert guest.exchange(b"", BUDGET) == READY
    return guest


@pytest.fixture(scope="module")
def echo(tmp_path_factory: pytest.TempPathFactory) -> Firmware:
    return port_guest(BOARD, tmp_path_factory.mktemp("nrf52840"))


def test_frames_of_every_length_come_back_with_their_length(echo: Firmware) -> None:
    guest = started(echo)
    data = bytes(1 + i % 255 for i in range(CAPACITY))
    for n in range(1, CAPACITY + 1):
        frame = data[: n - 1] + b"\0"
        assert guest.exchange(frame, BUDGET) == answer(frame)
    assert guest.lost_bytes() == 0


def test_bytes_that_look_like_an_empty_buffer_are_data(echo: Firmware) -> None:
    guest = started(echo)
    for frame in frames():
        assert guest.exchange(frame, BUDGET) == answer(frame)
    assert guest.lost_bytes() == 0


@pytest.mark.parametrize("pieces", [(1,) * 40, (39, 1), (3, 3, 3, 31), (1, 38, 1), (2, 254, 300, 1000)])
@pytest.mark.parametrize("filler", [b"\xff", b"\x01"])
def test_a_frame_in_pieces_is_one_frame(echo: Firmware, pieces: tuple[int, ...], filler: bytes) -> None:
    guest = started(echo)
    frame = filler * (sum(pieces) - 1) + b"\0"
    for _ in range(4):  # the guest's buffer starts on another byte of a word each time
        sent = 0
        for n in pieces[:-1]:
            assert guest.exchange(frame[sent : sent + n], BUDGET) == b""
            sent += n
        assert guest.exchange(frame[sent:], BUDGET) == answer(frame)


def test_a_full_buffer_without_a_delimiter_is_no_frame_and_the_next_one_is(echo: Firmware) -> None:
    guest = started(echo)
    assert guest.exchange(b"x" * CAPACITY, BUDGET) == answer(b"")
    assert guest.exchange(b"next\0", BUDGET) == answer(b"next\0")
    assert guest.exchange(b"\xff" * (CAPACITY + 99), BUDGET) == answer(b"")
    assert guest.lost_bytes() == 99
    assert guest.exchange(b"next\0", BUDGET) == answer(b"next\0")


def test_bytes_behind_a_delimiter_are_dropped(echo: Firmware) -> None:
    guest = started(echo)
    assert guest.exchange(b"one\0two\0", BUDGET) == answer(b"one\0")
    assert guest.exchange(b"three\0", BUDGET) == answer(b"three\0")


def test_two_runs_cost_the_same_to_the_instruction(echo: Firmware) -> None:
    def run() -> tuple[int, int]:
        guest = started(echo)
        for frame in frames():
            guest.exchange(frame, BUDGET)
        return guest.cost().instructions, guest.cost().cycles

    assert run() == run()


def test_finding_the_delimiter_costs_little_beside_the_bytes(echo: Firmware) -> None:
    guest = started(echo)
    before = guest.cost().instructions
    guest.exchange(b"\x55" * (CAPACITY - 1) + b"\0", BUDGET)
    # The echo itself copies each byte in a loop of some 5; clearing the buffer takes 1/3 a byte and the scan 10 a word.
    assert guest.cost().instructions - before < 9 * CAPACITY


def test_the_stack_never_passes_its_bound(tmp_path: Path) -> None:
    deep = "volatile uint8_t big[300]; big[n & 255u] = 1; tx[0] = big[1];"
    library = "volatile int64_t a = 1000 + n, b = 7; a = a / b; tx[1] = (uint8_t)a;"
    firmware = port_guest(BOARD, tmp_path, before_send=deep + library)
    guest = started(firmware)
    guest.exchange(b"abc\0", BUDGET)
    assert firmware.stack_bound_bytes is not None
    assert 300 < guest.stack_bytes() <= firmware.stack_bound_bytes < 300 + 256


def test_the_cycle_counter_counts(tmp_path: Path) -> None:
    count = (
        "const uint32_t t = trn_port_cycles(); for (volatile int32_t i = 0; i < 1000; i++) {} "
        "const uint32_t d = trn_port_cycles() - t; for (uint32_t i = 0; i < 4; i++) { tx[i] = (uint8_t)(d >> 8 * i); }"
    )
    guest = started(port_guest(BOARD, tmp_path, before_send=count))
    (cycles,) = struct.unpack_from("<I", guest.exchange(b"abc\0", BUDGET))
    assert 5_000 < cycles < 20_000


def test_the_memory_functions_are_right_for_every_alignment_and_length(tmp_path: Path) -> None:
    guest = started(port_guest(BOARD, tmp_path, before_send=MEMORY_CHECK))
    assert guest.exchange(b"abc\0", BUDGET)[:4] == struct.pack("<I", 0)


def test_sending_from_flash_parks_the_core_under_a_name(tmp_path: Path) -> None:
    firmware = port_guest(BOARD, tmp_path, before_send='trn_port_send((const uint8_t *)"abcd", 4);')
    guest = started(firmware)
    with pytest.raises(GuestStopped, match="trn_fault_port"):
        guest.exchange(b"abc\0", BUDGET)
