# SPDX-License-Identifier: Apache-2.0
"""Axes and the combinations of their values: all of them, or some that are drawn."""

from __future__ import annotations

import itertools
import json
import math
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from trainbed.scenario.document import Document, KeyPath
from trainbed.scenario.wording import describe, did_you_mean
from trainbed.sweep.schema import RangeKeys, SweepKeys

MAX_RUNS = 100_000
SEED = "training.seed"

Combination = Mapping[str, Any]
"""Dotted path -> value."""

_DRAWS = 200
"""Tries per combination before a random sweep gives up on finding one that is new and not excluded."""


@dataclass(frozen=True)
class Axis:
    """Dotted paths that change together, and their values: one per path each time.

    ``draw``: makes a value from a number in [0, 1), for a range without steps; then ``values`` is empty.
    """

    paths: tuple[str, ...]
    values: tuple[tuple[Any, ...], ...]
    where: KeyPath
    """In the file, for messages."""
    draw: Callable[[float], Any] | None = None

    def value(self, at: float) -> tuple[Any, ...]:
        """The value for a number in [0, 1)."""
        return (self.draw(at),) if self.draw is not None else self.values[int(at * len(self.values))]


def read_axes(keys: SweepKeys, document: Document) -> tuple[Axis, ...]:
    """The axes of a file, in its order. Raises ScenarioError at the line to blame."""
    axes: list[Axis] = []
    taken: dict[str, str] = {}
    for name, values in keys.axes.items():
        where: KeyPath = ("axes", name)
        paths = tuple(path.strip() for path in name.split(","))
        for path in paths:
            if not all(path.split(".")):
                raise document.error(f"'{path}' is no dotted path, such as training.optimizer.sgd.lr", where)
            for other in taken:
                if other == path or other.startswith(f"{path}."):
                    raise document.error(f"'{path}' would undo '{other}', which stands before it", where)
            taken[path] = name
        axes.append(_axis(paths, values, where, document, random_=keys.method != "grid"))
    return tuple(axes)


def seeds(base: int, repeat: int) -> Axis:
    """The axis of a repeated sweep."""
    return Axis((SEED,), tuple((base + n,) for n in range(repeat)), ("repeat",))


def combinations(axes: Sequence[Axis], keys: SweepKeys, document: Document) -> tuple[Combination, ...]:
    """Every combination, or the drawn ones, without the excluded. Raises ScenarioError."""
    excluded = _exclusions(axes, keys, document)
    if keys.method == "grid":
        n = math.prod(len(axis.values) for axis in axes)
        if n > MAX_RUNS:
            raise document.error(f"{n} combinations are more than {MAX_RUNS}; use method: random", ("axes",))
        product = itertools.product(*(axis.values for axis in axes))
        found = [combination for values in product if not excluded(combination := _combine(axes, values))]
    else:
        found = list(_drawn(axes, keys.method.random.count, keys.method.random.seed, excluded, document))
    if not found:
        raise document.error("every combination is excluded", ("exclude",))
    return tuple(found)


def same(value: Any, other: Any) -> bool:
    """Equal, and of the same kind: 1 is not 1.0, and not true."""
    return canonical(value) == canonical(other)


def canonical(value: Any) -> str:
    """The text of a plain value: equal values have equal texts."""
    return json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"))


def _axis(
    paths: tuple[str, ...], values: list[Any] | RangeKeys, where: KeyPath, document: Document, *, random_: bool
) -> Axis:
    if isinstance(values, RangeKeys):
        if len(paths) > 1:
            raise document.error(f"{len(paths)} paths change together: expected a list of lists of {len(paths)}", where)
        return _range(paths, values, where, document, random_=random_)
    rows: list[tuple[Any, ...]] = []
    for n, value in enumerate(values):
        if len(paths) == 1:
            row: tuple[Any, ...] = (value,)
        elif isinstance(value, list) and len(value) == len(paths):
            row = tuple(value)
        else:
            found = describe(value)
            raise document.error(f"expected a list of {len(paths)}, one for each path, found {found}", (*where, n))
        if any(same(row, other) for other in rows):
            raise document.error(f"{describe(value)} stands twice in '{where[-1]}'", (*where, n))
        rows.append(row)
    return Axis(paths, tuple(rows), where)


