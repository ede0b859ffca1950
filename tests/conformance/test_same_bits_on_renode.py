# SPDX-License-Identifier: Apache-2.0
"""Renode's boards train to the twin's bits; on the Nano 33 BLE it runs the very ELF that Unicorn runs."""

from __future__ import annotations

from pathlib import Path

import pytest
from conformance_cases import CASES, write_case

from trainbed.assets import asset_path
from trainbed.backends.registry import availability
from trainbed.boards import board_names, load_board
from trainbed.result import Verdict
from trainbed.run import run_scenario
from trainbed.scenario.loader import load_scenario

_FOUND = availability("renode")
pytestmark = pytest.mark.skipif(not _FOUND.usable, reason=f"{_FOUND.reason}; install it with: {_FOUND.install}")

_NANO = "arduino_nano_33_ble"
_BOARDS = [name for name in board_names() if "renode" in load_board(name).backends]
_PLACES = [
    pytest.param(board, name, marks=() if board == _NANO and name in ("residual", "single") else pytest.mark.slow)
    for board in _BOARDS
    for name in CASES
]


@pytest.mark.parametrize(("board", "name"), _PLACES)
def test_a_board_on_renode_ends_with_the_weights_of_the_twin(board: str, name: str, tmp_path: Path) -> None:
    path = write_case(name, tmp_path, expect="expect: {matches_reference: exact}\n")
    result = run_scenario(load_scenario(path), board=board, backend="renode")
    assert result.verdict is Verdict.PASSED, result.expectations
    assert result.cost.cost_class == "instructions"
    assert result.memory.stack_bytes is not None and result.memory.stack_bound_bytes is not None
    assert 0 < result.memory.stack_bytes <= result.memory.stack_bound_bytes


@pytest.mark.parametrize(
    ("scenario", "board"),
    [
        *(("tiny", name) for name in _BOARDS if "unicorn" in load_board(name).backends),
        pytest.param("depthconv", _NANO, marks=[pytest.mark.slow, pytest.mark.timeout(900)]),
    ],
)
def test_one_elf_on_unicorn_and_renode_trains_the_same_weights_in_as_many_instructions(
    scenario: str, board: str
) -> None:
    loaded = load_scenario(asset_path("scenarios") / f"{scenario}.yaml", ["expect={}"])
    theirs, ours = (run_scenario(loaded, board=board, backend=backend) for backend in ("unicorn", "renode"))
    assert ours.firmware.sha256 == theirs.firmware.sha256
    assert ours.weights.sha256 == theirs.weights.sha256
    assert ours.training == theirs.training
    assert ours.test == theirs.test
    assert ours.cost.instructions_per_sample == theirs.cost.instructions_per_sample
    assert ours.memory == theirs.memory
