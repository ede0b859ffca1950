# SPDX-License-Identifier: Apache-2.0
"""Boards, read from platforms/<board>.yaml: the single source of linker script, build flags and backend
configuration.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from trainbed.assets import asset_path
from trainbed.errors import InputError


@dataclass(frozen=True)
class Memory:
    """One memory region of a board."""

    name: str
    origin: int
    length: int
    kind: str
    """``flash``, ``ram`` or ``code``, a RAM for code alone."""


@dataclass(frozen=True)
class Energy:
    """Supply current while the core computes, from the data sheet."""

    active_ma: float
    volts: float
    source: str


@dataclass(frozen=True)
class Boot:
    """What a part's boot ROM wants to find in flash, beside the firmware. Offsets from the start of flash."""

    vectors: int
    """Of the firmware's vector table."""
    sections: Mapping[str, int]
    """Section of the port -> offset."""
    checksum: str = ""
    """Section that ends in the ROM's CRC-32 of it."""


@dataclass(frozen=True)
class Board:
    """A board as trainbed sees it: core, clock, memories, UART and the backends that can run it."""

    name: str
    title: str
    soc: str
    core: str
    clock_hz: int
    baud: int
    memories: tuple[Memory, ...]
    backends: tuple[str, ...]
    flash_timing: str | None
    stack_bytes: int
    energy: Energy | None
    code_in: str = "flash"
    """Kind of the memory code runs from. If it is not flash, start-up code copies it there."""
    boot: Boot | None = None
    link_bytes: tuple[int, int] | None = None
    """Receive and transmit buffer of the link where the board's RAM has no room for the usual ones."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """What a single backend needs beyond the above, e.g. ``options["renode"]``."""

    def memory(self, kind: str) -> Memory | None:
        """First memory of a kind (``flash``, ``ram``), or None (the host process has none)."""
        return next((memory for memory in self.memories if memory.kind == kind), None)

    @property
    def ram_bytes(self) -> int | None:
        """RAM of the board, or None when it has no bound."""
        ram = self.memory("ram")
        return ram.length if ram else None

    @property
    def flash_bytes(self) -> int | None:
        """Flash a firmware may use, or None when it has no bound."""
        flash = self.memory("flash")
        return flash.length if flash else None


def board_names() -> tuple[str, ...]:
    """Names of all boards, sorted."""
    return tuple(sorted(path.stem for path in asset_path("platforms").glob("*.yaml")))


def is_board_file(name: str) -> bool:
    """True for what names a file of the user's own, such as ``./my_board.yaml``, instead of a board of platforms/."""
    return "/" in name or name.endswith((".yaml", ".yml"))


def load_board(name: str) -> Board:
    """Read a board by name, or the user's own by the path of its file.

    Raises InputError with the nearest name when there is none, with file and line where an own board is wrong.
    """
    if is_board_file(name):
        from trainbed.own_board import read_own_board  # late: it knows backends and compilers, which know boards

        return read_own_board(Path(name), _parse)
    path = asset_path("platforms") / f"{name}.yaml"
    if not path.is_file():
        near = difflib.get_close_matches(name, board_names(), n=1)
        hint = f"; did you mean '{near[0]}'?" if near else f"; boards: {', '.join(board_names())}"
        raise InputError(f"no board named '{name}'{hint}")
    return _parse(path)


def _parse(path: Path, raw: Any = None) -> Board:
    """The board a file describes; ``raw``: its content, where it has been read already."""
    if raw is None:
        raw = yaml.safe_load(path.read_text(encoding="utf-8"))
    memories = tuple(
        Memory(name=key, origin=value["origin"], length=value["length"], kind=value.get("kind", key))
        for key, value in raw.get("memories", {}).items()
    )
    energy, boot, link = raw.get("energy"), raw.get("boot"), raw.get("link")
    return Board(
        name=path.stem,
        title=raw["title"],
        soc=raw["soc"],
        core=raw["core"],
        clock_hz=raw.get("clock_hz", 0),
        baud=raw.get("uart", {}).get("baud", 0),
        memories=memories,
        backends=tuple(raw["backends"]),
        flash_timing=raw.get("flash_timing"),
        stack_bytes=raw.get("stack_bytes", 0),
        energy=Energy(**energy) if energy else None,
        code_in=raw.get("code_in", "flash"),
        boot=Boot(**boot) if boot else None,
        link_bytes=(link["rx_bytes"], link["tx_bytes"]) if link else None,
        options=raw.get("options", {}),
    )
