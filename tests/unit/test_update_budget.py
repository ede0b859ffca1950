# SPDX-License-Identifier: Apache-2.0
"""Sparse updates within a budget: what is chosen fits, more bytes are worth more, nothing that fits is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from trainbed.errors import ScenarioError
from trainbed.network.precision import SparseUpdate
from trainbed.planner.int8.plan import Int8Plan
from trainbed.prepare import Prepared, prepare
from trainbed.reference.random import initial_weights
from trainbed.scenario.loader import load_scenario
from trainbed.update_scheme import contributions_of
from trainbed.weights import float32_arrays, named

SCENARIO = """\
schema: 1
name: within a budget
board: native
network:
  input: [8, 8, 3]
  layers:
    - conv2d: {filters: 8, kernel: 3, padding: same, activation: relu, name: a}
    - depthwise_conv2d: {kernel: 3, padding: same, activation: relu, name: b}
    - conv2d: {filters: 8, kernel: 1, activation: relu, name: c}
    - global_avg_pool
    - dense: {units: 3, activation: softmax, name: d}
training:
  {precision: int8_qas, loss: categorical_crossentropy, optimizer: {sgd: {lr: 0.05}}, epochs: 1, batch_size: 1}
data: {generate: lines, size: 8, train: 24, test: 6}
expect: {}
"""


def prepared(folder: Path, budget: int) -> Prepared:
    path = folder / "budget.yaml"
    path.write_text(f"{SCENARIO}update: {{budget_bytes: {budget}}}\n")
    return prepare(load_scenario(path))


def scheme_of(run: Prepared) -> SparseUpdate:
    update = run.plan.precision.update
    assert isinstance(update, SparseUpdate) and isinstance(run.plan, Int8Plan)
    return update


@pytest.mark.parametrize("budget", [1100, 1300, 2000, 5000])
def test_what_is_chosen_fits(budget: int, tmp_path: Path) -> None:
    run = prepared(tmp_path, budget)
    assert run.plan.parameters.ram_bytes + run.plan.training_bytes <= budget


def test_more_bytes_are_worth_more_and_enough_train_everything(tmp_path: Path) -> None:
    runs = [prepared(tmp_path, budget) for budget in (1100, 1300, 2000, 20_000)]
    weights = float32_arrays(named(runs[0].network, initial_weights(runs[0].network, 1)))
    worth = contributions_of(runs[0].scenario, runs[0].network, weights, runs[0].data)
    values = [worth.of(run.network, scheme_of(run)) for run in runs]
    assert values == sorted(values) and values[0] < values[-1]
    assert scheme_of(runs[-1]).weights == {"a": 1.0, "b": 1.0, "c": 1.0, "d": 1.0}


def test_a_budget_nothing_fits_is_refused_with_what_the_least_needs(tmp_path: Path) -> None:
    with pytest.raises(ScenarioError, match=r"yaml:16: no scheme fits 40 B: .* alone need \d+ B"):
        prepared(tmp_path, 40)
