# SPDX-License-Identifier: Apache-2.0
"""Strict YAML: plain values that remember their lines. Duplicate keys, aliases and tags are refused.

PyYAML keeps the last of two equal keys without a word, reads ``1e-3`` as text and ``yes`` as true. Here the
document is composed by PyYAML (its nodes know their lines) and turned into values by the YAML 1.2 core rules.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from trainbed.errors import ScenarioError

KeyPath = tuple[str | int, ...]
"""Where a value stands: ``("network", "layers", 3, "dense", "units")``."""

MAX_BYTES = 1 << 20
MAX_DEPTH = 32

_INT = re.compile(r"[-+]?(0x[0-9a-fA-F_]*[0-9a-fA-F][0-9a-fA-F_]*|0o[0-7_]*[0-7][0-7_]*|[0-9][0-9_]*)")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9][0-9_]*(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_INFINITE = {".inf": float("inf"), "+.inf": float("inf"), "-.inf": float("-inf"), ".nan": float("nan")}
_WORDS: dict[str, bool | None] = {"true": True, "false": False, "null": None, "~": None, "": None}


class _Composer(yaml.SafeLoader):
    """PyYAML's composer without its notions of types, aliases and unbounded depth."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.yaml_implicit_resolvers = {}  # every plain scalar stays text until _scalar reads it
        self.depth = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        event: Any = self.peek_event()  # type: ignore[no-untyped-call]  # the stubs leave it out
        mark = event.start_mark
        if isinstance(event, yaml.AliasEvent):
            raise yaml.MarkedYAMLError(problem="aliases (*name) are not part of a scenario", problem_mark=mark)
        if self.depth >= MAX_DEPTH:
            raise yaml.MarkedYAMLError(problem=f"nested deeper than {MAX_DEPTH} levels", problem_mark=mark)
        if getattr(event, "tag", None) is not None:
            raise yaml.MarkedYAMLError(problem=f"tags ({event.tag}) are not part of a scenario", problem_mark=mark)
        self.depth += 1
        try:
            node: yaml.Node | None = super().compose_node(parent, index)
        finally:
            self.depth -= 1
        return node


@dataclass(frozen=True)
class Place:
    """A line of another file."""

    file: Path | None
    line: int | None


@dataclass
class Document:
    """A YAML document as plain values (dict, list, str, int, float, bool, None) and the line of each.

    ``lines``: path -> 1-based line of the value's key, or of the list item. ``origins``: path -> the override that
    set it. ``places``: path -> where a value came from that another file set: a sweep's axis.
    """

    root: Any
    file: Path | None = None
    lines: dict[KeyPath, int] = field(default_factory=dict)
    origins: dict[KeyPath, str] = field(default_factory=dict)
    places: dict[KeyPath, Place] = field(default_factory=dict)

    def line_of(self, path: KeyPath) -> int | None:
        """Line of a path, or of the nearest thing around it; None when an override or another file set it."""
        if self.origin_of(path) is not None or self.place_of(path) is not None:
            return None
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 1)

    def origin_of(self, path: KeyPath) -> str | None:
        """The override that set a path or something around it, or None."""
        return next((self.origins[path[:n]] for n in range(len(path), 0, -1) if path[:n] in self.origins), None)

    def place_of(self, path: KeyPath) -> Place | None:
        """Where another file set a path or something around it, or None."""
        return next((self.places[path[:n]] for n in range(len(path), 0, -1) if path[:n] in self.places), None)

    def error(self, message: str, path: KeyPath) -> ScenarioError:
        """A ScenarioError that points at a path: its line, the override or the place in another file that set it."""
        place = self.place_of(path)
        if place is not None:
            return ScenarioError(message, file=place.file, line=place.line)
        origin = self.origin_of(path)
        if origin is not None:
            return ScenarioError(f"{origin}: {message}", file=self.file)
        return ScenarioError(message, file=self.file, line=self.line_of(path))


def read_document(path: Path) -> Document:
    """Read a scenario file. Raises ScenarioError with the line when it is missing, not UTF-8 or not strict YAML."""
    try:
        with path.open("rb") as stream:
            raw = stream.read(MAX_BYTES + 1)
    except OSError as error:
        raise ScenarioError(f"cannot be read: {error.strerror or error}", file=path) from None
    return parse_document(raw, file=path)


