# SPDX-License-Identifier: Apache-2.0
"""A board that looks through a camera: one frame a request, what it says of it, and what it learns from it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trainbed.data.camera import Camera
from trainbed.errors import DataError, InputError
from trainbed.link.codes import TrainStatus
from trainbed.link.samples import SampleSet
from trainbed.session import Session


@dataclass(frozen=True, eq=False)
class Sighting:
    """What the device said of a frame, before it learned from it.

    ``outputs``: float32 ``[n_outputs]``. ``accuracy``: share answered right of this frame and all before it, the
    device's own count while it learns; None without a label.
    """

    outputs: NDArray[np.float32]
    predicted: int
    label: int | None
    accuracy: float | None
    loss: float | None = None
    """Mean of the frames learned so far; None where the frame was only looked at."""


class Live:
    """A session's board behind a camera. The board starts from the scenario's initial weights.

    What it learns here is no epoch of the scenario: the session's weights() tell of it, its result() does not.
    """

    def __init__(self, session: Session, camera: Camera) -> None:
        """Boots and injects. Raises InputError for a network that does not classify bytes, GuestError."""
        prepared = session.prepared
        classifies = prepared.network.output_size > 1 and prepared.data.has_accuracy
        if prepared.data.train.x.dtype != np.uint8 or not classifies:
            raise InputError("a camera's frames are bytes, to be told apart: uint8 data and one output a class")
        session.inject()
        self._session = session
        self._camera = camera
        self._looked = self._right = 0
        self._learned = 0

    def look(self, frame: bytes, label: int | None = None) -> Sighting:
        """Ask for a prediction. Raises DataError for what is no frame of the camera, GuestError."""
        outputs, predicted = self._predict(self._seen(frame))
        accuracy = None
        if label is not None:
            self._looked, self._right = self._looked + 1, self._right + (predicted == self._checked(label))
            accuracy = self._right / self._looked
        return Sighting(outputs, predicted, label, accuracy)

    def learn(self, frame: bytes, label: int) -> Sighting:
        """Ask for a prediction, then train on the frame. Raises DataError (also for a loss not finite), GuestError."""
        x = self._seen(frame)
        training, link = self._session.scenario.training, self._session.link
        sample = SampleSet(x=x[None], labels=np.array([self._checked(label)], np.uint16))
        outputs, predicted = self._predict(x)
        if not self._learned:
            link.begin_epoch(0, lr=training.optimizer.lr_of(0))
        trained = link.train_samples(self._learned, sample.encode(np.arange(1)), batch_samples=training.batch_size)
        if trained.status == TrainStatus.DIVERGED:
            raise DataError(f"the loss of frame {self._learned} is not finite; a smaller learning rate may help")
        self._learned = trained.n_samples
        return Sighting(
            outputs, predicted, label, trained.n_correct / trained.n_samples, trained.loss_sum / trained.n_samples
        )

    def _seen(self, frame: bytes) -> NDArray[np.uint8]:
        return self._camera.read(frame, self._session.prepared.network.input_shape).reshape(-1)

    def _predict(self, x: NDArray[np.uint8]) -> tuple[NDArray[np.float32], int]:
        outputs = self._session.link.predict(x.tobytes())
        return outputs, int(outputs.argmax())

    def _checked(self, label: int) -> int:
        n = self._session.prepared.network.output_size
        if not 0 <= label < n:
            raise DataError(f"label {label}; a network with {n} outputs has labels 0..{n - 1}")
        return label
