# SPDX-License-Identifier: Apache-2.0
"""The scenario a sweep or a search varies: a file, a shipped one, or a mapping in the file itself."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

from trainbed.errors import ScenarioError
from trainbed.scenario.document import Document, KeyPath, Place, read_document
from trainbed.scenario.find import find_scenario
from trainbed.scenario.overrides import set_value


def base_document(document: Document) -> Document:
    """The document under ``scenario`` of a file. Raises ScenarioError."""
    scenario = document.root["scenario"]
    if isinstance(scenario, dict):
        lines = {path[1:]: line for path, line in document.lines.items() if path[:1] == ("scenario",)}
        return Document(root=scenario, file=document.file, lines=lines)
    here = document.file.parent if document.file is not None else Path()
    try:
        found = here / scenario if (here / scenario).is_file() else find_scenario(scenario)
    except ScenarioError as error:
        raise document.error(f"scenario '{scenario}': {error.reason}", ("scenario",)) from None
    base = read_document(found)
    if not isinstance(base.root, dict):
        raise base.error("a scenario is a mapping that starts with 'schema: 1'", ())
    return base


def copy_of(base: Document) -> Document:
    """A document of its own, to be changed."""
    return Document(copy.deepcopy(base.root), base.file, dict(base.lines), dict(base.origins), dict(base.places))


def put(target: Document, dotted: str, value: Any, *, source: Document, where: KeyPath) -> KeyPath:
    """Set a dotted path of ``target`` to a copy of what stands at ``where`` in ``source``, and remember where that is.

    Returns the path. Raises ScenarioError at that line.
    """
    place = Place(source.file, source.line_of(where))
    try:
        paths = set_value(target, dotted, copy.deepcopy(value), origin=dotted)
    except ScenarioError as error:
        raise ScenarioError(error.reason, file=place.file, line=place.line) from None
    for path in paths:
        target.places[path] = place
    return paths[-1]
