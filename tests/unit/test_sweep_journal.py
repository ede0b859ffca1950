# SPDX-License-Identifier: Apache-2.0
"""The journal: what was written is read back, cut-off lines are dropped, strangers are refused. And the table."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest

from trainbed.errors import ExitCode, InputError
from trainbed.scenario.document import Document
from trainbed.sweep.command import exit_code
from trainbed.sweep.job import Job, Outcome
from trainbed.sweep.journal import JOURNAL_FILE, open_journal, read_journal
from trainbed.sweep.table import columns, row_of, write_csv, write_parquet

HEAD = {"kind": "sweep", "id": "a1", "name": "one", "runs": 3, "versions": {"trainbed": "1", "runtime": "r"}}
DONE = Outcome("passed", 0, result={"verdict": "passed", "training": {"loss": [0.5]}}, wall_s=1.5)
BROKE = Outcome("broke", 3, error="GuestHang: ü\nsecond line")


def begin(folder: Path, **changed: Any) -> None:
    """A journal with two finished runs."""
    with open_journal(folder, {**HEAD, **changed}, resume=False, restart=False) as journal:
        journal.add("k1", {"index": 0, "axes": {"a": 1}}, DONE)
        journal.add("k2", {"index": 1, "axes": {"a": 2}}, BROKE)


def resumed(folder: Path, **changed: Any) -> dict[str, Outcome]:
    """What a journal holds when a sweep goes on with it."""
    with open_journal(folder, {**HEAD, **changed}, resume=True, restart=False) as journal:
        return dict(journal.outcomes)


def test_what_was_added_is_there_again(tmp_path: Path) -> None:
    begin(tmp_path)
    assert resumed(tmp_path) == {"k1": DONE, "k2": BROKE}
    assert [entry["axes"] for entry in read_journal(tmp_path / JOURNAL_FILE)] == [{"a": 1}, {"a": 2}]


def test_a_line_cut_off_anywhere_is_dropped_and_the_next_one_is_whole(tmp_path: Path) -> None:
    begin(tmp_path)
    path = tmp_path / JOURNAL_FILE
    whole = path.read_bytes()
    last = whole.rindex(b"\n", 0, -1) + 1
    for length in (last + 1, last + 20, len(whole) - 1):
        path.write_bytes(whole[:length])
        with open_journal(tmp_path, HEAD, resume=True, restart=False) as journal:
            assert list(journal.outcomes) == ["k1"]
            journal.add("k3", {}, DONE)
        assert path.read_bytes()[:last] == whole[:last]
        assert resumed(tmp_path) == {"k1": DONE, "k3": DONE}


def test_a_last_line_of_the_wrong_bytes_is_dropped_but_one_in_the_middle_is_refused(tmp_path: Path) -> None:
    begin(tmp_path)
    path = tmp_path / JOURNAL_FILE
    head, first, second = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(head + first + b"\0" * 40 + b"\n")
    assert list(resumed(tmp_path)) == ["k1"]
    path.write_bytes(head + b"\0" * 40 + b"\n" + second)
    with pytest.raises(InputError, match=r"journal\.jsonl:2: is no line of a journal"):
        resumed(tmp_path)


def test_a_journal_cut_off_in_its_head_begins_anew(tmp_path: Path) -> None:
    begin(tmp_path)
    path = tmp_path / JOURNAL_FILE
    path.write_bytes(path.read_bytes()[:10])
    assert resumed(tmp_path) == {}
    assert json.loads(path.read_text())["id"] == "a1"


def test_the_journal_of_another_sweep_is_refused_and_left_alone(tmp_path: Path) -> None:
    begin(tmp_path)
    before = (tmp_path / JOURNAL_FILE).read_bytes()
    with pytest.raises(InputError, match=r"is the journal of something else, 'one'.*--out"):
        resumed(tmp_path, id="b2", name="two")
    with pytest.raises(
        InputError, match=r"begun with other tools \(trainbed 1, runtime r, now trainbed 2, runtime r\)"
    ):
        resumed(tmp_path, versions={"trainbed": "2", "runtime": "r"})
    assert (tmp_path / JOURNAL_FILE).read_bytes() == before


def test_a_journal_is_neither_overwritten_nor_continued_unasked(tmp_path: Path) -> None:
    begin(tmp_path)
    with pytest.raises(InputError, match="holds 2 finished runs already; --resume goes on"):
        begin(tmp_path)
    with open_journal(tmp_path, HEAD, resume=False, restart=True) as journal:
        assert journal.outcomes == {}
    assert resumed(tmp_path) == {}


def test_no_two_sweeps_write_one_journal(tmp_path: Path) -> None:
    with (
        open_journal(tmp_path, HEAD, resume=True, restart=False),
        pytest.raises(InputError, match="is in use by another sweep"),
    ):
        open_journal(tmp_path, HEAD, resume=True, restart=False)
    assert resumed(tmp_path) == {}


def test_no_run_is_written_twice(tmp_path: Path) -> None:
    begin(tmp_path)
    path = tmp_path / JOURNAL_FILE
    with open_journal(tmp_path, HEAD, resume=True, restart=False) as journal, pytest.raises(ValueError, match="k2"):
        journal.add("k2", {}, DONE)
    path.write_bytes(path.read_bytes() + path.read_bytes().splitlines(keepends=True)[-1])
    with pytest.raises(InputError, match=r"journal\.jsonl:4: run k2 stands twice"):
        resumed(tmp_path)


def test_the_exit_code_is_the_gravest_of_what_counts() -> None:
    failed, refused = Outcome("failed", 1), Outcome("refused", 2)
    assert exit_code([DONE, failed, refused], strict=False) == ExitCode.PASSED
    assert exit_code([DONE, failed], strict=True) == ExitCode.FAILED
    assert exit_code([DONE, refused, failed], strict=True) == ExitCode.BAD_INPUT
    assert exit_code([DONE, BROKE], strict=False) == ExitCode.GUEST_BROKE
    assert exit_code([BROKE, Outcome("missing", 4)], strict=False) == ExitCode.MISSING_TOOL


RESULT = {
    "schema": 1,
    "verdict": "passed",
    "scenario": {"name": "a, \"b\""},
    "memory": {"ram_bytes": 10, "flash_bytes": None},
    "training": {"loss": [0.5, 0.25], "accuracy": None, "diverged_at": None},
    "cost": {"class": "modelled", "cycles_per_sample": {"total": 3.5}, "emulated_mips": 9.9, "wall_s": 1.0},
    "weights": {"file": "weights.npz", "sha256": "w"},
    "expectations": [{"name": "test_accuracy", "passed": True, "observed": 0.75, "bound": {"min": 0.5}}],
    "versions": {"compiler": "gcc"},
    "host": {"machine": "m"},
}  # fmt: skip


def rows() -> list[dict[str, Any]]:
    """A run with a result and one without."""
    one = Job(0, "k1", {"training.optimizer": {"sgd": {"lr": 0.1}}, "board": "native"}, Document({}))
    other = Job(1, "k2", {"training.optimizer": "adam", "board": "native"}, Document({}))
    return [row_of(one, Outcome("passed", 0, result=RESULT)), row_of(other, BROKE)]


def test_a_row_holds_facts_axes_and_the_results_key_paths(tmp_path: Path) -> None:
    assert columns(rows()) == [
        "index", "key", "status", "exit_code", "error", "axes.training.optimizer", "axes.board", "verdict",
        "scenario.name", "memory.ram_bytes", "memory.flash_bytes", "training.loss", "training.accuracy",
        "training.diverged_at", "training.final_loss", "cost.class", "cost.cycles_per_sample.total", "weights.sha256",
        "expectations.test_accuracy.passed", "expectations.test_accuracy.observed", "versions.compiler",
    ]  # fmt: skip
    write_csv(tmp_path / "r.csv", rows())
    with (tmp_path / "r.csv").open(newline="", encoding="utf-8") as stream:
        first, second = csv.DictReader(stream)
    assert first["axes.training.optimizer"] == '{"sgd": {"lr": 0.1}}'
    assert first["training.loss"] == "[0.5, 0.25]"
    assert first["training.final_loss"] == "0.25"
    assert first["scenario.name"] == 'a, "b"'
    assert first["memory.flash_bytes"] == ""
    assert first["expectations.test_accuracy.passed"] == "true"
    assert second["error"] == "GuestHang: ü\nsecond line"
    assert second["verdict"] == ""
    assert second["exit_code"] == "3"


def test_parquet_keeps_the_types(tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    write_parquet(tmp_path / "r.parquet", rows())
    table = parquet.read_table(tmp_path / "r.parquet")
    assert table.column_names == columns(rows())
    assert table["training.loss"].to_pylist() == [[0.5, 0.25], None]
    assert table["cost.cycles_per_sample.total"].to_pylist() == [3.5, None]
    assert table["axes.training.optimizer"].to_pylist() == ['{"sgd": {"lr": 0.1}}', "adam"]
    assert table["exit_code"].to_pylist() == [0, 3]
