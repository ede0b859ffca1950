# SPDX-License-Identifier: Apache-2.0
"""Sweeps of real runs: side by side, on a cluster, stopped and resumed, with runs that fail."""

from __future__ import annotations

import os
import random
import shutil
import signal
import stat
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest
import sweeps

from trainbed.errors import ExitCode
from trainbed.sweep.engine import carry_out, in_turn
from trainbed.sweep.job import Outcome
from trainbed.sweep.loader import load_sweep
from trainbed.sweep.workers import LocalWorkers

SWEEP = """\
schema: 1
name: small runs
scenario: tiny
set: {board: native, backend: native, training.epochs: EPOCHS, expect: {loss_decreases: {by: 0.01}}}
axes:
  network.layers.0.dense.units: UNITS
  training.optimizer.sgd.lr: [0.5, 1e-6]
repeat: REPEAT
"""
Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes the sweep above."""

    def write(text: str = SWEEP, *, units: str = "[2, 4]", repeat: int = 3, epochs: int = 2) -> Path:
        path = tmp_path / "sweep.yaml"
        path.write_text(_filled(text, units, repeat, epochs), encoding="utf-8")
        return path

    return write


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """results.csv of the sweep above, never interrupted, one run at a time."""
    return _uninterrupted(tmp_path_factory.mktemp("whole"), _filled(SWEEP))


SIXTY_FOUR: dict[str, Any] = {"units": "[2, 3, 4, 5]", "repeat": 8}


@pytest.fixture(scope="module")
def whole_of_64(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The same of 64 runs."""
    return _uninterrupted(tmp_path_factory.mktemp("whole"), _filled(SWEEP, **SIXTY_FOUR))


def _uninterrupted(folder: Path, text: str) -> bytes:
    (folder / "sweep.yaml").write_text(text, encoding="utf-8")
    code, printed = sweeps.run("sweep", folder / "sweep.yaml", folder / "out", "--workers", "1")
    assert code == ExitCode.PASSED, printed
    return (folder / "out/results.csv").read_bytes()


def _filled(text: str, units: str = "[2, 4]", repeat: int = 3, epochs: int = 2) -> str:
    return text.replace("UNITS", units).replace("REPEAT", str(repeat)).replace("EPOCHS", str(epochs))


@pytest.fixture
def compilers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A compiler that logs what it links, and an empty cache. Gives the log."""
    log, folder = tmp_path / "links.log", tmp_path / "bin"
    folder.mkdir()
    real = shutil.which("cc")
    assert real is not None
    script = folder / "cc"
    script.write_text(f'#!/bin/sh\ncase "$*" in *firmware.elf*) echo "$*" >> {log};; esac\nexec {real} "$@"\n')
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    monkeypatch.delenv("CC", raising=False)
    monkeypatch.setenv("TRAINBED_CACHE", str(tmp_path / "cache"))
    return log


def test_the_table_is_the_same_for_one_worker_and_three_and_no_elf_is_built_twice(
    tmp_path: Path, write: Write, compilers: Path, whole: bytes
) -> None:
    code, printed = sweeps.run("sweep", write(), tmp_path / "out", "--workers", "3", "--keep")
    assert code == ExitCode.PASSED, printed
    assert printed.splitlines()[-2].startswith("12/12 runs  6 failed")
    assert (tmp_path / "out/results.csv").read_bytes() == whole
    rows = sweeps.rows(tmp_path / "out")
    assert [row["index"] for row in rows] == [str(n) for n in range(12)]
    assert len({row["firmware.sha256"] for row in rows}) == 4
    assert len(compilers.read_text().splitlines()) == 4
    for row in rows:
        kept = sorted(path.name for path in (tmp_path / "out/runs" / row["key"]).iterdir())
        assert kept == ["firmware.elf", "plan.json", "profile.json", "result.json", "weights.npz"]
    assert {row["status"] for row in rows if row["axes.training.optimizer.sgd.lr"] == "0.5"} == {"passed"}
    assert {row["status"] for row in rows if row["axes.training.optimizer.sgd.lr"] == "1e-06"} == {"failed"}
    assert all(row["expectations.loss_decreases.passed"] in ("true", "false") for row in rows)


def killed_and_resumed(file: Path, out: Path, *, runs: int, moments: list[int]) -> None:
    """Kill the sweep's whole process group once the journal has so many lines each time, then let it finish.

    What was finished before a kill is in the same place after it: it did not run again.
    """
    before: list[dict[str, Any]] = []
    for lines in moments:
        process = sweeps.start("sweep", file, out, "--resume", "--workers", "2")
        sweeps.stop_after(process, out, lines, signal.SIGKILL)
        assert process.returncode == -signal.SIGKILL
        assert not (out / "results.csv").exists()
        after = sweeps.entries(out)
        assert after[: len(before)] == before
        before = after
        with (out / "journal.jsonl").open("ab") as stream:
            stream.write(b'{"key": "cut o')
    code, printed = sweeps.run("sweep", file, out, "--resume", "--workers", "2")
    assert code == ExitCode.PASSED, printed
    assert f"{len(before)}/{runs} runs were finished before" in printed
    finished = sweeps.entries(out)
    assert finished[: len(before)] == before
    assert len(finished) == runs
    assert len({entry["key"] for entry in finished}) == runs


def test_a_sweep_killed_and_resumed_is_equal_to_one_that_was_not(tmp_path: Path, write: Write, whole: bytes) -> None:
    killed_and_resumed(write(), tmp_path / "killed", runs=12, moments=[3, 8])
    assert (tmp_path / "killed/results.csv").read_bytes() == whole


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2])
def test_64_runs_killed_at_five_random_moments_equal_an_uninterrupted_sweep(
    tmp_path: Path, write: Write, whole_of_64: bytes, seed: int
) -> None:
    moments = sorted(random.Random(seed).sample(range(2, 64), 5))
    killed_and_resumed(write(**SIXTY_FOUR), tmp_path / "killed", runs=64, moments=moments)
    assert (tmp_path / "killed/results.csv").read_bytes() == whole_of_64
    assert len(sweeps.rows(tmp_path / "killed")) == 64


def test_ctrl_c_exits_130_keeps_what_is_finished_and_leaves_no_process(tmp_path: Path, write: Write) -> None:
    file = write(epochs=2000, repeat=20)
    process = sweeps.start("sweep", file, tmp_path / "out", "--workers", "2")
    printed = sweeps.stop_after(process, tmp_path / "out", 4, signal.SIGINT)
    assert process.returncode == ExitCode.INTERRUPTED, printed
    kept = sweeps.entries(tmp_path / "out")
    assert f"{len(kept)} of 80 runs are kept in {tmp_path / 'out'}; --resume goes on" in printed
    assert printed.endswith("interrupted\n")
    assert "Traceback" not in printed
    assert not (tmp_path / "out/results.csv").exists()
    assert sweeps.ends(process.pid), sweeps.living(process.pid)


def test_runs_that_fail_are_rows_and_the_others_go_on(tmp_path: Path, write: Write) -> None:
    text = """\
