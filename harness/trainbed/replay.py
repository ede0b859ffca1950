# SPDX-License-Identifier: Apache-2.0
"""The same training in the NumPy twin: what the guest's weights are compared with."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from trainbed.prepare import Prepared
from trainbed.reference.random import shuffle
from trainbed.reference.twin import Twin
from trainbed.weights import join_flat, split_flat


def replay(
    prepared: Prepared, *, initial: NDArray[np.float32] | None, epochs: int | None = None
) -> NDArray[np.float32]:
    """Weights (float32 ``[n_parameters]``) of the twin: same samples, same order, stopping where a loss is not finite.

    ``epochs``: only the first so many; None: all of them.
    """
    scenario, data = prepared.scenario, prepared.data
    training = scenario.training
    optimizer = training.optimizer
    twin = Twin(prepared.network, loss=training.loss, optimizer=optimizer, seed=training.seed)
    if initial is not None:
        twin.set_weights(split_flat(prepared.network, initial))
    x = data.inputs(data.train).reshape(len(data.train), *prepared.network.input_shape)
    t = data.targets_of(data.train)
    n = len(data.train)
    for epoch in range(training.epochs if epochs is None else epochs):
        order = np.asarray(shuffle(training.seed, epoch, n)) if training.shuffle else np.arange(n)
        twin.set_lr(np.float32(optimizer.lr_of(epoch)))
        for start in range(0, n, training.batch_size):
            batch = order[start : start + training.batch_size]
            if twin.train_batch(x[batch], t[batch]).diverged_at is not None:
                return join_flat(twin.weights)
    return join_flat(twin.weights)
