# SPDX-License-Identifier: Apache-2.0
"""``--set a.b=v``: a dotted path into the scenario's tree and a value by the scenario's own rules."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from trainbed.errors import ScenarioError
from trainbed.scenario.document import Document, KeyPath, parse_value
from trainbed.scenario.wording import describe


def apply_overrides(document: Document, overrides: Sequence[str]) -> None:
    """Set each ``path=value`` in the document, in order. Raises ScenarioError naming the override."""
    for override in overrides:
        _apply(document, override)


def _apply(document: Document, override: str) -> None:
    origin = f"--set {override}"
    dotted, equals, text = override.partition("=")
    if not equals or not all(dotted.strip().split(".")):
        raise ScenarioError(f"{origin}: expected a dotted path and a value, such as training.epochs=10")
    try:
        value = parse_value(text)
    except ScenarioError as error:
        raise ScenarioError(f"{origin}: the value cannot be read: {error.reason}") from None
    for path in set_value(document, dotted, value, origin=origin):
        document.origins[path] = origin


def set_value(document: Document, dotted: str, value: Any, *, origin: str) -> tuple[KeyPath, ...]:
    """Set what a dotted path names; mappings on its way are made.

    Returns the paths of what is new: the value's, and those of the mappings that were made. Raises ScenarioError that
    starts with ``origin``.
    """
    steps = dotted.strip().split(".")
    path: KeyPath = ()
    made: list[KeyPath] = []
    at: Any = document.root
    for n, step in enumerate(steps):
        last = n == len(steps) - 1
        key = _step(at, step, path, origin)
        path = (*path, key)
        if last:
            at[key] = value
        elif isinstance(key, str) and at.get(key) is None:
            at[key] = {}
            made.append(path)
        at = at[key]
    _forget(document, path)
    return (*made, path)


def _step(at: Any, step: str, path: KeyPath, origin: str) -> str | int:
    """One step of the path as a key of ``at``."""
    where = ".".join(map(str, path)) or "the scenario"
    if isinstance(at, dict):
        return step
    if isinstance(at, list):
        if not step.isdecimal() or not step.isascii() or len(step) > 9 or int(step) >= len(at):
            raise ScenarioError(
                f"{origin}: {where} is a list of {len(at)}; expected an index 0..{len(at) - 1}, found '{step}'"
            )
        return int(step)
    raise ScenarioError(f"{origin}: {where} is {describe(at)}, there is no '{step}' in it")


def _forget(document: Document, path: KeyPath) -> None:
    """Lines and origins below a replaced value describe what is no longer there."""
    n = len(path)
    document.lines = {p: line for p, line in document.lines.items() if p[:n] != path or p == path}
    document.origins = {p: origin for p, origin in document.origins.items() if p[:n] != path}
    document.places = {p: place for p, place in document.places.items() if p[:n] != path}
