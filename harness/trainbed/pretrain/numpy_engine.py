# SPDX-License-Identifier: Apache-2.0
"""The host's NumPy trainer through all epochs of a course."""

from __future__ import annotations

import numpy as np

from trainbed.data.load import Data
from trainbed.link.samples import SampleSet
from trainbed.network.layers import Network
from trainbed.pretrain.course import F32, HostCourse, Outcome
from trainbed.pretrain.events import PretrainEpoch, TellEpoch
from trainbed.pretrain.trainer import HostTrainer
from trainbed.reference.random import shuffle


def train(course: HostCourse, tell: TellEpoch) -> Outcome:
    """All epochs, then the test set."""
    keys = course.keys
    network = course.network_of(0)
    data, augmentation = course.data(network), course.augmentation(network)
    trainer = HostTrainer(
        network,
        course.initial,
        loss=keys.loss,
        optimizer=keys.optimizer,
        normalised=course.normalised,
        prune=course.prune,
    )
    targets, n = data.targets_of(data.train), len(data.train)
    losses: list[float] = []
    accuracies: list[float] = []
    for epoch in range(keys.epochs):
        if course.network_of(epoch) is not network:
            network = course.network_of(epoch)
            data, augmentation = course.data(network), course.augmentation(network)
            trainer.reshape(network)
        samples = augmentation.epoch(data.train, epoch) if augmentation else data.train
        order = shuffle(keys.seed, epoch, n) if keys.shuffle else np.arange(n)
        trainer.set_lr(keys.optimizer.lr_of(epoch))
        total, correct = 0.0, 0
        for start in range(0, n, keys.batch_size):
            batch = order[start : start + keys.batch_size]
            batch_losses, outputs = trainer.train_batch(_inputs(data, network, samples, batch), targets[batch])
            total += float(batch_losses.sum(dtype=np.float64))
            correct += _n_correct(data, outputs, samples, batch)
            if not np.isfinite(total):
                return Outcome(course.initial, tuple(losses), None, None, None, diverged=epoch)
        losses.append(total / n)
        accuracies.append(correct / n)
        tell(PretrainEpoch(epoch, keys.epochs, losses[-1], accuracies[-1] if data.has_accuracy else None))
    if network is not course.network:
        data = course.data(course.network)
        trainer.reshape(course.network)
    every = np.arange(len(data.test))
    test_inputs = _inputs(data, course.network, data.test, every)
    test_losses, outputs = trainer.evaluate(test_inputs, data.targets_of(data.test))
    return Outcome(
        trainer.folded_weights(),
        tuple(losses),
        tuple(accuracies) if data.has_accuracy else None,
        float(test_losses.mean(dtype=np.float64)),
        _n_correct(data, outputs, data.test, every) / len(every) if data.has_accuracy else None,
    )


def _inputs(data: Data, network: Network, samples: SampleSet, chosen: np.typing.NDArray[np.int64]) -> F32:
    labels = samples.labels[chosen] if samples.labels is not None else None
    values = samples.values[chosen] if samples.values is not None else None
    part = SampleSet(x=samples.x[chosen], labels=labels, values=values)
    return data.inputs(part).reshape(len(chosen), *network.input_shape)


def _n_correct(data: Data, outputs: F32, samples: SampleSet, chosen: np.typing.NDArray[np.int64]) -> int:
    """Outputs nearest to their label's target; several outputs: the largest is the label's."""
    table = data.targets
    if table is None or samples.labels is None:
        return 0
    if table.shape[1] == 1:
        guesses = np.abs(outputs - table[:, 0]).argmin(axis=1)
    else:
        guesses = outputs.argmax(axis=1)
    return int((guesses == samples.labels[chosen]).sum())
