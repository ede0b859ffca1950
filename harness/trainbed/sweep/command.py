# SPDX-License-Identifier: Apache-2.0
"""run_sweep(): the whole story of a sweep, from its file to its table."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trainbed import __version__
from trainbed.assets import asset_path
from trainbed.errors import ExitCode
from trainbed.sweep.axes import canonical
from trainbed.sweep.engine import carry_out, in_turn
from trainbed.sweep.job import KEY_DIGITS, Outcome
from trainbed.sweep.journal import open_journal
from trainbed.sweep.loader import SCHEMA, Sweep, load_sweep
from trainbed.sweep.table import (
    PARQUET_FILE,
    RESULTS_FILE,
    require_parquet,
    row_of,
    write_csv,
    write_parquet,
)
from trainbed.sweep.view import make_sweep_view, told_what_is_kept
from trainbed.sweep.workers import workers_for

if TYPE_CHECKING:
    from rich.console import Console

SWEEP_FILE = "sweep.json"
RUNS_FOLDER = "runs"


def run_sweep(
    path: Path,
    *,
    out: Path,
    console: Console,
    workers: int | None = None,
    scheduler: str | None = None,
    resume: bool = False,
    restart: bool = False,
    parquet: bool = False,
    keep: bool = False,
    strict: bool = False,
) -> ExitCode:
    """Run every combination of a sweep's file and write its table into ``out``.

    ``workers``, ``scheduler``: see workers_for. ``resume``, ``restart``: see open_journal. ``parquet``: the table as
    Parquet, too. ``keep``: every run's files. ``strict``: contracts that failed and networks that did not fit count in
    the exit code. Raises InputError, MissingTool before the first run.
    """
    if parquet:
        require_parquet()
    sweep = load_sweep(path)
    versions = tool_versions()
    with open_journal(out, _head(sweep, versions), resume=resume, restart=restart) as journal:
        for name in (RESULTS_FILE, PARQUET_FILE):
            (out / name).unlink(missing_ok=True)
        write_json(out / SWEEP_FILE, _description(sweep, versions))
        todo = [job for job in sweep.jobs if job.key not in journal.outcomes]
        if keep:
            todo = [replace(job, keep=out / RUNS_FOLDER / job.key) for job in todo]
        if todo:
            with (
                workers_for(workers, scheduler) as pool,
                told_what_is_kept(journal, f"of {len(sweep.jobs)} runs", console),
                make_sweep_view(len(sweep.jobs), len(journal.outcomes), console) as view,
            ):
                for job, outcome in carry_out(in_turn(todo), pool):
                    journal.add(job.key, {"index": job.index, "axes": job.axes}, outcome)
                    view.show(job, outcome)
        rows = [row_of(job, journal.outcomes[job.key]) for job in sweep.jobs]
        if parquet:
            write_parquet(out / PARQUET_FILE, rows)
        write_csv(out / RESULTS_FILE, rows)
        console.print(f"kept in {out / RESULTS_FILE}", style="dim", markup=False, highlight=False, soft_wrap=True)
        return exit_code(journal.outcomes.values(), strict=strict)


def exit_code(outcomes: Iterable[Outcome], *, strict: bool) -> ExitCode:
    """The gravest of what counts: guests that broke, tools that were missing; ``strict``: everything but passed."""
    counted = (outcome.exit_code for outcome in outcomes if strict or outcome.exit_code >= ExitCode.GUEST_BROKE)
    return ExitCode(max(counted, default=ExitCode.PASSED))


def tool_versions() -> dict[str, str]:
    """What a journal may not mix: this version of trainbed and the sources of the runtime."""
    digest = hashlib.sha256()
    root = asset_path("firmware")
    for path in sorted(path for path in root.rglob("*.[ch]") if path.is_file()):
        digest.update(f"\0{path.relative_to(root).as_posix()}\0".encode() + path.read_bytes())
    return {"trainbed": __version__, "runtime": digest.hexdigest()[:KEY_DIGITS]}


def write_json(path: Path, value: Mapping[str, Any]) -> None:
    """Write a JSON file, whole or not at all."""
    temporary = path.with_name(f".{path.name}.new")
    temporary.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    temporary.replace(path)


def _head(sweep: Sweep, versions: Mapping[str, str]) -> dict[str, Any]:
    runs = canonical([sweep.paths, [job.key for job in sweep.jobs]])
    return {
        "kind": "sweep",
        "id": hashlib.sha256(runs.encode()).hexdigest()[:KEY_DIGITS],
        "name": sweep.name,
        "runs": len(sweep.jobs),
        "versions": dict(versions),
    }


def _description(sweep: Sweep, versions: Mapping[str, str]) -> dict[str, Any]:
    values = {
        path: list({canonical(job.axes[path]): job.axes[path] for job in sweep.jobs}.values()) for path in sweep.paths
    }
    return {
        "schema": SCHEMA,
        "name": sweep.name,
        "runs": len(sweep.jobs),
        "axes": values,
        "versions": dict(versions),
    }
