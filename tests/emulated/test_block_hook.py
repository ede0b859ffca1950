# SPDX-License-Identifier: Apache-2.0
"""The native block hook: stops that count nothing twice, phases, functions, sleep, and the disk cache."""

from __future__ import annotations

from pathlib import Path

import pytest
from bare_guest import FLASH, BareGuest

from trainbed.backends.block_hook import NEVER, PHASES, BlockCounter
from trainbed.backends.timing import block_cache, thumb
from trainbed.errors import InputError, MissingTool

WORK = """
    movw r0, #500
1:  movs r1, #3
2:  subs r1, #1
    bne 2b
    tst r0, #1
    it eq
    addeq r4, #1
    udiv r5, r0, r4
    bl leaf
    subs r0, #1
    bne 1b
    wfi
leaf:
    ldr r2, [sp, #-4]
    push {r2, lr}
    pop {r2, pc}
"""


def counts(counter: BlockCounter) -> tuple[int, int, int]:
    return counter.cycles, counter.memory_cycles, counter.instructions


def test_instructions_are_counted_one_by_one() -> None:
    guest = BareGuest("movw r0, #100\n1: subs r0, #1\nbne 1b\nwfi")
    counter = guest.count()
    guest.run()
    assert counter.instructions == 1 + 200 + 1
    assert counter.cycles == 1 + 200 + 99 + 1


@pytest.mark.parametrize("step", [1, 7, 97, 1000])
def test_a_guest_stopped_by_events_counts_what_an_unstopped_one_counts(step: int) -> None:
    whole = BareGuest(WORK)
    expected = whole.count(memory="nrf52840")
    whole.run()

    sliced = BareGuest(WORK)
    counter = sliced.count(memory="nrf52840")
    stops = 0
    pc = FLASH
    while True:
        counter.next_event = counter.cycles + step
        sliced.run(pc)
        if not counter.stopped_by_event:
            break
        stops += 1
        pc = sliced.pc
    assert stops > 5
    assert counts(counter) == counts(expected)


def test_an_event_stops_the_guest_at_the_first_block_start_behind_it() -> None:
    guest = BareGuest("movw r0, #1000\n1: subs r0, #1\nbne 1b\nwfi")
    counter = guest.count()
    counter.next_event = 100
    guest.run()
    assert counter.stopped_by_event
    assert 100 <= counter.cycles < 100 + 3
    assert guest.pc == guest.labels.get("1", FLASH + 4)


def test_a_peripheral_stops_the_guest_before_its_next_block_without_counting_twice() -> None:
    program = "movs r0, #0\nmovt r0, #0x4000\nmovs r1, #20\n1: str r1, [r0]\nadds r2, #1\nsubs r1, #1\nbne 1b\nwfi"
    quiet = BareGuest(program, on_write=lambda value: None)
    expected = quiet.count()
    quiet.run()

    asked: list[int] = []

    def ask(value: int) -> None:
        asked.append(value)
        counter.request_stop()

    guest = BareGuest(program, on_write=ask)
    counter = guest.count()
    pc = FLASH
    stops = 0
    while True:
        counter.next_event = NEVER
        guest.run(pc)
        if not counter.stopped_by_event:
            break
        stops += 1
        pc = guest.pc
    assert asked == list(range(20, 0, -1))
    assert stops == 20
    assert counts(counter) == counts(expected)


def test_time_is_readable_while_a_peripheral_is_accessed() -> None:
    seen: list[int] = []
    program = "movs r0, #0\nmovt r0, #0x4000\nstr r1, [r0]\nb 1f\n1: str r1, [r0]\nwfi"
    guest = BareGuest(program, on_write=lambda value: seen.append(counter.cycles))
    counter = guest.count()
    guest.run()
    assert 0 < seen[0] < seen[1] <= counter.cycles


PHASED = """
    bl mark_forward
    bl forward
    bl mark_update
    bl update
    bl mark_other
    wfi
    .balign 4
mark_forward: bx lr
    .balign 4
mark_update: bx lr
    .balign 4
mark_other: bx lr
    .balign 4
forward:
    movs r0, #100
1:  subs r0, #1
    bne 1b
    bx lr
    .balign 4
update:
    movs r0, #50
1:  vsqrt.f32 s0, s1
    subs r0, #1
    bne 1b
    bx lr
"""


def phased() -> tuple[BareGuest, BlockCounter]:
    guest = BareGuest(PHASED)
    at = guest.labels
    marks = {at["mark_forward"] | 1: 1, at["mark_update"] | 1: 3, at["mark_other"] | 1: 0}
    functions = [(at["forward"] | 1, 8, "forward"), (at["update"] | 1, 14, "update")]
    return guest, guest.count(marks=marks, functions=functions)


def test_phases_share_the_cycles_among_them() -> None:
    guest, counter = phased()
    guest.run()
    phases = counter.phase_counts()
    assert set(phases) == set(PHASES)
    assert sum(phase.cycles for phase in phases.values()) == counter.cycles
    assert sum(phase.instructions for phase in phases.values()) == counter.instructions
    assert phases["forward"].cycles == 300 + 4 * 2  # the function's loop; two calls and two returns
    assert phases["forward"].instructions == 1 + 1 + 1 + 200 + 1 + 1
    assert 50 * 14 <= phases["update"].cycles + 14 < 52 * 14  # nobody waits for the last root
    assert phases["backward"].cycles == 0


def test_functions_are_charged_for_themselves_in_training_phases() -> None:
    guest, counter = phased()
    guest.run()
    functions = counter.function_counts()
    assert functions["forward"].instructions == 202
    assert functions["update"].instructions == 152
    assert functions["forward"].cycles == 1 + 300 - 1 + 2
    trained = [counter.phase_counts()[name] for name in ("forward", "backward", "update")]
    assert sum(count.cycles for count in functions.values()) == sum(count.cycles for count in trained)


