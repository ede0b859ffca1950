# SPDX-License-Identifier: Apache-2.0
"""Turns what pydantic found into one ScenarioError that points at lines and says what was expected."""

from __future__ import annotations

import re
from typing import Any

from pydantic import ValidationError

from trainbed.errors import ScenarioError
from trainbed.scenario.document import Document, KeyPath
from trainbed.scenario.wording import describe, did_you_mean

MAX_REPORTED = 8

_EXPECTED = {
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "string_type": "a text",
    "bool_type": "true or false",
    "list_type": "a list",
    "dict_type": "a mapping",
    "finite_number": "a finite number",
}
_COMPARED = {
    "greater_than": ("larger than", "gt"),
    "greater_than_equal": ("at least", "ge"),
    "less_than": ("smaller than", "lt"),
    "less_than_equal": ("at most", "le"),
}


def scenario_error(error: ValidationError, document: Document) -> ScenarioError:
    """The first problem by line as the error; the others follow in its message, one per line."""
    found = [_problem(dict(detail), document) for detail in error.errors(include_url=False)]
    found.sort(key=lambda problem: document.line_of(problem[0]) or 0)
    errors = [document.error(message, path) for path, message in dict.fromkeys(found)]
    first = errors[0]
    rest = "".join(f"\n{other}" for other in errors[1:MAX_REPORTED])
    if len(errors) > MAX_REPORTED:
        rest += f"\nand {len(errors) - MAX_REPORTED} more"
    return ScenarioError(first.reason + rest, file=first.file, line=first.line)


def _problem(detail: dict[str, Any], document: Document) -> tuple[KeyPath, str]:
    """Path and message of one pydantic error."""
    path: KeyPath = tuple(step for step in detail["loc"] if not str(step).startswith("<"))
    if path and isinstance(path[-1], int) and not isinstance(_at(document.root, path[:-1]), list):
        path = path[:-1]  # one number that stands for a pair
    context = detail.get("ctx", {})
    kind = detail["type"]
    where = ".".join(map(str, path)) or "the scenario"
    if kind == "unknown_key":
        inside = f" in {where}" if path else ""
        return (*path, context["key"]), context["text"].replace("'; ", f"'{inside}; ", 1)
    if kind == "missing":
        return path[:-1], f"'{path[-1]}' is missing" + (f" in {'.'.join(map(str, path[:-1]))}" if path[:-1] else "")
    return path, f"{where}: {_message(kind, context, detail, _at(document.root, path))}"


def _message(kind: str, context: dict[str, Any], detail: dict[str, Any], value: Any) -> str:
    found = describe(value)
    if kind == "wrong":
        return str(context["text"])
    if kind in _EXPECTED:
        return f"expected {_EXPECTED[kind]}, found {found}"
    if kind in _COMPARED:
        words, key = _COMPARED[kind]
        return f"must be {words} {context[key]:g}, found {found}"
    if kind == "literal_error":
        words_allowed = re.findall(r"'([^']*)'", context["expected"])
        if isinstance(value, str):
            return f"'{value[:80]}' is not known{did_you_mean(value, words_allowed)}"
        return f"expected one of {', '.join(words_allowed)}, found {found}"
    if kind == "string_pattern_mismatch":
        return f"expected a word of letters, digits and _, found {found}"
    if kind in ("too_short", "too_long"):
        wanted = context.get("min_length") if kind == "too_short" else context.get("max_length")
        return f"expected a list of {wanted}, found {found}"
    text = str(detail["msg"])
    return f"{text[:1].lower()}{text[1:]}, found {found}"


def _at(root: Any, path: KeyPath) -> Any:
    """The value at a path, or None where there is none (a bare word has nothing in it)."""
    for step in path:
        try:
            root = root[step]
        except (KeyError, IndexError, TypeError):
            return None
    return root
