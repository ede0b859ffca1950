# SPDX-License-Identifier: Apache-2.0
"""Augmentation against SciPy's affine transform, its determinism, balancing, and the sheet that shows it."""

from __future__ import annotations

import hashlib
import math
import struct
import zlib
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from pydantic import ValidationError

from trainbed.data.augment import Augmentation, balanced, drawn, sets_of
from trainbed.data.preview import png, preview_sheet
from trainbed.data.random import mix, random
from trainbed.data.warp import warp
from trainbed.errors import DataError
from trainbed.link.samples import SampleSet
from trainbed.scenario.schema import AugmentKeys

FULL = AugmentKeys(
    rotation=40.0, width_shift=0.2, height_shift=0.2, shear=0.2, zoom=0.2, horizontal_flip=True, fill="nearest"
)


def _images(n: int = 6, shape: tuple[int, int, int] = (12, 9, 3)) -> SampleSet:
    x = np.random.default_rng(3).integers(0, 256, (n, math.prod(shape)), dtype=np.uint8)
    return SampleSet(x=x, labels=np.arange(n, dtype=np.uint16))


def _scipy(image: NDArray[Any], matrix: NDArray[Any], offset: NDArray[Any], fill: str) -> NDArray[Any]:
    """What Keras's apply_affine_transform asks of SciPy: order 1, about the middle, channel by channel."""
    ndimage = pytest.importorskip("scipy.ndimage", reason="SciPy comes with scikit-learn")
    middle = (np.array(image.shape[:2]) - 1) / 2
    mode = {"wrap": "grid-wrap"}.get(fill, fill)
    planes = [
        ndimage.affine_transform(
            image[..., c].astype(np.float64), matrix, middle - matrix @ middle + offset, order=1, mode=mode, cval=0.0
        )
        for c in range(image.shape[2])
    ]
    return np.stack(planes, axis=-1)


@pytest.mark.parametrize("fill", ["nearest", "constant", "reflect", "wrap"])
def test_an_affine_map_gives_what_scipy_gives(fill: str) -> None:
    rng = np.random.default_rng(7)
    images = rng.normal(100.0, 40.0, (8, 11, 14, 2)).astype(np.float32)
    matrices = np.eye(2) + rng.uniform(-0.6, 0.6, (8, 2, 2))
    offsets = rng.uniform(-9, 9, (8, 2))
    warped = warp(images, matrices, offsets, size=(11, 14), fill=fill)
    for image, matrix, offset, ours in zip(images, matrices, offsets, warped, strict=True):
        theirs = _scipy(image, matrix, offset, fill)
        close = np.abs(ours - theirs) < 0.02  # coordinates are rounded to 1/65536 pixel
        # A pixel exactly at the border may fall to either side of it.
        assert close.mean() > 0.99


def test_bytes_are_rounded_to_the_nearest() -> None:
    images = np.array([[[[0], [1]], [[0], [1]]]], np.uint8)
    shifted = warp(images, np.eye(2)[None], np.array([[0.0, 0.5]]), size=(2, 2), fill="nearest")
    assert shifted[0, :, :, 0].tolist() == [[1, 1], [1, 1]]  # 0.5 goes up
    shifted = warp(images, np.eye(2)[None], np.array([[0.0, 0.25]]), size=(2, 2), fill="nearest")
    assert shifted[0, :, :, 0].tolist() == [[0, 1], [0, 1]]


def test_so_many_of_each_class_are_drawn_by_the_seed_in_turn() -> None:
    labels = np.array([0] * 20 + [1] * 3 + [2] * 9, np.uint16)
    samples = SampleSet(x=np.arange(32, dtype=np.uint8)[:, None], labels=labels)
    chosen = drawn(samples, 9, seed=4)
    assert chosen.labels is not None
    assert chosen.labels.tolist() == [0, 1, 2] * 9
    of_class = [chosen.x[chosen.labels == label, 0].tolist() for label in range(3)]
    assert len(set(of_class[0])) == 9 and max(of_class[0]) < 20
    assert sorted(of_class[1]) == [20, 20, 20, 21, 21, 21, 22, 22, 22]
    assert sorted(of_class[2]) == list(range(23, 32))
    assert of_class[0] != drawn(samples, 9, seed=5).x[::3, 0].tolist()
    assert (drawn(samples, 9, seed=4).x == chosen.x).all()
    with pytest.raises(DataError, match="need class labels"):
        drawn(SampleSet(x=samples.x, values=np.zeros((32, 1), np.float32)), 2, seed=1)


