# SPDX-License-Identifier: Apache-2.0
"""The course of a search: seeded, the same in any order of finishing, within its limits. Runs are stood in for by the
plan's own figures, so that many fit into a second; tests/emulated/test_search_runs.py trains.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from trainbed.errors import InputError, ScenarioError
from trainbed.prepare import prepare
from trainbed.scenario.loader import check_document
from trainbed.search.candidate import AGAIN, CHOSEN, IMPOSSIBLE, PASSED_OVER, TOO_LARGE
from trainbed.search.command import best_of
from trainbed.search.study import Search, load_search
from trainbed.sweep.job import Job, Outcome

pytest.importorskip("optuna")

FILE = """\
schema: 1
name: a search
scenario:
  schema: 1
  name: inside
  board: native
  network: {input: [8, 8, 1], layers: [flatten]}
  training: {loss: mse, optimizer: {sgd: {lr: 0.1}}, epochs: 1, batch_size: 4}
  data: {generate: lines, channels: 1, train: 12, test: 6}
space:
  network.layers:
    - optional: {conv2d: {filters: {from: 1, to: 16}, kernel: {any: [3, 5, 9]}, activation: relu}}
    - dense: {units: {from: 1, to: 40}, activation: relu}
    - dense: {units: 1}
sampler: SAMPLER
trials: 24
batch: 8
seed: SEED
objectives:
  test.accuracy: {goal: max, worst: 0}
  model.parameters: {goal: min, worst: 4000}
