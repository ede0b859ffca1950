# SPDX-License-Identifier: Apache-2.0
"""run_search(): the whole story of a search, from its file to its front."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from trainbed.errors import ExitCode
from trainbed.search.front import front, hypervolume
from trainbed.search.study import Search, Trial, load_search
from trainbed.sweep.axes import canonical
from trainbed.sweep.command import exit_code, tool_versions, write_json
from trainbed.sweep.engine import carry_out
from trainbed.sweep.job import KEY_DIGITS, Job, Outcome, run_key
from trainbed.sweep.journal import Journal, open_journal
from trainbed.sweep.table import RESULTS_FILE, Row, row_of, write_csv
from trainbed.sweep.view import SweepView, make_sweep_view, told_what_is_kept
from trainbed.sweep.workers import Workers, workers_for

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

SCHEMA = 1
SEARCH_FILE = "search.json"
CANDIDATES_FILE = "candidates.csv"
FRONT_FOLDER = "front"

_ONE_EPOCH = 1.02
"""Of an averaged network only an epoch is counted; a few branches follow the weights, which go on changing."""


def run_search(
    path: Path,
    *,
    out: Path,
    console: Console,
    workers: int | None = None,
    scheduler: str | None = None,
    resume: bool = False,
    restart: bool = False,
) -> ExitCode:
    """Search the space of a file; tables and the scenarios of the front go to ``out``.

    ``workers``, ``scheduler``: see workers_for. ``resume``, ``restart``: see open_journal. Raises InputError,
    MissingTool before the first run, InputError when the space holds too few networks.
    """
    search = load_search(path)
    versions = tool_versions()
    with open_journal(out, _head(search, versions), resume=resume, restart=restart) as journal:
        for name in (RESULTS_FILE, CANDIDATES_FILE):
            (out / name).unlink(missing_ok=True)
        write_json(out / SEARCH_FILE, _description(search, versions))
        with (
            workers_for(workers, scheduler) as pool,
            told_what_is_kept(journal, f"of {search.keys.trials} networks", console),
            make_sweep_view(search.keys.trials, len(journal.outcomes), console) as view,
        ):
            search.run(_Trainer(journal, pool, view))
    best = best_of(search.trials)
    write_csv(out / RESULTS_FILE, _rows(search.trials, best))
    write_csv(out / CANDIDATES_FILE, _candidate_rows(search))
    _write_front(out / FRONT_FOLDER, search, best)
    console.print(_table(search, best))
    fates = {
        fate: sum(one.fate == fate for one in search.candidates) for fate in sorted({c.fate for c in search.candidates})
    }
    console.print(f"{len(search.candidates)} candidates: " + ", ".join(f"{n} {fate}" for fate, n in fates.items()))
    volume = hypervolume([trial.gains for trial in best if trial.gains is not None])
    console.print(f"hypervolume {volume:.4f}; kept in {out}", markup=False, highlight=False, soft_wrap=True)
    return exit_code([trial.outcome for trial in search.trials], strict=False)


def best_of(trials: Sequence[Trial]) -> list[Trial]:
    """The trials no other dominates, of those within the limits."""
    feasible = [trial for trial in trials if trial.feasible]
    return [feasible[i] for i in front([trial.gains or () for trial in feasible])]


class _Trainer:
    """Carries out what is not in the journal yet."""

    def __init__(self, journal: Journal, workers: Workers, view: SweepView) -> None:
        self._journal = journal
        self._workers = workers
        self._view = view

    def __call__(self, jobs: Sequence[Job]) -> Mapping[str, Outcome]:
        todo = [job for job in jobs if job.key not in self._journal.outcomes]
        for job, outcome in carry_out(todo, self._workers):
            self._journal.add(job.key, {"index": job.index, "axes": job.axes}, outcome)
            self._view.show(job, outcome)
        return self._journal.outcomes


def _head(search: Search, versions: Mapping[str, str]) -> dict[str, Any]:
    identity = canonical([search.document.root, search.base.root, run_key(search.base)])
    return {
        "kind": "search",
        "id": hashlib.sha256(identity.encode()).hexdigest()[:KEY_DIGITS],
        "name": search.keys.name,
        "runs": search.keys.trials,
        "versions": {**versions, "optuna": _optuna_version()},
    }


def _optuna_version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("optuna")
    except PackageNotFoundError:
        return "missing"


def _description(search: Search, versions: Mapping[str, str]) -> dict[str, Any]:
    return {
        "schema": SCHEMA,
        "name": search.keys.name,
        "trials": search.keys.trials,
        "objectives": {name: keys.model_dump() for name, keys in search.keys.objectives.items()},
        "limits": {name: bound.model_dump(exclude_none=True) for name, bound in search.keys.limits.items()},
        "dimensions": len(search.space.dimensions),
        "versions": dict(versions),
    }


def _rows(trials: Sequence[Trial], best: Sequence[Trial]) -> list[Row]:
    """A sweep's rows, and of each trial: candidate, limits, front, hypervolume so far."""
    rows = []
    seen: list[Trial] = []
    volume = 0.0
    for trial in trials:
        seen.append(trial)
        if trial in best_of(seen):
            volume = hypervolume([one.gains for one in best_of(seen) if one.gains is not None])
        row = row_of(trial.job, trial.outcome)
        row["search.candidate"] = trial.candidate.number
        row["search.feasible"] = trial.feasible
        row["search.front"] = trial in best
        row["search.hypervolume"] = volume
        rows.append(row)
    return rows