def parse_document(raw: bytes, *, file: Path | None = None) -> Document:
    """Parse the bytes of a scenario file. Raises ScenarioError with the line to blame."""
    if len(raw) > MAX_BYTES:
        raise ScenarioError(f"is larger than {MAX_BYTES} bytes; is it a scenario?", file=file, line=1)
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise ScenarioError(f"byte 0x{raw[error.start]:02x} is not UTF-8 text", file=file, line=line) from None
    root = _compose(text, file)
    if root is None:
        raise ScenarioError("is empty; a scenario starts with 'schema: 1'", file=file, line=1)
    document = Document(root=None, file=file)
    document.root = _value(root, (), document)
    return document


def parse_value(text: str) -> Any:
    """One value by the rules of a scenario: ``1e-3``, ``[3, 3]``, ``{sgd: {lr: 0.1}}``. Raises ScenarioError."""
    node = _compose(text, None)
    return None if node is None else _value(node, (), Document(root=None))


def _compose(text: str, file: Path | None) -> yaml.Node | None:
    try:
        composer = _Composer(text)
        try:
            return composer.get_single_node()
        finally:
            composer.dispose()
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise ScenarioError(f"character U+{int(error.character):04X} is not allowed", file=file, line=line) from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark is not None else 1
        raise ScenarioError(_problem(error), file=file, line=line) from None
    except (ValueError, OverflowError, IndexError, RecursionError) as error:
        # PyYAML's scanner lets a few malformed escapes and directives through to Python's own conversions.
        raise ScenarioError(f"is not YAML: {error}", file=file, line=1) from None


def _problem(error: yaml.MarkedYAMLError) -> str:
    problem = error.problem or error.context or "is not YAML"
    if "single document" in (error.context or ""):
        return "a second document starts here; a scenario is one document"
    if "cannot start any token" in problem and "\\t" in problem:
        return "a tab is used for indentation; YAML wants spaces"
    return f"{error.context}, {problem}" if error.context and error.problem else problem


def _value(node: yaml.Node, path: KeyPath, document: Document) -> Any:
    document.lines.setdefault(path, node.start_mark.line + 1)
    if isinstance(node, yaml.MappingNode):
        return _mapping(node, path, document)
    if isinstance(node, yaml.SequenceNode):
        return [_value(item, (*path, i), document) for i, item in enumerate(node.value)]
    return _scalar(node, document)


def _mapping(node: yaml.MappingNode, path: KeyPath, document: Document) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for key_node, value_node in node.value:
        line = key_node.start_mark.line + 1
        if not isinstance(key_node, yaml.ScalarNode) or not key_node.value:
            raise ScenarioError("a key must be a word", file=document.file, line=line)
        key = key_node.value
        where = (*path, key)
        if key in values:
            first = document.lines[where]
            raise ScenarioError(f"'{key}' stands twice, first at line {first}", file=document.file, line=line)
        document.lines[where] = line
        values[key] = _value(value_node, where, document)
    return values


def _scalar(node: yaml.Node, document: Document) -> Any:
    text = str(node.value)
    if getattr(node, "style", None) is not None:  # quoted or block text is text
        return text
    if text.lower() in _WORDS and text in (text.lower(), text.upper(), text.capitalize()):
        return _WORDS[text.lower()]
    if text.lower() in _INFINITE:
        return _INFINITE[text.lower()]
    convert: Callable[[str], Any]
    if _INT.fullmatch(text):
        convert = _int
    elif _FLOAT.fullmatch(text):
        convert = float
    else:
        return text
    try:
        return convert(text.replace("_", ""))
    except ValueError:
        line = node.start_mark.line + 1
        raise ScenarioError(f"the number {text[:20]}... has too many digits", file=document.file, line=line) from None


def _int(text: str) -> int:
    """YAML 1.2: 0x and 0o prefixes; a leading zero is decimal."""
    digits = text.lstrip("+-")
    base = {"0x": 16, "0o": 8}.get(digits[:2], 10)
    value = int(digits, base) if base != 10 else int(digits)
    return -value if text.startswith("-") else value
