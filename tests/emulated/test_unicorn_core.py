# SPDX-License-Identifier: Apache-2.0
"""The core of the Unicorn backend: interrupts, sleep, counters, stack, repeatability."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
from guest_firmware import SHORT, build_guest, opened

from trainbed.backends.base import GuestImage
from trainbed.backends.timing.block_cache import BlockCostCache
from trainbed.backends.unicorn import machine
from trainbed.backends.unicorn.guest import UnicornGuest
from trainbed.errors import GuestFault


@pytest.fixture(scope="module")
def interrupts(tmp_path_factory: pytest.TempPathFactory) -> GuestImage:
    return build_guest(tmp_path_factory.mktemp("interrupts"), "interrupts")


def experiment(image: GuestImage, order: bytes) -> tuple[int, ...]:
    with opened(image) as guest:
        guest.start()
        assert guest.exchange(b"", budget=SHORT) == b"C"
        answer = guest.exchange(order, budget=SHORT)
    return struct.unpack(f"<{len(answer) // 4}I", answer)


def test_systick_interrupts_keep_their_period_and_the_floating_point_context(interrupts: GuestImage) -> None:
    ticks, *stamps, expected, found, flag = experiment(interrupts, b"t")
    assert ticks == 10
    # The handler is entered at the first block that starts after the wrap: each stamp is late by less than a block.
    assert all(0 <= stamp - 6400 * (i + 1) < 120 for i, stamp in enumerate(stamps))
    assert abs(stamps[9] - stamps[0] - 9 * 6400) <= 25, "the period drifts"  # one block of the loop
    assert found == expected
    assert flag == 0


def test_interrupts_come_at_the_same_cycles_on_every_run(interrupts: GuestImage) -> None:
    runs = {experiment(interrupts, b"t") for _ in range(3)}
    assert len(runs) == 1


def test_a_masked_interrupt_is_taken_right_behind_the_unmasking(interrupts: GuestImage) -> None:
    assert experiment(interrupts, b"m") == (0, 1)


def test_a_supervisor_call_reaches_its_handler_and_returns(interrupts: GuestImage) -> None:
    assert experiment(interrupts, b"v") == (42,)


def test_systick_counts_down_and_flags_its_wraps(interrupts: GuestImage) -> None:
    wraps, highest = experiment(interrupts, b"c")
    assert wraps == 5
    assert 900 <= highest <= 999


def test_a_pending_interrupt_ends_sleep_though_it_is_masked(interrupts: GuestImage) -> None:
    assert experiment(interrupts, b"w") == (0, 1)


def test_a_more_urgent_interrupt_preempts_a_running_handler(interrupts: GuestImage) -> None:
    assert experiment(interrupts, b"n") == (0x123, 1)


def test_an_equally_urgent_interrupt_waits_for_the_running_handler(interrupts: GuestImage) -> None:
    assert experiment(interrupts, b"N") == (0x132, 1)


def test_a_received_byte_raises_the_interrupt_of_the_uarte(interrupts: GuestImage) -> None:
    with opened(interrupts) as guest:
        guest.start()
        guest.exchange(b"", budget=SHORT)
        assert guest.exchange(b"u", budget=SHORT) == b"u"
        assert guest.exchange(b"z", budget=SHORT) == struct.pack("<I", 1)


@pytest.mark.parametrize("depth", [4, 64, 1000, 1900])
def test_the_stack_mark_is_the_lowest_address_used(tmp_path: Path, depth: int) -> None:
    image = build_guest(tmp_path, "uart", "STACK", f"DEPTH={depth}")
    with opened(image) as guest:
        guest.start()
        (lowest,) = struct.unpack("<I", guest.exchange(b"", budget=SHORT))
        used = guest.stack_bytes()
    assert abs(used - (image.stack_top - lowest)) <= 4


def test_a_stack_above_other_data_is_watched_by_its_last_word(tmp_path: Path) -> None:
    with opened(build_guest(tmp_path, "uart", "STACK", "DEPTH=1900", stack_offset=1024)) as guest:
        guest.start()
    with opened(build_guest(tmp_path, "uart", "STACK", "DEPTH=2100", stack_offset=1024)) as guest:
        with pytest.raises(GuestFault, match="used to its last word") as caught:
            guest.start()
        assert caught.value.kind == "stack_overflow"


@pytest.mark.parametrize("order", [b"t", b"c", b"n"])
def test_counts_do_not_depend_on_how_often_the_guest_is_stopped(
    interrupts: GuestImage, order: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    with opened(interrupts) as guest:
        config = guest.config
    results = set()
    for slice_cycles in (machine._SLICE_CYCLES, 1000, 97):
        monkeypatch.setattr(machine, "_SLICE_CYCLES", slice_cycles)
        inside = UnicornGuest(config)
        inside.start()
        answer = inside.exchange(order, SHORT)
        cost = inside.cost()
        results.add((answer, cost.cycles, cost.instructions))
    assert len(results) == 1


def test_a_block_that_cannot_be_costed_is_an_error_and_not_a_sleeping_guest(
    interrupts: GuestImage, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise RuntimeError("no cost for this block")

    with opened(interrupts) as guest:
        inside = UnicornGuest(guest.config)
    inside._machine.counter.flush()
    monkeypatch.setattr(BlockCostCache, "cost", refuse)
    with pytest.raises(RuntimeError, match="no cost for this block"):
        inside.start()


def test_wait_for_event_sleeps_like_wait_for_interrupt(interrupts: GuestImage) -> None:
    assert experiment(interrupts, b"e") == (1,)


def test_three_runs_cost_and_answer_the_same(tmp_path: Path) -> None:
    image = build_guest(tmp_path, "echo")
    runs = set()
    for _ in range(3):
        with opened(image) as guest:
            guest.start()
            answers = tuple(guest.exchange(bytes([i]) * 16, budget=SHORT) for i in range(5))
            cost = guest.cost()
            memory = guest.read_memory(0x20000000, 0x40000)
            runs.add((answers, cost.cycles, cost.instructions, memory))
    assert len(runs) == 1


def test_a_second_start_forgets_everything_of_the_first(tmp_path: Path) -> None:
    with opened(build_guest(tmp_path, "echo")) as guest:
        guest.start()
        fresh = guest.exchange(b"", budget=SHORT), guest.cost().cycles, guest.read_memory(0x20000000, 0x40000)
        guest.exchange(b"0123456789abcdef+", budget=SHORT)
        guest.start()
        again = guest.exchange(b"", budget=SHORT), guest.cost().cycles, guest.read_memory(0x20000000, 0x40000)
        assert again == fresh
        assert guest.lost_bytes() == 0


def test_counts_carry_their_class_and_model(tmp_path: Path) -> None:
    with opened(build_guest(tmp_path, "echo")) as guest:
        guest.start()
        cost = guest.cost()
    assert cost.cost_class == "modelled"
    assert cost.model.startswith("cortex-m4/")
    assert 0 < cost.instructions < cost.cycles
    assert cost.phases["forward"].instructions == 0
    assert cost.phases["other"].instructions == cost.instructions
