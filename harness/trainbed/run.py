# SPDX-License-Identifier: Apache-2.0
"""run_scenario(): the whole story of a run, from a scenario to a judged result."""

from __future__ import annotations

from pathlib import Path

from trainbed.prepare import Built, build_firmware, prepare
from trainbed.result import POST_MORTEM_FOLDER, Result, clear_run
from trainbed.scenario.scenario import Scenario
from trainbed.session import OnEvent, Session

__all__ = ["OnEvent", "build_scenario", "run_scenario"]


def run_scenario(
    scenario: Scenario,
    *,
    backend: str | None = None,
    board: str | None = None,
    out: Path | None = None,
    on_event: OnEvent | None = None,
    sanitize: bool = False,
) -> Result:
    """Train a scenario's network on an emulated board and judge the outcome.

    ``out``: folder that receives firmware.elf, weights.npz and result.json once the run is complete; None: nothing is
    kept. ``on_event``: called with the built firmware, then with every event of the training as it happens.
    ``sanitize``: build with the address and undefined-behaviour sanitizers (board native).
    Raises InputError, MissingTool or BuildError before a guest is started, GuestError after; then no result is left
    behind.
    """
    with Session(scenario, backend=backend, board=board, sanitize=sanitize, on_event=on_event) as session:
        if out is not None:
            clear_run(out)
            session.post_mortem = out / POST_MORTEM_FOLDER
        session.build()  # the firmware
        session.boot()  # on the emulated board, powered on
        session.inject()  # initial weights and data set, over its UART
        session.train()  # all epochs, then the test set
        result = session.result()  # costs, memory, weights, held against the contract
        if out is not None:
            session.save(out)
    return result


def build_scenario(scenario: Scenario, *, board: str | None = None) -> Built:
    """Plan and build without running. Raises what run_scenario raises before it starts a guest."""
    return build_firmware(prepare(scenario, board=board))
