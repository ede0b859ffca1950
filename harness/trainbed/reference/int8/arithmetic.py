# SPDX-License-Identifier: Apache-2.0
"""Scales, rounding and saturation of the 8-bit kernels (docs/numerics-integer.md).

Sums are exact, so any order gives their bits. Arrays of sums are int64 here; the kernels' 32 bits hold every sum that
the planner's overflow bound admits.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

I8 = NDArray[np.int8]
U8 = NDArray[np.uint8]
I16 = NDArray[np.int16]
I32 = NDArray[np.int32]
I64 = NDArray[np.int64]

INT8_MAX = 127
"""Largest magnitude of a weight or an error."""
_HALF = 1 << 31


@dataclass(frozen=True, eq=False)
class Scale:
    """Positive factors ``multiplier * 2**(shift - 32)``: one, or one per channel (the last axis)."""

    multiplier: I64
    shift: I64


def make_scale(factors: float | Sequence[float] | NDArray[Any]) -> Scale:
    """Factors as the kernels take them: the smallest shift that leaves ``multiplier`` below 2**31, at least 1."""
    values = np.atleast_1d(np.asarray(factors, np.float64))
    if not (np.isfinite(values).all() and (values > 0).all()):
        raise ValueError(f"scales must be positive and finite, got {factors!r}")
    pairs = [_split(float(value)) for value in values]
    return Scale(np.array([m for m, _ in pairs], np.int64), np.array([k for _, k in pairs], np.int64))


def _split(factor: float) -> tuple[int, int]:
    shift = max(0, math.frexp(factor)[1] + 1)  # factor < 2**(shift - 1)
    multiplier = math.floor(math.ldexp(factor, 32 - shift) + 0.5)
    if multiplier == _HALF:  # rounded up to the next power of two
        shift, multiplier = shift + 1, _HALF // 2
    if shift > 31:
        raise ValueError(f"scale {factor!r} is beyond 2**30")
    return max(1, multiplier), shift


def multiply_high(a: I64, multiplier: I64) -> I64:
    """``(a * multiplier + 2**31) >> 32``, a within 32 bits."""
    return (a * multiplier + _HALF) >> 32


def requantise(sums: I64, scale: Scale, zero: int = 0) -> I64:
    """``zero + sums * scale``, rounded half up, before it saturates."""
    most = np.int64(0x7FFFFFFF) >> scale.shift
    return zero + multiply_high(np.clip(sums, -most - 1, most) << scale.shift, scale.multiplier)


def saturate(values: I64) -> I8:
    """Codes of weights and errors."""
    return np.clip(values, -INT8_MAX, INT8_MAX).astype(np.int8)


@dataclass(frozen=True, eq=False)
class Output:
    """What becomes of the sums of a forward pass: ``clamp(zero + sums * scale, lo, hi)``."""

    scale: Scale
    zero: int = 0
    lo: int = 0
    hi: int = 255

    def codes(self, sums: I64) -> U8:
        """uint8 codes of sums ``[..., C]``."""
        return np.clip(requantise(sums, self.scale, self.zero), self.lo, self.hi).astype(np.uint8)


def error_codes(sums: I64, scale: Scale | None, *, before: I8 | None = None, passes: Any = None) -> I8:
    """int8 codes of an input gradient: requantised (None: sums are codes), added to what ``before`` holds, masked."""
    d = saturate(sums if scale is None else requantise(sums, scale))
    if before is not None:
        d = saturate(before.astype(np.int64) + d)
    if passes is not None:
        d = np.where(passes, d, np.int8(0))
    return d


def range_of(sums: I64) -> tuple[int, int]:
    """Smallest and largest sum."""
    return int(sums.min()), int(sums.max())
