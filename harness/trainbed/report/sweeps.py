# SPDX-License-Identifier: Apache-2.0
"""A sweep in pictures: each figure over each axis, figure against figure with the Pareto front, the rows as a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from trainbed.report.drawing import HALF, MUTED, Drawing, colour, new_drawing, percent_axis
from trainbed.report.sources import AXIS, Sweep, as_number, axis_name, axis_value
from trainbed.summary import grouped

SEED = "axes.training.seed"
QUALITY = ("test.accuracy", "test.loss")
COSTS = ("cost.cycles_per_sample.total", "memory.ram_bytes", "memory.flash_bytes", "memory.training_bytes")
WORDS = {
    "test.accuracy": "test accuracy",
    "test.loss": "test loss",
    "cost.cycles_per_sample.total": "cycles per sample",
    "cost.instructions_per_sample.total": "instructions per sample",
    "memory.ram_bytes": "RAM, bytes",
    "memory.flash_bytes": "flash, bytes",
    "memory.training_bytes": "training memory, bytes",
}
MAX_ROWS = 500
"""Rows of the table in the page; results.csv has them all."""
_MAX_GROUPS = 8
_LEGEND_LETTERS, _HANDLE_LETTERS = 76, 8
"""What one line of a legend holds, and what an entry takes beside its words."""
_LEGEND_LINE = 0.19
"""Its height in inches."""


@dataclass(frozen=True)
class Table:
    """Rows of a sweep as text; ``left_out``: as many are not shown. ``front``: numbers of the rows on the front."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    left_out: int
    front: frozenset[int]


def measured(sweep: Sweep, columns: Sequence[str]) -> list[str]:
    """Those of the columns that have a number in some row."""
    return [
        column
        for column in columns
        if column in sweep.columns and any(as_number(row[column]) is not None for row in sweep.rows)
    ]


def pareto_front(points: Sequence[tuple[float, ...]]) -> list[int]:
    """Numbers of the points no other is at least as small as in every figure and smaller in one, in order."""
    front = []
    for index, point in enumerate(points):
        dominated = any(
            all(a <= b for a, b in zip(other, point, strict=True))
            and any(a < b for a, b in zip(other, point, strict=True))
            for other in points
        )
        if not dominated:
            front.append(index)
    return front


def sweep_drawings(sweep: Sweep, number: int) -> list[Drawing | None]:
    """All drawings of a sweep."""
    quality = measured(sweep, QUALITY)[:1]
    costs = measured(sweep, COSTS)
    if "cost.cycles_per_sample.total" not in costs:
        costs = measured(sweep, ("cost.instructions_per_sample.total",)) + costs
    numeric = [axis for axis in sweep.axes if axis != SEED and _is_numeric(sweep, axis)]
    drawings: list[Drawing | None] = []
    for column in quality:
        drawings += [_scatter(sweep, number, cost, column) for cost in costs[:3]]
    for axis in numeric[:4]:
        drawings += [_lines(sweep, number, axis, column) for column in (*quality, *costs[:2])]
    return drawings


def front_rows(sweep: Sweep, cost: str, quality: str) -> list[int]:
    """Numbers of the rows on the front of a cost (smaller is better) and a quality."""
    sign = -1.0 if quality == "test.accuracy" else 1.0
    kept = []
    points: list[tuple[float, ...]] = []
    for index, row in enumerate(sweep.rows):
        x, y = as_number(row[cost]), as_number(row[quality])
        if x is not None and y is not None:
            kept.append(index)
            points.append((x, sign * y))
    return [kept[i] for i in pareto_front(points)]


def sweep_table(sweep: Sweep) -> Table:
    """Axes and figures of every row."""
    quality = measured(sweep, QUALITY)
    costs = measured(sweep, (*COSTS, "cost.instructions_per_sample.total"))
    columns = (
        *sweep.axes,
        *[column for column in ("status", "verdict") if column in sweep.columns][:1],
        *quality,
        *costs,
    )
    rows = [tuple(_cell(row[column], column) for column in columns) for row in sweep.rows[:MAX_ROWS]]
    front: frozenset[int] = frozenset()
    if quality and costs:
        front = frozenset(front_rows(sweep, costs[0], quality[0]))
    return Table(tuple(map(axis_name, columns)), tuple(rows), max(0, len(sweep.rows) - MAX_ROWS), front)


def _cell(text: str, column: str) -> str:
    value = as_number(text)
    if value is None:
        return (axis_value(text) if column.startswith(AXIS) else text) or "–"
    if column == "test.accuracy":
        return f"{value:.1%}"
    return grouped(int(value) if value.is_integer() else value)


def _capital(words: str) -> str:
    return words[:1].upper() + words[1:]


def _is_numeric(sweep: Sweep, column: str) -> bool:
    values = [as_number(row[column]) for row in sweep.rows if row[column] != ""]
    return len(set(values)) > 1 and None not in values


