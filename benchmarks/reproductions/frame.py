# SPDX-License-Identifier: Apache-2.0
"""What a reproduction is: published figures with their source, a measurement, and a section of docs/reproductions.md.

One module each beside this file (poster.py) with a ``REPRODUCTION``; run.py finds it by its name. Published figures
lie in published/<name>.yaml, what was obtained in results/<name>.json; the page is made of these files, and of what
other benchmarks keep.
"""

from __future__ import annotations

import importlib
import json
import platform
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

HERE = Path(__file__).resolve().parent
CHECKOUT = HERE.parents[1]
PAGE = CHECKOUT / "docs" / "reproductions.md"
IMAGES = CHECKOUT / "docs" / "images"


@dataclass(frozen=True)
class Table:
    """A table of the page."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    caption: str = ""


@dataclass(frozen=True)
class Picture:
    """A picture of docs/images, drawn by the measurement."""

    file: str
    text: str


Block = str | Table | Picture
"""A paragraph, a table, a picture."""

Results = Mapping[str, Any]
"""What results/<name>.json holds: plain JSON values."""


@dataclass(frozen=True)
class Reproduction:
    """One publication."""

    title: str
    measure: Callable[[Path], dict[str, Any]]
    """Runs everything; the argument is a folder for what is made on the way. Returns plain JSON values."""
    section: Callable[[Mapping[str, Any], Results], Sequence[Block]]
    """(published, results) -> the section, without its heading."""
    draw: Callable[[Mapping[str, Any], Results, Path], None] | None = None
    """(published, results, docs/images) -> writes the section's pictures."""


def names() -> list[str]:
    """Every reproduction there is: each published/<name>.yaml has a module of its name."""
    return sorted(path.stem for path in (HERE / "published").glob("*.yaml"))


def load(name: str) -> Reproduction:
    """A reproduction by its name."""
    found = importlib.import_module(name).REPRODUCTION
    assert isinstance(found, Reproduction)
    return found


def published(name: str) -> Mapping[str, Any]:
    """The published figures and their source."""
    content = yaml.safe_load((HERE / "published" / f"{name}.yaml").read_text(encoding="utf-8"))
    assert isinstance(content, dict) and {"source", "figures"} <= set(content), name
    return content


def results(name: str) -> Results | None:
    """What was obtained; None before the first ``make reproduce-<name>``."""
    path = HERE / "results" / f"{name}.json"
    if not path.is_file():
        return None
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return content


def keep(name: str, obtained: Mapping[str, Any], *, versions: Mapping[str, str]) -> None:
    """Write results/<name>.json."""
    made_with = {"machine": platform.machine(), "python": platform.python_version(), **versions}
    text = json.dumps({**obtained, "made_with": made_with}, indent=1, ensure_ascii=False, allow_nan=False)
    (HERE / "results" / f"{name}.json").write_text(text + "\n", encoding="utf-8")


def page() -> str:
    """The text of docs/reproductions.md."""
    lines = [
        "# Reproductions",
        "",
        "Published figures beside obtained ones. This page is generated from `published/*.yaml` and `results/*.json`",
        "of [benchmarks/reproductions](../benchmarks/reproductions); `make reproduce-<name>` measures one again and",
        "writes the page anew. Cycles are a model's ([fidelity.md](fidelity.md)); a dash is a figure that was not",
        "published or not measured.",
        "",
    ]
    for name in names():
        lines += [*_section(name), ""]
    return "\n".join(lines).rstrip() + "\n"


def _section(name: str) -> Iterator[str]:
    reproduction, given, obtained = load(name), published(name), results(name)
    yield f"## {reproduction.title}"
    yield ""
    yield f"`make reproduce-{name}`. Source: {given['source']}"
    if obtained is None:
        yield ""
        yield "Not measured yet."
        return
    for block in reproduction.section(given, obtained):
        yield ""
        if isinstance(block, Table):
            yield from _table(block)
        elif isinstance(block, Picture):
            yield f"![{block.text}](images/{block.file})"
        else:
            yield block
    limits = given.get("not_reproduced", [])
    if limits:
        yield ""
        yield "What is not reproduced, and why:"
        yield ""
        yield from (f"- {limit['what']}: {limit['why']}" for limit in limits)
    yield ""
    yield "Made with " + ", ".join(f"{key} {value}" for key, value in obtained["made_with"].items()) + "."


def _table(table: Table) -> Iterator[str]:
    if table.caption:
        yield f"{table.caption}"
        yield ""
    yield f"| {' | '.join(table.columns)} |"
    yield f"|---|{'--:|' * (len(table.columns) - 1)}"
    yield from (f"| {' | '.join(row)} |" for row in table.rows)


def grouped(value: float | None, digits: int = 0) -> str:
    """Thousands apart; a dash for what there is not."""
    return "-" if value is None else f"{value:,.{digits}f}".replace(",", " ")


def mean_and_deviation(values: Sequence[float]) -> tuple[float, float]:
    """Mean and sample standard deviation (0 for one value)."""
    mean = sum(values) / len(values)
    if len(values) < 2:
        return mean, 0.0
    return mean, (sum((value - mean) ** 2 for value in values) / (len(values) - 1)) ** 0.5
