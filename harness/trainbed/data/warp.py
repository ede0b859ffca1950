# SPDX-License-Identifier: Apache-2.0
"""Images seen through an affine map, bilinear, in fixed point: the same bytes on every machine."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

I64 = NDArray[np.int64]

_BITS = 16
_ONE = 1 << _BITS
"""A pixel, in the units of a coordinate."""
_MATRIX_UNIT = 2.0**-24
"""Matrices are rounded to it: products with coordinates of any image are then exact in float64."""
_CHUNK_ELEMENTS = 1 << 20


def warp(
    images: NDArray[Any],
    matrices: NDArray[np.float64],
    offsets: NDArray[np.float64],
    *,
    size: tuple[int, int],
    fill: str,
) -> NDArray[Any]:
    """Images ``[n, h, w, c]`` (uint8, int16 or float32) to ``[n, *size, c]`` of the same type.

    The value at output pixel p (row, column) is the input's at ``matrices[i] @ (p - middle) + middle of the input +
    offsets[i]``; the middle is ``(side - 1) / 2``. Beyond the border, by ``fill``: ``nearest`` aaaa|abcd|dddd,
    ``reflect`` dcba|abcd|dcba, ``wrap`` abcd|abcd|abcd, ``constant`` 0.
    """
    per_image = size[0] * size[1] * images.shape[3]
    step = max(1, _CHUNK_ELEMENTS // per_image)
    out = np.empty((len(images), *size, images.shape[3]), images.dtype)
    for first in range(0, len(images), step):
        part = slice(first, first + step)
        rows, columns = _coordinates(matrices[part], offsets[part], images.shape[1:3], size)
        out[part] = _sampled(images[part], rows, columns, fill)
    return out


def resize(images: NDArray[Any], size: tuple[int, int]) -> NDArray[Any]:
    """Images ``[n, h, w, c]`` at another size (h, w): what warp() gives, along one axis after the other."""
    scale = np.diag([images.shape[1] / size[0], images.shape[2] / size[1]])
    rows, columns = _coordinates(scale[None], np.zeros((1, 2)), images.shape[1:3], size)
    floats = images.dtype.kind == "f"
    between = _between_floats if floats else _between_codes
    step = max(1, _CHUNK_ELEMENTS // (max(size[0], images.shape[1]) * size[1] * images.shape[3]))
    out = np.empty((len(images), *size, images.shape[3]), images.dtype)
    for first in range(0, len(images), step):
        mixed = images[first : first + step] if floats else images[first : first + step].astype(np.int64)
        for axis, places in ((2, columns[0, 0, :]), (1, rows[0, :, 0])):
            part = np.expand_dims(places & (_ONE - 1), tuple(range(1, 4 - axis)))
            whole, n = places >> _BITS, mixed.shape[axis]
            here, beyond = (mixed.take(_inside(at, n, "nearest"), axis=axis) for at in (whole, whole + 1))
            mixed = between(here, beyond, part)
        out[first : first + step] = mixed if floats else _rounded(mixed)
    return out


def _coordinates(
    matrices: NDArray[np.float64], offsets: NDArray[np.float64], source: tuple[int, ...], size: tuple[int, int]
) -> tuple[I64, I64]:
    """Row and column in the input of every output pixel, ``[n, *size]`` in units of 1/65536 pixel."""
    matrices, offsets = (np.round(a / _MATRIX_UNIT) * _MATRIX_UNIT for a in (matrices, offsets))
    down = (np.arange(size[0]) - (size[0] - 1) / 2)[None, :, None]
    right = (np.arange(size[1]) - (size[1] - 1) / 2)[None, None, :]
    found = []
    for axis in (0, 1):
        a, b, shift = (v[:, None, None] for v in (matrices[:, axis, 0], matrices[:, axis, 1], offsets[:, axis]))
        position = a * down + b * right + shift + (source[axis] - 1) / 2
        found.append(np.rint(position * _ONE).astype(np.int64))
    return found[0], found[1]


def _sampled(images: NDArray[Any], rows: I64, columns: I64, fill: str) -> NDArray[Any]:
    height, width = images.shape[1:3]
    which = np.arange(len(images))[:, None, None]
    top, left = rows >> _BITS, columns >> _BITS
    down, right = (rows & (_ONE - 1))[..., None], (columns & (_ONE - 1))[..., None]
    r0, r1 = _inside(top, height, fill), _inside(top + 1, height, fill)
    c0, c1 = _inside(left, width, fill), _inside(left + 1, width, fill)
    corners = (images[which, r0, c0], images[which, r0, c1], images[which, r1, c0], images[which, r1, c1])
    mix = _mix_floats if images.dtype.kind == "f" else _mix_codes
    values = mix(corners, down, right)
    if fill == "constant":
        last_row, last_column = (height - 1) << _BITS, (width - 1) << _BITS
        outside = (rows < 0) | (rows > last_row) | (columns < 0) | (columns > last_column)
        values[outside] = 0
    return values.astype(images.dtype)


def _mix_codes(corners: tuple[NDArray[Any], ...], down: I64, right: I64) -> NDArray[Any]:
    a, b, c, d = (np.asarray(corner).astype(np.int64) for corner in corners)
    return _rounded(_between_codes(_between_codes(a, b, right), _between_codes(c, d, right), down))


def _between_codes(a: I64, b: I64, part: I64) -> I64:
    """In units of 1/65536 of those of ``a`` and ``b``: nothing is lost."""
    mixed: I64 = a * (_ONE - part) + b * part
    return mixed


def _rounded(total: I64) -> I64:
    """Codes of what was mixed twice."""
    codes: I64 = (total + (1 << (2 * _BITS - 1))) >> (2 * _BITS)
    return codes


def _mix_floats(corners: tuple[NDArray[Any], ...], down: I64, right: I64) -> NDArray[Any]:
    a, b, c, d = corners
    return _between_floats(_between_floats(a, b, right), _between_floats(c, d, right), down)


def _between_floats(a: NDArray[Any], b: NDArray[Any], part: I64) -> NDArray[Any]:
    mixed: NDArray[Any] = a + (b - a) * (part.astype(np.float32) * np.float32(1 / _ONE))
    return mixed


def _inside(index: I64, n: int, fill: str) -> I64:
    """The element that stands for each index, inside or beyond the border."""
    if fill == "reflect":
        folded = index % (2 * n)
        return np.minimum(folded, 2 * n - 1 - folded)
    if fill == "wrap":
        return index % n
    return np.clip(index, 0, n - 1)
