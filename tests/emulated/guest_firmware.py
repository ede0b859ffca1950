# SPDX-License-Identifier: Apache-2.0
"""Builds the tiny test guests of tests/emulated/firmware and opens them on a board."""

from __future__ import annotations

import hashlib
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from elftools.elf.elffile import ELFFile

from trainbed.backends.base import Budget, Guest, GuestImage
from trainbed.backends.registry import open_guest
from trainbed.backends.worker_guest import WorkerGuest
from trainbed.boards import load_board

SOURCES = Path(__file__).parent / "firmware"
SHORT = Budget(cycles=64_000_000, steps=64_000_000, wall_s=60.0)
"""One guest second: plenty for any of these guests, spent quickly by one that hangs."""
_FLAGS = (
    "-mcpu=cortex-m4", "-mthumb", "-mfloat-abi=hard", "-mfpu=fpv4-sp-d16", "-O1", "-g", "-ffreestanding", "-nostdlib",
    "-Wall", "-Wextra", "-Werror", "-fno-tree-loop-distribute-patterns", "-Wl,--no-warn-rwx-segments",
)  # fmt: skip


def build_guest(folder: Path, name: str, *defines: str, stack_offset: int = 0) -> GuestImage:
    """Compiles ``name``.c with the start-up; ``defines`` are KEY or KEY=VALUE; ``stack_offset`` lifts the stack."""
    stamp = hashlib.sha256(" ".join((name, *defines, str(stack_offset))).encode()).hexdigest()[:8]
    elf = folder / f"{name}-{stamp}.elf"
    command = [
        "arm-none-eabi-gcc", *_FLAGS, *(f"-D{define}" for define in defines), "-T", str(SOURCES / "guest.ld"),
        str(SOURCES / "guest.c"), str(SOURCES / f"{name}.c"), "-o", str(elf),
        f"-Wl,--defsym=stack_offset={stack_offset}",
    ]  # fmt: skip
    subprocess.run(command, check=True)
    return image_of(elf)


def image_of(elf: Path) -> GuestImage:
    """What a backend needs to know of a test guest."""
    with elf.open("rb") as stream:
        table: Any = ELFFile(stream).get_section_by_name(".symtab")
        symbols = list(table.iter_symbols())
    functions = tuple(
        (symbol["st_value"], symbol["st_size"], symbol.name)
        for symbol in symbols
        if symbol["st_info"]["type"] == "STT_FUNC"
    )
    address = {symbol.name: symbol["st_value"] for symbol in symbols}
    return GuestImage(
        elf=elf,
        sha256=hashlib.sha256(elf.read_bytes()).hexdigest(),
        marks={},
        functions=functions,
        stack_low=address["__stack_limit"],
        stack_top=address["__stack_top"],
    )


@contextmanager
def opened(image: GuestImage, *, backend: str = "unicorn", board: str = "arduino_nano_33_ble") -> Iterator[WorkerGuest]:
    """A guest that is given back whatever happens; not started."""
    guest: Guest = open_guest(load_board(board), backend, image)
    assert isinstance(guest, WorkerGuest)
    try:
        yield guest
    finally:
        guest.close()
