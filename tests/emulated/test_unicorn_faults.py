# SPDX-License-Identifier: Apache-2.0
"""Every way a guest breaks has a typed error that names function and line."""

from __future__ import annotations

from pathlib import Path

import pytest
from guest_firmware import SHORT, SOURCES, build_guest, opened

from trainbed.backends.base import Budget, GuestImage
from trainbed.errors import GuestFault, GuestHang, GuestReset, InputError

FAULTS = [
    ("u", "undefined_instruction", "undefined", "encoding de01"),
    ("r", "read_unmapped", "read_nowhere", "nothing lies at 0x30000000"),
    ("w", "write_unmapped", "write_nowhere", "nothing lies at 0x30000000"),
    ("p", "write_protected", "write_flash", "store to flash at 0x00010100"),
    ("f", "fetch_unmapped", "call_nowhere", "nothing lies at 0x30000000"),
    ("x", "fetch_unmapped", "call_ram", "is data RAM"),
    ("e", "undefined_instruction", "call_even", "branch to the even address"),
    ("m", "read_unmapped", "read_radio", "RADIO"),
    ("k", "write_unmapped", "write_no_register", "UARTE0 offset 0x5a0"),
    ("q", "read_unmapped", "read_no_register", "UARTE0 offset 0x5a0"),
    ("b", "assertion", "breakpoint", "breakpoint instruction"),
    ("P", "assertion", "trn_fault_parked", "parked itself"),
    ("I", "assertion", "trn_fault_with_interrupt", "parked itself"),
    ("1", "unaligned", "load_unaligned", "is no multiple of 4"),
    ("2", "unaligned", "load_two_unaligned", "is no multiple of 4"),
    ("3", "unaligned", "store_many_unaligned", "is no multiple of 4"),
    ("s", "stack_overflow", "recurse", "the stack of 2048 bytes is full"),
    ("t", "stack_overflow", "fall_through_stack", "the stack of 2048 bytes is full"),
    ("G", "stack_overflow", "huge_frame", "the stack of 2048 bytes is full"),
    ("g", "stack_overflow", "big_frame", "the stack of 2048 bytes is full"),
]


@pytest.fixture(scope="module")
def faulty(tmp_path_factory: pytest.TempPathFactory) -> GuestImage:
    return build_guest(tmp_path_factory.mktemp("faults"), "faults")


def line_of(function: str) -> int:
    """Line of a one-line function of faults.c, or the first of a longer one."""
    lines = (SOURCES / "faults.c").read_text().splitlines()
    return next(i for i, line in enumerate(lines, 1) if f" {function}(" in line and not line.startswith("    "))


@pytest.mark.parametrize(("order", "kind", "function", "detail"), FAULTS, ids=[fault[2] for fault in FAULTS])
def test_a_fault_names_its_kind_its_function_and_its_line(
    faulty: GuestImage, order: str, kind: str, function: str, detail: str
) -> None:
    with opened(faulty) as guest:
        guest.start()
        guest.exchange(b"", budget=SHORT)
        with pytest.raises(GuestFault) as caught:
            guest.exchange(order.encode(), budget=SHORT)
    assert caught.value.kind == kind
    assert detail in caught.value.detail
    if function.startswith("trn_fault"):
        assert caught.value.where.startswith(function)
    elif function == "recurse":
        assert caught.value.where.startswith("recurse (faults.c:")
    else:
        assert caught.value.where == f"{function} (faults.c:{line_of(function)})"


def test_dma_from_flash_is_a_fault(faulty: GuestImage) -> None:
    with opened(faulty) as guest:
        guest.start()
        with pytest.raises(GuestFault, match=r"TXD\.PTR") as caught:
            guest.exchange(b"d", budget=SHORT)
    assert caught.value.kind == "read_unmapped"
    assert caught.value.where.startswith("uart_send (guest.c:")


def test_floating_point_before_it_is_enabled_is_a_fault(tmp_path: Path, faulty: GuestImage) -> None:
    with opened(build_guest(tmp_path, "faults", "NO_FPU")) as guest:
        guest.start()
        with pytest.raises(GuestFault) as caught:
            guest.exchange(b"v", budget=SHORT)
    assert caught.value.kind == "fpu_disabled"
    assert caught.value.where == f"use_float (faults.c:{line_of('use_float')})"
    with opened(faulty) as guest:
        guest.start()
        assert guest.exchange(b"v", budget=SHORT) == b"CC"


def test_what_the_core_allows_at_any_address_is_no_fault(faulty: GuestImage) -> None:
    with opened(faulty) as guest:
        guest.start()
        assert guest.exchange(b"4", budget=SHORT) == b"CC"


def test_a_guest_that_resets_itself_is_reported_as_such(faulty: GuestImage) -> None:
    with opened(faulty) as guest:
        guest.start()
        with pytest.raises(GuestReset, match=rf"reset_itself \(faults.c:{line_of('reset_itself')}\)"):
            guest.exchange(b"R", budget=SHORT)


def test_an_endless_loop_is_a_hang_that_names_its_place(faulty: GuestImage) -> None:
    with opened(faulty) as guest:
        guest.start()
        with pytest.raises(GuestHang, match=rf"loop_for_ever \(faults.c:{line_of('loop_for_ever')}\)"):
            guest.exchange(b"l", budget=SHORT)
        assert SHORT.cycles <= guest.cost().cycles < SHORT.cycles + 100_000


def test_a_budget_of_instructions_stops_a_guest_too(faulty: GuestImage) -> None:
    with opened(faulty) as guest:
        guest.start()
        before = guest.cost().instructions
        with pytest.raises(GuestHang, match="1,000,000 instructions"):
            guest.exchange(b"l", budget=Budget(steps=1_000_000))
        assert 1_000_000 <= guest.cost().instructions - before < 1_001_000


def test_the_wall_clock_stops_a_guest_whose_budget_is_too_large(faulty: GuestImage) -> None:
    with opened(faulty) as guest:
        guest.start()
        with pytest.raises(GuestHang, match=r"0.1 s of wall clock.*loop_for_ever"):
            guest.exchange(b"l", budget=Budget(wall_s=0.1))


def test_a_guest_asleep_for_good_is_a_hang_at_once(faulty: GuestImage) -> None:
    with opened(faulty) as guest:
        guest.start()
        guest.exchange(b"", budget=SHORT)
        with pytest.raises(GuestHang, match=r"nothing can wake it.*sleep_for_ever"):
            guest.exchange(b"z", budget=SHORT)


def test_sleep_that_ends_at_once_for_ever_is_a_hang(faulty: GuestImage) -> None:
    with opened(faulty) as guest:
        guest.start()
        with pytest.raises(GuestHang, match=r"in vain.*sleep_in_vain"):
            guest.exchange(b"i", budget=SHORT)


def test_a_guest_that_failed_answers_nothing_until_it_is_started_again(faulty: GuestImage) -> None:
    with opened(faulty) as guest:
        guest.start()
        with pytest.raises(GuestFault):
            guest.exchange(b"u", budget=SHORT)
        with pytest.raises(GuestFault):
            guest.exchange(b"?", budget=SHORT)
        assert guest.stack_bytes() > 0
        guest.start()
        assert guest.exchange(b"?", budget=SHORT) == b"CC"


def test_reading_memory_that_is_not_there_is_refused(faulty: GuestImage) -> None:
    with opened(faulty) as guest:
        guest.start()
        with pytest.raises(InputError, match="no memory at 0x30000000"):
            guest.read_memory(0x30000000, 4)
        assert guest.exchange(b"?", budget=SHORT) == b"CC"
