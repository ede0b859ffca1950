# SPDX-License-Identifier: Apache-2.0
"""Data sets from .npz files: x_train, y_train, x_test, y_test, and optionally x_scale, x_offset."""

from __future__ import annotations

import struct
import zipfile
import zlib
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from trainbed.data.raw import Raw
from trainbed.errors import DataError
from trainbed.scenario.schema import NpzData

KEYS = ("x_train", "y_train", "x_test", "y_test")

# Everything a damaged zip or .npy header makes numpy and zipfile raise.
_DAMAGE: tuple[type[Exception], ...] = (
    OSError,
    ValueError,
    EOFError,
    KeyError,
    SyntaxError,
    TypeError,
    OverflowError,
    MemoryError,
    RuntimeError,
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
)


def load_npz(data: NpzData, *, base_dir: Path) -> Raw:
    """Load the arrays a scenario asks for. Raises DataError naming file and key."""
    path = base_dir / data.npz
    if not path.is_file():
        raise DataError(f"{path}: no such file")
    with path.open("rb") as stream:
        archive = _open(stream, path)
        missing = [key for key in KEYS if key not in archive.files]
        if missing:
            held = ", ".join(archive.files[:12]) or "nothing"
            raise DataError(f"{path}: has no {', '.join(missing)} (it holds {held})")
        x_train, y_train, x_test, y_test = (_member(archive, key, path) for key in KEYS)
        scale = _factor(archive, "x_scale", data.scale, _default_scale(x_train), path)
        offset = _factor(archive, "x_offset", data.offset, 0.0, path)
    x_train, x_test, scale, offset = _travel_form(x_train, x_test, scale, offset, path)
    return Raw(str(path), x_train, y_train, x_test, y_test, scale=scale, offset=offset)


def _open(stream: BinaryIO, path: Path) -> Any:
    """The archive in an open file: np.load leaves a file it opened itself open when the archive is damaged."""
    try:
        archive = np.load(stream, allow_pickle=False)
    except _DAMAGE:
        raise DataError(f"{path}: is not an .npz file") from None
    if not isinstance(archive, np.lib.npyio.NpzFile):
        raise DataError(f"{path}: is one array (.npy); an .npz with {', '.join(KEYS)} is needed")
    return archive


def _member(archive: Any, key: str, path: Path) -> NDArray[Any]:
    try:
        array = np.asarray(archive[key])
    except ValueError as error:
        if "allow_pickle" in str(error):
            raise DataError(f"{path}: {key} holds Python objects; plain numbers are needed") from None
        raise DataError(f"{path}: {key} is damaged: {error}") from None
    except _DAMAGE as error:
        raise DataError(f"{path}: {key} is damaged: {error or type(error).__name__}") from None
    if array.dtype.kind not in "biuf":
        raise DataError(f"{path}: {key} is of type {array.dtype}; numbers are needed")
    if array.dtype.kind == "f":
        with np.errstate(over="ignore"):
            array = array.astype(np.float32)
    if not np.isfinite(array).all():
        first = np.argwhere(~np.isfinite(array))[0]
        raise DataError(f"{path}: {key}{[int(i) for i in first]} is not a finite float32 number")
    return array


def _default_scale(x: NDArray[Any]) -> float:
    return 1.0 / 255.0 if x.dtype == np.uint8 else 1.0


def _factor(archive: Any, key: str, asked: float | None, default: float, path: Path) -> float:
    """The scenario's value goes before the file's, the file's before the default."""
    if asked is not None:
        return asked
    if key not in archive.files:
        return default
    value = _member(archive, key, path)
    if value.size != 1:
        raise DataError(f"{path}: {key} has {value.size} values; one is needed")
    return float(value.reshape(-1)[0])


def _travel_form(
    x_train: NDArray[Any], x_test: NDArray[Any], scale: float, offset: float, path: Path
) -> tuple[NDArray[Any], NDArray[Any], float, float]:
    """Codes that fit travel as uint8 or int16, anything else as float32 with scale and offset applied here."""
    if x_train.dtype != x_test.dtype:
        raise DataError(f"{path}: x_train is {x_train.dtype}, x_test is {x_test.dtype}; one type is needed")
    kind = x_train.dtype
    if kind == np.bool_ or kind == np.uint8:
        return x_train.astype(np.uint8), x_test.astype(np.uint8), scale, offset
    if kind.kind in "iu" and all(x.size == 0 or (x.min() >= -32768 and x.max() <= 32767) for x in (x_train, x_test)):
        return x_train.astype(np.int16), x_test.astype(np.int16), scale, offset
    train, test = (
        x.astype(np.float32) * np.float32(scale) + np.float32(offset)
        if (scale, offset) != (1.0, 0.0)
        else x.astype(np.float32)
        for x in (x_train, x_test)
    )
    return train, test, 1.0, 0.0