def test_counting_the_phases_twice_gives_the_same_counts() -> None:
    guest, counter = phased()
    guest.run()
    assert counter.phase_counts() == counter.phase_counts()
    assert counter.function_counts() == counter.function_counts()


def test_sleep_moves_the_clock_and_no_phase_pays() -> None:
    guest, counter = phased()
    guest.run()
    before = counter.phase_counts()
    cycles = counter.cycles
    counter.add_cycles(1_000_000)
    assert counter.cycles == cycles + 1_000_000
    assert counter.idle_cycles == 1_000_000
    assert counter.phase_counts() == before


def test_reset_makes_a_second_run_count_like_the_first() -> None:
    guest, counter = phased()
    guest.run()
    first = (counts(counter), counter.phase_counts(), counter.function_counts())
    counter.reset()
    assert counts(counter) == (0, 0, 0)
    guest.run()
    assert (counts(counter), counter.phase_counts(), counter.function_counts()) == first


def test_a_division_at_the_end_of_a_block_runs_beside_the_code_behind_it() -> None:
    def total(pause: int) -> int:
        guest = BareGuest("vdiv.f32 s0, s1, s2\nb 1f\n.balign 4\n1:\n" + "movs r0, #1\n" * pause + "vmov r1, s3\nwfi")
        counter = guest.count()
        guest.run()
        return counter.cycles

    assert total(0) == total(5) == total(11) == 14 + 1 + 1
    assert total(12) == total(11) + 1


def test_code_larger_than_the_cache_pays_for_its_lines_again_and_again() -> None:
    def per_turn(n_bytes: int) -> float:
        body = "add.w r0, r0, #1\n" * (n_bytes // 4)
        guest = BareGuest(f"movs r7, #8\n.balign 16\n1:\n{body}\nsubs r7, #1\nbne.w 1b\nwfi")
        counter = guest.count(memory="nrf52840")
        guest.run()
        return counter.memory_cycles / 8

    assert per_turn(1024) < 1.1 * 3 * 64 / 8  # the first turn only
    assert per_turn(4096) == pytest.approx(3 * 256, rel=0.05)


def test_a_cache_that_is_off_makes_every_line_wait() -> None:
    def memory_cycles(on: bool, memory: str = "nrf52840") -> int:
        body = "add.w r0, r0, #1\n" * 64
        guest = BareGuest(f"movs r7, #8\n.balign 16\n1:\n{body}\nsubs r7, #1\nbne.w 1b\nwfi")
        counter = guest.count(memory=memory)
        counter.instruction_cache = on
        guest.run()
        assert counter.instruction_cache is (on and memory == "nrf52840")
        return counter.memory_cycles

    assert memory_cycles(True) <= 18 * 3  # each line once
    assert memory_cycles(False) == pytest.approx(8 * 16 * 2, rel=0.1)
    assert memory_cycles(False) == memory_cycles(False, "nrf52840-uncached")


def test_where_code_lies_does_not_change_its_cost() -> None:
    def total(before: int) -> int:
        loads = "\n".join(f"ldr r{i % 4}, [sp, #{4 * (i % 8)}]" for i in range(64))
        guest = BareGuest(f"sub sp, #64\nb 1f\n.balign 1024\n.space {before}\n1:\n{loads}\nwfi")
        counter = guest.count()
        guest.run()
        return counter.cycles

    # Unicorn cuts blocks where its pages of 1024 bytes end; the core sees one run of 64 loads.
    assert {total(before) for before in (0, 896, 960, 1000, 1020)} == {total(128)}


def test_costs_come_from_disk_the_second_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRAINBED_CACHE", str(tmp_path))
    first = BareGuest(WORK)
    counter = first.count(memory="nrf52840")
    first.run()
    counter.save()

    def refuse(code: bytes, address: int) -> None:
        raise AssertionError("decoded a block that is cached")

    monkeypatch.setattr("trainbed.backends.timing.model.decode_block", refuse)
    second = BareGuest(WORK)
    again = second.count(memory="nrf52840")
    second.run()
    assert counts(again) == counts(counter)
    assert again.phase_counts() == counter.phase_counts()


def test_an_error_while_a_block_is_worked_out_reaches_the_caller(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRAINBED_CACHE", str(tmp_path))

    def refuse(code: bytes, address: int) -> None:
        raise RuntimeError("no such instruction")

    monkeypatch.setattr("trainbed.backends.timing.model.decode_block", refuse)
    guest = BareGuest(WORK)
    counter = guest.count()
    guest.run()
    with pytest.raises(RuntimeError, match="no such instruction"):
        counter.phase_counts()


def test_the_model_is_named_with_its_version() -> None:
    assert BlockCounter("cortex-m4").model_name.startswith("cortex-m4/")
    assert " + nrf52840-flash/" in BlockCounter("cortex-m4", memory="nrf52840").model_name


def test_an_unknown_core_or_phase_is_refused() -> None:
    with pytest.raises(InputError, match="z80"):
        BlockCounter("z80")
    with pytest.raises(ValueError, match="phase 9"):
        BlockCounter("cortex-m4", marks={0x1000: 9})


def test_a_host_without_a_compiler_is_told_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from trainbed.backends.hook_library import native_library

    monkeypatch.setenv("TRAINBED_CACHE", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CC", raising=False)
    native_library.cache_clear()
    try:
        with pytest.raises(MissingTool, match="apt-get install gcc"):
            BlockCounter("cortex-m4")
    finally:
        native_library.cache_clear()


def test_the_cache_and_the_decoder_need_no_disassembler_until_a_block_is_new() -> None:
    for module in (block_cache, thumb):
        assert not hasattr(module, "capstone")
