# SPDX-License-Identifier: Apache-2.0
"""``trainbed debug``: the trainer drives a scenario as in any run; the guest belongs to gdb.

While gdb has the guest halted, the trainer's exchange simply has not come back: guest time stands still, nothing is
lost or sent twice, and the weights end up as they would without a debugger.
"""

from __future__ import annotations

import shlex
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from trainbed.assets import asset_path
from trainbed.backends.base import Guest, GuestImage
from trainbed.boards import Board
from trainbed.debug.guest import AVR_EMULATORS, open_debug_guest
from trainbed.errors import InputError
from trainbed.scenario.scenario import Scenario
from trainbed.session import OnEvent, Session

GDBS = ("gdb-multiarch", "arm-none-eabi-gdb", "gdb")
AVR_GDBS = ("avr-gdb", "gdb-multiarch")
"""Debuggers that may know the core, in order of preference; the first one installed is named."""


@dataclass(frozen=True)
class Attach:
    """Where a guest waits, and what gdb needs to show it."""

    port: int
    elf: Path
    sources: tuple[Path, ...]
    """Folders the relative paths in the ELF's debug data start from: ``firmware/...`` and ``./generated/...``."""
    gdbs: tuple[str, ...] = GDBS

    def line(self) -> str:
        """The command that attaches, ready to paste."""
        commands = [f"directory {folder}" for folder in reversed(self.sources)]
        commands.append(f"target remote localhost:{self.port}")
        gdb = next((name for name in self.gdbs if shutil.which(name)), self.gdbs[0])
        return " ".join([gdb, *(f"-ex {shlex.quote(command)}" for command in commands), shlex.quote(str(self.elf))])


def copy_sources(attach: Attach, folder: Path) -> Attach:
    """Put the ELF and the sources generated for it where a configuration file can name them: ``folder``, replaced.

    Raises InputError when the folder cannot be written.
    """
    generated = attach.elf.parent / "generated"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(attach.elf, folder / attach.elf.name)
        shutil.rmtree(folder / generated.name, ignore_errors=True)
        shutil.copytree(generated, folder / generated.name)
    except OSError as error:
        raise InputError(f"cannot write {folder}: {error.strerror}") from None
    sources = tuple(folder if source == attach.elf.parent else source for source in attach.sources)
    return replace(attach, elf=folder / attach.elf.name, sources=sources)


def debug_scenario(
    scenario: Scenario,
    *,
    backend: str | None = None,
    board: str | None = None,
    port: int = 0,
    on_attach: Callable[[Attach], None],
    on_event: OnEvent | None = None,
) -> str:
    """Run a scenario with its guest halted before the first instruction; sha256 of the trained weights.

    ``on_attach`` is told how to attach as soon as the guest listens on 127.0.0.1. Nothing is judged: what a debugger
    looks at has no cost. Raises InputError, MissingTool, BuildError, GuestError.
    """

    def make_guest(chosen: Board, backend: str, image: GuestImage) -> Guest:
        sources = (asset_path("firmware").parent, image.elf.parent)
        gdbs = AVR_GDBS if backend in AVR_EMULATORS else GDBS
        return open_debug_guest(
            chosen, backend, image, port=port, on_listening=lambda at: on_attach(Attach(at, image.elf, sources, gdbs))
        )

    with Session(scenario, backend=backend, board=board, on_event=on_event, guest=make_guest) as session:
        session.train()
        return session.weights_sha256()