def test_balancing_twice_is_refused() -> None:
    with pytest.raises(ValidationError, match="per_class balances already; leave 'balance' out"):
        AugmentKeys(balance=True, per_class=3)
    assert AugmentKeys(balance=True, test_per_class=3).test_per_class == 3


def test_held_out_images_are_varied_once_and_by_other_draws_than_those_of_training() -> None:
    images = _images()
    augmentation = Augmentation(FULL, (12, 9, 3), seed=1)
    keys = FULL.model_copy(update={"per_class": 2, "test_per_class": 3})
    train, test = sets_of(keys, augmentation, images, images, seed=1)
    assert (len(train), len(test)) == (12, 18)
    assert {row.tobytes() for row in train.x} <= {row.tobytes() for row in images.x}  # each epoch varies it
    drawn_alone = drawn(images, 3, seed=1)
    assert (test.x == augmentation.held_out(drawn_alone).x).all()
    of_epochs = {row.tobytes() for epoch in range(5) for row in augmentation.epoch(drawn_alone, epoch).x}
    assert of_epochs.isdisjoint(row.tobytes() for row in test.x)
    assert sets_of(None, None, images, images, seed=1) == (images, images)


def test_augmentation_is_the_transformation_of_keras() -> None:
    augmentation, samples = Augmentation(FULL, (12, 9, 3), seed=5), _images()
    epoch = augmentation.epoch(samples, 2).x.reshape(-1, 12, 9, 3)
    keys = mix(mix(mix(np.uint32(5) ^ np.uint32(0x27D4EB2F)) + np.uint32(2)) + np.arange(6, dtype=np.uint32))
    draws = np.stack([(random(keys, i) >> np.uint32(8)) * 2.0**-23 - 1.0 for i in range(6)])
    flips = random(keys, 6) >> np.uint32(31)
    assert 0 < flips.sum() < 6
    for i, image in enumerate(samples.x.reshape(-1, 12, 9, 3)):
        theta, shear = math.radians(40) * draws[0, i], math.radians(0.2) * draws[3, i]
        down, right = draws[1, i] * 0.2 * 12, draws[2, i] * 0.2 * 9
        rotation = np.array([[math.cos(theta), -math.sin(theta), 0], [math.sin(theta), math.cos(theta), 0], [0, 0, 1]])
        shift = np.array([[1, 0, down], [0, 1, right], [0, 0, 1]])
        lean = np.array([[1, -math.sin(shear), 0], [0, math.cos(shear), 0], [0, 0, 1]])
        zoom = np.diag([1 + 0.2 * draws[4, i], 1 + 0.2 * draws[5, i], 1])
        whole = rotation @ shift @ lean @ zoom
        expected = _scipy(image, whole[:2, :2], whole[:2, 2], "nearest")
        expected = expected[:, ::-1] if flips[i] else expected
        assert np.abs(epoch[i] - expected).max() < 0.6  # rounded to bytes


def test_each_epoch_is_drawn_anew_and_always_the_same() -> None:
    augmentation, samples = Augmentation(FULL, (12, 9, 3), seed=1), _images()
    first, again, second = (augmentation.epoch(samples, epoch).x for epoch in (0, 0, 1))
    assert (first == again).all()
    assert not (first == second).all()
    assert not (Augmentation(FULL, (12, 9, 3), seed=2).epoch(samples, 0).x == first).all()
    digest = hashlib.sha256(first.tobytes()).hexdigest()
    assert digest == "80e9b73920ec50f9af4a3e6a304510f458f279a8a2078c832c79c64a8df62eae"


