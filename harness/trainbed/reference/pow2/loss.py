# SPDX-License-Identifier: Apache-2.0
"""Losses, outputs and errors of samples, from the codes of the last layer: ``[B, n]`` in, losses ``[B]`` out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trainbed.reference.pow2 import tables
from trainbed.reference.pow2.numbers import ERROR_FRACTION, I64, Ints, as_error, fixed, half_up

F32 = NDArray[np.float32]


@dataclass(frozen=True)
class Head:
    """What the end of the network makes of samples."""

    losses: F32
    """``[B]``"""
    outputs: F32
    """``[B, n]``"""
    errors: NDArray[np.int16]
    """``[B, n]``, 13 bits behind the point."""


def softmax_crossentropy(z: Ints, t: F32, *, fraction: int) -> Head:
    """Softmax and categorical cross-entropy; the label is the class with ``t >= 1/2``."""
    distance = z.max(axis=1, keepdims=True).astype(np.int64) - z
    terms = tables.exps(fraction)[distance].astype(np.int64)
    sums = terms.sum(axis=1, keepdims=True)
    halvings = np.maximum(_bit_length(sums) - 16, 0)
    reduced = sums >> halvings
    factor = np.minimum((1 << 31) // reduced, 65535)
    q = ((terms * factor) >> 16) >> halvings
    label = t >= np.float32(0.5)
    losses = half_up(distance << 12, fraction) + _log(reduced) + halvings * tables.LN2 - tables.LN2
    loss = np.maximum((losses * label).sum(axis=1), 0)
    errors = half_up(q - 32768 * label, 15 - ERROR_FRACTION).astype(np.int16)
    return Head(_float(loss, 12), _float(q, 15), errors)


def binary_crossentropy(z: Ints, t: F32, *, fraction: int) -> Head:
    """Sigmoid and binary cross-entropy, the mean over the outputs; targets in [0, 1]."""
    wide = z.astype(np.int64)
    q = tables.sigmoids(fraction)[z.astype(np.uint8)].astype(np.int64)
    target = fixed(t, 15)
    inverse = _inverse(z.shape[1])
    errors = half_up((q - target) * inverse, 17).astype(np.int16)
    above = np.maximum(wide, 0) << 12
    losses = tables.softplus(fraction)[np.abs(wide)] + half_up(above - half_up(wide * target, 3), fraction)
    return Head(_float(losses.sum(axis=1), 12) * _inv(z.shape[1]), _float(q, 15), errors)


def mse(y: Ints, t: F32, *, fraction: int) -> Head:
    """Mean squared error of the outputs after the activation; differences are clamped to +-4."""
    n = y.shape[1]
    d = as_error((y.astype(np.int64) << (ERROR_FRACTION - fraction)) - fixed(t, ERROR_FRACTION)).astype(np.int64)
    sums = ((d * d) >> 6).sum(axis=1)
    outputs = y.astype(np.float32) * np.float32(2.0**-fraction)
    return Head(_float(sums, 20) * _inv(n), outputs, as_error(half_up(d * _inverse(n), 14)))


def _inverse(n: int) -> int:
    return (32768 + n // 2) // n


def _inv(n: int) -> np.float32:
    inverse: np.float32 = np.float32(1 / n)
    return inverse


def _float(values: I64, fraction: int) -> F32:
    scaled: F32 = values.astype(np.float32) * np.float32(2.0**-fraction)
    return scaled


def _bit_length(values: I64) -> I64:
    return np.frexp(values.astype(np.float64))[1].astype(np.int64)


def _log(reduced: I64) -> I64:
    """``ln(s / 2**15)`` in 12 bits for 16-bit s with the top bit set: linear between the points of a table."""
    logs = tables.logs().astype(np.int64)
    i = (reduced >> 9) - 64
    between: I64 = logs[i] + half_up((logs[i + 1] - logs[i]) * (reduced & 511), 9)
    return between
