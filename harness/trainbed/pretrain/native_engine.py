# SPDX-License-Identifier: Apache-2.0
"""The runtime itself as a host process, trained with what the scenario gives the host: the same bits everywhere."""

from __future__ import annotations

from dataclasses import replace

from trainbed.backends.base import Budget
from trainbed.backends.registry import open_guest
from trainbed.boards import load_board
from trainbed.link.client import Client
from trainbed.prepare import Built, assemble, build_firmware
from trainbed.pretrain.course import HostCourse, Outcome
from trainbed.pretrain.events import PretrainEpoch, TellEpoch
from trainbed.scenario.scenario import Scenario
from trainbed.scenario.schema import BudgetKeys, BuildKeys, ExpectKeys, LinkKeys, QuantisationKeys
from trainbed.trainer import Course, Diverged, EpochDone, Evaluated, Trainer
from trainbed.weights import named, pairs_of

_BOARD = "native"


def build(course: HostCourse, scenario: Scenario) -> Built:
    """The firmware that trains the course. Raises BuildError, MissingTool."""
    on_host = replace(
        scenario,
        board=_BOARD,
        backend=_BOARD,
        training=course.keys,
        data=course.keys.data,
        augment=course.keys.augment,
        quantisation=QuantisationKeys(),
        update=None,
        pretrain=None,
        prune=None,
        weights=None,
        expect=ExpectKeys(),
        build=BuildKeys(),
        link=LinkKeys(),
        budget=BudgetKeys(),
    )
    prepared = assemble(
        on_host,
        load_board(_BOARD),
        course.network,
        course.data(course.network),
        given=named(course.network, course.initial),
        augmentation=course.augmentation(course.network),
    )
    return build_firmware(prepared)


def train(course: HostCourse, built: Built, tell: TellEpoch) -> Outcome:
    """All epochs in a host process, then the test set. Raises GuestError."""
    keys, prepared = course.keys, built.prepared
    data, augmentation = prepared.data, prepared.augmentation
    parameters = prepared.plan.parameters
    losses: list[float] = []
    accuracies: list[float] = []
    tested: Evaluated | None = None
    diverged: int | None = None
    guest = open_guest(prepared.board, _BOARD, built.firmware.image)
    try:
        guest.start()
        trainer = Trainer(
            Client(guest, budget=Budget()),
            data.train,
            data.test,
            Course(
                epochs=keys.epochs,
                batch_size=keys.batch_size,
                optimizer=keys.optimizer,
                seed=keys.seed,
                shuffle=keys.shuffle,
                resident=prepared.resident,
                targets=prepared.target_table,
                fingerprint=prepared.plan.fingerprint,
            ),
            weights=parameters.pack(prepared.initial),
            vary=augmentation.epoch if augmentation is not None else None,
        )
        for event in trainer.run():
            if isinstance(event, EpochDone):
                losses.append(event.loss)
                accuracies += [] if event.accuracy is None else [event.accuracy]
                tell(PretrainEpoch(event.epoch, keys.epochs, event.loss, event.accuracy))
            elif isinstance(event, Evaluated):
                tested = event
            elif isinstance(event, Diverged):
                diverged = event.epoch
        weights = parameters.unpack(trainer.read_weights(), prepared.initial)
    finally:
        guest.close()
    return Outcome(
        pairs_of(course.network, weights),
        tuple(losses),
        tuple(accuracies) if len(accuracies) == len(losses) else None,
        tested.loss if tested is not None else None,
        tested.accuracy if tested is not None else None,
        diverged,
    )
