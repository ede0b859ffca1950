# SPDX-License-Identifier: Apache-2.0
"""In the 8-bit precisions boards of every core, the host process and the NumPy twin train to the same bits."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from int8_cases import CASES, write_int8_case

from trainbed.result import Result, Verdict
from trainbed.run import run_scenario
from trainbed.scenario.loader import load_scenario
from trainbed.session import Session

_NAMES = [name if case.quick else pytest.param(name, marks=pytest.mark.slow) for name, case in CASES.items()]
_OTHERS = [pytest.param(board, marks=pytest.mark.slow) for board in ("teensy40", "raspberry_pi_pico")]


def run(path: Path, *, board: str, sanitize: bool = False) -> Result:
    result = run_scenario(load_scenario(path), board=board, sanitize=sanitize)
    assert result.verdict is Verdict.PASSED, result.expectations
    return result


@pytest.mark.parametrize("name", _NAMES)
def test_the_board_ends_with_the_weights_of_the_twin(name: str, tmp_path: Path) -> None:
    run(write_int8_case(name, tmp_path), board="arduino_nano_33_ble")


@pytest.mark.parametrize("board", _OTHERS)
@pytest.mark.parametrize("name", list(CASES))
def test_other_cores_end_with_the_weights_of_the_twin(name: str, board: str, tmp_path: Path) -> None:
    run(write_int8_case(name, tmp_path), board=board)


@pytest.mark.parametrize(
    "name", [name if name == "uint8" else pytest.param(name, marks=pytest.mark.slow) for name in CASES]
)
def test_no_kernel_leaves_its_memory_on_the_host(name: str, tmp_path: Path) -> None:
    run(write_int8_case(name, tmp_path), board="native", sanitize=True)


@pytest.mark.slow
def test_a_build_for_a_debugger_ends_with_the_weights_of_the_twin(tmp_path: Path) -> None:
    scenario = load_scenario(write_int8_case("uint8", tmp_path), ["build.optimize=Og"])
    result = run_scenario(scenario, board="arduino_nano_33_ble")
    assert result.verdict is Verdict.PASSED, result.expectations


def test_weights_are_kept_as_codes_with_their_scales(tmp_path: Path) -> None:
    path = write_int8_case("uint8", tmp_path)
    run_scenario(load_scenario(path), board="native", out=tmp_path / "out")
    with np.load(tmp_path / "out" / "weights.npz") as arrays:
        assert arrays["stem.weights"].dtype == np.int8 and arrays["stem.weights"].shape == (5, 3, 2, 3)
        assert arrays["stem.bias"].dtype == np.int32
        assert arrays["stem.scale"].dtype == np.float32 and arrays["stem.scale"] > 0
        assert arrays["stem.range"][0] == 0 < arrays["stem.range"][1]


def test_evaluation_of_frozen_codes_equals_evaluation_before_training(tmp_path: Path) -> None:
    path = write_int8_case("uint8", tmp_path)
    with Session(load_scenario(path, ["board=native"])) as session:
        before = session.evaluate()
    frozen = run_scenario(load_scenario(path, ["board=native", "training.epochs=0", "expect={}"]))
    assert (frozen.test.loss, frozen.test.accuracy) == (before.loss, before.accuracy)


def test_dynamic_updates_leave_a_diary_and_a_picture(tmp_path: Path) -> None:
    path = write_int8_case("uint8_dynamic", tmp_path)
    result = run_scenario(load_scenario(path, ["board=native"]), out=tmp_path / "out")
    share = result.training.update_share
    assert share is not None and len(share) == 2 and all(0.1 < part < 0.8 for part in share)
    with np.load(tmp_path / "out" / "updates.npz") as arrays:
        assert arrays["share"].tolist() == list(share)
        assert arrays["stem.norms"].shape == (2, 5) and arrays["stem.norms"].min() >= 0
        assert arrays["stem.kept"].max() <= 1
        assert "dense_2.norms" not in arrays  # the head is exempt
    picture = (tmp_path / "out" / "updates.svg").read_text()
    assert picture.startswith("<svg") and picture.count("<title>stem ") == 10
