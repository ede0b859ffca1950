# SPDX-License-Identifier: Apache-2.0
"""Steps of 8-bit weights in units of 2**-16 codes: exact integers but for the roundings written down.

Weights are ``[S, N]`` here: structures (rows, filters, channels) and their elements; ``index`` gives each element's
place in its tensor, which is the number of its random draw.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trainbed.reference.arrays import F32
from trainbed.reference.int8.arithmetic import I8, I32, I64, U8, saturate
from trainbed.reference.random import random_numbers

STEP_MAX = 1 << 26
_STEP_CODES = np.float32(1024)
"""Codes a standardised step may reach."""
_ONE = np.float32(65536.0)
FIXED, FOLLOWS, GROWS = "fixed", "follows", "grows"
"""What the scale of a tensor does at a step."""


@dataclass(frozen=True, eq=False)
class Rate:
    """Factors ``m * 2**-shift``: float32 numbers >= 0 taken apart."""

    m: I64
    shift: I64


def make_rate(factors: F32 | np.float32 | float) -> Rate:
    """Factors of 2**23 and more become 2**23 - 1/2, those below 2**-39 become 0."""
    bits = np.atleast_1d(np.asarray(factors, np.float32)).view(np.uint32).astype(np.int64)
    shift = 150 - (bits >> 23)
    m = (bits & 0x7FFFFF) | 0x800000
    m = np.where(shift > 62, 0, np.where(shift < 1, 0xFFFFFF, m))
    return Rate(m, np.where((shift > 62) | (shift < 1), 1, shift))


def times(a: I64, rate: Rate) -> I64:
    """``a * rate``, half up; ``a`` within 32 bits."""
    product: I64 = (a * rate.m + (np.int64(1) << (rate.shift - 1))) >> rate.shift
    return product


@dataclass(frozen=True, eq=False)
class Step:
    """How structures step: ``D = n * (g >> shift) - sum``, ``rate`` in 2**-16 codes. Arrays ``[S, 1]`` or numbers."""

    n: int
    shift: I64
    sum: I64
    rate: Rate


def plain_step(rates: F32 | float, shift: U8 | int = 0) -> Step:
    """``D = g``; ``shift`` of 16-bit gradients."""
    power = np.exp2(np.asarray(shift, np.float32)).astype(np.float32)
    factors = np.atleast_1d(np.asarray(rates, np.float32) * _ONE * power)
    return Step(1, np.zeros((1, 1), np.int64), np.zeros((1, 1), np.int64), _column(make_rate(factors)))


def standardised_step(g: I64, rate: float | np.float32) -> Step:
    """``D * rate = (g - mean) / deviation * rate`` over each row of ``g [S, N]``; 0 for a constant row.

    ``rate`` is ``lr / s_w``, held at ``1024 / sqrt(N)``: no step exceeds 1024 codes.
    """
    n = g.shape[1]
    most: np.float32 = np.float32(_STEP_CODES / np.sqrt(np.float32(n)))
    magnitude = np.bitwise_or.reduce(np.where(g < 0, ~g, g), axis=1)
    shift = np.zeros_like(magnitude)
    while (wide := magnitude >> shift > 32767).any():
        shift += wide
    small = g >> shift[:, None]
    sums = small.sum(axis=1)
    variance = n * (small * small).sum(axis=1) - sums * sums
    signal = variance > 0
    root = np.sqrt(np.where(signal, variance, 1).astype(np.float32))
    factors = np.where(signal, np.minimum(np.float32(rate), most) * _ONE / root, np.float32(0))
    return Step(n, shift[:, None], sums[:, None], _column(make_rate(factors)))


def _column(rate: Rate) -> Rate:
    return Rate(rate.m[:, None], rate.shift[:, None])


def step_of(w: I8, g: I64, step: Step) -> I64:
    """``t = w * 2**16 - D * rate``."""
    d = step.n * (g >> step.shift) - step.sum
    t: I64 = (w.astype(np.int64) << 16) - np.clip(times(d, step.rate), -STEP_MAX, STEP_MAX)
    return t


def extent_of(t: I64) -> int:
    """The largest ``|t|``."""
    return int(np.abs(t).max(initial=0))


def next_scale(scale: np.float32, extent: int, scaling: str, follow: float) -> np.float32:
    """The scale of the tensor after a step."""
    if scaling == FIXED or extent == 0:
        return scale
    fit: np.float32 = np.float32(scale * (np.float32(extent) * np.float32(np.float32(2.0**-16) / np.float32(127))))
    if scaling == GROWS and not fit > scale:
        return scale
    if follow == 1.0:
        return fit
    blended = scale + np.float32(follow) * np.float32(fit - scale)
    result: np.float32 = np.float32(blended.item())
    return result


def dither(index: NDArray[np.int64], *, stochastic: bool, key: int) -> I64:
    """What is added to 2**-16 codes before the fraction is cut off."""
    if not stochastic:
        return np.full(index.shape, 0x8000, np.int64)
    return np.asarray(random_numbers(key, index) >> np.uint32(16), np.int64)


def round_step(t: I64, ratio: Rate | None, index: NDArray[np.int64], *, stochastic: bool, key: int) -> I8:
    """Codes of ``t``, at another scale if ``ratio`` (old by new) is given."""
    if ratio is not None:
        t = times(t, ratio)
    return saturate((t + dither(index, stochastic=stochastic, key=key)) >> 16)


def update_standardised(
    w: I8,
    g: I64,
    index: NDArray[np.int64],
    *,
    scale: np.float32,
    lr: float,
    scaling: str,
    follow: float = 1.0,
    stochastic: bool,
    key: int,
) -> tuple[I8, np.float32]:
    """Standardised step of ``w [S, N]`` with gradient sums ``g`` (at any common shift per row), and the new scale."""
    t = step_of(w, g, standardised_step(g, np.float32(np.float32(lr) / scale)))
    following = next_scale(scale, extent_of(t), scaling, follow)
    ratio = None if following == scale else make_rate(np.float32(scale / following))
    return round_step(t, ratio, index, stochastic=stochastic, key=key), following


def update_plain(
    w: I8,
    g: I64,
    index: NDArray[np.int64],
    *,
    rates: F32 | float,
    shift: U8 | int = 0,
    stochastic: bool,
    key: int,
) -> I8:
    """``w - round(g * 2**shift * rates)`` saturating; rates one for all or one per structure (QAS)."""
    return round_step(step_of(w, g, plain_step(rates, shift)), None, index, stochastic=stochastic, key=key)


def update_bias(
    b: I32, gb: I64, index: NDArray[np.int64], *, rates: F32 | float, ratios: F32 | float, stochastic: bool, key: int
) -> I32:
    """``round(b * ratios - gb * rates)`` within -2**30 .. 2**30."""
    rate, ratio = make_rate(np.asarray(rates, np.float32) * _ONE), make_rate(np.asarray(ratios, np.float32))
    down = np.maximum(ratio.shift - 16, 1)
    t = ((b.astype(np.int64) * ratio.m) >> down) - times(gb, rate) + dither(index, stochastic=stochastic, key=key)
    codes: I32 = np.clip(t >> 16, -(1 << 30), 1 << 30).astype(np.int32)
    return codes
