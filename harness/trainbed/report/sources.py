# SPDX-License-Identifier: Apache-2.0
"""What a report or a comparison is made of: run folders, result.json files, sweep folders."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trainbed.errors import InputError
from trainbed.result import PLAN_FILE, PROFILE_FILE, RESULT_FILE, Result

SWEEP_FILE = "results.csv"
"""One row per run, result key paths and axes as columns (docs/sweep.md)."""

AXIS = "axes."
"""Columns of a sweep that say what was swept start so; the others are key paths of the result."""


@dataclass(frozen=True, eq=False)
class Run:
    """One kept run. ``plan`` and ``profile`` None: not kept beside the result."""

    label: str
    path: Path
    result: Result
    plan: Mapping[str, Any] | None = None
    profile: Mapping[str, Any] | None = None


@dataclass(frozen=True, eq=False)
class Sweep:
    """The rows of a sweep: text of each cell by column; an empty cell was not measured."""

    label: str
    path: Path
    columns: tuple[str, ...]
    rows: tuple[Mapping[str, str], ...]

    def number(self, row: Mapping[str, str], column: str) -> float | None:
        """A cell as a number; None when it is empty, not finite or a word."""
        return as_number(row.get(column, ""))

    @property
    def axes(self) -> tuple[str, ...]:
        """Columns of what was swept, those with more than one value: ``axes.<key path>``."""
        swept = (column for column in self.columns if column.startswith(AXIS))
        return tuple(column for column in swept if len({row[column] for row in self.rows}) > 1)


def axis_name(column: str) -> str:
    """The key path behind an axis column."""
    return column.removeprefix(AXIS)


def axis_value(text: str) -> str:
    """An axis value in words: ``adam lr=0.01`` for the mapping ``{"adam": {"lr": 0.01}}``."""
    try:
        value = json.loads(text)
    except ValueError:
        return text
    return _in_words(value) if isinstance(value, dict) else text


def _in_words(value: Mapping[str, Any]) -> str:
    words = []
    for key, inner in value.items():
        words.append(f"{key} {_in_words(inner)}".strip() if isinstance(inner, dict) else f"{key}={inner}")
    return ", ".join(words)


def as_number(text: str) -> float | None:
    """A finite number, or None."""
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def read_sources(paths: Sequence[Path]) -> list[Run | Sweep]:
    """What the paths name, labelled so that no two are alike. Raises InputError."""
    labels = _labels(paths)
    return [read_source(path, label) for path, label in zip(paths, labels, strict=True)]


def read_source(path: Path, label: str = "") -> Run | Sweep:
    """A run folder, a result.json or a sweep folder. Raises InputError saying what is wrong with it."""
    label = label or _labels([path])[0]
    if path.is_dir():
        if (path / RESULT_FILE).is_file():
            return _run(path / RESULT_FILE, label)
        if (path / SWEEP_FILE).is_file():
            return _sweep(path / SWEEP_FILE, label)
        raise InputError(f"{path}: neither {RESULT_FILE} of a run nor {SWEEP_FILE} of a sweep is in this folder")
    if not path.is_file():
        raise InputError(f"{path}: no such file or folder; a run folder is what `trainbed run --out` names")
    return _sweep(path, label) if path.suffix == ".csv" else _run(path, label)


def read_run(path: Path) -> Run:
    """A single run. Raises InputError, also for a sweep."""
    source = read_source(path)
    if isinstance(source, Sweep):
        raise InputError(f"{path}: this is a sweep of {len(source.rows)} runs, a single run is needed here")
    return source


def _run(file: Path, label: str) -> Run:
    try:
        result = Result.from_json(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{file}: not a result of trainbed: {error}") from None
    return Run(label, file.parent, result, _record(file.parent / PLAN_FILE), _record(file.parent / PROFILE_FILE))


def _record(file: Path) -> Mapping[str, Any] | None:
    if not file.is_file():
        return None
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{file}: cannot be read: {error}") from None
    if not isinstance(content, dict) or content.get("schema") != 1:
        raise InputError(f"{file}: schema 1 is expected")
    return content


def _sweep(file: Path, label: str) -> Sweep:
    try:
        with file.open(encoding="utf-8", newline="") as stream:
            reader = csv.DictReader(stream)
            rows = tuple({key: value or "" for key, value in row.items() if key is not None} for row in reader)
            columns = tuple(reader.fieldnames or ())
    except (OSError, ValueError, csv.Error) as error:
        raise InputError(f"{file}: cannot be read: {error}") from None
    if not rows:
        raise InputError(f"{file}: there are no rows in it yet")
    return Sweep(_sweep_name(file.parent, label), file.parent, columns, rows)


def _sweep_name(folder: Path, label: str) -> str:
    """What people call the sweep, from the sweep.json beside its rows; else its folder's name."""
    file = folder / "sweep.json"
    content = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    return str(content["name"]) if isinstance(content, dict) and content.get("name") else label


def _labels(paths: Sequence[Path]) -> list[str]:
    """The shortest ends of the paths that tell them apart: ``a/depthconv`` beside ``b/depthconv``."""
    folders = [path.parent if path.name in (RESULT_FILE, SWEEP_FILE) else path for path in paths]
    parts = [folder.resolve().parts for folder in folders]
    for n in range(1, max(map(len, parts), default=1) + 1):
        labels = ["/".join(part[-n:]) for part in parts]
        if len(set(labels)) == len(set(parts)):
            break
    seen: dict[str, int] = {}
    unique = []
    for label in labels:
        seen[label] = seen.get(label, 0) + 1
        unique.append(label if seen[label] == 1 else f"{label} ({seen[label]})")
    return unique
