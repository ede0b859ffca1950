# SPDX-License-Identifier: Apache-2.0
"""The same training in the NumPy twin: what the guest's weights are compared with."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from trainbed.planner.int8.plan import Int8Plan
from trainbed.planner.parameters import Arrays
from trainbed.planner.pow2.plan import Pow2Plan
from trainbed.prepare import Prepared
from trainbed.reference.int8.twin import Int8Twin
from trainbed.reference.pow2.twin import Pow2Twin
from trainbed.reference.random import shuffle
from trainbed.reference.twin import BatchResult, Twin
from trainbed.weights import named, pairs_of


class TrainingTwin(Protocol):
    """What a precision's twin offers: inputs as the network reads them, ``[B, H, W, C]``, targets ``[B, n_out]``."""

    def set_lr(self, lr: np.float32) -> None:
        """Learning rate of the steps that follow."""

    def train_batch(self, x: NDArray[Any], t: NDArray[np.float32]) -> BatchResult:
        """One step; none, and ``diverged_at`` set, when a loss is not finite."""

    def evaluate(self, x: NDArray[Any], t: NDArray[np.float32]) -> BatchResult:
        """Losses and outputs; changes nothing."""

    def arrays(self) -> Arrays:
        """Parameters by the names of the plan's fields."""


class _Float32Twin(Twin):
    def arrays(self) -> Arrays:
        return named(self.network, self.weights)


def make_twin(prepared: Prepared) -> TrainingTwin:
    """The twin of a prepared run, with the weights it starts from."""
    if isinstance(prepared.plan, Int8Plan):
        return Int8Twin(prepared.plan, prepared.initial)
    training = prepared.scenario.training
    if isinstance(prepared.plan, Pow2Plan):
        return Pow2Twin(prepared.plan, prepared.initial, seed=training.seed)
    twin = _Float32Twin(
        prepared.network,
        loss=training.loss,
        optimizer=training.optimizer,
        seed=training.seed,
        fused=training.fused,
    )
    twin.set_weights(pairs_of(prepared.network, prepared.initial))
    return twin


def replay(
    prepared: Prepared, *, epochs: int | None = None, on_batch: Callable[[int, TrainingTwin], None] | None = None
) -> NDArray[np.float32]:
    """Parameters of the twin as the link carries them: same samples, same order, stopping where a loss is not finite.

    ``epochs``: only the first so many; None: all of them. ``on_batch``: told the epoch and the twin after each batch.
    """
    training, data = prepared.scenario.training, prepared.data
    twin = make_twin(prepared)
    x = prepared.inputs(data.train)
    t = data.targets_of(data.train)
    n = len(data.train)
    for epoch in range(training.epochs if epochs is None else epochs):
        if prepared.augmentation is not None:
            x = prepared.inputs(prepared.augmentation.epoch(data.train, epoch))
        order = np.asarray(shuffle(training.seed, epoch, n)) if training.shuffle else np.arange(n)
        twin.set_lr(np.float32(training.optimizer.lr_of(epoch)))
        for start in range(0, n, training.batch_size):
            batch = order[start : start + training.batch_size]
            if twin.train_batch(x[batch], t[batch]).diverged_at is not None:
                return prepared.plan.parameters.pack(twin.arrays())
            if on_batch is not None:
                on_batch(epoch, twin)
    return prepared.plan.parameters.pack(twin.arrays())