def _candidate_rows(search: Search) -> list[Row]:
    return [
        {
            "index": one.number,
            "key": one.key,
            "fate": one.fate,
            "reason": one.reason,
            **{f"estimate.{name}": value for name, value in one.estimates.items()},
            **{f"score.{name}": value if abs(value) != float("inf") else None for name, value in one.scores.items()},
            "promise": one.promise if one.scores else None,
            **{f"axes.{name}": value for name, value in one.used.items()},
        }
        for one in search.candidates
    ]


def _write_front(folder: Path, search: Search, best: Sequence[Trial]) -> None:
    """A scenario per network of the front, with what it was seen to reach as its contract."""
    folder.mkdir(exist_ok=True)
    for old in folder.glob("*.yaml"):
        old.unlink()
    for trial in sorted(best, key=lambda one: one.job.index):
        root = dict(trial.job.document.root)
        root["name"] = f"{search.keys.name}: network {trial.job.index}"
        if search.averaged is not None:
            root["training"] = {**root["training"], "seed": search.averaged.seeds[0]}
        root["expect"] = _contract(trial)
        _move_files(root, trial.job.document.file, folder)
        text = yaml.safe_dump(root, sort_keys=False, allow_unicode=True, default_flow_style=None, width=100)
        (folder / f"{trial.job.index:03}-{trial.job.key}.yaml").write_text(text, encoding="utf-8")


def _contract(trial: Trial) -> dict[str, Any]:
    result = trial.outcome.result
    assert result is not None  # the front's trials have one
    averaged = result.get("averaged")
    accuracy = averaged["accuracy"][0] if averaged else result["test"]["accuracy"]
    cycles = result["cost"]["cycles_per_sample"]["total"]
    if averaged and cycles is not None:
        cycles = round(_ONE_EPOCH * cycles)
    bounds = {
        "test_accuracy": ("min", accuracy),
        "ram_bytes": ("max", result["memory"]["ram_bytes"]),
        "flash_bytes": ("max", result["memory"]["flash_bytes"]),
        "cycles_per_sample": ("max", cycles),
    }
    return {name: {edge: value} for name, (edge, value) in bounds.items() if value is not None}


def _move_files(tree: dict[str, Any], origin: Path | None, folder: Path) -> None:
    """Paths in a scenario are relative to its file."""
    for key, value in tree.items():
        if key in ("npz", "onnx") and isinstance(value, str) and origin is not None:
            tree[key] = os.path.relpath(origin.parent / value, folder)
        elif isinstance(value, dict):
            tree[key] = dict(value)
            _move_files(tree[key], origin, folder)


def _table(search: Search, best: Sequence[Trial]) -> Table:
    from rich.table import Table

    table = Table(
        box=None, pad_edge=False, title=f"front: {len(best)} of {len(search.trials)} networks", title_justify="left"
    )
    names = list(search.keys.objectives)
    for name in ("network", *names):
        table.add_column(name, justify="left" if name == "network" else "right")
    for trial in sorted(best, key=lambda one: one.values or ()):
        table.add_row(str(trial.job.index), *(f"{value:,.6g}".replace(",", " ") for value in trial.values or ()))
    return table
