# SPDX-License-Identifier: Apache-2.0
"""Finished runs as a table: a row each, the result's key paths as columns; CSV, or Parquet with its types."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from trainbed.errors import MissingTool
from trainbed.result import Result
from trainbed.sweep.job import Job, Outcome

RESULTS_FILE = "results.csv"
PARQUET_FILE = "results.parquet"
PARQUET_INSTALL = "pip install 'trainbed[parquet]'"

FACTS = ("index", "key", "status", "exit_code", "error", "fate", "reason")
_SECTIONS = tuple(Result.__dataclass_fields__)
_LEFT_OUT = ("schema", "host", "cost.emulated_mips", "cost.wall_s", "weights.file", "firmware.elf")
"""What differs from machine to machine, and files that are not there."""

Row = dict[str, Any]


def row_of(job: Job, outcome: Outcome) -> Row:
    """A run as one row: facts, axes, then the result's values by key path."""
    row: Row = {
        "index": job.index,
        "key": job.key,
        "status": outcome.status,
        "exit_code": outcome.exit_code,
        "error": outcome.error,
    }
    row.update({f"axes.{path}": value for path, value in job.axes.items()})
    if outcome.result is not None:
        row.update(flat(outcome.result))
    return row


def flat(result: Mapping[str, Any]) -> Row:
    """A result's values by key path, without those of the host."""
    values: Row = {}
    for section, content in result.items():
        if section == "expectations":
            for one in content:
                values[f"expectations.{one['name']}.passed"] = one["passed"]
                values[f"expectations.{one['name']}.observed"] = one["observed"]
        elif section not in _LEFT_OUT:
            values.update(_paths(section, content))
        if section == "training":
            losses = content["loss"]
            values["training.final_loss"] = losses[-1] if losses else None
    return values


def columns(rows: Sequence[Row]) -> list[str]:
    """All columns of the rows: facts, axes, then section by section as in result.json."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    return sorted(names, key=_rank)


def write_csv(path: Path, rows: Sequence[Row]) -> None:
    """Write a CSV: empty cells for what is not there, JSON for lists and mappings. Whole, or not at all."""
    names = columns(rows)
    temporary = path.with_name(f".{path.name}.new")
    with temporary.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(names)
        writer.writerows([_cell(row.get(name)) for name in names] for row in rows)
    temporary.replace(path)


def write_parquet(path: Path, rows: Sequence[Row]) -> None:
    """Write the same rows as Parquet. Raises MissingTool without pyarrow."""
    require_parquet()
    import pyarrow
    from pyarrow import parquet

    names = columns(rows)
    table = pyarrow.table({name: _arrow_values([row.get(name) for row in rows]) for name in names})
    temporary = path.with_name(f".{path.name}.new")
    parquet.write_table(table, temporary)
    temporary.replace(path)


def require_parquet() -> None:
    """Raises MissingTool without pyarrow."""
    try:
        import pyarrow.parquet  # noqa: F401
    except ImportError:
        raise MissingTool("pyarrow", install=PARQUET_INSTALL, detail="--parquet writes with it") from None


def _paths(path: str, content: Any) -> Iterator[tuple[str, Any]]:
    if path in _LEFT_OUT:
        return
    if isinstance(content, Mapping):
        for key, value in content.items():
            yield from _paths(f"{path}.{key}", value)
    else:
        yield path, content


def _rank(name: str) -> tuple[int, int]:
    section = name.partition(".")[0]
    if name in FACTS:
        return (0, FACTS.index(name))
    if section == "axes":
        return (1, 0)
    return (2, _SECTIONS.index(section) if section in _SECTIONS else len(_SECTIONS))


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _arrow_values(values: list[Any]) -> list[Any]:
    """Values of one type: numbers stay numbers, lists stay lists, a mixture becomes its cells."""
    kinds = {type(value) for value in values if value is not None}
    if kinds <= {int, float} and len(kinds) == 2:
        return [None if value is None else float(value) for value in values]
    inner = {type(item) for value in values if isinstance(value, list) for item in value}
    if len(kinds) <= 1 and dict not in kinds and len(inner) <= 1 and not inner & {list, dict}:
        return values
    return [None if value is None else _cell(value) for value in values]
