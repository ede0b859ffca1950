# SPDX-License-Identifier: Apache-2.0
"""The space of a search: trees with free values in them, and the scenario that a choice of all values makes.

    {any: [a, b]}                one of the alternatives; each may hold free values itself
    {from: 4, to: 32}            a number; with by: or log:
    - optional: item             an item of a list that may be left out
    - repeat: {times: 2, items: [..]}     items of a list, so many times over; the copies share their free values

Every free value has its own dimension, used or not: the space has one shape, which samplers that recombine need.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError

from trainbed.errors import ScenarioError
from trainbed.scenario.document import Document, KeyPath, Place
from trainbed.scenario.overrides import set_value
from trainbed.scenario.wording import describe
from trainbed.sweep.base import copy_of
from trainbed.sweep.schema import RangeKeys

_RANGE = set(RangeKeys.key_names())
ANY, OPTIONAL, REPEAT = "any", "optional", "repeat"


@dataclass(frozen=True)
class Choice:
    """One of ``count`` alternatives, by number."""

    count: int


Dimension = Choice | RangeKeys
Values = Mapping[str, Any]
"""Number of the alternative, or the number itself, of each dimension by name."""


@dataclass
class Filled:
    """A scenario of the space. ``used``: what each free value that has a say became, for a reader."""

    document: Document
    used: dict[str, Any] = field(default_factory=dict)


class Space:
    """The free values under ``space`` of a search's file. Raises ScenarioError at the line of what is no free value."""

    def __init__(self, document: Document, base: Document) -> None:
        self._document = document
        self._base = base
        self._trees: Mapping[str, Any] = document.root["space"]
        self.dimensions: dict[str, Dimension] = {}
        for dotted, tree in self._trees.items():
            for path, dimension in self._find(tree, ("space", dotted)):
                self.dimensions[_name(path)] = dimension
        if not self.dimensions:
            raise document.error("nothing is free here: write {any: [..]} or {from: a, to: b} somewhere", ("space",))

    def fill(self, values: Values) -> Filled:
        """The scenario for a value of every dimension. Raises ScenarioError where its path leads nowhere."""
        filled = Filled(copy_of(self._base))
        for dotted, tree in self._trees.items():
            places: dict[KeyPath, KeyPath] = {}
            value = _Filling(values, filled.used, places).value(tree, ("space", dotted), ())
            try:
                paths = set_value(filled.document, dotted, value, origin=dotted)
            except ScenarioError as error:
                raise self._document.error(error.reason, ("space", dotted)) from None
            for path in paths[:-1]:
                filled.document.places[path] = self._place(("space", dotted))
            for inner, source in places.items():
                path = (*paths[-1], *inner)
                filled.document.places[path] = self._place(source)
        return filled

    def _place(self, source: KeyPath) -> Place:
        return Place(self._document.file, self._document.line_of(source))

    def _find(self, tree: Any, path: KeyPath) -> Iterator[tuple[KeyPath, Dimension]]:
        if isinstance(tree, list):
            for i, item in enumerate(tree):
                yield from self._find_item(item, (*path, i))
        elif isinstance(tree, dict) and ANY in tree:
            yield from self._find_any(tree, path)
        elif _is_range(tree):
            yield path, self._range(tree, path)
        elif isinstance(tree, dict):
            for key, value in tree.items():
                yield from self._find(value, (*path, key))

    def _find_any(self, tree: dict[str, Any], path: KeyPath) -> Iterator[tuple[KeyPath, Dimension]]:
        alternatives = tree[ANY]
        if len(tree) > 1 or not isinstance(alternatives, list) or not alternatives:
            raise self._document.error(f"expected {{any: [..]}} with at least one value, found {describe(tree)}", path)
        yield path, Choice(len(alternatives))
        for i, alternative in enumerate(alternatives):
            yield from self._find(alternative, (*path, ANY, i))

    def _find_item(self, item: Any, path: KeyPath) -> Iterator[tuple[KeyPath, Dimension]]:
        if isinstance(item, dict) and OPTIONAL in item:
            if len(item) > 1:
                raise self._document.error(f"'optional' stands alone, found {describe(item)}", path)
            yield (*path, OPTIONAL), Choice(2)
            yield from self._find_item(item[OPTIONAL], (*path, OPTIONAL))
        elif isinstance(item, dict) and REPEAT in item:
            repeat = item[REPEAT]
            if (
                not isinstance(repeat, dict)
                or set(repeat) != {"times", "items"}
                or not isinstance(repeat["items"], list)
            ):
                raise self._document.error("expected repeat: {times: n, items: [..]}", path)
            times: KeyPath = (*path, REPEAT, "times")
            found = list(self._find(repeat["times"], times))
            if not found and not (isinstance(repeat["times"], int) and repeat["times"] >= 0):
                raise self._document.error(f"expected how many times, found {describe(repeat['times'])}", times)
            yield from found
            yield from self._find(repeat["items"], (*path, REPEAT, "items"))
        else:
            yield from self._find(item, path)

    def _range(self, tree: dict[str, Any], path: KeyPath) -> RangeKeys:
        try:
            keys = RangeKeys.model_validate(tree)
        except ValidationError as error:
            raise self._document.error(error.errors()[0]["msg"], path) from None
        if keys.steps is not None:
            raise self._document.error("a range of a search takes 'by' or 'log'; single values are {any: [..]}", path)
        return keys


