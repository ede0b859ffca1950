# SPDX-License-Identifier: Apache-2.0
"""Fused multiply-add: Cortex-M7, host process and NumPy twin train to the same bits, other ones than unfused."""

from __future__ import annotations

from pathlib import Path

import pytest
from conformance_cases import CASES, write_case

from trainbed.errors import InputError
from trainbed.result import Result, Verdict
from trainbed.run import run_scenario
from trainbed.scenario.loader import load_scenario

_EXACT = "expect: {matches_reference: exact}\n"
_QUICK = ("residual",)
_NAMES = [pytest.param(name, marks=() if name in _QUICK else pytest.mark.slow) for name in CASES]


def run(path: Path, *, board: str, fused: bool) -> Result:
    scenario = load_scenario(path, [f"training.fused={str(fused).lower()}"])
    return run_scenario(scenario, board=board)


@pytest.mark.parametrize("name", _NAMES)
def test_boards_host_and_twin_fuse_to_the_same_weights(name: str, tmp_path: Path) -> None:
    pytest.importorskip("unicorn", reason="the unicorn extra is not installed")
    path = write_case(name, tmp_path, expect=_EXACT)
    teensy = run(path, board="teensy40", fused=True)
    native = run(path, board="native", fused=True)
    for result in (teensy, native):
        assert result.verdict is Verdict.PASSED, result.expectations
    assert teensy.weights == native.weights


@pytest.mark.slow
def test_the_other_cortex_m7_fuses_to_the_same_weights(tmp_path: Path) -> None:
    pytest.importorskip("unicorn", reason="the unicorn extra is not installed")
    path = write_case("conv_odd", tmp_path, expect=_EXACT)
    result = run(path, board="stm32f746g_disco", fused=True)
    assert result.verdict is Verdict.PASSED, result.expectations


def test_fusing_changes_the_weights(tmp_path: Path) -> None:
    path = write_case("residual", tmp_path, expect=_EXACT)
    fused, unfused = (run(path, board="native", fused=choice) for choice in (True, False))
    assert fused.weights.sha256 != unfused.weights.sha256


@pytest.mark.parametrize(("board", "reason"), [
    ("arduino_nano_33_ble", "takes 3 cycles for it and 2 for a multiplication and an addition"),
    ("raspberry_pi_pico", "the cortex-m0plus of raspberry_pi_pico has none"),
])  # fmt: skip
def test_cores_that_gain_nothing_by_fusing_refuse_it(board: str, reason: str, tmp_path: Path) -> None:
    path = write_case("residual", tmp_path)
    with pytest.raises(InputError, match=reason) as refused:
        run(path, board=board, fused=True)
    assert "residual.yaml" in str(refused.value)
