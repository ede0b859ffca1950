# SPDX-License-Identifier: Apache-2.0
"""gdb on a scenario in Renode, through Renode's own gdb server."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from gdb_session import debug
from guests import on

from trainbed.run import run_scenario
from trainbed.scenario import load_scenario
from trainbed.scenario.scenario import Scenario

pytestmark = [pytest.mark.timeout(600), pytest.mark.parametrize("place", [on("renode", "arduino_nano_33_ble")])]


@pytest.fixture
def scenario(scenario_file: Callable[..., Path]) -> Scenario:
    return load_scenario(scenario_file(("epochs: 5", "epochs: 1")))


def test_a_session_that_looks_at_everything_trains_the_same_weights(scenario: Scenario, place: tuple[str, str]) -> None:
    found = debug(
        scenario,
        "info registers pc",
        "break dense_1_backward_weights",
        "continue",
        "backtrace",
        "stepi",
        "x/4xw &trn_parameters",
        "p/x $sp",
        "finish",
        "delete",
        "detach",
        backend=place[0],
    )
    assert found.has("<trn_reset>", "Breakpoint 1, dense_1_backward_weights (")
    assert found.has("#0 ", "dense_1_backward_weights (", "#1 ", "trn_model_train_sample (", "model.c:")
    assert found.has("in main () at firmware/app/main.c:", "<trn_parameters>:", "$1 = 0x2000")
    assert found.has("trn_model_train_sample (x=")
    assert found.error is None
    assert found.weights_sha256 == run_scenario(scenario, backend="unicorn").weights.sha256


def test_a_debugger_that_changes_memory_changes_the_weights(scenario: Scenario, place: tuple[str, str]) -> None:
    found = debug(
        scenario,
        "break dense_1_backward_weights",
        "continue",
        "set var trn_parameters[0] = 1000.0f",
        "delete",
        "detach",
        backend=place[0],
    )
    assert found.has("Breakpoint 1, dense_1_backward_weights (")
    assert found.weights_sha256 != run_scenario(scenario, backend="unicorn").weights.sha256
