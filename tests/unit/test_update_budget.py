# SPDX-License-Identifier: Apache-2.0
"""Sparse updates within a budget: what is chosen fits, more bytes are worth more, nothing that fits is refused."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest

from trainbed.errors import ScenarioError
from trainbed.network.precision import SparseUpdate
from trainbed.planner.int8.budget import ratios_of
from trainbed.planner.int8.plan import Int8Plan, make_int8_plan
from trainbed.prepare import Prepared, build_firmware, prepare
from trainbed.reference.random import initial_weights
from trainbed.scenario.loader import load_scenario
from trainbed.update_scheme import PlannedNeeds, contributions_of
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


IMAGE_NETWORK = """\
schema: 1
name: an image network within a budget
board: stm32f746g_disco
network:
NETWORK
training:
  precision: int8_qas
  head: float32
  loss: categorical_crossentropy
  optimizer: {sgd: {lr: 0.01}}
  epochs: 1
  batch_size: 1
quantisation: {calibration_samples: 8}
data: {generate: lines, size: SIZE, train: 8, test: 3}
link: {dataset: stream}
update: {budget_bytes: BUDGET}
expect: {}
"""
SMALL = "  inverted_residuals: {input: [16, 16, 3], classes: 3, stem: 8, blocks: [[4, 16, 3, 2]], last: 32}"
MOBILENET_V2 = "  mobilenet_v2: {input: [128, 128, 3], width: 0.35, classes: 3}"


def image_network(folder: Path, network: str, size: int, budget: int) -> Prepared:
    text = IMAGE_NETWORK.replace("NETWORK", network).replace("SIZE", str(size)).replace("BUDGET", str(budget))
    path = folder / "image.yaml"
    path.write_text(text)
    return prepare(load_scenario(path))


@pytest.mark.parametrize("budget", [7_000, 10_000])
def test_few_plans_find_what_an_image_network_can_train(
    budget: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    planned: list[object] = []

    def plan(*args: Any, **keys: Any) -> Int8Plan:
        planned.append(keys["precision"])
        return make_int8_plan(*args, **keys)

    monkeypatch.setattr("trainbed.update_scheme.make_int8_plan", plan)
    run = image_network(tmp_path, SMALL, 16, budget)
    assert run.plan.parameters.ram_bytes + run.plan.training_bytes <= budget
    assert scheme_of(run).weights
    assert len(planned) <= 40  # 12 layers: as many numbers of biases, for each 42 shares of weights


@pytest.mark.parametrize("seed", range(3))
def test_what_is_said_without_a_plan_is_near_what_a_plan_needs(seed: int, tmp_path: Path) -> None:
    run = image_network(tmp_path, SMALL, 16, 10_000)
    assert isinstance(run.plan, Int8Plan)
    needs = PlannedNeeds(run.scenario, run.network, run.data, receive_bytes=run.plan.receive_bytes)
    rng, names = random.Random(seed), [layer.name for layer in run.network.parametric]
    for _ in range(8):
        chosen = rng.sample(names, rng.randint(0, 4))
        weights = {name: rng.choice(ratios_of(run.network.layer(name))) for name in chosen}
        scheme = SparseUpdate(rng.randint(1, len(names)), weights)
        assert 0.95 <= needs.about(scheme) / needs.exactly(scheme) <= 1.25
    alone = SparseUpdate(3)
    assert needs.about(alone) == needs.exactly(alone)


@pytest.mark.slow
def test_mobilenet_v2_is_given_a_scheme_within_141_kilobytes(tmp_path: Path) -> None:
    run = image_network(tmp_path, MOBILENET_V2, 128, 141_000)
    assert scheme_of(run).weights
    memory = build_firmware(run).memory
    assert run.plan.parameters.ram_bytes + run.plan.training_bytes <= 141_000
    assert memory.ram <= 141 * 1024
