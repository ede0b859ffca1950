# SPDX-License-Identifier: Apache-2.0
"""Makes a data set suit a network: a choice of classes, images of another size or number of channels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trainbed.data.raw import Raw, is_labels
from trainbed.data.warp import warp
from trainbed.errors import DataError

_LUMA = (77, 150, 29)
"""Red, green and blue in 1/256: ITU-R BT.601."""


def select_classes(raw: Raw, classes: Sequence[int]) -> Raw:
    """The samples with these labels, in their order, relabelled 0, 1, ... in the order of ``classes``."""
    x_train, y_train = _selected(raw, "train", classes)
    x_test, y_test = _selected(raw, "test", classes)
    return replace(raw, x_train=x_train, y_train=y_train, x_test=x_test, y_test=y_test)


def _selected(raw: Raw, part: str, classes: Sequence[int]) -> tuple[NDArray[Any], NDArray[Any]]:
    x, y = getattr(raw, f"x_{part}"), getattr(raw, f"y_{part}")
    y = y.reshape(len(y)) if y.ndim == 2 and y.shape[1] == 1 else y
    if not is_labels(y):
        raise DataError(f"{raw.origin}: 'classes' chooses by label; y_{part} is {y.dtype}{list(y.shape)}")
    if len(x) != len(y):
        raise DataError(f"{raw.origin}: x_{part} has {len(x)} samples, y_{part} has {len(y)}")
    labels = np.asarray(classes)
    missing = [int(label) for label in labels if label not in y]
    if missing:
        raise DataError(f"{raw.origin}: y_{part} has no class {missing[0]}; it has {int(y.min())}..{int(y.max())}")
    kept = np.flatnonzero(np.isin(y, labels))
    number = np.full(int(y.max()) + 1, -1)
    number[labels] = np.arange(len(labels))
    return x[kept], number[y[kept].astype(np.int64)]


def fit_images(raw: Raw, shape: tuple[int, int, int]) -> Raw:
    """Images resized (bilinear, pixel centres) to ``shape`` (H, W, C); colours become grey by luma, grey becomes equal
    colours.
    """
    return replace(raw, x_train=_fitted(raw.x_train, shape, raw.origin), x_test=_fitted(raw.x_test, shape, raw.origin))


def _fitted(x: NDArray[Any], shape: tuple[int, int, int], origin: str) -> NDArray[Any]:
    x = x[..., None] if x.ndim == 3 else x
    if x.ndim != 4 or x.shape[3] not in (1, 3, shape[2]):
        raise DataError(f"{origin}: 'fit' is for images [n, height, width, 1 or 3], found {list(x.shape)}")
    x = with_channels(x, shape[2], origin)
    return resized(x, shape[:2])


def resized(x: NDArray[Any], size: tuple[int, int]) -> NDArray[Any]:
    """Images ``[n, h, w, c]`` at another size (h, w): bilinear, pixel centres."""
    if x.shape[1:3] == size:
        return x
    matrix = np.diag([x.shape[1] / size[0], x.shape[2] / size[1]])
    return warp(x, np.broadcast_to(matrix, (len(x), 2, 2)), np.zeros((len(x), 2)), size=size, fill="nearest")


def with_channels(x: NDArray[Any], channels: int, origin: str) -> NDArray[Any]:
    """Images ``[n, h, w, c]`` with so many channels: to grey by luma, from grey to equal colours. Raises DataError."""
    if x.shape[3] == channels:
        return x
    if x.shape[3] == 1:
        return np.repeat(x, channels, axis=3)
    if channels != 1:
        raise DataError(f"{origin}: images of 3 channels do not fit a network of {channels}")
    if x.dtype.kind == "f":
        red, green, blue = (x[..., c] * np.float32(_LUMA[c] / 256) for c in range(3))
        total: NDArray[Any] = (red + green) + blue
        return total[..., None]
    red, green, blue = (x[..., c].astype(np.int32) * _LUMA[c] for c in range(3))
    grey: NDArray[Any] = (red + green + blue + 128) >> 8
    return grey[..., None].astype(x.dtype)
