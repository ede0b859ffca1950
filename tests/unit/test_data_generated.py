# SPDX-License-Identifier: Apache-2.0
"""Generated data: the same images from a seed in any language, classes as described."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest

from trainbed.data import load_data
from trainbed.data.generated import lines, sensor
from trainbed.data.random import bell, sample_keys
from trainbed.errors import DataError
from trainbed.network.training import Loss
from trainbed.scenario.schema import GeneratedData

M32 = 0xFFFFFFFF
LINES_SHA256 = "d41abcd43c43e03953e4fd01a115da3a446f256bce255bc4d7d5f88b8ca0b79c"


def _mix(x: int) -> int:
    """docs/numerics.md, in plain whole numbers."""
    x ^= x >> 16
    x = x * 0x7FEB352D & M32
    x ^= x >> 15
    x = x * 0x846CA68B & M32
    return x ^ x >> 16


def _random(key: int, i: int) -> int:
    return _mix((key + i * 0x9E3779B9) & M32)


def _line_image(i: int, *, size: int, channels: int, seed: int, test: bool) -> tuple[np.ndarray, int]:
    """The description of docs/scenario.md, followed sample by sample."""
    key = _mix((_mix(seed ^ 0x165667B1) + i + (0x80000000 if test else 0)) & M32)
    kind = i % 3
    reach = size // 2 - 1
    values = [0.5 + (_random(key, 2 + c) >> 9) * 2.0**-24 for c in range(channels)]
    image = np.zeros((size, size, channels), np.float32)
    for step in range(size):
        if kind == 0:
            row, column = _random(key, 0) % size, step
        elif kind == 1:
            row, column = step, _random(key, 0) % size
        else:
            row, column = step, step + _random(key, 0) % (2 * reach + 1) - reach
            if not 0 <= column < size:
                continue
            if _random(key, 1) >> 31:
                column = size - 1 - column
        image[row, column] = values
    return image, kind


@pytest.mark.parametrize("test", [False, True])
@pytest.mark.parametrize(("size", "channels"), [(8, 3), (5, 1), (16, 2)])
def test_lines_are_what_the_description_says(size: int, channels: int, test: bool) -> None:
    images, labels = lines(40, (size, channels), seed=7, noise=0.0, test=test)
    for i in range(40):
        image, label = _line_image(i, size=size, channels=channels, seed=7, test=test)
        assert labels[i] == label
        np.testing.assert_array_equal(images[i], image)


def test_the_images_of_a_seed_never_change() -> None:
    images, _ = lines(48, (8, 3), seed=1, noise=0.05, test=False)
    assert hashlib.sha256(images.astype("<f4").tobytes()).hexdigest() == LINES_SHA256


def test_a_longer_set_begins_with_the_shorter_one_and_the_test_set_differs() -> None:
    short, _ = lines(10, (8, 3), seed=1, noise=0.0, test=False)
    long, _ = lines(30, (8, 3), seed=1, noise=0.0, test=False)
    other, _ = lines(10, (8, 3), seed=1, noise=0.0, test=True)
    np.testing.assert_array_equal(short, long[:10])
    assert (short != other).any(axis=(1, 2, 3)).all()


def test_another_seed_gives_other_images() -> None:
    one, _ = lines(30, (8, 3), seed=1, noise=0.0, test=False)
    two, _ = lines(30, (8, 3), seed=2, noise=0.0, test=False)
    assert (one != two).any(axis=(1, 2, 3)).all()


def test_noise_is_close_to_normal_with_the_asked_deviation() -> None:
    clean, _ = lines(200, (8, 3), seed=3, noise=0.0, test=False)
    noisy, _ = lines(200, (8, 3), seed=3, noise=0.05, test=False)
    difference = noisy.astype(np.float64) - clean
    assert abs(difference.std() / 0.05 - 1) < 0.02
    assert abs(difference.mean()) < 0.001
    draws = bell(sample_keys(1, 4, test=False), 0, 5000)
    assert draws.dtype == np.float32
    assert abs((np.abs(draws) < 1).mean() - 0.6827) < 0.01


def test_sensor_data_have_the_proportions_of_the_thesis() -> None:
    x, y = sensor(10_500, seed=1, noise=0.0, test=False)
    kinds = {tuple(row): int(((x == row).all(axis=1)).sum()) for row in ([1, 1], [1, -1], [-1, 1], [-1, -1])}
    assert list(kinds.values()) == [500, 500, 500, 9000]
    np.testing.assert_array_equal(y, (x == 1).all(axis=1))


def _load(
    data: GeneratedData,
    *,
    n_outputs: int,
    shape: tuple[int, int, int] = (8, 8, 3),
    loss: Loss = Loss.MSE,
    seed: int = 1,
):
    return load_data(data, shape, n_outputs=n_outputs, loss=loss, base_dir=Path(), seed=seed)


def test_lines_regress_to_0_a_half_and_1_with_one_output() -> None:
    data = _load(GeneratedData(generate="lines", train=6, test=3), n_outputs=1)
    assert data.targets is not None
    assert data.targets.tolist() == [[0.0], [0.5], [1.0]]
    assert data.targets_of(data.train)[:, 0].tolist() == [0.0, 0.5, 1.0, 0.0, 0.5, 1.0]
    assert data.train.labels is not None
    assert data.train.labels.dtype == np.uint16
    assert data.inputs(data.train) is data.train.x
    assert (len(data.train), len(data.test), data.has_accuracy) == (6, 3, True)


def test_lines_are_one_hot_with_three_outputs() -> None:
    data = _load(GeneratedData(generate="lines", train=3, test=3), n_outputs=3)
    np.testing.assert_array_equal(data.targets_of(data.train), np.eye(3, dtype=np.float32))


def test_the_data_s_own_seed_goes_before_the_training_s() -> None:
    own = _load(GeneratedData(generate="lines", seed=5), n_outputs=1, seed=1)
    training = _load(GeneratedData(generate="lines"), n_outputs=1, seed=5)
    other = _load(GeneratedData(generate="lines"), n_outputs=1, seed=1)
    np.testing.assert_array_equal(own.train.x, training.train.x)
    assert (own.train.x != other.train.x).any()


def test_lines_of_another_size_than_the_input_are_refused() -> None:
    with pytest.raises(DataError, match=r"x_train has shape \[8, 8, 3\] = 192 values; .* \[8, 8, 1\] takes 64"):
        _load(GeneratedData(generate="lines"), n_outputs=1, shape=(8, 8, 1))


def test_two_outputs_are_too_few_for_three_classes() -> None:
    with pytest.raises(DataError, match=r"y_train has label 2; a network with 2 outputs has labels 0\.\.1"):
        _load(GeneratedData(generate="lines"), n_outputs=2)
