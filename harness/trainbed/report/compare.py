# SPDX-License-Identifier: Apache-2.0
"""trainbed compare: what changed between two runs, or row by row between two sweeps, and whether it stays in bounds."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trainbed.errors import InputError
from trainbed.report.costs import layer_costs
from trainbed.report.sources import Run, Sweep, as_number, axis_name, read_source
from trainbed.scenario.wording import did_you_mean

_OF_THE_HOST = (
    "host",
    "cost.wall_s",
    "cost.emulated_mips",
    "schema",
    "index",
    "key",
    "training.loss",
    "training.accuracy",
)
_BOUND = re.compile(r"(?P<key>[^=]+)=(?P<sign>[+-]?)(?P<number>\d+(\.\d+)?([eE][+-]?\d+)?)(?P<percent>%?)")


@dataclass(frozen=True)
class Change:
    """One figure before and after; None: not measured there."""

    key: str
    before: float | None
    after: float | None

    @property
    def difference(self) -> float | None:
        """After minus before."""
        return None if self.before is None or self.after is None else self.after - self.before

    @property
    def percent(self) -> float | None:
        """The difference in percent of before; None where there is none."""
        return None if not self.before or self.difference is None else 100.0 * self.difference / abs(self.before)

    @property
    def changed(self) -> bool:
        """The two are not equal."""
        return self.before != self.after


@dataclass(frozen=True)
class Bound:
    """How far a figure may go: ``limit`` is a value, a difference (``relative``), or a difference in percent."""

    text: str
    key: str
    edge: str
    """``max`` or ``min``."""
    limit: float
    relative: bool
    percent: bool

    def holds(self, change: Change) -> bool:
        """Whether a change stays in the bound; what was not measured does not."""
        if change.after is None or (self.relative and change.before is None):
            return False
        start = change.before if self.relative and change.before is not None else 0.0
        reach = abs(start) * self.limit / 100.0 if self.percent else self.limit
        # A sum of decimal fractions may miss the bound it is equal to by a rounding.
        slack = 1e-12 * max(abs(start), abs(change.after))
        if self.edge == "max":
            return change.after <= start + reach + slack
        return change.after >= start + reach - slack


@dataclass(frozen=True)
class Judged:
    """A bound held against one pair of runs."""

    bound: Bound
    run: str
    change: Change
    passed: bool


@dataclass(frozen=True)
class Pair:
    """Two runs that belong together: all their figures, and the words that differ (board, versions, digests)."""

    name: str
    changes: tuple[Change, ...]
    words: tuple[tuple[str, str, str], ...]
    """(key, before, after) of what is no figure and differs."""
    notes: tuple[str, ...] = ()

    def change(self, key: str) -> Change | None:
        """The figure of a key."""
        return next((change for change in self.changes if change.key == key), None)


@dataclass(frozen=True)
class Comparison:
    """Two runs or sweeps held against each other."""

    before: str
    after: str
    pairs: tuple[Pair, ...]
    judged: tuple[Judged, ...]
    only_before: tuple[str, ...] = ()
    only_after: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        """Every bound holds for every pair, and with bounds no row of the sweep is missing."""
        return all(judged.passed for judged in self.judged) and not (self.judged and self.only_before)


def parse_bounds(maxima: Sequence[str], minima: Sequence[str]) -> list[Bound]:
    """Bounds as given to ``--max`` and ``--min``. Raises InputError."""
    found = []
    for edge, texts in (("max", maxima), ("min", minima)):
        for text in texts:
            match = _BOUND.fullmatch(text.replace(" ", ""))
            if match is None:
                raise InputError(f"--{edge} {text}: expected KEY=+2%, KEY=+100 or KEY=70000")
            if match["percent"] and not match["sign"]:
                hint = "+" if edge == "max" else "-"
                raise InputError(
                    f"--{edge} {text}: a percentage is of the value before and needs a sign, such as "
                    f"{match['key']}={hint}{match['number']}%"
                )
            limit = float(match["number"]) * (-1.0 if match["sign"] == "-" else 1.0)
            found.append(
                Bound(f"--{edge} {text}", match["key"], edge, limit, bool(match["sign"]), bool(match["percent"]))
            )
    return found


def compare_sources(a: Path, b: Path, bounds: Sequence[Bound] = ()) -> Comparison:
    """Read and compare two runs or two sweeps.

    Raises InputError when they cannot be read, are of two kinds, share no row, or a bound names no figure of them.
    """
    one, other = read_source(a), read_source(b)
    if isinstance(one, Run) and isinstance(other, Run):
        pairs: tuple[Pair, ...] = (compare_runs(one, other),)
        return Comparison(str(a), str(b), pairs, _judge(pairs, bounds))
    if isinstance(one, Sweep) and isinstance(other, Sweep):
        pairs, only_before, only_after = _compare_sweeps(one, other)
        return Comparison(str(a), str(b), pairs, _judge(pairs, bounds), only_before, only_after)
    raise InputError(f"{a} and {b}: a run can be compared with a run, a sweep with a sweep")


def compare_runs(one: Run, other: Run) -> Pair:
    """All figures of two runs: the result's, then by layer and operation, then by symbol."""
    before, after = _flat(one), _flat(other)
    keys = dict.fromkeys((*before, *after))
    changes = []
    words = []
    for key in keys:
        x, y = before.get(key), after.get(key)
        if isinstance(x, str) or isinstance(y, str):
            if x != y:
                words.append((key, _word(x), _word(y)))
        else:
            changes.append(Change(key, x, y))
    return Pair("", tuple(changes), tuple(words), tuple(_notes(one, other)))


