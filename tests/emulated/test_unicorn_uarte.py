# SPDX-License-Identifier: Apache-2.0
"""The UARTE of the Unicorn backend keeps the part's rules: credit, loss, ends and bit times."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
from guest_firmware import SHORT, build_guest, opened

from trainbed.backends.base import Budget
from trainbed.errors import GuestFault, GuestHang

BYTE_CYCLES = 640
"""Ten bits at 1 Mbaud and 64 MHz."""


def words(data: bytes) -> tuple[int, ...]:
    return struct.unpack(f"<{len(data) // 4}I", data)


def test_a_guest_that_grants_credit_answers_with_the_bytes_it_got(tmp_path: Path) -> None:
    with opened(build_guest(tmp_path, "echo")) as guest:
        guest.start()
        assert guest.exchange(b"", budget=SHORT) == b"C"
        for turn in range(20):
            message = bytes((turn + i) % 256 for i in range(16))
            assert guest.exchange(message, budget=SHORT) == message + b"C"
        assert guest.lost_bytes() == 0


def test_a_burst_of_64_kilobytes_within_the_credit_loses_nothing(tmp_path: Path) -> None:
    with opened(build_guest(tmp_path, "echo", "SIZE=65534")) as guest:
        guest.start()
        message = bytes(i * 7 % 251 for i in range(65534))
        assert guest.exchange(b"", budget=SHORT) == b"C"
        assert guest.exchange(message, budget=Budget(cycles=4 * len(message) * BYTE_CYCLES)) == message + b"C"
        assert guest.lost_bytes() == 0


def test_bytes_beyond_the_credit_are_lost_and_counted(tmp_path: Path) -> None:
    with opened(build_guest(tmp_path, "echo")) as guest:
        guest.start()
        guest.exchange(b"", budget=SHORT)
        assert guest.exchange(b"0123456789abcdefXYZ", budget=SHORT) == b"0123456789abcdefC"
        assert guest.lost_bytes() == 3
        assert guest.exchange(b"fedcba9876543210", budget=SHORT) == b"fedcba9876543210C"


def test_an_unfinished_frame_gets_no_answer_and_is_completed_later(tmp_path: Path) -> None:
    with opened(build_guest(tmp_path, "echo")) as guest:
        guest.start()
        guest.exchange(b"", budget=SHORT)
        assert guest.exchange(b"0123", budget=SHORT) == b""
        assert guest.exchange(b"456789abcdef", budget=SHORT) == b"0123456789abcdefC"


def test_bytes_sent_to_a_receiver_that_is_not_armed_are_lost(tmp_path: Path) -> None:
    with opened(build_guest(tmp_path, "uart", "UNARMED")) as guest:
        guest.start()
        assert guest.exchange(b"", budget=SHORT)[:1] == b"C"
        with pytest.raises(GuestHang, match="nothing can wake it"):
            guest.exchange(b"lost", budget=SHORT)
        assert guest.lost_bytes() == 4


def test_stopping_a_receiver_half_way_tells_how_much_arrived(tmp_path: Path) -> None:
    with opened(build_guest(tmp_path, "uart", "STOP_EARLY")) as guest:
        guest.start()
        guest.exchange(b"", budget=SHORT)
        answer = guest.exchange(b"abc", budget=SHORT)
        assert words(answer[:16]) == (3, 0, 1, 1)
        assert answer[16:] == b"abc\0\0\0\0\0"


def test_a_guest_that_polls_instead_of_sleeping_is_served_too(tmp_path: Path) -> None:
    with opened(build_guest(tmp_path, "uart", "POLLING")) as guest:
        guest.start()
        assert guest.exchange(b"", budget=SHORT) == b"C"
        assert guest.exchange(b"01234567", budget=SHORT) == b"01234567"
        assert guest.exchange(b"", budget=SHORT) == b""
        assert guest.exchange(b"abcdefgh", budget=SHORT) == b"abcdefgh"


def test_bytes_take_their_bit_times_in_both_directions(tmp_path: Path) -> None:
    with opened(build_guest(tmp_path, "uart", "TIMING")) as guest:
        guest.start()
        guest_output = guest.exchange(b"", budget=SHORT)
        (sent,) = words(guest_output[100:])
        assert 100 * BYTE_CYCLES <= sent <= 100 * BYTE_CYCLES + 400
        received, _ = words(guest.exchange(b"12345678", budget=SHORT))
        assert 8 * BYTE_CYCLES <= received <= 8 * BYTE_CYCLES + 400


def test_the_cycle_counter_of_the_core_is_the_cycle_model(tmp_path: Path) -> None:
    with opened(build_guest(tmp_path, "uart", "TIMING")) as guest:
        guest.start()
        guest.exchange(b"", budget=SHORT)
        before = guest.cost().cycles
        _, cyccnt = words(guest.exchange(b"12345678", budget=SHORT))
        after = guest.cost().cycles
        # Counting began a few instructions after reset, and the guest still sent two words after its last look.
        assert before < cyccnt < after
        assert after - cyccnt <= 4 * BYTE_CYCLES + 600


def test_dma_to_flash_is_a_fault_at_the_line_that_armed_it(tmp_path: Path) -> None:
    with opened(build_guest(tmp_path, "uart", "BAD_RX")) as guest, pytest.raises(GuestFault) as caught:
        guest.start()
    assert caught.value.kind == "write_unmapped"
    assert caught.value.where.startswith("uart_arm (guest.c:")
    assert "RXD.PTR 0x00020000" in caught.value.detail


def test_flash_is_erased_and_written_through_its_controller_only(tmp_path: Path) -> None:
    content = 0x12345678, 0x00FF000F, 0xFFFFFFFF
    with opened(build_guest(tmp_path, "uart", "FLASH")) as guest:
        for _ in range(2):  # a new start finds flash as it was built
            guest.start()
            assert words(guest.exchange(b"", budget=SHORT)) == (*content, 0xFFFFFFFF)
    with opened(build_guest(tmp_path, "uart", "FLASH", "LOCKED")) as guest:
        with pytest.raises(GuestFault) as caught:
            guest.start()
        assert caught.value.kind == "write_protected"
        assert guest.read_memory(0x80000, 12) == struct.pack("<III", *content)
