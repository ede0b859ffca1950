# SPDX-License-Identifier: Apache-2.0
"""A sweep's file: axes and their combinations, what is refused and at which line, keys of runs."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from trainbed.errors import InputError, ScenarioError
from trainbed.scenario.document import parse_document
from trainbed.sweep.job import run_key
from trainbed.sweep.loader import Sweep, load_sweep

HEAD = """\
schema: 1
name: a sweep
scenario: tiny
set: {board: native, backend: native}
"""
Write = Callable[[str], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes a sweep's file: the head above, then what is given."""

    def write(text: str, *, head: str = HEAD) -> Path:
        path = tmp_path / "sweep.yaml"
        path.write_text(head + text, encoding="utf-8")
        return path

    return write


def values(sweep: Sweep, path: str) -> list[object]:
    """Values of one axis, run by run."""
    return [job.axes[path] for job in sweep.jobs]


def axis(write: Write, text: str) -> list[object]:
    """Values of an axis of learning rates."""
    return values(load_sweep(write(f"axes:\n  training.optimizer.sgd.lr: {text}\n")), "training.optimizer.sgd.lr")


def test_a_grid_has_every_combination_and_the_last_axis_changes_fastest(write: Write) -> None:
    sweep = load_sweep(write("axes:\n  training.batch_size: [7, 14]\n  training.epochs: [1, 2, 3]\n"))
    assert [(job.axes["training.batch_size"], job.axes["training.epochs"]) for job in sweep.jobs] == [
        (7, 1), (7, 2), (7, 3), (14, 1), (14, 2), (14, 3),
    ]  # fmt: skip
    assert [job.index for job in sweep.jobs] == list(range(6))
    assert [job.document.root["training"]["epochs"] for job in sweep.jobs] == [1, 2, 3, 1, 2, 3]
    assert all(job.document.root["board"] == "native" for job in sweep.jobs)
    assert len({job.key for job in sweep.jobs}) == 6


def test_ranges_are_spelt_out(write: Write) -> None:
    assert axis(write, "{from: 0.1, to: 0.3, by: 0.1}") == [0.1, 0.2, 0.3]
    assert axis(write, "{from: 0.0001, to: 1, steps: 5, log: true}") == [0.0001, 0.001, 0.01, 0.1, 1.0]
    assert axis(write, "{from: 0.5, to: 1.0, steps: 3}") == [0.5, 0.75, 1.0]
    assert axis(write, "{from: 1, to: 4}") == [1, 2, 3, 4]
    assert axis(write, "{from: 4, to: 64, steps: 5, log: true}") == [4, 8, 16, 32, 64]
    assert all(type(value) is int for value in axis(write, "{from: 1, to: 9, by: 4}"))


def test_two_keys_change_together(write: Write) -> None:
    text = "axes:\n  training.batch_size, training.epochs: [[7, 1], [14, 2]]\n"
    sweep = load_sweep(write(text))
    assert [dict(job.axes) for job in sweep.jobs] == [
        {"training.batch_size": 7, "training.epochs": 1},
        {"training.batch_size": 14, "training.epochs": 2},
    ]
    assert sweep.paths == ("training.batch_size", "training.epochs")


def test_repeating_counts_the_scenarios_seed_up(write: Write) -> None:
    head = HEAD.replace("native}", "native, training.seed: 7}")
    sweep = load_sweep(write("axes:\n  training.epochs: [1, 2]\nrepeat: 3\n", head=head))
    assert values(sweep, "training.seed") == [7, 8, 9, 7, 8, 9]
    assert values(sweep, "training.epochs") == [1, 1, 1, 2, 2, 2]
    assert [job.document.root["training"]["seed"] for job in sweep.jobs] == [7, 8, 9, 7, 8, 9]