def test_a_sample_is_drawn_for_itself_alone() -> None:
    augmentation = Augmentation(FULL, (12, 9, 3), seed=1)
    assert (augmentation.epoch(_images(6), 0).x[:3] == augmentation.epoch(_images(6), 0).x[:3]).all()
    few = SampleSet(x=_images(6).x[:3], labels=np.arange(3, dtype=np.uint16))
    assert (augmentation.epoch(few, 4).x == augmentation.epoch(_images(6), 4).x[:3]).all()


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.float32])
def test_type_labels_and_order_stay(dtype: type) -> None:
    samples = SampleSet(x=_images().x.astype(dtype), labels=np.arange(6, dtype=np.uint16))
    epoch = Augmentation(AugmentKeys(rotation=10.0), (12, 9, 3), seed=1).epoch(samples, 0)
    assert epoch.x.dtype == dtype and epoch.x.shape == samples.x.shape
    assert (epoch.labels == samples.labels).all()


def test_a_mirror_alone_mirrors_columns() -> None:
    samples = _images(16)
    epoch = Augmentation(AugmentKeys(horizontal_flip=True), (12, 9, 3), seed=1).epoch(samples, 0)
    before, after = (x.reshape(-1, 12, 9, 3) for x in (samples.x, epoch.x))
    mirrored = [(a == b[:, ::-1]).all() for a, b in zip(after, before, strict=True)]
    same = [(a == b).all() for a, b in zip(after, before, strict=True)]
    assert all(m != s for m, s in zip(mirrored, same, strict=True))
    assert 3 <= sum(mirrored) <= 13


def test_balancing_repeats_rare_classes() -> None:
    labels = np.array([0, 0, 0, 1, 0, 1, 0], np.uint16)
    even = balanced(SampleSet(x=np.arange(7, dtype=np.uint8)[:, None], labels=labels))
    assert even.labels is not None
    assert np.bincount(even.labels).tolist() == [5, 5]
    assert even.x[even.labels == 0, 0].tolist() == [0, 1, 2, 4, 6]
    assert even.x[even.labels == 1, 0].tolist() == [3, 5, 3, 5, 3]
    with pytest.raises(DataError, match="needs class labels"):
        balanced(SampleSet(x=np.zeros((2, 1), np.uint8), values=np.zeros((2, 1), np.float32)))


def _decode(content: bytes) -> NDArray[np.uint8]:
    assert content[:8] == b"\x89PNG\r\n\x1a\n"
    at, body, header = 8, b"", b""
    while at < len(content):
        length, kind = struct.unpack(">I4s", content[at : at + 8])
        chunk = content[at + 8 : at + 8 + length]
        (crc,) = struct.unpack(">I", content[at + 8 + length : at + 12 + length])
        assert crc == zlib.crc32(kind + chunk)
        header = chunk if kind == b"IHDR" else header
        body += chunk if kind == b"IDAT" else b""
        at += 12 + length
    width, height, depth, colour = struct.unpack(">IIBB", header[:10])
    channels = {0: 1, 2: 3}[colour]
    lines = np.frombuffer(zlib.decompress(body), np.uint8).reshape(height, 1 + width * channels)
    assert depth == 8 and not lines[:, 0].any()
    return lines[:, 1:].reshape(height, width, channels)


def test_a_png_holds_its_pixels() -> None:
    for channels in (1, 3):
        pixels = np.random.default_rng(1).integers(0, 256, (5, 7, channels), dtype=np.uint8)
        assert (_decode(png(pixels)) == pixels).all()


def test_the_sheet_shows_originals_and_epochs() -> None:
    augmentation, samples = Augmentation(FULL, (12, 9, 3), seed=1), _images(10)
    sheet = _decode(preview_sheet(augmentation, samples))
    factor = 4
    cell = (12 * factor + 2, 9 * factor + 2)
    assert sheet.shape == (8 * cell[0], 8 * cell[1], 3)
    original = sheet[: 12 * factor : factor, : 9 * factor : factor]
    assert (original == samples.x[0].reshape(12, 9, 3)).all()
    third = sheet[2 * cell[0] :, cell[1] * 2 :][: 12 * factor : factor, : 9 * factor : factor]
    assert (third == augmentation.epoch(samples, 1).x[2].reshape(12, 9, 3)).all()
