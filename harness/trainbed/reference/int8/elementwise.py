# SPDX-License-Identifier: Apache-2.0
"""8-bit residual addition, masks, sigmoid and tanh by table, and conversion from and to float32."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trainbed.reference.arrays import F32
from trainbed.reference.elementary import sigmoid, tanh
from trainbed.reference.int8.arithmetic import I8, I64, U8, Output, Scale, requantise, saturate

_ADD_BITS = 22
"""Bits of a factor of the addition: two of them times 255 fit 32 bits."""


@dataclass(frozen=True)
class AddScale:
    """The factors ``a * 2**-shift`` and ``b * 2**-shift`` of the operands of an addition."""

    a: int
    b: int
    shift: int


def make_add_scale(a: float, b: float) -> AddScale:
    """``a = s_a / s_y`` and ``b = s_b / s_y`` as the kernel takes them."""
    if not (min(a, b) >= 0 and 0 < max(a, b) < 2 ** (_ADD_BITS - 2)):
        raise ValueError(f"factors of an addition must lie in [0, 2**{_ADD_BITS - 2}), got {a!r} and {b!r}")
    shift = min(_ADD_BITS, _ADD_BITS - math.frexp(max(a, b))[1])
    if math.floor(math.ldexp(max(a, b), shift) + 0.5) >= 1 << _ADD_BITS:
        shift -= 1
    return AddScale(math.floor(math.ldexp(a, shift) + 0.5), math.floor(math.ldexp(b, shift) + 0.5), shift)


def add_sums(a: U8, b: U8, scale: AddScale, *, zero_a: int, zero_b: int) -> I64:
    """``a + b`` in codes of the result, its zero point left out."""
    exact = (a.astype(np.int64) - zero_a) * scale.a + (b.astype(np.int64) - zero_b) * scale.b
    sums: I64 = (exact + (1 << (scale.shift - 1))) >> scale.shift
    return sums


def add(a: U8, b: U8, scale: AddScale, *, zero_a: int, zero_b: int, output: Output) -> U8:
    """Codes of ``a + b``; of ``output`` the zero point and the limits count."""
    sums = add_sums(a, b, scale, zero_a=zero_a, zero_b=zero_b)
    return np.asarray(np.clip(output.zero + sums, output.lo, output.hi), np.uint8)


def scale_channels(e: I8, scale: Scale) -> I8:
    """Errors ``[..., O]`` times a factor per channel."""
    return saturate(requantise(e.astype(np.int64), scale))


def passes(y: U8, *, lo: int, hi: int) -> NDArray[np.bool_]:
    """Where the derivative of relu (``hi`` 256) or relu6 is 1: ``lo < y < hi``."""
    inside: NDArray[np.bool_] = (y > lo) & (y < hi)
    return inside


def mask_bits(mask: NDArray[np.bool_]) -> U8:
    """A mask as the kernels keep it: bit i, LSB first, of element i."""
    return np.packbits(mask.reshape(-1), bitorder="little")


def nearest(x: F32, inv_s: float) -> I64:
    """``floor(x * inv_s + 0.5)`` in float32, held within -2**20 .. 2**20; 0 for NaN."""
    t = np.asarray(x, np.float32) * np.float32(inv_s) + np.float32(0.5)
    t = np.where(np.isnan(t), np.float32(0), np.clip(t, np.float32(-(2.0**20)), np.float32(2.0**20)))
    whole: I64 = np.floor(t).astype(np.int64)
    return whole


def quantise(x: F32, *, inv_s: float, zero: int) -> U8:
    """Activations to codes."""
    return np.clip(zero + nearest(x, inv_s), 0, 255).astype(np.uint8)


def quantise_error(d: F32, *, inv_s: float) -> I8:
    """Errors to codes."""
    return saturate(nearest(d, inv_s))


def dequantise(codes: NDArray[Any], *, s: float, zero: int = 0) -> F32:
    """``s * (codes - zero)``; of sums too (int32, rounded to nearest even)."""
    values: F32 = (codes.astype(np.int64) - zero).astype(np.float32) * np.float32(s)
    return values


def sigmoid_table(s_x: float, zero: int) -> U8:
    """Codes of scale 1/256 for every code of the input."""
    return np.clip(nearest(sigmoid(_inputs(s_x, zero)), 256.0), 0, 255).astype(np.uint8)


def tanh_table(s_x: float, zero: int) -> U8:
    """Codes of scale 1/128 and zero point 128 for every code of the input."""
    return np.clip(128 + nearest(tanh(_inputs(s_x, zero)), 128.0), 0, 255).astype(np.uint8)


def _inputs(s_x: float, zero: int) -> F32:
    values: F32 = (np.arange(256) - zero).astype(np.float32) * np.float32(s_x)
    return values


def sigmoid_sums(e: I8, y: U8) -> I64:
    """``e * y (256 - y)``: error times derivative at scale ``s_e / 65536``."""
    code = y.astype(np.int64)
    return np.asarray(e.astype(np.int64) * code * (256 - code))


def tanh_sums(e: I8, y: U8) -> I64:
    """``e * (16384 - (y - 128)**2)``: error times derivative at scale ``s_e / 16384``."""
    code = y.astype(np.int64) - 128
    return np.asarray(e.astype(np.int64) * (16384 - code * code))