def _word(value: str | float | None) -> str:
    return "-" if value is None else str(value)


def _flat(run: Run) -> dict[str, str | float | None]:
    """Figures and words of a run by key path, without what differs from host to host."""
    found: dict[str, str | float | None] = {}
    plain = run.result.to_dict()
    loss = plain["training"].pop("loss")
    accuracy = plain["training"].pop("accuracy") or []
    expectations = plain.pop("expectations")
    for key, value in _leaves(plain, ""):
        if not any(key == name or key.startswith(f"{name}.") for name in _OF_THE_HOST):
            found[key] = value
    found["training.epochs"] = len(loss)
    if loss:
        found["training.final_loss"] = loss[-1]
    if accuracy:
        found["training.final_accuracy"] = accuracy[-1]
    for expectation in expectations:
        found[f"expectations.{expectation['name']}"] = "holds" if expectation["passed"] else "broken"
    for layer in layer_costs(run):
        for operation, count in layer.counts.items():
            found[f"layers.{layer.layer}.{operation.replace(' ', '_')}"] = count
        found[f"layers.{layer.layer}.total"] = layer.total
    if run.plan is not None:
        found["arena.bytes"] = run.plan["arena"]["bytes"]
        for purpose, n_bytes in run.plan["ram"].items():
            found[f"ram.{purpose}"] = n_bytes
        for symbol in run.plan["flash"]["symbols"]:
            found[f"flash.{symbol['name']}"] = found.get(f"flash.{symbol['name']}", 0) + symbol["bytes"]
    return found


def _leaves(value: Any, path: str) -> Iterator[tuple[str, str | float | None]]:
    if isinstance(value, Mapping):
        for name, inner in value.items():
            yield from _leaves(inner, f"{path}.{name}" if path else name)
    elif value is None or isinstance(value, (str, int, float)):
        yield path, value


def _notes(one: Run, other: Run) -> Iterator[str]:
    a, b = one.result.cost, other.result.cost
    if (a.cost_class, a.model) != (b.cost_class, b.model):
        yield (
            f"the counts are of two kinds: {a.cost_class} {a.model or '(no model)'} and {b.cost_class} "
            f"{b.model or '(no model)'}"
        )
    if one.result.board != other.result.board:
        yield f"the boards differ: {one.result.board} and {other.result.board}"
    if one.result.scenario.name != other.result.scenario.name:
        yield f"the scenarios differ: '{one.result.scenario.name}' and '{other.result.scenario.name}'"
    for run in (one, other):
        if run.plan is None or run.profile is None:
            yield f"{run.path}: no plan.json and profile.json, so nothing by layer and symbol"


def _compare_sweeps(one: Sweep, other: Sweep) -> tuple[tuple[Pair, ...], tuple[str, ...], tuple[str, ...]]:
    axes = [axis for axis in dict.fromkeys((*one.axes, *other.axes)) if axis in one.columns and axis in other.columns]
    before, after = _by_axes(one, axes), _by_axes(other, axes)
    shared = [name for name in before if name in after]
    if not shared:
        raise InputError(
            f"{one.path} and {other.path}: no row of one has the axes ({', '.join(axes)}) of a row of the other"
        )
    columns = [column for column in one.columns if column in other.columns and column not in axes]
    pairs = []
    for name in shared:
        changes, words = [], []
        for column in columns:
            if any(column == key or column.startswith(f"{key}.") for key in _OF_THE_HOST):
                continue
            x, y = before[name][column], after[name][column]
            a, b = as_number(x), as_number(y)
            if (a is not None or not x) and (b is not None or not y):
                changes.append(Change(column, a, b))
            elif x != y:
                words.append((column, x or "-", y or "-"))
        pairs.append(Pair(name, tuple(changes), tuple(words)))
    only_before = tuple(name for name in before if name not in after)
    return tuple(pairs), only_before, tuple(name for name in after if name not in before)


def _by_axes(sweep: Sweep, axes: Sequence[str]) -> dict[str, Mapping[str, str]]:
    rows: dict[str, Mapping[str, str]] = {}
    for number, row in enumerate(sweep.rows, 1):
        name = ", ".join(f"{axis_name(axis)}={row[axis]}" for axis in axes) or f"row {number}"
        if name in rows:
            raise InputError(f"{sweep.path}: two rows have the axes {name}")
        rows[name] = row
    return rows


def _judge(pairs: Sequence[Pair], bounds: Sequence[Bound]) -> tuple[Judged, ...]:
    judged = []
    for bound in bounds:
        keys = dict.fromkeys(change.key for pair in pairs for change in pair.changes)
        key = _resolve(bound, list(keys))
        for pair in pairs:
            change = pair.change(key) or Change(key, None, None)
            judged.append(Judged(bound, pair.name, change, bound.holds(change)))
    return tuple(judged)


def _resolve(bound: Bound, keys: Sequence[str]) -> str:
    """The key path a bound means: in full, or its end where only one ends so."""
    if bound.key in keys:
        return bound.key
    ends = [key for key in keys if key.endswith(f".{bound.key}")]
    if len(ends) == 1:
        return ends[0]
    if ends:
        raise InputError(f"{bound.text}: {bound.key} may be {', '.join(ends)}; write it in full")
    short = {key.removeprefix("cost."): key for key in keys}
    raise InputError(f"{bound.text}: no figure is named '{bound.key}'{did_you_mean(bound.key, [*keys, *short])}")