def test_excluded_combinations_are_left_out(write: Write) -> None:
    text = "axes:\n  training.batch_size: [7, 14]\n  training.epochs: [1, 2, 3]\n"
    sweep = load_sweep(write(text + "exclude:\n  - {training.batch_size: 7, training.epochs: [1, 3]}\n"))
    assert [tuple(job.axes.values()) for job in sweep.jobs] == [(7, 2), (14, 1), (14, 2), (14, 3)]


def test_random_draws_are_seeded_distinct_and_inside_the_range(write: Write) -> None:
    text = (
        "axes:\n  training.optimizer.sgd.lr: {from: 0.001, to: 1.0, log: true}\n  training.batch_size: [7, 14]\n"
        "  training.epochs: {from: 1, to: 3}\nmethod: {random: {count: 40, seed: SEED}}\n"
    )
    first, again, other = (load_sweep(write(text.replace("SEED", seed))) for seed in ("5", "5", "6"))
    assert [job.key for job in first.jobs] == [job.key for job in again.jobs]
    assert {job.key for job in first.jobs}.isdisjoint(job.key for job in other.jobs)
    rates = np.array(values(first, "training.optimizer.sgd.lr"), float)
    assert len(set(rates)) == 40
    assert rates.min() >= 0.001
    assert rates.max() <= 1.0
    assert 10 <= (rates < 0.0316).sum() <= 30  # half of a logarithmic range lies below its geometric mean
    assert set(values(first, "training.epochs")) == {1, 2, 3}


def test_a_whole_scenario_may_stand_in_the_file(write: Write) -> None:
    inline = """\
schema: 1
name: inline
scenario:
  schema: 1
  name: inside
  board: native
  network:
    input: [2]
    layers:
      - dense: {units: 1, activation: sigmoid}
  training: {loss: mse, optimizer: {sgd: {lr: 0.1}}, epochs: 1, batch_size: 7}
  data: {generate: sensor}
axes:
  training.epochs: [1, 2]
"""
    assert len(load_sweep(write("", head=inline)).jobs) == 2
    with pytest.raises(InputError, match=r"sweep\.yaml:10: .*network\.layers\.0.*sigmoit"):
        load_sweep(write("", head=inline.replace("sigmoid", "sigmoit")))


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("axes: {}\n", 5, "axes"),
        ("axes:\n  training.epochs: []\n", 6, "expected at least one value, found a list of 0"),
        ("axes:\n  training.epochs: 3\n", 6, "expected a list of values or {from: a, to: b}, found 3"),
        ("axes:\n  training.epochs: [1, 2, 1]\n", 6, "1 stands twice in 'training.epochs'"),
        ("axes:\n  training.epochs: {from: 3, to: 1}\n", 6, "from 3 must be smaller than to 1"),
        ("axes:\n  training.epochs: {from: 1, to: 3, step: 1}\n", 6, "unknown key 'step'"),
        ("axes:\n  training.epochs: {from: 1, to: 3, steps: 9}\n", 6, "9 whole numbers do not fit between 1 and 3"),
        ("axes:\n  training.optimizer.sgd.lr: {from: 0.1, to: 1.0}\n", 6, "say how many values: steps: n"),
        ("axes:\n  training.optimizer.sgd.lr: {from: 0, to: 1.0, log: true, steps: 2}\n", 6, "starts above 0"),
        (
            "axes:\n  training.epochs, training.seed: [[1, 2], 3]\n",
            6,
            "expected a list of 2, one for each path, found 3",
        ),
        ("axes:\n  training..epochs: [1]\n", 6, "'training..epochs' is no dotted path"),
        ("axes:\n  training.epochs: [1]\n  training: [{}]\n", 7, "'training' would undo 'training.epochs'"),
        ("axes:\n  training.seed: [1]\nrepeat: 2\n", 7, "'repeat' counts training.seed up, which is an axis already"),
        ("axes:\n  training.epochs: [1]\nexclude:\n  - {training.epoch: 1}\n", 8, "did you mean 'training.epochs'?"),
        ("axes:\n  training.epochs: [1]\nexclude:\n  - {training.epochs: 2}\n", 8, "'training.epochs' never is 2"),
        ("axes:\n  training.epochs: [1]\nexclude:\n  - {training.epochs: 1}\n", 7, "every combination is excluded"),
        ("axes:\n  training.epochs: [1, 2]\nmethod: {random: {count: 3}}\n", 7, "3 different combinations were asked"),
        ("axes:\n  training.epochs: [1]\nmethod: {randm: {count: 3}}\n", 7, "unknown key 'randm'"),
        ("axes:\n  training.epochs: [1]\nworkers: 3\n", 7, "unknown key 'workers'"),
    ],
)
def test_what_is_no_sweep_is_refused_at_its_line(write: Write, text: str, line: int, message: str) -> None:
    with pytest.raises(ScenarioError) as refused:
        load_sweep(write(text))
    assert refused.value.line == line
    assert message in refused.value.reason


