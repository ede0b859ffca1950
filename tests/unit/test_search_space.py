# SPDX-License-Identifier: Apache-2.0
"""A search's file and its space: free values found, filled in, and refused at their lines."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from trainbed.errors import ScenarioError
from trainbed.scenario.loader import check_document
from trainbed.search.space import Choice
from trainbed.search.study import Search, load_search

FILE = """\
schema: 1
name: a search
scenario:
  schema: 1
  name: inside
  board: native
  network:
    input: [8, 8, 3]
    layers: [flatten]
  training: {loss: mse, optimizer: {sgd: {lr: 0.1}}, epochs: 1, batch_size: 4}
  data: {generate: lines}
space:
  network.layers:
    - optional:
        conv2d: {filters: {from: 2, to: 6, by: 2}, kernel: {any: [1, 3]}, activation: relu}
    - repeat:
        times: {any: [0, 2]}
        items:
          - conv2d: {filters: 4, kernel: 3, padding: same}
          - any: [max_pool, {avg_pool: {size: {any: [1, 2]}}}]
    - flatten
    - dense: {units: 1, activation: sigmoid}
  training.optimizer:
    any:
      - adam
      - sgd: {lr: {from: 0.001, to: 1, log: true}}
trials: 4
objectives:
  test.accuracy: {goal: max, worst: 0.5}
  model.parameters: {goal: min, worst: 1000}
"""
CONV = "network.layers.0.optional"
POOL = "network.layers.1.repeat.items.1"
RATE = "training.optimizer.any.1.sgd.lr"
Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes the search above, with pieces of its text replaced."""

    def write(*replaced: tuple[str, str]) -> Path:
        text = FILE
        for old, new in replaced:
            assert text.count(old) == 1, old
            text = text.replace(old, new)
        path = tmp_path / "search.yaml"
        path.write_text(text, encoding="utf-8")
        return path

    return write


def values(search: Search, **chosen: object) -> dict[str, object]:
    """The first alternative, or the lower end, of every dimension but the chosen ones (``a__b`` for ``a.b``)."""
    first = {name: 0 if isinstance(d, Choice) else d.low for name, d in search.space.dimensions.items()}
    return {**first, **{name.replace("__", "."): value for name, value in chosen.items()}}


def test_every_free_value_is_a_dimension_under_its_path(write: Write) -> None:
    assert list(load_search(write()).space.dimensions) == [
        CONV,
        f"{CONV}.conv2d.filters",
        f"{CONV}.conv2d.kernel",
        "network.layers.1.repeat.times",
        POOL,
        f"{POOL}.any.1.avg_pool.size",
        "training.optimizer",
        RATE,
    ]


def test_a_choice_of_values_makes_a_scenario(write: Write) -> None:
    search = load_search(write())
    small = search.space.fill(values(search))
    assert small.document.root["network"]["layers"] == ["flatten", {"dense": {"units": 1, "activation": "sigmoid"}}]
    assert small.document.root["training"]["optimizer"] == "adam"
    assert small.used == {CONV: False, "network.layers.1.repeat.times": 0, "training.optimizer": "adam"}
    chosen = {CONV: 1, f"{CONV}.conv2d.filters": 6, f"{CONV}.conv2d.kernel": 1, "training.optimizer": 1, RATE: 0.25}
    chosen |= {"network.layers.1.repeat.times": 1, POOL: 1, f"{POOL}.any.1.avg_pool.size": 0}
    large = search.space.fill({**values(search), **chosen})
    block = [{"conv2d": {"filters": 4, "kernel": 3, "padding": "same"}}, {"avg_pool": {"size": 1}}]
    assert large.document.root["network"]["layers"] == [
        {"conv2d": {"filters": 6, "kernel": 3, "activation": "relu"}},
        *block,
        *block,
        "flatten",
        {"dense": {"units": 1, "activation": "sigmoid"}},
    ]
    assert large.document.root["training"]["optimizer"] == {"sgd": {"lr": 0.25}}
    assert large.used[RATE] == 0.25
    assert large.used[POOL] == "avg_pool"
    assert check_document(large.document).network.layers[3].kernel == (3, 3)


def test_the_base_is_not_changed_by_filling(write: Write) -> None:
    search = load_search(write())
    search.space.fill(values(search, training__optimizer=1))
    assert search.base.root["network"]["layers"] == ["flatten"]
    assert search.base.root["training"]["optimizer"] == {"sgd": {"lr": 0.1}}


@pytest.mark.parametrize(
    ("old", "new", "line", "message"),
    [
        ("filters: {from", "filtres: {from", 15, "unknown key 'filtres'"),
        ("kernel: {any: [1, 3]}", "kernel: {any: [1, x]}", 15, "expected a whole number or [h, w], found the text 'x'"),
        ("{any: [0, 2]}", "{any: [0, 2], of: 3}", 17, "expected {any: [..]} with at least one value"),
        ("kernel: {any: [1, 3]}", "kernel: {any: []}", 15, "expected {any: [..]} with at least one value"),
        ("times: {any: [0, 2]}", "times: x", 17, "expected how many times, found the text 'x'"),
        ("        times: {any: [0, 2]}\n", "", 16, "expected repeat: {times: n, items: [..]}"),
        ("{from: 2, to: 6, by: 2}", "{from: 6, to: 2, by: 2}", 15, "from 6 must be smaller than to 2"),
        ("{from: 2, to: 6, by: 2}", "{from: 2, to: 6, steps: 2}", 15, "single values are {any: [..]}"),
        ("- adam\n", "- adma\n", 25, "adma"),
        ("training.optimizer:\n    any", "trainin.optimizer:\n    any", 23, "unknown key 'trainin'"),
        ("model.parameters", "model.parameter", 30, "'model.parameter' is no number of a result; did you mean"),
        ("goal: min, worst: 1000", "goal: min, worst: 0", 30, "best 0 must be below worst 0"),
        ("trials: 4", "trials: 0", 27, "must be at least 1, found 0"),
        ("name: a search", "nome: a search", 2, "unknown key 'nome'"),
    ],
)
def test_what_is_no_search_is_refused_at_its_line(write: Write, old: str, new: str, line: int, message: str) -> None:
    with pytest.raises(ScenarioError) as refused:
        load_search(write((old, new)))
    assert message in refused.value.reason
    assert refused.value.line == line


def test_a_space_without_a_free_value_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "search.yaml"
    head, tail = FILE.split("space:\n")
    path.write_text(head + "space:\n  training.epochs: 3\n" + tail[tail.index("trials") :], encoding="utf-8")
    with pytest.raises(ScenarioError, match="nothing is free here"):
        load_search(path)
