# SPDX-License-Identifier: Apache-2.0
"""Fused multiply-add of float32 arrays, ``a * b + c`` rounded once, as VFMA and fmaf() do it.

The product of two float32 is exact in float64. The sum is rounded there, and a second time to float32: the two
roundings differ from one only where the first lands on a tie of the second. There the first is done again, to odd
(Boldo, Melquiond, "Emulation of FMA and correctly rounded sums: proved algorithms using rounding to odd", 2008).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

F32 = NDArray[np.float32]
_BELOW = 0x1FFF_FFFF
"""Bits of a float64 that a float32 of the same exponent has no room for."""
_TIE = 0x1000_0000
_LEAST_NORMAL = 2.0**-126


def fused_multiply_add(a: F32, b: F32, c: F32) -> F32:
    """``a * b + c`` with one rounding to nearest, ties to even. Arrays are broadcast."""
    product = np.multiply(a, b, dtype=np.float64)
    addend = c.astype(np.float64)
    total = product + addend
    tied = total.view(np.int64) & _BELOW == _TIE
    tied |= np.abs(total) < _LEAST_NORMAL  # a float32 this small ends somewhere else
    result: F32 = total.astype(np.float32)
    if tied.any():
        where = np.nonzero(tied)
        odd = _rounded_to_odd(np.broadcast_to(product, total.shape)[where], addend[where], total[where])
        result[where] = odd.astype(np.float32)
    return result


def _rounded_to_odd(a: NDArray[Any], b: NDArray[Any], total: NDArray[Any]) -> NDArray[np.float64]:
    """``a + b`` in float64: exact, or the one of its two neighbours whose last bit is 1. ``total`` is nearest."""
    back = total - a
    rest = (a - (total - back)) + (b - back)  # what the sum lost, exactly (Knuth's TwoSum)
    inexact = np.isfinite(rest) & (rest != 0) & (total.view(np.int64) & 1 == 0)
    towards = np.where(rest > 0, np.inf, -np.inf)
    return np.where(inexact, np.nextafter(total, towards), total)
