# SPDX-License-Identifier: Apache-2.0
"""Training images turned, moved, sheared, zoomed and mirrored, anew in every epoch, by the seed alone.

The transformation of Keras's ImageDataGenerator (keras/src/legacy/preprocessing/image.py: get_random_transform,
apply_affine_transform): the map from output to input is rotation times shift times shear times zoom, about the middle,
bilinear; mirrored last. Angles in degrees, the shear's too.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from trainbed.data.random import mix, random
from trainbed.data.warp import warp
from trainbed.errors import DataError, NetworkError
from trainbed.link.samples import SampleSet
from trainbed.scenario.schema import AugmentKeys

_STREAM = np.uint32(0x27D4EB2F)
_TEST_STREAM = np.uint32(0x9E3779B9)
_DRAW_STREAM = np.uint32(0xC2B2AE3D)
_THETA, _DOWN, _RIGHT, _SHEAR, _ZOOM_ROWS, _ZOOM_COLUMNS, _FLIP = range(7)
"""Which draw of a sample decides what."""


@dataclass(frozen=True)
class Augmentation:
    """How samples of a network's input ``shape`` (H, W, C) are varied."""

    keys: AugmentKeys
    shape: tuple[int, int, int]
    seed: int

    @property
    def varies(self) -> bool:
        """False where nothing but balancing is asked for."""
        keys = self.keys
        amounts = (keys.rotation, keys.width_shift, keys.height_shift, keys.shear, keys.zoom)
        return any(amounts) or keys.horizontal_flip

    def epoch(self, samples: SampleSet, epoch: int) -> SampleSet:
        """The samples as they are trained in an epoch (0-based): same order, labels and type."""
        return self._varied(samples, mix(mix(np.uint32(self.seed) ^ _STREAM) + np.uint32(epoch)))

    def held_out(self, samples: SampleSet) -> SampleSet:
        """Test samples varied once, by draws no epoch has."""
        return self._varied(samples, mix(np.uint32(self.seed) ^ _TEST_STREAM))

    def _varied(self, samples: SampleSet, stream: NDArray[np.uint32]) -> SampleSet:
        if not self.varies:
            return samples
        n = len(samples)
        keys = mix(stream + np.arange(n, dtype=np.uint32))
        matrices, offsets = self._maps(keys)
        images = samples.x.reshape(n, *self.shape)
        warped = warp(images, matrices, offsets, size=self.shape[:2], fill=self.keys.fill)
        if self.keys.horizontal_flip:
            mirrored = (random(keys, _FLIP) >> np.uint32(31)).astype(bool)
            warped[mirrored] = warped[mirrored][:, :, ::-1]
        return replace(samples, x=np.ascontiguousarray(warped.reshape(n, -1)))

    def _maps(self, keys: NDArray[np.uint32]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Matrix and offset, output to input in (row, column), of each sample."""
        amounts = self.keys
        theta = _draw(keys, _THETA) * math.radians(amounts.rotation)
        down = _draw(keys, _DOWN) * amounts.height_shift * self.shape[0]
        right = _draw(keys, _RIGHT) * amounts.width_shift * self.shape[1]
        shear = _draw(keys, _SHEAR) * math.radians(amounts.shear)
        zooms = np.stack([1.0 + _draw(keys, draw) * amounts.zoom for draw in (_ZOOM_ROWS, _ZOOM_COLUMNS)], axis=-1)
        cos, sin, lean, flat = _cos(theta), _sin(theta), _sin(shear), _cos(shear)
        rotation = np.stack([np.stack([cos, -sin], axis=-1), np.stack([sin, cos], axis=-1)], axis=1)
        # Rotation times [[1, -sin], [0, cos]] of the shear, times the zooms, column by column.
        first = rotation[:, :, 0]
        second = rotation[:, :, 0] * -lean[:, None] + rotation[:, :, 1] * flat[:, None]
        matrices = np.stack([first, second], axis=-1) * zooms[:, None, :]
        offsets = rotation[:, :, 0] * down[:, None] + rotation[:, :, 1] * right[:, None]
        return matrices, offsets


def augmentation_of(keys: AugmentKeys | None, shape: tuple[int, int, int], *, seed: int) -> Augmentation | None:
    """The augmentation that is asked for; None where samples stay as they are. Raises NetworkError for no images."""
    if keys is None:
        return None
    augmentation = Augmentation(keys, shape, seed)
    if augmentation.varies and min(shape[:2]) < 2:
        raise NetworkError(f"augment is for images; the network's input is {list(shape)}")
    return augmentation if augmentation.varies else None


def sets_of(
    keys: AugmentKeys | None, augmentation: Augmentation | None, train: SampleSet, test: SampleSet, *, seed: int
) -> tuple[SampleSet, SampleSet]:
    """The training and the test set that are asked for: balanced, so many of each class, the test set varied.

    Raises DataError where classes are to be chosen and there are no labels.
    """
    if keys is None:
        return train, test
    if keys.balance:
        train = balanced(train)
    if keys.per_class is not None:
        train = drawn(train, keys.per_class, seed=seed)
    if keys.test_per_class is not None:
        test = drawn(test, keys.test_per_class, seed=seed)
        test = augmentation.held_out(test) if augmentation is not None else test
    return train, test


def drawn(samples: SampleSet, per_class: int, *, seed: int) -> SampleSet:
    """So many samples of each class in turn, in an order drawn from the seed; where a class has fewer, again from its
    first. Raises DataError without labels.
    """
    if samples.labels is None:
        raise DataError("'per_class' and 'test_per_class' need class labels")
    chosen = []
    for label in np.unique(samples.labels):
        places = np.flatnonzero(samples.labels == label)
        lots = mix(mix(np.uint32(seed) ^ _DRAW_STREAM) + places.astype(np.uint32))
        chosen.append(np.resize(places[np.argsort(lots, kind="stable")], per_class))
    order = np.stack(chosen, axis=1).ravel()
    return SampleSet(x=samples.x[order], labels=samples.labels[order])


def balanced(samples: SampleSet) -> SampleSet:
    """Every class as often as the most frequent one: samples of the others are repeated in their order.

    Raises DataError without labels.
    """
    if samples.labels is None:
        raise DataError("'balance' needs class labels")
    counts = np.bincount(samples.labels)
    wanted = int(counts.max())
    repeats = [np.resize(np.flatnonzero(samples.labels == label), wanted) for label in np.flatnonzero(counts)]
    # One of each class in turn, so that unshuffled training is mixed, too.
    order = np.stack(repeats, axis=1).ravel()
    return SampleSet(x=samples.x[order], labels=samples.labels[order])


def _draw(keys: NDArray[np.uint32], number: int) -> NDArray[np.float64]:
    """Uniform in [-1, 1), multiples of 2**-23."""
    u: NDArray[np.float64] = (random(keys, number) >> np.uint32(8)).astype(np.float64) * 2.0**-23 - 1.0
    return u


def _cos(angles: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.array([math.cos(angle) for angle in angles])


def _sin(angles: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.array([math.sin(angle) for angle in angles])