def test_every_combination_that_is_no_scenario_is_refused_with_line_and_combination(write: Write) -> None:
    text = "axes:\n  training.epochs:\n    - 1\n    - -1\n  training.batch_size: [7, -1]\n"
    with pytest.raises(InputError) as refused:
        load_sweep(write(text))
    told = str(refused.value)
    assert told.startswith("3 of 4 runs cannot be; correct the axes or exclude them\n")
    assert "sweep.yaml:8: training.epochs: must be at least 0, found -1" in told
    assert "sweep.yaml:9: training.batch_size: must be at least 1, found -1" in told
    assert '{"training.batch_size":-1,"training.epochs":1}' in told


def test_a_misspelt_path_is_refused_at_its_line(write: Write) -> None:
    with pytest.raises(InputError, match=r"sweep\.yaml:6: unknown key 'trainin'; did you mean 'training'\?"):
        load_sweep(write("axes:\n  trainin.epochs: [1]\n"))
    with pytest.raises(ScenarioError, match=r"sweep\.yaml:6: .*network\.layers is a list of 2"):
        load_sweep(write("axes:\n  network.layers.5.dense.units: [1]\n"))


def test_what_only_the_whole_can_tell_is_refused_before_a_run_too(write: Write) -> None:
    with pytest.raises(InputError, match=r"sweep\.yaml:6: backend 'unicorn' does not run this board"):
        load_sweep(write("axes:\n  backend: [native, unicorn]\n"))
    with pytest.raises(InputError, match=r"1 of 2 runs cannot be.*\n.*sweep\.yaml:6: .*no such file"):
        load_sweep(write("axes:\n  data: [{generate: sensor}, {npz: absent.npz}]\n"))
    with pytest.raises(InputError, match=r"1 of 2 runs cannot be(.|\n)*window does not fit"):
        load_sweep(write("axes:\n  network.layers.0: [{dense: {units: 4}}, {conv2d: {filters: 1, kernel: 3}}]\n"))


def test_a_missing_scenario_is_refused_at_its_line(write: Write) -> None:
    with pytest.raises(ScenarioError, match=r"sweep\.yaml:3: scenario 'tini': .*did you mean 'tiny'\?"):
        load_sweep(write("axes:\n  training.epochs: [1]\n", head=HEAD.replace("tiny", "tini")))


def test_equal_runs_have_equal_keys_and_a_changed_data_file_another(tmp_path: Path) -> None:
    file = tmp_path / "s.yaml"
    one = parse_document(b"{data: {npz: d.npz}, training: {seed: 1}}", file=file)
    other = parse_document(b"training:\n  seed: 1\ndata:\n  npz: d.npz\n", file=file)
    (tmp_path / "d.npz").write_bytes(b"first")
    before = run_key(one)
    assert run_key(other) == before
    (tmp_path / "d.npz").write_bytes(b"other")
    os.utime(tmp_path / "d.npz", ns=(1, 1))
    assert run_key(one) != before
    assert run_key(parse_document(b"{data: {npz: d.npz}, training: {seed: 1.0}}", file=file)) != run_key(one)
