# SPDX-License-Identifier: Apache-2.0
"""Fits a data source to a network: shapes, targets, the form in which samples travel. Everything is checked here."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trainbed.data.fit import fit_images, resized, select_classes, with_channels_of
from trainbed.data.generated import generate
from trainbed.data.npz import load_npz
from trainbed.data.raw import Raw, is_labels
from trainbed.data.sklearn_sets import load_sklearn
from trainbed.errors import DataError
from trainbed.link.samples import SampleSet
from trainbed.network.training import Loss
from trainbed.scenario.schema import GeneratedData, NpzData, SklearnData

MAX_TARGETS = 16
"""Entries of the device's target table (one output)."""


@dataclass(frozen=True, eq=False)
class Data:
    """Training and test set as they travel, and how the device reads them.

    The value of a code q is ``float32(q) * x_scale + x_offset``; float32 samples are taken as they are. ``targets``:
    float32 ``[n_labels, n_outputs]``, the target of each label; None where the samples carry target values, and
    accuracy has no meaning.
    """

    train: SampleSet
    test: SampleSet
    n_outputs: int
    targets: NDArray[np.float32] | None
    x_scale: np.float32
    x_offset: np.float32

    @property
    def has_accuracy(self) -> bool:
        """True where samples have labels."""
        return self.targets is not None

    def inputs(self, samples: SampleSet) -> NDArray[np.float32]:
        """Inputs as the device computes them from what travels: float32 ``[n, n_inputs]``, a multiply, then an add."""
        if samples.x.dtype == np.float32:
            return samples.x
        return samples.x.astype(np.float32) * self.x_scale + self.x_offset

    def targets_of(self, samples: SampleSet) -> NDArray[np.float32]:
        """Target values of each sample: float32 ``[n, n_outputs]``."""
        if samples.values is not None:
            return samples.values
        assert self.targets is not None and samples.labels is not None  # one of the two, by SampleSet
        return self.targets[samples.labels]


def load_data(
    data: GeneratedData | SklearnData | NpzData,
    input_shape: tuple[int, int, int],
    *,
    n_outputs: int | None,
    loss: Loss,
    base_dir: Path,
    seed: int,
) -> Data:
    """Load the data of a scenario for a network of ``input_shape`` (H, W, C) and ``n_outputs`` outputs.

    ``n_outputs`` None: as many as there are labels. ``base_dir``: folder relative paths start from. ``seed``: used
    where the data name none of their own.
    Raises DataError naming the source and the key to blame, MissingTool when scikit-learn is needed and absent.
    """
    raw = _read(data, base_dir=base_dir, seed=seed)
    if isinstance(data, NpzData) and data.fit:
        raw = fit_images(raw, input_shape)
    return _data_of(raw, input_shape, n_outputs=n_outputs, loss=loss)


@dataclass(frozen=True, eq=False)
class Unfitted:
    """Data with images of their own ``shape`` (H, W, C), as many channels as the network reads: resizing takes long."""

    data: Data
    shape: tuple[int, int, int]

    def at(self, shape: tuple[int, int, int]) -> Data:
        """The data for an input of ``shape``: the bytes load_data() gives."""
        if shape == self.shape:
            return self.data
        train, test = (self._resized(samples, shape) for samples in (self.data.train, self.data.test))
        return replace(self.data, train=train, test=test)

    def _resized(self, samples: SampleSet, shape: tuple[int, int, int]) -> SampleSet:
        images = resized(samples.x.reshape(-1, *self.shape), shape[:2])
        return replace(samples, x=np.ascontiguousarray(images.reshape(len(samples), -1)))


