# SPDX-License-Identifier: Apache-2.0
"""The emulated Cortex-M4F, the host process and the NumPy twin train to the same bits."""

from __future__ import annotations

from pathlib import Path

import pytest
from conformance_cases import CASES, write_case

from trainbed.result import Result, Verdict
from trainbed.run import run_scenario
from trainbed.scenario.loader import load_scenario

_EXACT = "expect: {matches_reference: exact}\n"


def run(path: Path, *, board: str, sanitize: bool = False) -> Result:
    return run_scenario(load_scenario(path), board=board, sanitize=sanitize)


@pytest.mark.parametrize("name", CASES)
def test_board_host_and_twin_end_with_the_same_weights(name: str, tmp_path: Path) -> None:
    path = write_case(name, tmp_path, expect=_EXACT)
    emulated = run(path, board="arduino_nano_33_ble")
    native = run(path, board="native", sanitize=True)
    for result in (emulated, native):
        assert result.verdict is Verdict.PASSED, result.expectations
    assert emulated.weights == native.weights
    assert emulated.training == native.training
    assert emulated.test == native.test


def test_three_runs_are_byte_equal_without_their_host_section(tmp_path: Path) -> None:
    path = write_case("separable", tmp_path, expect=_EXACT)
    texts = {run(path, board="arduino_nano_33_ble").deterministic_json() for _ in range(3)}
    assert len(texts) == 1


def test_another_seed_gives_other_weights(tmp_path: Path) -> None:
    path = write_case("residual", tmp_path, expect=_EXACT)
    one = run(path, board="arduino_nano_33_ble")
    other = run_scenario(load_scenario(path, ["training.seed=6"]))
    assert one.weights.sha256 != other.weights.sha256


def test_streamed_and_resident_data_train_to_the_same_weights(tmp_path: Path) -> None:
    path = write_case("residual", tmp_path, expect=_EXACT)
    resident = run_scenario(load_scenario(path, ["link.dataset=resident"]))
    streamed = run_scenario(load_scenario(path, ["link.dataset=stream"]))
    assert resident.weights == streamed.weights
    assert resident.training.loss == streamed.training.loss


def test_a_flash_budget_shares_code_and_keeps_the_bits(tmp_path: Path) -> None:
    path = write_case("residual", tmp_path, expect=_EXACT)
    free = run_scenario(load_scenario(path))
    assert free.memory.flash_bytes is not None
    tight = run_scenario(
        load_scenario(path, [f"build.flash_budget_bytes={free.memory.flash_bytes - 1}", "build.optimize=Os"])
    )
    assert tight.memory.flash_bytes is not None and tight.memory.flash_bytes < free.memory.flash_bytes
    assert tight.weights == free.weights
