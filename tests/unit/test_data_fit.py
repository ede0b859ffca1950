# SPDX-License-Identifier: Apache-2.0
"""Choosing classes of a data set, and fitting its images to a network."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from trainbed.data.load import Data, load_data, load_unfitted
from trainbed.data.warp import resize, warp
from trainbed.errors import DataError
from trainbed.network.training import Loss
from trainbed.scenario.schema import NpzData, SklearnData


def _load(tmp_path: Path, shape: tuple[int, int, int], n_outputs: int | None = None, **keys: Any) -> Data:
    data = NpzData(npz="a.npz", **keys)
    return load_data(data, shape, n_outputs=n_outputs, loss=Loss.MSE, base_dir=tmp_path, seed=1)


def _write(tmp_path: Path, x: Any, y: Any) -> None:
    np.savez(tmp_path / "a.npz", x_train=x, y_train=y, x_test=x, y_test=y)


def test_chosen_classes_are_renumbered_in_the_order_of_the_list(tmp_path: Path) -> None:
    _write(tmp_path, np.arange(8, dtype=np.uint8)[:, None], np.array([0, 1, 2, 3, 0, 1, 2, 3], np.uint8))
    data = _load(tmp_path, (1, 1, 1), 3, classes=[3, 0, 2])
    assert data.train.labels is not None
    assert data.train.x[:, 0].tolist() == [0, 2, 3, 4, 6, 7]
    assert data.train.labels.tolist() == [1, 2, 0, 1, 2, 0]
    assert len(_load(tmp_path, (1, 1, 1), 3, classes=[3, 0, 2], train=4).train) == 4


def test_several_labels_make_one_class(tmp_path: Path) -> None:
    _write(tmp_path, np.arange(8, dtype=np.uint8)[:, None], np.array([0, 1, 2, 3, 0, 1, 2, 3], np.uint8))
    data = _load(tmp_path, (1, 1, 1), classes=[[3, 1], 0])
    assert data.n_outputs == 2
    assert data.train.labels is not None
    assert data.train.x[:, 0].tolist() == [0, 1, 3, 4, 5, 7]
    assert data.train.labels.tolist() == [1, 0, 0, 1, 0, 0]


def test_the_number_of_outputs_follows_from_the_labels(tmp_path: Path) -> None:
    _write(tmp_path, np.zeros((6, 1), np.uint8), np.array([0, 1, 4, 3, 0, 1], np.uint8))
    assert _load(tmp_path, (1, 1, 1)).n_outputs == 5
    assert _load(tmp_path, (1, 1, 1), classes=[4, 0]).n_outputs == 2
    _write(tmp_path, np.zeros((6, 1), np.uint8), np.zeros((6, 7), np.float32))
    assert _load(tmp_path, (1, 1, 1)).n_outputs == 7


def test_classes_of_sklearn_sets_can_be_chosen(tmp_path: Path) -> None:
    pytest.importorskip("sklearn", reason="scikit-learn is not installed")
    data = load_data(
        SklearnData(sklearn="digits", classes=[7, 1]), (8, 8, 1), n_outputs=2, loss=Loss.MSE, base_dir=tmp_path, seed=1
    )
    assert data.train.labels is not None
    assert set(data.train.labels.tolist()) == {0, 1}
    assert 250 < len(data.train) + len(data.test) < 400


@pytest.mark.parametrize(
    ("y", "classes", "message"),
    [
        (np.array([0, 1, 1], np.uint8), [0, 5], "has no class 5; it has 0..1"),
        (np.array([0.5, 1, 1], np.float32), [0, 1], "'classes' chooses by label"),
        (np.array([0, 1], np.uint8), [0, 1], "x_train has 3 samples, y_train has 2"),
    ],
)
def test_impossible_choices_are_refused(tmp_path: Path, y: Any, classes: list[int], message: str) -> None:
    _write(tmp_path, np.zeros((3, 1), np.uint8), y)
    with pytest.raises(DataError, match=r"a\.npz") as caught:
        _load(tmp_path, (1, 1, 1), 2, classes=classes)
    assert message in str(caught.value)


def test_images_are_resized_by_their_pixel_centres(tmp_path: Path) -> None:
    x = np.array([[[0, 100], [200, 40]]], np.uint8)
    _write(tmp_path, x, np.zeros(1, np.uint8))
    larger = _load(tmp_path, (4, 4, 1), 1, fit=True).train.x.reshape(4, 4)
    assert larger[0].tolist() == [0, 25, 75, 100]
    assert larger[:, 0].tolist() == [0, 50, 150, 200]
    assert larger[1, 1] == round((0 * 9 + 100 * 3 + 200 * 3 + 40) / 16)
    half = _load(tmp_path, (1, 1, 1), 1, fit=True).train.x
    assert half.tolist() == [[85]]


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.float32])
@pytest.mark.parametrize("size", [(9, 31), (3, 2), (1, 1), (13, 11)])
def test_resizing_gives_the_bytes_of_the_affine_map(dtype: type, size: tuple[int, int]) -> None:
    low, high = (0, 256) if dtype is np.uint8 else (-32768, 32768)
    x = np.random.default_rng(3).integers(low, high, (4, 11, 13, 2)).astype(dtype)
    matrices = np.broadcast_to(np.diag([11 / size[0], 13 / size[1]]), (4, 2, 2))
    mapped = warp(x, matrices, np.zeros((4, 2)), size=size, fill="nearest")
    assert resize(x, size).dtype == dtype and (resize(x, size) == mapped).all()


def test_colours_become_grey_and_grey_becomes_colours(tmp_path: Path) -> None:
    x = np.array([[[[255, 0, 0], [0, 255, 0]], [[0, 0, 255], [255, 255, 255]]]], np.uint8)
    _write(tmp_path, x, np.zeros(1, np.uint8))
    assert _load(tmp_path, (2, 2, 1), 1, fit=True).train.x[0].tolist() == [77, 149, 29, 255]
    _write(tmp_path, x[..., 0], np.zeros(1, np.uint8))
    assert _load(tmp_path, (2, 2, 3), 1, fit=True).train.x[0].tolist() == [255] * 3 + [0] * 6 + [255] * 3


def test_colours_can_be_made_grey_before_they_are_fitted(tmp_path: Path) -> None:
    _write(tmp_path, np.array([[[[255, 0, 0], [0, 0, 255]]]], np.uint8), np.zeros(1, np.uint8))
    grey = _load(tmp_path, (1, 2, 3), 1, fit=True, grey=True).train.x[0]
    assert grey.tolist() == [77] * 3 + [29] * 3
    assert _load(tmp_path, (1, 2, 1), 1, grey=True).train.x[0].tolist() == [77, 29]


@pytest.mark.parametrize("sizes", [((5, 7), (5, 7)), ((5, 7), (4, 4))])
def test_data_fitted_late_are_those_fitted_at_once(tmp_path: Path, sizes: tuple[tuple[int, int], ...]) -> None:
    rng = np.random.default_rng(1)
    train, test = (rng.integers(0, 256, (3, *size, 3), dtype=np.uint8) for size in sizes)
    y = np.arange(3, dtype=np.uint8)
    np.savez(tmp_path / "a.npz", x_train=train, y_train=y, x_test=test, y_test=y)
    data, shape = NpzData(npz="a.npz", fit=True), (9, 6, 1)
    late = load_unfitted(data, shape, n_outputs=None, loss=Loss.MSE, base_dir=tmp_path, seed=1)
    assert late.shape == ((5, 7, 1) if sizes[0] == sizes[1] else shape)
    at_once = _load(tmp_path, shape, fit=True)
    for one, other in ((late.at(shape).train, at_once.train), (late.at(shape).test, at_once.test)):
        assert (one.x == other.x).all() and one.labels is not None and (one.labels == other.labels).all()


@pytest.mark.parametrize("key", ["fit", "grey"])
def test_what_is_no_image_does_not_fit(tmp_path: Path, key: str) -> None:
    _write(tmp_path, np.zeros((2, 5), np.uint8), np.zeros(2, np.uint8))
    with pytest.raises(DataError, match=f"'{key}' is for images"):
        _load(tmp_path, (2, 2, 1), 1, **{key: True})
