# SPDX-License-Identifier: Apache-2.0
"""What ``trainbed debug`` prints: the line that attaches, epochs, the weights' digest; or a state that was kept."""

from __future__ import annotations

from pathlib import Path

from trainbed.debug.post_mortem import load, render
from trainbed.debug.session import Attach, copy_sources, debug_scenario
from trainbed.errors import InputError
from trainbed.prepare import Built
from trainbed.pretrain.events import HostEvent
from trainbed.scenario.scenario import Scenario
from trainbed.trainer import EpochDone, Event

READY = "waiting for gdb"
"""Begins the line after which gdb may attach; .vscode/tasks.json waits for it."""


def debug_on_console(
    scenario: Scenario, *, backend: str | None, board: str | None, port: int, sources: Path | None = None
) -> None:
    """One debug session, told on standard output. ``sources``: see copy_sources. Raises what debug_scenario raises."""

    def tell(attach: Attach) -> None:
        if sources is not None:
            attach = copy_sources(attach, sources)
        print(attach.line())
        print(f"{READY} on 127.0.0.1:{attach.port}; the guest is halted at reset", flush=True)

    digest = debug_scenario(scenario, backend=backend, board=board, port=port, on_attach=tell, on_event=_follow)
    print(f"weights sha256 {digest}")


def show_post_mortem(folder: Path) -> None:
    """The state of a guest that broke, in words. Raises InputError when the folder holds none."""
    try:
        print(render(load(folder), folder))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{folder} holds no state of a guest that broke: {error}") from None


def _follow(event: Built | Event | HostEvent) -> None:
    if isinstance(event, EpochDone):
        print(f"epoch {event.epoch + 1}: loss {event.loss:.6g}", flush=True)