def load_unfitted(
    data: GeneratedData | SklearnData | NpzData,
    input_shape: tuple[int, int, int],
    *,
    n_outputs: int | None,
    loss: Loss,
    base_dir: Path,
    seed: int,
) -> Unfitted:
    """As load_data(), everything checked, but images that are to be fitted keep their size."""
    raw = _read(data, base_dir=base_dir, seed=seed)
    shape = input_shape
    if isinstance(data, NpzData) and data.fit:
        raw = with_channels_of(raw, input_shape[2])
        if raw.x_train.shape[1:] == raw.x_test.shape[1:]:
            shape = (raw.x_train.shape[1], raw.x_train.shape[2], input_shape[2])
        else:
            raw = fit_images(raw, input_shape)
    return Unfitted(_data_of(raw, shape, n_outputs=n_outputs, loss=loss), shape)


def _data_of(raw: Raw, input_shape: tuple[int, int, int], *, n_outputs: int | None, loss: Loss) -> Data:
    raw = replace(
        raw,
        x_train=_shaped(raw.x_train, input_shape, raw.origin, "x_train"),
        x_test=_shaped(raw.x_test, input_shape, raw.origin, "x_test"),
    )
    for part in ("train", "test"):
        _check_counts(raw, part)
    n_outputs = _count_outputs(raw) if n_outputs is None else n_outputs
    targets, y_train, y_test = _targets(raw, n_outputs)
    _check_loss(raw, loss, targets, y_train, y_test)
    return Data(
        train=_sample_set(raw.x_train, y_train),
        test=_sample_set(raw.x_test, y_test),
        n_outputs=n_outputs,
        targets=targets,
        x_scale=np.float32(raw.scale),
        x_offset=np.float32(raw.offset),
    )


def _read(data: GeneratedData | SklearnData | NpzData, *, base_dir: Path, seed: int) -> Raw:
    if isinstance(data, GeneratedData):
        return generate(data, seed=seed)
    raw = load_sklearn(data, seed=seed) if isinstance(data, SklearnData) else load_npz(data, base_dir=base_dir)
    if data.classes is not None:
        raw = select_classes(raw, data.classes)
    if isinstance(data, NpzData) and data.grey:
        raw = with_channels_of(raw, 1, key="grey")
    return replace(
        raw,
        x_train=_first(raw.x_train, data.train, raw.origin, "x_train"),
        y_train=_first(raw.y_train, data.train, raw.origin, "y_train"),
        x_test=_first(raw.x_test, data.test, raw.origin, "x_test"),
        y_test=_first(raw.y_test, data.test, raw.origin, "y_test"),
    )


def _first(array: NDArray[Any], count: int | None, origin: str, key: str) -> NDArray[Any]:
    if array.ndim == 0:
        raise DataError(f"{origin}: {key} is a single number; one row per sample is needed")
    if count is None:
        return array
    if count > len(array):
        raise DataError(f"{origin}: {count} samples are asked for, {key} has {len(array)}")
    return array[:count]


def _shaped(x: NDArray[Any], shape: tuple[int, int, int], origin: str, key: str) -> NDArray[Any]:
    """[n, ...] -> [n, n_inputs], where the sizes agree."""
    n_inputs = math.prod(shape)
    if len(x) == 0:
        raise DataError(f"{origin}: {key} is empty")
    if x[0].size != n_inputs:
        raise DataError(
            f"{origin}: a sample of {key} has shape {list(x.shape[1:])} = {x[0].size} values; "
            f"the network's input {list(shape)} takes {n_inputs}"
        )
    return np.ascontiguousarray(x.reshape(len(x), n_inputs))


def _count_outputs(raw: Raw) -> int:
    """Labels 0..n-1, or values per sample."""
    y = _column(raw.y_train)
    if is_labels(y):
        return max(int(y.max()) + 1, 2)
    return 1 if y.ndim < 2 else int(y[0].size)


def _check_counts(raw: Raw, part: str) -> None:
    n_x, n_y = len(getattr(raw, f"x_{part}")), len(getattr(raw, f"y_{part}"))
    if n_x != n_y:
        raise DataError(f"{raw.origin}: x_{part} has {n_x} samples, y_{part} has {n_y}")


