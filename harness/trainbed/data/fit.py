# SPDX-License-Identifier: Apache-2.0
"""Makes a data set suit a network: a choice of classes, images of another size or number of channels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trainbed.data.raw import Raw, is_labels
from trainbed.data.warp import resize
from trainbed.errors import DataError

_LUMA = (77, 150, 29)
"""Red, green and blue in 1/256: ITU-R BT.601."""


def select_classes(raw: Raw, classes: Sequence[Sequence[int]]) -> Raw:
    """The samples with these labels, in their order, relabelled 0, 1, ... in the order of ``classes``, each of which
    has one or more labels.
    """
    x_train, y_train = _selected(raw, "train", classes)
    x_test, y_test = _selected(raw, "test", classes)
    return replace(raw, x_train=x_train, y_train=y_train, x_test=x_test, y_test=y_test)


def _selected(raw: Raw, part: str, classes: Sequence[Sequence[int]]) -> tuple[NDArray[Any], NDArray[Any]]:
    x, y = getattr(raw, f"x_{part}"), getattr(raw, f"y_{part}")
    y = y.reshape(len(y)) if y.ndim == 2 and y.shape[1] == 1 else y
    if not is_labels(y):
        raise DataError(f"{raw.origin}: 'classes' chooses by label; y_{part} is {y.dtype}{list(y.shape)}")
    if len(x) != len(y):
        raise DataError(f"{raw.origin}: x_{part} has {len(x)} samples, y_{part} has {len(y)}")
    labels = np.concatenate([np.asarray(group) for group in classes])
    missing = [int(label) for label in labels if label not in y]
    if missing:
        raise DataError(f"{raw.origin}: y_{part} has no class {missing[0]}; it has {int(y.min())}..{int(y.max())}")
    kept = np.flatnonzero(np.isin(y, labels))
    number = np.full(int(y.max()) + 1, -1)
    number[labels] = np.repeat(np.arange(len(classes)), [len(group) for group in classes])
    return x[kept], number[y[kept].astype(np.int64)]


def fit_images(raw: Raw, shape: tuple[int, int, int]) -> Raw:
    """Images resized (bilinear, pixel centres) to ``shape`` (H, W, C); colours become grey by luma, grey becomes equal
    colours.
    """
    raw = with_channels_of(raw, shape[2])
    return replace(raw, x_train=resized(raw.x_train, shape[:2]), x_test=resized(raw.x_test, shape[:2]))


def with_channels_of(raw: Raw, channels: int, *, key: str = "fit") -> Raw:
    """The images with so many channels, of their own size. Raises DataError, with the key to blame, for no images."""
    x_train, x_test = (_images(x, channels, raw.origin, key) for x in (raw.x_train, raw.x_test))
    return replace(raw, x_train=x_train, x_test=x_test)


def _images(x: NDArray[Any], channels: int, origin: str, key: str) -> NDArray[Any]:
    x = x[..., None] if x.ndim == 3 else x
    if x.ndim != 4 or x.shape[3] not in (1, 3, channels):
        raise DataError(f"{origin}: '{key}' is for images [n, height, width, 1 or 3], found {list(x.shape)}")
    return with_channels(x, channels, origin)


def resized(x: NDArray[Any], size: tuple[int, int]) -> NDArray[Any]:
    """Images ``[n, h, w, c]`` at another size (h, w): bilinear, pixel centres."""
    if x.shape[1:3] == size:
        return x
    return resize(x, size)


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
