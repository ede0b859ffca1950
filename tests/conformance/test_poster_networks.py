# SPDX-License-Identifier: Apache-2.0
"""The DepthConv poster's two networks, trained for all of their 250 epochs."""

from __future__ import annotations

import pytest

from trainbed.assets import asset_path
from trainbed.result import Verdict
from trainbed.run import run_scenario
from trainbed.scenario.loader import load_scenario


@pytest.mark.slow
@pytest.mark.parametrize("name", ["depthconv", "conv2d"])
def test_250_epochs_on_board_host_and_twin_end_with_the_same_bits(name: str) -> None:
    path = asset_path("scenarios") / f"{name}.yaml"
    runs = [run_scenario(load_scenario(path)) for _ in range(3)]
    assert len({run.deterministic_json() for run in runs}) == 1
    assert runs[0].verdict is Verdict.PASSED, runs[0].expectations
    assert len(runs[0].training.loss) == 250
    native = run_scenario(load_scenario(path, ["board=native", "expect={matches_reference: exact}"]), sanitize=True)
    assert native.verdict is Verdict.PASSED
    assert native.weights == runs[0].weights
    assert native.training == runs[0].training