def _targets(raw: Raw, n_outputs: int) -> tuple[NDArray[np.float32] | None, NDArray[Any], NDArray[Any]]:
    """Target of each label (or None) and both label or value arrays as they travel."""
    y_train, y_test = _column(raw.y_train), _column(raw.y_test)
    if is_labels(y_train) != is_labels(y_test) or y_train.ndim != y_test.ndim:
        raise DataError(f"{raw.origin}: y_train and y_test differ in kind: {y_train.dtype}, {y_test.dtype}")
    if n_outputs == 1 and y_train.ndim == 1:
        return _single_output(raw, y_train, y_test)
    if is_labels(y_train):
        for key, y in (("y_train", y_train), ("y_test", y_test)):
            if y.min() < 0 or y.max() >= n_outputs:
                raise DataError(
                    f"{raw.origin}: {key} has label {int(y.min() if y.min() < 0 else y.max())}; "
                    f"a network with {n_outputs} outputs has labels 0..{n_outputs - 1}"
                )
        return np.eye(n_outputs, dtype=np.float32), y_train.astype(np.uint16), y_test.astype(np.uint16)
    for key, y in (("y_train", y_train), ("y_test", y_test)):
        if y.ndim < 2 or y[0].size != n_outputs:
            found = 1 if y.ndim < 2 else y[0].size
            raise DataError(f"{raw.origin}: {key} has {found} values per sample; the network has {n_outputs} outputs")
    train, test = (y.reshape(len(y), n_outputs).astype(np.float32) for y in (y_train, y_test))
    return None, train, test


def _column(y: NDArray[Any]) -> NDArray[Any]:
    """[n, 1] is [n]; whole numbers of any width are labels, booleans too."""
    y = y.reshape(len(y)) if y.ndim == 2 and y.shape[1] == 1 else y
    return y.astype(np.int64) if y.dtype.kind in "bi" or (y.dtype.kind == "u" and y.dtype.itemsize < 8) else y


def _single_output(
    raw: Raw, y_train: NDArray[Any], y_test: NDArray[Any]
) -> tuple[NDArray[np.float32] | None, NDArray[Any], NDArray[Any]]:
    """One output: labels index a table of the distinct target values, up to MAX_TARGETS; else values travel."""
    if raw.single_output is not None:
        table = np.asarray(raw.single_output, dtype=np.float32)
        return table[:, None], y_train.astype(np.uint16), y_test.astype(np.uint16)
    train, test = y_train.astype(np.float32), y_test.astype(np.float32)
    table = np.unique(np.concatenate([train, test]))
    if len(table) > MAX_TARGETS:
        return None, train[:, None], test[:, None]
    labels = (np.searchsorted(table, y).astype(np.uint16) for y in (train, test))
    return table[:, None], next(labels), next(labels)


def _check_loss(
    raw: Raw, loss: Loss, targets: NDArray[np.float32] | None, y_train: NDArray[Any], y_test: NDArray[Any]
) -> None:
    """The cross-entropies want targets in [0, 1]; the categorical one rows that add up to 1."""
    if loss is Loss.MSE:
        return
    for key, values in (("y_train", y_train), ("y_test", y_test)) if targets is None else (("the labels", targets),):
        if values.min() < 0 or values.max() > 1:
            worst = values.min() if values.min() < 0 else values.max()
            raise DataError(f"{raw.origin}: {key}: target {worst:g} is outside 0..1, which {loss.value} needs")
        if loss is Loss.CATEGORICAL_CROSSENTROPY and np.abs(values.sum(axis=1) - 1.0).max() > 1e-3:
            raise DataError(f"{raw.origin}: {key}: targets of a sample must add up to 1 for {loss.value}")


def _sample_set(x: NDArray[Any], y: NDArray[Any]) -> SampleSet:
    return SampleSet(x=x, labels=y) if y.dtype == np.uint16 else SampleSet(x=x, values=y)
