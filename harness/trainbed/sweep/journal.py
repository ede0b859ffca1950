# SPDX-License-Identifier: Apache-2.0
"""The journal of a sweep or a search: a head line, then one JSON line per finished run. Lines are only ever added."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Any

from trainbed.errors import InputError
from trainbed.sweep.job import Outcome

JOURNAL_FILE = "journal.jsonl"
SCHEMA = 1


class Journal:
    """A journal that is open for adding; nobody else can open it meanwhile. Use it as a context manager."""

    def __init__(self, descriptor: int, path: Path, outcomes: dict[str, Outcome]) -> None:
        self._descriptor = descriptor
        self.path = path
        self.outcomes: dict[str, Outcome] = outcomes
        """By the run's key, in the order they finished."""

    def __enter__(self) -> Journal:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._descriptor)

    def add(self, key: str, facts: Mapping[str, Any], outcome: Outcome) -> None:
        """Keep a finished run; on the disk when this returns. ``facts``: what else a reader wants to know of it."""
        if key in self.outcomes:
            raise ValueError(f"run {key} is in {self.path} already")
        _write_line(self._descriptor, {"key": key, **facts, **asdict(outcome)})
        self.outcomes[key] = outcome


def open_journal(folder: Path, head: Mapping[str, Any], *, resume: bool, restart: bool) -> Journal:
    """Begin a journal, or go on with one.

    ``head``: what tells one sweep from another. ``resume``: go on if there is one; ``restart``: throw it away first. A
    last line that was cut off is dropped. Raises InputError when a journal is there and neither was asked for, when
    it belongs to something else, is damaged, or is in use.
    """
    path = folder / JOURNAL_FILE
    folder.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise InputError(f"{folder} is in use by another sweep; give this one a folder of its own: --out") from None
        if restart:
            os.ftruncate(descriptor, 0)
        head = {"schema": SCHEMA, **head}
        lines = _whole_lines(descriptor, path)
        if lines and not resume:
            raise InputError(
                f"{folder} holds {len(lines) - 1} finished runs already; --resume goes on with them, --restart throws "
                "them away, --out names another folder"
            )
        if lines and lines[0] != head:
            raise InputError(f"{path}: {_difference(lines[0], head)}; name another folder with --out, or --restart")
        if not lines:
            _write_line(descriptor, head)
            _sync_folder(folder)
        outcomes: dict[str, Outcome] = {}
        for n, line in enumerate(lines[1:], 2):
            key, outcome = _entry(line, path, n)
            if key in outcomes:
                raise InputError(f"{path}:{n}: run {key} stands twice; the journal was tampered with")
            outcomes[key] = outcome
    except BaseException:
        os.close(descriptor)
        raise
    return Journal(descriptor, path, outcomes)


def read_journal(path: Path) -> list[dict[str, Any]]:
    """The entries of a journal as plain values, the head left out; a last line that was cut off is ignored."""
    lines = path.read_bytes().split(b"\n")[:-1]
    parsed = [_parsed(line) for line in lines[1:]]
    return [entry for entry in parsed if entry is not None]


def _whole_lines(descriptor: int, path: Path) -> list[dict[str, Any]]:
    """The lines that are whole. A cut-off last one is removed from the file, so that the next begins on its own."""
    raw = bytearray()
    while block := os.pread(descriptor, 1 << 20, len(raw)):
        raw += block
    end = raw.rfind(b"\n") + 1
    texts = bytes(raw[:end]).split(b"\n")[:-1]
    lines: list[dict[str, Any]] = []
    at = 0
    for n, text in enumerate(texts, 1):
        parsed = _parsed(text)
        if parsed is None:
            if n < len(texts):
                raise InputError(f"{path}:{n}: is no line of a journal; --restart begins anew")
            end = at  # a power cut may leave a line of the right length with the wrong bytes
            break
        lines.append(parsed)
        at += len(text) + 1
    if end < len(raw):
        os.ftruncate(descriptor, end)
        os.fsync(descriptor)
    return lines


def _parsed(text: bytes) -> dict[str, Any] | None:
    try:
        value = json.loads(text)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def _entry(line: Mapping[str, Any], path: Path, n: int) -> tuple[str, Outcome]:
    try:
        fields = {name: line[name] for name in Outcome.__dataclass_fields__}
        return str(line["key"]), Outcome(**fields)
    except KeyError as missing:
        raise InputError(f"{path}:{n}: {missing} is missing; --restart begins anew") from None


def _difference(found: Mapping[str, Any], head: Mapping[str, Any]) -> str:
    if found.get("id") != head.get("id"):
        return f"is the journal of something else, '{found.get('name')}': other runs than these"
    return f"was begun with other tools ({_text(found.get('versions'))}, now {_text(head.get('versions'))})"


def _text(value: Any) -> str:
    return ", ".join(f"{key} {one}" for key, one in value.items()) if isinstance(value, dict) else str(value)


def _write_line(descriptor: int, value: Mapping[str, Any]) -> None:
    rest = memoryview(json.dumps(value, ensure_ascii=False, allow_nan=False).encode() + b"\n")
    while rest:
        rest = rest[os.write(descriptor, rest) :]
    os.fsync(descriptor)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