class _Filling:
    """Puts values into a tree; remembers what was used, and where each place of the outcome stands in the file."""

    def __init__(self, values: Values, used: dict[str, Any], places: dict[KeyPath, KeyPath]) -> None:
        self._values = values
        self._used = used
        self._places = places

    def value(self, tree: Any, source: KeyPath, target: KeyPath) -> Any:
        self._places[target] = source
        if isinstance(tree, list):
            return self._items(tree, source, target, 0)
        if isinstance(tree, dict) and ANY in tree:
            chosen = self._values[_name(source)]
            alternative = tree[ANY][chosen]
            self._used[_name(source)] = next(iter(alternative)) if isinstance(alternative, dict) else alternative
            return self.value(alternative, (*source, ANY, chosen), target)
        if _is_range(tree):
            self._used[_name(source)] = self._values[_name(source)]
            return self._values[_name(source)]
        if isinstance(tree, dict):
            return {key: self.value(item, (*source, key), (*target, key)) for key, item in tree.items()}
        return tree

    def _items(self, items: list[Any], source: KeyPath, target: KeyPath, first: int) -> list[Any]:
        """``first``: index in the outcome of the first item."""
        made: list[Any] = []
        for i, item in enumerate(items):
            made += self._item(item, (*source, i), target, first + len(made))
        return made

    def _item(self, item: Any, source: KeyPath, target: KeyPath, at: int) -> list[Any]:
        if isinstance(item, dict) and OPTIONAL in item:
            there = bool(self._values[_name((*source, OPTIONAL))])
            self._used[_name((*source, OPTIONAL))] = there
            return self._item(item[OPTIONAL], (*source, OPTIONAL), target, at) if there else []
        if isinstance(item, dict) and REPEAT in item:
            inside: KeyPath = (*source, REPEAT)
            times = self.value(item[REPEAT]["times"], (*inside, "times"), (*target, at))
            made: list[Any] = []
            for _ in range(times):
                made += self._items(item[REPEAT]["items"], (*inside, "items"), target, at + len(made))
            return made
        return [self.value(item, source, (*target, at))]


def _is_range(tree: Any) -> bool:
    return isinstance(tree, dict) and {"from", "to"} <= set(tree) <= _RANGE


def _name(path: KeyPath) -> str:
    """``space`` itself left out."""
    return ".".join(str(step) for step in path[1:])
