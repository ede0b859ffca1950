# SPDX-License-Identifier: Apache-2.0
"""run_scenario(): the whole story of a run, from a scenario to a judged result."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from trainbed.backends.base import Budget, Guest
from trainbed.backends.registry import choose_backend, open_guest
from trainbed.contract import judge, ulp_distance
from trainbed.errors import GuestHang
from trainbed.facts import Finished, Training, make_result
from trainbed.link.client import Client
from trainbed.link.faults import FaultRates, Faults
from trainbed.prepare import Built, Prepared, build_firmware, prepare
from trainbed.result import Result, clear_run, save_run
from trainbed.scenario.scenario import Scenario
from trainbed.trainer import Course, Diverged, EpochDone, Evaluated, Event, Trainer
from trainbed.weights import load_weights, named_weights

OnEvent = Callable[[Built | Event], None]


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

    ``out``: folder that receives firmware.elf, weights.npz and result.json once the run is complete; None: nothing is kept.
    ``on_event``: called with the built firmware, then with every event of the training as it happens. ``sanitize``: build with
    the address and undefined-behaviour sanitizers (board native).
    Raises InputError, MissingTool or BuildError before a guest is started, GuestError after; then no result is left behind.
    """
    started = time.monotonic()
    prepared = prepare(scenario, board=board)
    name = choose_backend(prepared.board, backend or scenario.backend)
    initial = load_weights(scenario, prepared.network)
    if out is not None:
        clear_run(out)
    built = build_firmware(prepared, sanitize=sanitize)
    tell = on_event or _ignore
    tell(built)
    with _powered(built, name) as guest:
        training = _train(prepared, guest, initial, tell)
        finished = Finished(
            built=built,
            training=training,
            backend=guest.backend,
            backend_version=guest.version,
            cost=guest.cost(),
            stack_bytes=guest.stack_bytes(),
            wall_s=time.monotonic() - started,
        )
    agreement = _agreement(prepared, initial, training)
    result = judge(scenario.expect, make_result(finished), reference_ulp=agreement)
    if out is not None:
        save_run(out, result, weights=named_weights(prepared.network, training.weights), elf=built.firmware.image.elf)
    return result


def build_scenario(scenario: Scenario, *, board: str | None = None) -> Built:
    """Plan and build without running. Raises what run_scenario raises before it starts a guest."""
    return build_firmware(prepare(scenario, board=board))


def _ignore(event: Built | Event) -> None:
    """The listener of a run nobody watches."""


@contextmanager
def _powered(built: Built, backend: str) -> Iterator[Guest]:
    guest = open_guest(built.prepared.board, backend, built.firmware.image)
    try:
        guest.start()
        yield guest
    finally:
        guest.close()


def _train(prepared: Prepared, guest: Guest, initial: NDArray[np.float32] | None, tell: OnEvent) -> Training:
    scenario = prepared.scenario
    client = Client(_with_faults(scenario, guest), budget=_budget(scenario))
    course = Course(
        epochs=scenario.training.epochs,
        batch_size=scenario.training.batch_size,
        seed=scenario.training.seed,
        shuffle=scenario.training.shuffle,
        resident=prepared.resident,
        targets=prepared.target_table,
        fingerprint=prepared.plan.fingerprint,
    )
    trainer = Trainer(client, prepared.data.train, prepared.data.test, course, weights=initial)
    epochs: list[EpochDone] = []
    tested: Evaluated | None = None
    diverged: Diverged | None = None
    for event in trainer.run():
        tell(event)
        if isinstance(event, EpochDone):
            epochs.append(event)
            _check_budget(scenario, guest)
        elif isinstance(event, Evaluated):
            tested = event
        elif isinstance(event, Diverged):
            diverged = event
    return Training(tuple(epochs), tested, diverged, trainer.read_weights(), len(prepared.data.train))


def _with_faults(scenario: Scenario, guest: Guest) -> Guest:
    keys = scenario.link.faults
    if keys is None:
        return guest
    return Faults(guest, seed=keys.seed, rates=FaultRates(**keys.model_dump(exclude={"seed"})))


def _budget(scenario: Scenario) -> Budget:
    given = {name: value for name, value in scenario.budget.model_dump().items() if value is not None}
    return Budget(**given)


def _check_budget(scenario: Scenario, guest: Guest) -> None:
    """The budget is of the whole run; a single exchange is held to it by the backend."""
    budget, cost = _budget(scenario), guest.cost()
    if cost.cycles > budget.cycles or cost.instructions > budget.steps:
        spent = f"{cost.cycles} cycles, {cost.instructions} instructions"
        raise GuestHang(f"the run has spent its budget: {spent}; see budget: in the scenario")


def _agreement(prepared: Prepared, initial: NDArray[np.float32] | None, training: Training) -> int | None:
    """Distance of the weights from the twin's in units in the last place; None when nobody asked."""
    if prepared.scenario.expect.matches_reference is None:
        return None
    from trainbed.replay import replay  # late: a run that does not ask is not to load the twin

    return ulp_distance(training.weights, replay(prepared, initial=initial))
