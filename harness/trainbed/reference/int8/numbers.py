# SPDX-License-Identifier: Apache-2.0
"""Scales of 8-bit tensors as the device works them out: firmware/include/trn/int8/numbers.h in NumPy, to the bit."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trainbed.reference.arrays import F32
from trainbed.reference.int8.arithmetic import I32, Scale
from trainbed.reference.int8.elementwise import AddScale
from trainbed.reference.int8.update import make_rate, times

_LEAST_SPAN = np.float32(2.0**-20)
_HALF = np.float32(0.5)
_INT32_MAX = (1 << 31) - 1


@dataclass(frozen=True)
class Numbers:
    """Codes x of a tensor: real = scale (x - zero)."""

    scale: np.float32
    zero: int


def numbers_of(span: F32 | NDArray[np.generic]) -> Numbers:
    """Codes 0..255 for the values ``span = [lo, hi]``, lo <= 0 <= hi."""
    lo, hi = np.float32(span[0]), np.float32(span[1])
    width = np.float32(hi - lo)
    scale = np.float32((width if width > _LEAST_SPAN else _LEAST_SPAN) / np.float32(255))
    zero = math.floor(np.float32(np.float32(-lo / scale) + _HALF))
    return Numbers(scale, min(max(zero, 0), 255))


def error_scale_of(magnitude: np.float32) -> np.float32:
    """Scale of errors up to a magnitude: codes -127..127."""
    scale: np.float32 = np.float32((magnitude if magnitude > _LEAST_SPAN else _LEAST_SPAN) / np.float32(127))
    return scale


def scale_of(factor: np.float32) -> tuple[int, int]:
    """(multiplier, shift) of a factor; what a multiplier cannot hold is cut off."""
    factor, shift = np.float32(factor), 0
    while not factor < _HALF and shift < 31:
        factor = np.float32(factor * _HALF)
        shift += 1
    multiplier = int(np.float32(factor * np.float32(2.0**32))) if factor < _HALF else _INT32_MAX
    return max(multiplier, 1), shift


def scales_of(factors: F32) -> Scale:
    """One scale, or one for each channel."""
    pairs = [scale_of(factor) for factor in np.atleast_1d(np.asarray(factors, np.float32))]
    return Scale(np.array([m for m, _ in pairs], np.int64), np.array([k for _, k in pairs], np.int64))


def add_scale_of(a: np.float32, b: np.float32) -> AddScale:
    """Factors of an addition, cut off to 22 bits."""
    largest, shift, power = max(np.float32(a), np.float32(b)), 22, np.float32(2.0**22)
    while not largest < np.float32(1) and shift > 1:
        largest, power, shift = np.float32(largest * _HALF), np.float32(power * _HALF), shift - 1
    return AddScale(int(np.float32(a * power)), int(np.float32(b * power)), shift)


def rescale_bias(b: I32, ratio: np.float32) -> I32:
    """Biases at a new scale, ``ratio`` = old by new."""
    codes: I32 = np.clip(times(b.astype(np.int64), make_rate(ratio)), -(1 << 30), 1 << 30).astype(np.int32)
    return codes


def follow_range(span: F32, seen: tuple[int, int], *, s: np.float32, least: float, most: float, follow: float) -> F32:
    """The range after a batch whose sums lay within ``seen``; they are ``s`` times the values."""
    lo, hi = np.float32(np.float32(seen[0]) * s), np.float32(np.float32(seen[1]) * s)
    lo = min(max(lo, np.float32(least)), np.float32(0))
    hi = max(min(hi, np.float32(most)), np.float32(0))
    rate = np.float32(follow)
    return np.array(
        [np.float32(old + np.float32(rate * np.float32(now - old))) for old, now in zip(span, (lo, hi), strict=True)],
        np.float32,
    )


def follow_error_range(magnitude: np.float32, seen: tuple[int, int], *, s: np.float32, follow: float) -> np.float32:
    """The magnitude of errors after a batch."""
    low, high = np.float32(np.float32(seen[0]) * np.float32(-s)), np.float32(np.float32(seen[1]) * s)
    step = np.float32(np.float32(follow) * np.float32(max(low, high) - magnitude))
    following: np.float32 = np.float32(magnitude + step)
    return following