def _groups(sweep: Sweep, axis: str) -> tuple[str, dict[str, list[Mapping[str, str]]]]:
    """Rows by the other axis with the fewest values (at most eight); seeds are no group of their own."""
    others = [other for other in sweep.axes if other not in (axis, SEED)]
    sized = sorted((len({row[other] for row in sweep.rows}), other) for other in others)
    for n, other in sized:
        if n <= _MAX_GROUPS:
            groups: dict[str, list[Mapping[str, str]]] = {}
            for row in sweep.rows:
                groups.setdefault(row[other], []).append(row)
            return other, groups
    return "", {"": list(sweep.rows)}


def _scatter(sweep: Sweep, number: int, cost: str, quality: str) -> Drawing | None:
    name = f"sweep{number}-{quality}-over-{cost}".replace(".", "-").replace("_", "-")
    drawing = new_drawing(
        name,
        f"{_capital(WORDS[quality])} over {WORDS[cost]}",
        width=HALF,
        height=3.4,
        note="One point a run. Ringed, and joined by the line: the runs no other run beats in both figures.",
    )
    axes = drawing.figure.add_subplot()
    other, groups = _groups(sweep, "")
    for index, (value, rows) in enumerate(groups.items()):
        points = [(as_number(row[cost]), as_number(row[quality])) for row in rows]
        there = [(x, y) for x, y in points if x is not None and y is not None]
        if there:
            xs, ys = zip(*there, strict=True)
            axes.plot(xs, ys, "o", color=colour(index), ms=5, alpha=0.75, mew=0, label=axis_value(value))
    front = sorted(
        (x, y)
        for i in front_rows(sweep, cost, quality)
        if (x := as_number(sweep.rows[i][cost])) is not None and (y := as_number(sweep.rows[i][quality])) is not None
    )
    across, up = [x for x, _ in front], [y for _, y in front]
    (line,) = axes.step(across, up, where="post", color=MUTED, lw=1.2, zorder=1)
    line.set_gid(drawing.tip(f"Pareto front: {len(front)} runs"))
    axes.plot(across, up, "o", ms=9, mfc="none", mec=MUTED, mew=1)  # a front of one run has no line
    _scales(axes, cost, quality, [x for x, _ in front] + [as_number(row[cost]) or 0.0 for row in sweep.rows])
    _legend(drawing, other)
    return drawing


def _lines(sweep: Sweep, number: int, axis: str, column: str) -> Drawing | None:
    name = f"sweep{number}-{column}-by-{axis_name(axis)}".replace(".", "-").replace("_", "-")
    other, groups = _groups(sweep, axis)
    drawing = new_drawing(
        name,
        f"{_capital(WORDS[column])} by {axis_name(axis)}",
        width=HALF,
        height=3.2,
        note="Mean over the runs of one value; the band reaches from the smallest to the largest.",
    )
    axes = drawing.figure.add_subplot()
    for index, (group, rows) in enumerate(groups.items()):
        cells: dict[float, list[float]] = {}
        for row in rows:
            x, y = as_number(row[axis]), as_number(row[column])
            if x is not None and y is not None:
                cells.setdefault(x, []).append(y)
        if not cells:
            continue
        xs = sorted(cells)
        means = [sum(cells[x]) / len(cells[x]) for x in xs]
        axes.plot(xs, means, "o-", color=colour(index), ms=4, label=axis_value(group))
        if any(len(cells[x]) > 1 for x in xs):
            low, high = [min(cells[x]) for x in xs], [max(cells[x]) for x in xs]
            axes.fill_between(xs, low, high, color=colour(index), alpha=0.15, lw=0)
    values = [value for row in sweep.rows if (value := as_number(row[axis])) is not None]
    _scales(axes, axis, column, values)
    _legend(drawing, other)
    return drawing


def _legend(drawing: Drawing, axis: str) -> None:
    """Above the plot, where its marks are not taken for runs; none for a single group."""
    handles, values = drawing.figure.axes[0].get_legend_handles_labels()
    if len(values) > 1:
        words = [f"{axis_name(axis).rpartition('.')[2]} {value}" for value in values]
        columns = max(1, _LEGEND_LETTERS // (max(map(len, words)) + _HANDLE_LETTERS))
        drawing.figure.set_figheight(drawing.figure.get_figheight() + _LEGEND_LINE * -(-len(words) // columns))
        drawing.figure.legend(handles, words, loc="outside upper left", ncols=columns)


def _scales(axes: object, x: str, y: str, values: Sequence[float]) -> None:
    from matplotlib.axes import Axes
    from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

    assert isinstance(axes, Axes)
    if values and min(values) > 0 and max(values) / min(values) > 20:
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if max(values) / min(values) < 500 else (1,)))
        axes.xaxis.set_minor_locator(NullLocator())
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: _plain(value)))
    elif x in WORDS:
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: grouped(round(value))))
        axes.locator_params(axis="x", nbins=6)
    if y == "test.accuracy":
        percent_axis(axes)
    elif y in COSTS:
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: grouped(round(value))))
    axes.set_xlabel(WORDS.get(x, axis_name(x)))
    axes.set_ylabel(WORDS.get(y, y))


def _plain(value: float) -> str:
    """``20 000``, ``0.002``, ``1e-06``."""
    return grouped(round(value)) if value >= 1 else f"{value:.3g}"