def _range(paths: tuple[str, ...], keys: RangeKeys, where: KeyPath, document: Document, *, random_: bool) -> Axis:
    low, high = keys.low, keys.high
    if keys.steps is None and (keys.log or not keys.whole) and keys.by is None:
        if not random_:
            raise document.error("say how many values: steps: n, or by: a step", where)
        return Axis(paths, (), where, draw=_between(low, high, log=keys.log, whole=keys.whole))
    if keys.steps is None:
        by = keys.by if keys.by is not None else 1
        count = math.floor((high - low) / by * (1 + 1e-12)) + 1
        if count > MAX_RUNS:
            raise document.error(f"{count} values are more than {MAX_RUNS}", where)
        values = [low + n * by for n in range(count)]
    elif keys.log:
        values = [low * (high / low) ** (n / (keys.steps - 1)) for n in range(keys.steps)]
    else:
        values = [low + (high - low) * n / (keys.steps - 1) for n in range(keys.steps)]
    rounded = [round(value) if keys.whole else _short(value) for value in values]
    if len(set(rounded)) < len(rounded):
        raise document.error(
            f"{len(rounded)} whole numbers do not fit between {low} and {high}; write {float(low)} for fractions", where
        )
    return Axis(paths, tuple((value,) for value in rounded), where)


def _between(low: float, high: float, *, log: bool, whole: bool) -> Callable[[float], Any]:
    def draw(at: float) -> Any:
        if whole:  # each whole number owns the half on either side of it
            bottom, top = low - 0.5, high + 0.5
            value = bottom * (top / bottom) ** at if log else bottom + (top - bottom) * at
            return min(max(round(value), int(low)), int(high))
        return _short(low * (high / low) ** at if log else low + (high - low) * at)

    return draw


def _short(value: float) -> float:
    """Without the noise of the last digits: 0.1, not 0.10000000000000002."""
    return float(f"{value:.12g}")


def _combine(axes: Sequence[Axis], values: Sequence[tuple[Any, ...]]) -> Combination:
    return {
        path: value for axis, row in zip(axes, values, strict=True) for path, value in zip(axis.paths, row, strict=True)
    }


def _drawn(
    axes: Sequence[Axis], count: int, seed: int, excluded: Callable[[Combination], bool], document: Document
) -> Iterator[Combination]:
    generator = random.Random(seed)
    seen: set[str] = set()
    for _ in range(_DRAWS * count):
        combination = _combine(axes, [axis.value(generator.random()) for axis in axes])
        text = canonical(combination)
        if text not in seen and not excluded(combination):
            seen.add(text)
            yield combination
            if len(seen) == count:
                return
    raise document.error(f"{count} different combinations were asked for, {len(seen)} were found", ("method", "random"))


def _exclusions(axes: Sequence[Axis], keys: SweepKeys, document: Document) -> Callable[[Combination], bool]:
    columns = {path: [row[n] for row in axis.values] for axis in axes for n, path in enumerate(axis.paths)}
    for n, item in enumerate(keys.exclude):
        if not item:
            raise document.error("an empty item would exclude everything", ("exclude", n))
        for path, wanted in item.items():
            where: KeyPath = ("exclude", n, path)
            if path not in columns:
                raise document.error(f"'{path}' is no axis{did_you_mean(path, list(columns))}", where)
            known = columns[path]
            for value in wanted if isinstance(wanted, list) and not any(same(wanted, v) for v in known) else [wanted]:
                if known and not any(same(value, other) for other in known):
                    raise document.error(f"'{path}' never is {describe(value)}", where)

    def excluded(combination: Combination) -> bool:
        return any(all(_matches(combination[path], wanted) for path, wanted in item.items()) for item in keys.exclude)

    return excluded


def _matches(value: Any, wanted: Any) -> bool:
    return same(value, wanted) or (isinstance(wanted, list) and any(same(value, one) for one in wanted))
