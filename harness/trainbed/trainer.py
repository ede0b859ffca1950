# SPDX-License-Identifier: Apache-2.0
"""Drives a guest through its epochs and tells what happens as it happens."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from trainbed.errors import DataError, ProtocolError
from trainbed.link.client import Client
from trainbed.link.codes import TFormat, TrainStatus, XFormat
from trainbed.link.messages import (
    EvaluateIndexed,
    EvaluateSamples,
    Info,
    Trained,
    TrainIndexed,
    TrainSamples,
)
from trainbed.link.samples import SampleSet
from trainbed.network.training import Optimizer

Order = Callable[[int, int, int], NDArray[np.int64]]
"""(seed, epoch, n) -> the order in which samples 0..n-1 are trained in that epoch."""

Vary = Callable[[SampleSet, int], SampleSet]
"""(training samples, epoch) -> the samples trained in that epoch, as many and of the same form."""


@dataclass(frozen=True)
class Course:
    """How a guest is trained; the rest of the recipe is compiled into it."""

    epochs: int
    batch_size: int
    optimizer: Optimizer
    """Gives the learning rate of each epoch."""
    seed: int = 1
    shuffle: bool = True
    evaluate_every: int = 0
    """Evaluate on the test set after every so many epochs; 0: after the last one only."""
    resident: bool | None = None
    """Keep the samples on the device; None: if the firmware has room for all of them."""
    targets: tuple[float, ...] | None = None
    """Target value of each label, for a network with one output and labels."""
    fingerprint: int | None = None
    """Plan the firmware must have been built from; None: any."""


@dataclass(frozen=True)
class Started:
    """The guest is set up; training begins."""

    info: Info
    n_train: int
    n_test: int
    resident: bool


@dataclass(frozen=True)
class EpochDone:
    """One epoch has been trained. ``loss`` is the mean of its samples' losses before their updates."""

    epoch: int
    loss: float
    accuracy: float | None
    samples_trained: int
    """In this epoch."""
    device_cycles: int
    """On-chip counter's count of the TRAIN requests, link excluded; 0 where the part has none."""


@dataclass(frozen=True)
class Evaluated:
    """The test set has been evaluated after ``epoch`` (0-based; -1: before the first)."""

    epoch: int
    loss: float
    accuracy: float | None
    n_samples: int
    recalls: tuple[float, ...] | None = None
    """Share answered right of each class that occurs; None without labels."""

    @property
    def balanced_accuracy(self) -> float | None:
        """Mean over the classes of the share answered right: a guess of always the same class gets 1 / classes."""
        return math.fsum(self.recalls) / len(self.recalls) if self.recalls else None


@dataclass(frozen=True)
class Diverged:
    """A sample's loss was not finite; its batch was discarded and training has ended."""

    epoch: int
    position: int
    """Of the sample in the epoch's order."""
    sample: int
    """Its index in the training set."""
    step: int
    """Optimizer steps that had been made before, since training began."""


Event = Started | EpochDone | Evaluated | Diverged


@dataclass(frozen=True)
class Piece:
    """What one TRAIN message carries: ``n`` samples from position ``start``, in batches of ``batch_samples``."""

    start: int
    n: int
    batch_samples: int


def pieces(n_samples: int, batch_size: int, *, per_message: int) -> Iterator[Piece]:
    """Cuts an epoch into messages: as many whole batches as fit, or parts of one batch that does not fit.

    The last batch may be smaller; it comes in messages of its own, since its errors are divided by its own size.
    """
    n_whole = n_samples // batch_size * batch_size
    step = per_message // batch_size * batch_size
    if step:
        for start in range(0, n_whole, step):
            yield Piece(start, min(step, n_whole - start), batch_size)
    else:
        for batch in range(0, n_whole, batch_size):
            for start in range(0, batch_size, per_message):
                yield Piece(batch + start, min(per_message, batch_size - start), batch_size)
    last = n_samples - n_whole
    for start in range(0, last, per_message):
        yield Piece(n_whole + start, min(per_message, last - start), last)


