# SPDX-License-Identifier: Apache-2.0
"""The fetch unit, the flash of the nRF52840, and the block costs kept on disk."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainbed.backends.timing import model_for
from trainbed.backends.timing.block_cache import BlockCostCache
from trainbed.backends.timing.fetch import CodeMemory, fetch_and_execute
from trainbed.backends.timing.model import SIXTEENTHS
from trainbed.backends.timing.thumb import Instruction, Kind, decode_block

ADDS = bytes.fromhex("0130")  # adds r0, #1
ADD_WIDE = bytes.fromhex("00f10100")  # add.w r0, r0, #1
LITERAL = bytes.fromhex("0148")  # ldr r0, [pc, #4]


def straight(n: int, size: int, address: int = 0x1000) -> tuple[Instruction, ...]:
    return tuple(Instruction(address + size * i, size, "add", Kind.ALU) for i in range(n))


@pytest.mark.parametrize("size", [2, 4])
@pytest.mark.parametrize("branched", [False, True])
def test_zero_wait_memory_keeps_up_with_one_instruction_a_cycle(size: int, branched: bool) -> None:
    block = straight(50, size)
    assert fetch_and_execute(block, [1] * 50, branched=branched) == 50


def test_narrow_code_hides_wait_states_that_wide_code_shows() -> None:
    slow = CodeMemory(line_bytes=16, line_wait=3)
    narrow = fetch_and_execute(straight(64, 2), [1] * 64, branched=True, memory=slow)
    wide = fetch_and_execute(straight(64, 4), [1] * 64, branched=True, memory=slow)
    assert narrow - 64 < 8  # eight lines of eight instructions: the buffer refills while they execute
    assert wide - 64 == 16 * 3  # sixteen lines of four: nothing is hidden


def test_multi_cycle_instructions_hide_wait_states() -> None:
    slow = CodeMemory(line_bytes=16, line_wait=3)
    quick = fetch_and_execute(straight(32, 4), [1] * 32, branched=True, memory=slow) - 32
    long = fetch_and_execute(straight(32, 4), [2] * 32, branched=True, memory=slow) - 64
    assert long < quick / 2


def test_code_that_stays_in_the_cache_costs_nothing_extra() -> None:
    cost = model_for("cortex-m4", "nrf52840").cost(ADDS * 8, 0x1000)
    assert (cost.memory.through, cost.memory.branched) == (0, 0)
    assert cost.memory.miss_branched > 0


def test_a_literal_in_flash_costs_its_wait_states() -> None:
    cost = model_for("cortex-m4", "nrf52840").cost(LITERAL, 0x1000)
    assert cost.memory.through == 3 * SIXTEENTHS


def test_without_a_cache_every_line_costs_wait_states() -> None:
    cost = model_for("cortex-m4", "nrf52840-uncached").cost(ADD_WIDE * 16, 0x1000)
    assert cost.memory.branched == 4 * 2 * SIXTEENTHS


def test_code_in_ram_runs_at_zero_wait_states() -> None:
    cost = model_for("cortex-m4", "nrf52840-uncached").cost(ADD_WIDE * 16, 0x2000_0000)
    assert cost.memory.branched == 0


@pytest.fixture
def cache_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TRAINBED_CACHE", str(tmp_path))
    return tmp_path


CODE = [(0x1000, ADDS * 40)]


def test_block_costs_come_back_from_disk_as_they_were(cache_folder: Path) -> None:
    model = model_for("cortex-m4", "nrf52840")
    first = BlockCostCache(model, CODE)
    costs = [first.cost(code, 0x1000) for code in (ADDS, LITERAL + ADDS, ADDS * 3, ADD_WIDE * 9)]
    first.save()
    second = BlockCostCache(model, CODE)
    assert sorted(cost.instructions for _, _, cost in second.known()) == [1, 2, 3, 9]
    assert {cost for _, _, cost in second.known()} == set(costs)


def test_other_code_or_another_model_does_not_meet_cached_costs(cache_folder: Path) -> None:
    first = BlockCostCache(model_for("cortex-m4"), CODE)
    first.cost(ADDS, 0x1000)
    first.save()
    assert BlockCostCache(model_for("cortex-m4"), [(0x1000, ADDS * 41)]).known() == []
    assert BlockCostCache(model_for("cortex-m4", "nrf52840"), CODE).known() == []


def test_a_damaged_cache_file_is_ignored(cache_folder: Path) -> None:
    first = BlockCostCache(model_for("cortex-m4"), CODE)
    first.cost(ADDS, 0x1000)
    first.save()
    (file,) = (cache_folder / "blocks").iterdir()
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    assert BlockCostCache(model_for("cortex-m4"), CODE).known() == []


def test_a_cache_that_cannot_be_written_costs_nothing_but_time(cache_folder: Path) -> None:
    cache = BlockCostCache(model_for("cortex-m4"), CODE)
    cache.cost(ADDS, 0x1000)
    (cache_folder / "blocks").rmdir()
    cache.save()
    assert len(cache.known()) == 1


def test_blocks_are_decoded_up_to_their_last_byte() -> None:
    assert [i.address for i in decode_block(ADDS + ADD_WIDE + ADDS, 0x1000)] == [0x1000, 0x1002, 0x1006]


@given(code=st.binary(min_size=2, max_size=60).filter(lambda code: len(code) % 2 == 0), before=st.binary(max_size=48))
def test_any_bytes_have_a_cost(code: bytes, before: bytes) -> None:
    cost = model_for("cortex-m4", "nrf52840").cost(code, 0x2_0000, before=before[: len(before) // 2 * 2])
    assert 0 < cost.instructions <= len(code) // 2
    assert min(cost.core.cycles, cost.core.taken, cost.core.target, cost.core.divider_busy) >= 0
    assert min(cost.memory.through, cost.memory.branched, cost.memory.miss_through, cost.memory.off_branched) >= 0
