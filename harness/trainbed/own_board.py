# SPDX-License-Identifier: Apache-2.0
"""Boards of the user's own: a file such as those of platforms/, anywhere, read as strictly as a scenario."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from trainbed.assets import asset_path
from trainbed.boards import Board
from trainbed.errors import InputError
from trainbed.scenario.document import Document, read_document
from trainbed.scenario.wording import did_you_mean


class _Keys(dict[str, Any]):
    """A mapping that remembers which of its keys were asked for."""

    def __init__(self, content: dict[str, Any]) -> None:
        super().__init__({key: _Keys(value) if isinstance(value, dict) else value for key, value in content.items()})
        self.asked: set[str] = set()

    def __getitem__(self, key: str) -> Any:
        self.asked.add(key)
        return super().__getitem__(key)

    def get(self, key: str, default: Any = None) -> Any:
        """As dict.get()."""
        self.asked.add(key)
        return super().get(key, default)


def read_own_board(path: Path, parse: Callable[[Path, Any], Board]) -> Board:
    """The board a file describes; its name is the file's. ``parse``: what reads the boards of platforms/.

    Raises ScenarioError with file and line when it is missing, no strict YAML, or no board trainbed can build for.
    """
    document = read_document(path)
    if not isinstance(document.root, dict):
        raise document.error("a board is a mapping that starts with 'title: ...'; see platforms/ for examples", ())
    raw = _Keys(document.root)
    try:
        board = parse(path, raw)
    except KeyError as missing:
        raise document.error(f"a board needs the key {missing}; see docs/adding-a-board.md", ()) from None
    except (TypeError, ValueError, AttributeError) as error:
        raise document.error(f"this is no description of a board: {error}; see docs/adding-a-board.md", ()) from None
    for key in raw:
        if key not in raw.asked:
            raise document.error(f"unknown key '{key}'{did_you_mean(key, sorted(raw.asked))}", (key,))
    _check(board, document)
    return replace(board, options=document.root.get("options", {}))


def _check(board: Board, document: Document) -> None:
    """What only the rest of trainbed can tell: ports, cores, backends."""
    from trainbed.backends.registry import BACKENDS
    from trainbed.toolchain.compiler import core_named

    ports = sorted(path.name for path in (asset_path("firmware") / "port").iterdir() if path.is_dir())
    if board.soc not in ports:
        raise document.error(f"there is no port for soc '{board.soc}'{did_you_mean(board.soc, ports)}", ("soc",))
    try:
        core = core_named(board.core)
    except InputError as error:
        raise document.error(str(error), ("core",)) from None
    for index, backend in enumerate(board.backends):
        if backend not in BACKENDS:
            hint = did_you_mean(backend, BACKENDS)
            raise document.error(f"no backend named '{backend}'{hint}", ("backends", index))
    for memory in board.memories:
        if not (isinstance(memory.origin, int) and isinstance(memory.length, int) and memory.length > 0):
            raise document.error("origin and length are whole numbers of bytes", ("memories", memory.name))
    if not core.native:
        for kind in ("flash", "ram"):
            if board.memory(kind) is None:
                raise document.error(f"a board needs a memory '{kind}: {{origin: ..., length: ...}}'", ("memories",))
        if not board.clock_hz or not board.stack_bytes or not board.baud:
            raise document.error("a board needs clock_hz, stack_bytes and uart: {baud: ...}", ())
