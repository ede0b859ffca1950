# SPDX-License-Identifier: Apache-2.0
"""A search that trains: its front runs, and stopping it changes nothing."""

from __future__ import annotations

import csv
import json
import signal
import statistics
from pathlib import Path
from typing import Any

import pytest
import sweeps
import yaml

from trainbed.errors import ExitCode
from trainbed.run import run_scenario
from trainbed.scenario.find import find_scenario
from trainbed.scenario.loader import load_scenario

pytest.importorskip("optuna")

FILE = """\
schema: 1
name: a search
scenario: tiny
set: {board: native, backend: native, training.epochs: 3}
space:
  network.layers.0.dense.units: {any: [1, 2, 3, 60]}
  training.seed: {from: 1, to: 9}
trials: 6
batch: 3
seed: 1
objectives:
  test.accuracy: {goal: max, worst: 0.4}
  model.parameters: {goal: min, worst: 100}
limits: {model.parameters: {max: 50}}
"""


def test_a_search_killed_and_resumed_is_the_same_search_and_its_front_runs(tmp_path: Path) -> None:
    file = tmp_path / "search.yaml"
    file.write_text(FILE, encoding="utf-8")
    process = sweeps.start("search", file, tmp_path / "killed", "--workers", "2")
    sweeps.stop_after(process, tmp_path / "killed", 4, signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    before = sweeps.entries(tmp_path / "killed")
    assert 3 <= len(before) < 6
    code, printed = sweeps.run("search", file, tmp_path / "killed", "--resume", "--workers", "2")
    assert code == ExitCode.PASSED, printed
    assert sweeps.entries(tmp_path / "killed")[: len(before)] == before
    assert len({entry["key"] for entry in sweeps.entries(tmp_path / "killed")}) == 6

    code, printed = sweeps.run("search", file, tmp_path / "whole", "--workers", "1")
    assert code == ExitCode.PASSED, printed
    names = ["results.csv", "candidates.csv", *(f"front/{p.name}" for p in (tmp_path / "whole/front").iterdir())]
    assert len(names) > 2
    for name in names:
        assert (tmp_path / "killed" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()

    rows = sweeps.rows(tmp_path / "whole")
    assert [row["search.front"] for row in rows].count("true") == len(names) - 2
    volumes = [float(row["search.hypervolume"]) for row in rows]
    assert volumes == sorted(volumes)
    assert f"hypervolume {volumes[-1]:.4f}" in printed
    with (tmp_path / "whole/candidates.csv").open(newline="", encoding="utf-8") as stream:
        candidates = list(csv.DictReader(stream))
    built = {row["key"] for row in rows}
    assert any(candidate["fate"] == "too_large" for candidate in candidates)
    for candidate in candidates:
        assert (candidate["key"] in built) == (candidate["fate"] in ("trained", "known"))

    best = next((tmp_path / "whole/front").iterdir())
    contract = yaml.safe_load(best.read_text())["expect"]
    assert contract["test_accuracy"]["min"] >= 0.4
    code, printed = sweeps.run("run", best, tmp_path / "again")
    assert code == ExitCode.PASSED, printed


def test_without_optuna_the_line_that_installs_it_is_told(tmp_path: Path) -> None:
    (tmp_path / "optuna.py").write_text("raise ImportError\n")
    file = tmp_path / "search.yaml"
    file.write_text(FILE, encoding="utf-8")
    code, printed = sweeps.run("search", file, tmp_path / "out", env={"PYTHONPATH": str(tmp_path)})
    assert code == ExitCode.MISSING_TOOL
    assert "optuna is missing: searches are made with it; install it with: pip install 'trainbed[tune]'" in printed


AVERAGED = """\
schema: 1
name: a search over seeds
scenario: tiny
set: {board: arduino_nano_33_ble, training.epochs: 6}
space:
  network.layers.0.dense.units: {any: [2, 3, 4]}
trials: 2
batch: 2
objectives:
  test.accuracy: {goal: max, worst: 0}
  cost.cycles_per_sample.total: {goal: min, worst: 100000}
averaged: {seeds: [5, 6, 9]}
"""


def test_accuracy_is_the_mean_over_the_seeds_and_cost_that_of_the_board(tmp_path: Path) -> None:
    pytest.importorskip("unicorn")
    file = tmp_path / "search.yaml"
    file.write_text(AVERAGED, encoding="utf-8")
    code, printed = sweeps.run("search", file, tmp_path / "out", "--workers", "2")
    assert code == ExitCode.PASSED, printed
    for row in sweeps.rows(tmp_path / "out"):
        results = [_alone(row, ["board=native", f"training.seed={seed}"]) for seed in (5, 6, 9)]
        accuracy = [result["test"]["accuracy"] for result in results]
        assert json.loads(row["averaged.accuracy"]) == accuracy
        assert float(row["test.accuracy"]) == statistics.fmean(accuracy)
        assert float(row["test.loss"]) == statistics.fmean(result["test"]["loss"] for result in results)
        assert row["weights.sha256"] == results[0]["weights"]["sha256"]
        whole = _alone(row, ["board=arduino_nano_33_ble", "training.seed=5"])
        assert whole["weights"]["sha256"] == row["weights.sha256"]  # the host build's bits are the board's
        assert row["board"] == "arduino_nano_33_ble"
        for size in ("ram_bytes", "flash_bytes"):
            assert int(row[f"memory.{size}"]) == whole["memory"][size]
        cycles = whole["cost"]["cycles_per_sample"]["total"]
        assert float(row["cost.cycles_per_sample.total"]) == pytest.approx(cycles, rel=0.02)
    for best in (tmp_path / "out/front").iterdir():
        code, printed = sweeps.run("run", best, tmp_path / "again")
        assert code == ExitCode.PASSED, printed


def _alone(row: dict[str, str], overrides: list[str]) -> dict[str, Any]:
    """Values of a result of a row's network, run without a search."""
    units = row["axes.network.layers.0.dense.units"]
    own = ["training.epochs=6", "expect={}", f"network.layers.0.dense.units={units}"]
    return run_scenario(load_scenario(find_scenario("tiny"), [*own, *overrides])).to_dict()
