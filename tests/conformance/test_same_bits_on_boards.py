# SPDX-License-Identifier: Apache-2.0
"""Cortex-M7 and Cortex-M0+, the latter in software floating point, train to the bits of the NumPy twin."""

from __future__ import annotations

from pathlib import Path

import pytest
from conformance_cases import CASES, write_case

from trainbed.result import Verdict
from trainbed.run import run_scenario
from trainbed.scenario.loader import load_scenario

pytest.importorskip("unicorn", reason="the unicorn extra is not installed")

_BOARDS = ("teensy40", "stm32f746g_disco", "raspberry_pi_pico")
_QUICK = {
    ("teensy40", "conv_odd"), ("stm32f746g_disco", "separable"),
    ("raspberry_pi_pico", "residual"), ("raspberry_pi_pico", "single"),
}  # fmt: skip
_PAIRS = [
    pytest.param(board, name, marks=() if (board, name) in _QUICK else pytest.mark.slow)
    for board in _BOARDS
    for name in CASES
]


@pytest.mark.parametrize(("board", "name"), _PAIRS)
def test_a_board_ends_with_the_weights_of_the_twin(board: str, name: str, tmp_path: Path) -> None:
    path = write_case(name, tmp_path, expect="expect: {matches_reference: exact}\n")
    result = run_scenario(load_scenario(path), board=board)
    assert result.verdict is Verdict.PASSED, result.expectations
    assert result.cost.cost_class == "modelled"
    assert result.memory.stack_bytes is not None and result.memory.stack_bound_bytes is not None
    assert 0 < result.memory.stack_bytes <= result.memory.stack_bound_bytes


def test_the_virtual_board_runs_what_does_not_fit_the_part(tmp_path: Path) -> None:
    path = write_case("wide", tmp_path)
    stretched = ["data.train=400", "link.dataset=resident", "training.epochs=1"]
    result = run_scenario(load_scenario(path, stretched), board="stm32f746g_disco_16mb")
    assert result.memory.ram_bytes is not None and result.memory.ram_bytes > 320 * 1024
