# SPDX-License-Identifier: Apache-2.0
"""Reads a sweep's file and resolves every run of it. What cannot be is refused here, before the first run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from trainbed.backends.registry import choose_backend
from trainbed.boards import load_board
from trainbed.data.load import load_data
from trainbed.errors import InputError
from trainbed.scenario.diagnosis import scenario_error
from trainbed.scenario.document import Document, KeyPath, read_document
from trainbed.scenario.loader import check_document
from trainbed.scenario.network import resolve_network
from trainbed.scenario.scenario import Scenario, with_line
from trainbed.sweep.axes import SEED, Axis, Combination, canonical, combinations, read_axes, seeds
from trainbed.sweep.base import base_document, copy_of, put
from trainbed.sweep.job import Job, run_key
from trainbed.sweep.schema import SweepKeys
from trainbed.toolchain.compiler import find_compiler

SCHEMA = 1
MAX_REPORTED = 8


@dataclass(frozen=True)
class Sweep:
    """A sweep, every run resolved and checked."""

    name: str
    file: Path
    axes: tuple[Axis, ...]
    jobs: tuple[Job, ...]

    @property
    def paths(self) -> tuple[str, ...]:
        """Dotted paths that are varied, in order."""
        return tuple(path for axis in self.axes for path in axis.paths)


def load_sweep(path: Path) -> Sweep:
    """Read and check a sweep's file.

    Raises ScenarioError naming file and line, for every combination that cannot be run as far as that is known before
    it is built; MissingTool for a backend or compiler that is not here.
    """
    document = read_document(path)
    keys = read_keys(SweepKeys, document, "a sweep")
    base = base_document(document)
    for dotted, value in keys.set_.items():
        put(base, dotted, value, source=document, where=("set", dotted))
    axes = read_axes(keys, document)
    repeated: tuple[Axis, ...] = ()
    if keys.repeat > 1:
        if any(axis_path in (SEED, "training") for axis in axes for axis_path in axis.paths):
            raise document.error(f"'repeat' counts {SEED} up, which is an axis already", ("repeat",))
        repeated = (seeds(_base_seed(base), keys.repeat),)
    found = combinations(axes, keys, document)
    axes = (*axes, *repeated)
    jobs = tuple(_jobs(found, axes, base, document))
    _check(jobs)
    return Sweep(keys.name, path, axes, jobs)


def read_keys(schema: Any, document: Document, what: str) -> Any:
    """The checked keys of a file of its own schema. Raises ScenarioError."""
    if not isinstance(document.root, dict):
        raise document.error(f"{what} is a mapping that starts with 'schema: 1'", ())
    if document.root.get("schema", SCHEMA) != SCHEMA:
        raise document.error(
            f"schema {document.root['schema']!r:.40} is not known; this version reads schema 1", ("schema",)
        )
    try:
        return schema.model_validate(document.root)
    except ValidationError as error:
        raise scenario_error(error, document) from None


def _jobs(found: Sequence[Combination], axes: Sequence[Axis], base: Document, document: Document) -> Iterator[Job]:
    places = {path: axis.where for axis in axes for path in axis.paths}
    repeated = next((axis.values for axis in axes if axis.where == ("repeat",)), None)
    every = [{**combination, SEED: seed} for combination in found for (seed,) in repeated] if repeated else list(found)
    taken: dict[str, Combination] = {}
    for index, combination in enumerate(every):
        run = copy_of(base)
        for path, value in combination.items():
            put(run, path, value, source=document, where=_place(axes, path, value, places[path]))
        key = run_key(run)
        if key in taken:
            raise document.error(f"{canonical(combination)} and {canonical(taken[key])} are the same run", ("axes",))
        taken[key] = combination
        yield Job(index, key, combination, run)


def _place(axes: Sequence[Axis], path: str, value: Any, where: KeyPath) -> KeyPath:
    """Where a value stands in the file: its item of the list."""
    axis = next(axis for axis in axes if path in axis.paths)
    n = axis.paths.index(path)
    item = next((i for i, row in enumerate(axis.values) if canonical(row[n]) == canonical(value)), None)
    return where if item is None or where[0] != "axes" else (*where, item)


def _base_seed(base: Document) -> int:
    training = base.root.get("training")
    seed = training.get("seed", 1) if isinstance(training, dict) else 1
    return seed if isinstance(seed, int) and not isinstance(seed, bool) else 1  # else it is refused with the runs


def _check(jobs: Sequence[Job]) -> None:
    """Raises the first problem; its message tells of the others, with the combinations they belong to."""
    problems: list[tuple[Job, InputError]] = []
    scenarios: list[tuple[Job, Scenario]] = []
    for job in jobs:
        try:
            scenarios.append((job, check_document(job.document)))
        except InputError as error:
            problems.append((job, error))
    loaded: set[str] = set()
    for job, scenario in scenarios if not problems else []:
        try:
            _check_run(scenario, loaded)
        except InputError as error:
            problems.append((job, error))
    if not problems:
        return
    told = {str(error): (job, error) for job, error in reversed(problems)}
    lines = [
        f"{text}\n  with {canonical(job.axes)}"
        for text, (job, _) in sorted(told.items(), key=lambda item: item[1][0].index)
    ]
    more = f"\nand {len(lines) - MAX_REPORTED} more" if len(lines) > MAX_REPORTED else ""
    head = f"{len(problems)} of {len(jobs)} runs cannot be; correct the axes or exclude them"
    raise InputError(f"{head}\n" + "\n".join(lines[:MAX_REPORTED]) + more)


def _check_run(scenario: Scenario, loaded: set[str]) -> None:
    """``loaded``: data sets that were found in order already; another seed draws from the same."""
    network = resolve_network(scenario)
    with with_line(scenario, "board"):
        board = load_board(scenario.board)
    with with_line(scenario, "backend"):
        choose_backend(board, scenario.backend)
    find_compiler(board.core)
    loss = scenario.training.loss
    data = scenario.data.model_dump(exclude={"seed"})
    text = canonical([data, str(scenario.base_dir), network.input_shape, network.output_size, loss.value])
    if text in loaded:
        return
    with with_line(scenario, "data"):
        load_data(
            scenario.data,
            network.input_shape,
            n_outputs=network.output_size,
            loss=loss,
            base_dir=scenario.base_dir,
            seed=scenario.training.seed,
        )
    loaded.add(text)