schema: 1
name: all that can happen
scenario: tiny
set: {training.epochs: 1, expect: {}}
axes:
  what, board, network.layers.0.dense.units, budget:
    - [fine, native, 2, {}]
    - [too large, arduino_nano_33_ble, 30000, {}]
    - [hangs, arduino_nano_33_ble, 2, {steps: 1000}]
"""
    file = write(text.replace("what, ", "name, "))
    code, printed = sweeps.run("sweep", file, tmp_path / "out")
    assert code == ExitCode.GUEST_BROKE, printed
    fine, large, hangs = sweeps.rows(tmp_path / "out")
    assert (fine["status"], fine["exit_code"], fine["error"], fine["scenario.name"]) == ("passed", "0", "", "fine")
    assert (large["status"], large["exit_code"], large["verdict"]) == ("refused", "2", "")
    assert "needs" in large["error"]
    assert "B of RAM, arduino_nano_33_ble has 262 144" in large["error"]
    assert (hangs["status"], hangs["exit_code"]) == ("broke", "3")
    assert hangs["error"].startswith("GuestHang: ")
    assert "run 2 broke (name=hangs, board=arduino_nano_33_ble, units=2" in printed


def test_a_refused_combination_and_a_missing_tool_stop_the_sweep_before_it_begins(tmp_path: Path, write: Write) -> None:
    code, printed = sweeps.run("sweep", write(units="[2, 0]"), tmp_path / "out")
    assert code == ExitCode.BAD_INPUT
    assert "6 of 12 runs cannot be" in printed
    assert "sweep.yaml:6: network.layers.0.dense.units: must be at least 1, found 0" in printed
    assert not (tmp_path / "out").exists()
    code, printed = sweeps.run("sweep", write(), tmp_path / "out", env={"CC": "no-such-compiler"})
    assert code == ExitCode.MISSING_TOOL
    assert "no-such-compiler is missing" in printed
    assert not (tmp_path / "out").exists()


@pytest.fixture
def cluster() -> Iterator[str]:
    """A dask cluster of two processes; gives the address of its scheduler."""
    distributed = pytest.importorskip("distributed")
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None, host="127.0.0.1"
    ) as cluster:
        yield cluster.scheduler_address


def test_a_dask_cluster_gives_the_same_rows(tmp_path: Path, write: Write, cluster: str, whole: bytes) -> None:
    _same_rows_on(cluster, write(), tmp_path / "out", whole)


@pytest.mark.slow
def test_a_dask_cluster_gives_the_same_rows_of_64_runs(
    tmp_path: Path, write: Write, cluster: str, whole_of_64: bytes
) -> None:
    _same_rows_on(cluster, write(**SIXTY_FOUR), tmp_path / "out", whole_of_64)
    assert len(sweeps.rows(tmp_path / "out")) == 64


def _same_rows_on(cluster: str, file: Path, out: Path, whole: bytes) -> None:
    code, printed = sweeps.run("sweep", file, out, "--scheduler", cluster)
    assert code == ExitCode.PASSED, printed
    assert (out / "results.csv").read_bytes() == whole


class Fragile(LocalWorkers):
    """Kills the worker that is given a certain run."""

    def __init__(self, width: int, victim: int) -> None:
        super().__init__(width)
        self.victim = victim

    def submit(self, job: Any) -> Future[Outcome]:
        if job.index == self.victim:
            return self._executor.submit(_die)
        return super().submit(job)


def _die() -> Outcome:
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError("unreachable")


def test_a_run_that_takes_its_worker_along_is_a_row_and_the_others_are_whole(write: Write) -> None:
    jobs = load_sweep(write(units="[2]", repeat=4)).jobs
    workers = Fragile(2, victim=3)
    try:
        outcomes = {job.index: outcome for job, outcome in carry_out(jobs, workers)}
    finally:
        workers.close(kill=True)
    assert outcomes.pop(3).error == "EmulatorCrash: the process of the run died: killed, or out of memory"
    assert sorted(outcomes) == [0, 1, 2, 4, 5, 6, 7]
    assert all(outcome.result is not None for outcome in outcomes.values())


def test_runs_that_need_other_firmware_go_first(write: Write) -> None:
    jobs = load_sweep(write()).jobs
    assert [(job.axes["network.layers.0.dense.units"], job.axes["training.seed"]) for job in in_turn(jobs)][:5] == [
        (2, 1), (2, 1), (4, 1), (4, 1), (2, 2),
    ]  # fmt: skip