limits: {model.parameters: {max: 3000}}
proxy: {candidates: 2}
"""


def load(folder: Path, sampler: str = "nsga2", seed: int = 1, **replaced: str) -> Search:
    """The search above."""
    text = FILE.replace("SAMPLER", sampler).replace("SEED", str(seed))
    for old, new in replaced.items():
        assert old in text
        text = text.replace(old, new)
    path = folder / "search.yaml"
    path.write_text(text, encoding="utf-8")
    return load_search(path)


class Trained:
    """Outcomes of runs that were not made: accuracy grows with the logarithm of the parameters. Counts the jobs."""

    def __init__(self, shuffled: int | None = None) -> None:
        self.jobs: list[Job] = []
        self._shuffled = shuffled

    def __call__(self, jobs: Sequence[Job]) -> Mapping[str, Outcome]:
        order = list(jobs)
        if self._shuffled is not None:
            random.Random(self._shuffled).shuffle(order)
        self.jobs += order
        return {job.key: self._outcome(job) for job in order}

    def _outcome(self, job: Job) -> Outcome:
        n = prepare(check_document(job.document)).network.n_parameters
        result: dict[str, Any] = {"test": {"accuracy": min(n, 1500) / 1500}, "model": {"parameters": n}}
        return Outcome("passed", 0, result=result)


@pytest.mark.parametrize("sampler", ["nsga2", "tpe"])
def test_a_search_is_the_same_whatever_the_order_runs_finish_in(tmp_path: Path, sampler: str) -> None:
    one, other = load(tmp_path, sampler), load(tmp_path, sampler)
    one.run(Trained())
    other.run(Trained(shuffled=3))
    assert [candidate.key for candidate in one.candidates] == [candidate.key for candidate in other.candidates]
    assert [trial.values for trial in one.trials] == [trial.values for trial in other.trials]
    assert [trial.job.index for trial in one.trials] == list(range(24))


def test_another_seed_is_another_search(tmp_path: Path) -> None:
    one, other = load(tmp_path, seed=1), load(tmp_path, seed=2)
    one.run(Trained())
    other.run(Trained())
    assert [candidate.key for candidate in one.candidates] != [candidate.key for candidate in other.candidates]


def test_only_networks_within_the_limits_are_trained_and_none_twice(tmp_path: Path) -> None:
    search, trained = load(tmp_path), Trained()
    search.run(trained)
    keys = [job.key for job in trained.jobs]
    assert len(keys) == 24
    assert len(set(keys)) == 24
    fates: dict[str, list[Any]] = {}
    for candidate in search.candidates:
        fates.setdefault(candidate.fate, []).append(candidate)
    assert set(fates) == {CHOSEN, AGAIN, TOO_LARGE, IMPOSSIBLE, PASSED_OVER}
    assert all(candidate.estimates["model.parameters"] <= 3000 for candidate in fates[CHOSEN] + fates[PASSED_OVER])
    assert all(candidate.estimates["model.parameters"] > 3000 for candidate in fates[TOO_LARGE])
    assert fates[TOO_LARGE][0].reason.endswith("at most 3000 allowed")
    assert "9x9 window does not fit" in fates[IMPOSSIBLE][0].reason
    assert {candidate.key for candidate in fates[CHOSEN]} == set(keys)


@pytest.mark.parametrize("sampler", ["nsga2", "tpe"])
def test_what_is_told_decides_what_is_asked_for_next(tmp_path: Path, sampler: str) -> None:
    class Upside(Trained):
        def _outcome(self, job: Job) -> Outcome:
            result = super()._outcome(job).result
            assert result is not None
            return Outcome("passed", 0, result={**result, "test": {"accuracy": 1 - result["test"]["accuracy"]}})

    one, other = load(tmp_path, sampler), load(tmp_path, sampler)
    one.run(Trained())
    other.run(Upside())
    first = 16  # candidates of the first batch: nothing has been told yet
    assert [c.key for c in one.candidates[:first]] == [c.key for c in other.candidates[:first]]
    assert [c.key for c in one.candidates[first:]] != [c.key for c in other.candidates[first:]]


def test_the_front_holds_what_no_other_dominates_within_the_limits(tmp_path: Path) -> None:
    search = load(tmp_path)
    search.run(Trained())
    best = best_of(search.trials)
    assert best
    for trial in best:
        assert trial.values is not None
        accuracy, parameters = trial.values
        for other in search.trials:
            assert other.values is not None
            assert not (other.values[0] > accuracy and other.values[1] <= parameters)


def test_a_space_with_nothing_in_reach_is_given_up_with_the_reason(tmp_path: Path) -> None:
    search = load(tmp_path, **{"max: 3000": "max: 3"})
    with pytest.raises(InputError, match=r"0 of 24 networks were found: .*model\.parameters is at least .*at most 3"):
        search.run(Trained())


def test_a_run_without_a_result_is_told_and_not_on_the_front(tmp_path: Path) -> None:
    class Half(Trained):
        def _outcome(self, job: Job) -> Outcome:
            return super()._outcome(job) if job.index % 2 else Outcome("broke", 3, error="GuestHang: spent")

    search = load(tmp_path)
    search.run(Half())
    assert len(search.trials) == 24
    assert all(trial.job.index % 2 for trial in best_of(search.trials))


def test_averaged_runs_train_elsewhere_to_the_end_and_are_counted_for_an_epoch_on_the_board(tmp_path: Path) -> None:
    search = load(tmp_path, **{"board: native": "board: teensy40", "epochs: 1,": "epochs: 7,", "batch: 8": _AVERAGED})
    assert search.averaged is not None
    document = search.space.fill(dict.fromkeys(search.space.dimensions, 1)).document
    counted, trained = search.averaged.counted(document), search.averaged.trained(document, 9)
    assert (counted.root["board"], counted.root["training"]["epochs"]) == ("teensy40", 1)
    assert (trained.root["board"], trained.root["training"]["epochs"]) == ("native", 7)
    assert trained.root["training"]["seed"] == 9
    assert (document.root["board"], document.root["training"]["epochs"]) == ("teensy40", 7)
    for other in (counted, trained):
        assert other.root["network"] == document.root["network"]


_AVERAGED = "batch: 8\naveraged: {seeds: [4, 9]}"


@pytest.mark.parametrize(
    ("averaged", "reason"),
    [
        ("{seeds: [4, 4]}", "a seed stands twice"),
        ("{seeds: [4]}", "expected a list of 2"),
        ("{seeds: [4, 9], board: nativ}", "native"),
    ],
)
def test_averages_that_cannot_be_are_refused_at_their_line(tmp_path: Path, averaged: str, reason: str) -> None:
    with pytest.raises(ScenarioError, match=rf"search\.yaml:18: .*{reason}"):
        load(tmp_path, **{"batch: 8": f"batch: 8\naveraged: {averaged}"})
