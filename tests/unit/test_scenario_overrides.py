# SPDX-License-Identifier: Apache-2.0
"""--set: dotted paths into the scenario, typed by the scenario's rules, blamed by name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from trainbed.errors import ScenarioError
from trainbed.network.training import Adam, Sgd
from trainbed.scenario import load_scenario

Write = Callable[..., Path]


def test_an_override_sets_a_value_by_the_scenario_s_rules(scenario_file: Write) -> None:
    scenario = load_scenario(
        scenario_file(),
        ["training.optimizer.adam.lr=1e-3", "training.epochs=1_000", "network.layers.2.dense.units=4", "name=yes"],
    )
    assert scenario.training.optimizer == Adam(lr=1e-3)
    assert scenario.training.epochs == 1000
    assert scenario.network.layers[2].units == 4
    assert scenario.name == "yes"


def test_an_override_may_be_a_whole_tree(scenario_file: Write) -> None:
    scenario = load_scenario(
        scenario_file(), ["training.optimizer={sgd: {lr: 0.5}}", "network.layers.0={conv2d: {filters: 2, kernel: 3}}"]
    )
    assert scenario.training.optimizer == Sgd(lr=0.5)
    assert scenario.network.layers[0].filters == 2


def test_an_override_makes_the_mappings_on_its_way(scenario_file: Write) -> None:
    scenario = load_scenario(
        scenario_file(("expect: {}", "expect:")), ["budget.cycles=1000", "expect.final_loss.max=0.5"]
    )
    assert scenario.budget.cycles == 1000
    assert scenario.expect.final_loss is not None
    assert scenario.expect.final_loss.max == 0.5


def test_the_last_override_of_a_key_stands(scenario_file: Write) -> None:
    assert load_scenario(scenario_file(), ["training.seed=3", "training.seed=4"]).training.seed == 4


def test_what_an_override_set_has_no_line(scenario_file: Write) -> None:
    scenario = load_scenario(scenario_file(), ["network.layers.1=global_avg_pool"])
    assert scenario.network.layers[1].line is None
    assert scenario.line_of("network.layers.2") == 9


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("training.epoch=3", "unknown key 'epoch' in training; did you mean 'epochs'?"),
        ("training.epochs=1.5", "training.epochs: expected a whole number, found 1.5"),
        ("training.optimizer={sgd: {lr: -1}}", "training.optimizer.sgd.lr: must be larger than 0, found -1"),
        ("training.precision=uint9", "training.precision: 'uint9' is not known"),
        ("network.layers.7.dense.units=4", "network.layers is a list of 3; expected an index 0..2, found '7'"),
        ("network.layers.x=flatten", "expected an index 0..2, found 'x'"),
        ("network.layers.1.flatten.name=f", "network.layers.1 is the text 'flatten', there is no 'flatten' in it"),
        ("training.epochs.x=4", "training.epochs is 5, there is no 'x' in it"),
        ("data.train=[", "the value cannot be read"),
        ("board=nano", "no board named 'nano'"),
        ("training.epochs", "expected a dotted path and a value"),
        ("training..epochs=3", "expected a dotted path and a value"),
        ("=3", "expected a dotted path and a value"),
    ],
)
def test_a_wrong_override_is_named(scenario_file: Write, override: str, message: str) -> None:
    with pytest.raises(ScenarioError) as caught:
        load_scenario(scenario_file(), [override])
    assert f"--set {override}: " in str(caught.value)
    assert message in str(caught.value)