def seeded_order(seed: int, epoch: int, n: int) -> NDArray[np.int64]:
    """The shuffle of docs/numerics.md."""
    from trainbed.reference.random import shuffle  # late: the twin is not needed to train without shuffling

    return np.asarray(shuffle(seed, epoch, n), dtype=np.int64)


def _by_class(samples: SampleSet) -> list[NDArray[np.int64]]:
    """Places of the samples of each class that occurs; without labels all in one."""
    if samples.labels is None:
        return [np.arange(len(samples))]
    return [np.flatnonzero(samples.labels == label) for label in np.unique(samples.labels)]


@dataclass
class Trainer:
    """Trains a started guest over its link.

    ``weights``: parameters to start from as the link carries them, float32 [n_words]; None: the device's generator.
    """

    client: Client
    train: SampleSet
    test: SampleSet | None
    course: Course
    weights: NDArray[np.float32] | None = None
    order: Order = seeded_order
    vary: Vary | None = None
    """Makes the training samples of each epoch; None: they are the same in all."""
    _resident: bool = field(default=False, init=False)

    def run(self) -> Iterator[Event]:
        """Sets the guest up, trains, evaluates. Ends after the last epoch or after Diverged.

        Raises DataError when the samples are not what the firmware was built for, ProtocolError when the firmware is
        another one, and what the client raises.
        """
        info = self._set_up()
        yield Started(info=info, n_train=len(self.train), n_test=self._n_test(), resident=self._resident)
        for epoch in range(self.course.epochs):
            done = self._train_epoch(epoch)
            yield done
            if isinstance(done, Diverged):
                return
            every = self.course.evaluate_every
            last = epoch == self.course.epochs - 1
            if self._n_test() and (last or (every and (epoch + 1) % every == 0)):
                yield self.evaluate(epoch)
        if not self.course.epochs and self._n_test():
            yield self.evaluate(-1)

    def read_weights(self) -> NDArray[np.float32]:
        """The parameters as they are on the device: float32 [n_parameters], layers in order, weights then bias."""
        return self.client.read_parameters()

    def evaluate(self, epoch: int) -> Evaluated:
        """Loss and accuracy on the test set, with the weights as they are.

        Class by class, in the order of the set within each: the guest's counts then tell of each class.
        """
        if self.test is None or not len(self.test):
            raise DataError("there is no test set to evaluate")
        per_message = self.client.samples_per_message(EvaluateIndexed if self._resident else EvaluateSamples)
        n, done, correct = len(self.test), 0, 0
        recalls: list[float] = []
        for members in _by_class(self.test):
            for start in range(0, len(members), per_message):
                chosen = members[start : start + per_message]
                if self._resident:
                    state = self.client.evaluate_indexed(done, (chosen + len(self.train)).astype(np.uint16))
                else:
                    state = self.client.evaluate_samples(done, self.test.encode(chosen))
                done += len(chosen)
            recalls.append((state.n_correct - correct) / len(members))
            correct = state.n_correct
        if state.n_samples != n:
            raise ProtocolError(f"{n} samples were sent for evaluation, the guest counted {state.n_samples}")
        return Evaluated(
            epoch=epoch,
            loss=state.loss_sum / n,
            accuracy=self._accuracy(state.n_correct, n),
            n_samples=n,
            recalls=tuple(recalls) if self.test.labels is not None else None,
        )

    # --- steps of run() ----------------------------------------------------------------------------------------------

    def _n_test(self) -> int:
        return 0 if self.test is None else len(self.test)

    def _accuracy(self, n_correct: int, n: int) -> float | None:
        return n_correct / n if self.train.t_format is TFormat.LABEL else None

    def _set_up(self) -> Info:
        info = self.client.connect()
        if self.course.fingerprint is not None and info.fingerprint != self.course.fingerprint:
            raise ProtocolError(
                f"the firmware was built from plan {info.fingerprint:08x}, this run is of {self.course.fingerprint:08x}"
            )
        self._check_samples(info)
        self.client.init(self.course.seed)
        if self.weights is not None:
            self.client.write_parameters(self.weights)
        if self.course.targets is not None:
            self.client.set_targets(self.course.targets)
        self._resident = self._choose_resident(info)
        if self._resident:
            self._upload(0, self.train)
            if self.test is not None:
                self._upload(len(self.train), self.test)
        return info

    def _check_samples(self, info: Info) -> None:
        for samples in (self.train, self.test):
            if samples is None:
                continue
            if (samples.x_format, samples.t_format) != (info.x_format, info.t_format):
                raise DataError(
                    f"samples are {samples.x_format.name} with {samples.t_format.name}, the firmware was built for"
                    f" {XFormat(info.x_format).name} with {TFormat(info.t_format).name}"
                )
            if samples.x.shape[1] != info.n_inputs or samples.sample_bytes != info.sample_bytes:
                raise DataError(
                    f"a sample has {samples.x.shape[1]} inputs and {samples.sample_bytes} bytes,"
                    f" the firmware was built for {info.n_inputs} and {info.sample_bytes}"
                )
        if not len(self.train):
            raise DataError("the training set is empty")

    def _choose_resident(self, info: Info) -> bool:
        if self.vary is not None:
            return False  # an epoch's own samples cannot stay
        needed = len(self.train) + self._n_test()
        fits = needed <= info.resident_samples
        if self.course.resident and not fits:
            raise DataError(f"{needed} samples were to stay on the device, it has room for {info.resident_samples}")
        return fits if self.course.resident is None else self.course.resident

    def _upload(self, first: int, samples: SampleSet) -> None:
        self.client.write_samples(first, samples.encode(np.arange(len(samples))))

    def _order(self, epoch: int) -> NDArray[np.int64]:
        n = len(self.train)
        return self.order(self.course.seed, epoch, n) if self.course.shuffle else np.arange(n, dtype=np.int64)

    def _train_epoch(self, epoch: int) -> EpochDone | Diverged:
        order = self._order(epoch)
        n = len(order)
        per_message = self.client.samples_per_message(TrainIndexed if self._resident else TrainSamples)
        device_cycles = 0
        samples = self.train if self.vary is None else self.vary(self.train, epoch)
        self.client.begin_epoch(epoch, lr=self.course.optimizer.lr_of(epoch))
        for piece in pieces(n, self.course.batch_size, per_message=per_message):
            state = self._train_piece(piece, order[piece.start : piece.start + piece.n], samples)
            device_cycles += state.device_cycles
            if state.status == TrainStatus.DIVERGED:
                return self._diverged(epoch, order, state)
            if state.n_samples != piece.start + piece.n:
                raise ProtocolError(f"{piece.start + piece.n} samples were sent, the guest counted {state.n_samples}")
        return EpochDone(
            epoch=epoch,
            loss=state.loss_sum / n,
            accuracy=self._accuracy(state.n_correct, n),
            samples_trained=n,
            device_cycles=device_cycles,
        )

    def _train_piece(self, piece: Piece, chosen: NDArray[np.int64], samples: SampleSet) -> Trained:
        if self._resident:
            return self.client.train_indexed(piece.start, chosen.astype(np.uint16), batch_samples=piece.batch_samples)
        return self.client.train_samples(piece.start, samples.encode(chosen), batch_samples=piece.batch_samples)

    def _diverged(self, epoch: int, order: NDArray[np.int64], state: Trained) -> Diverged:
        position = state.diverged_at
        steps_per_epoch = -(-len(order) // self.course.batch_size)
        return Diverged(
            epoch=epoch,
            position=position,
            sample=int(order[position]),
            step=epoch * steps_per_epoch + position // self.course.batch_size,
        )
