# SPDX-License-Identifier: Apache-2.0
"""Backward and update of one sample; stochastic rounding from the random bits the device draws."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from trainbed.network.layers import Activation
from trainbed.reference.pow2.numbers import BIAS_MAX, I64, LARGEST, Ints, as_error, half_up
from trainbed.reference.random import random_at

STEP_MAX = 32_512
"""Steps are clamped so that q x + r fits 24 bits for every input."""

STEP_STREAM = 0x27D4EB2F
"""Sets the random bits of the steps apart from the seed's other uses."""

Errors = NDArray[np.int16]


def _cycle() -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """All 65535 numbers of the xorshift in order from 1, and where in it each of them stands."""
    numbers, state = np.empty(65535, np.int64), 1
    for i in range(len(numbers)):
        numbers[i] = state
        state ^= (state << 7) & 0xFFFF
        state ^= state >> 9
        state ^= (state << 8) & 0xFFFF
    places = np.zeros(65536, np.int64)
    places[numbers] = np.arange(len(numbers))
    return numbers, places


_NUMBERS, _PLACES = _cycle()


class Stream:
    """The random 16-bit numbers of one step."""

    def __init__(self, key: int, step: int) -> None:
        self._at = int(_PLACES[(random_at(key, step) & 0xFFFF) or 1])

    def draw(self, n: int) -> I64:
        """The next n numbers, 1 .. 65535."""
        drawn = _NUMBERS[(self._at + 1 + np.arange(n)) % len(_NUMBERS)]
        self._at = (self._at + n) % len(_NUMBERS)
        return drawn


def derivative(e: Errors, y: Ints, activation: Activation, *, hi: int = LARGEST) -> Errors:
    """Errors times the derivative of an activation, from its output codes."""
    wide, codes = e.astype(np.int64), y.astype(np.int64)
    if activation is Activation.RELU:
        return np.where(codes == 0, 0, e).astype(np.int16)
    if activation is Activation.RELU6:
        return np.where((codes == 0) | (codes == hi), 0, e).astype(np.int16)
    if activation is Activation.SIGMOID:
        return half_up(wide * codes * (128 - codes), 14).astype(np.int16)
    if activation is Activation.TANH:
        return half_up(wide * (16384 - codes * codes), 14).astype(np.int16)
    return e


def dense_backward_input(w: Ints, e: Errors, *, shift: int) -> Errors:
    """``dx[k] = error(half_up(sum over o of w[o, k] e[o], shift))`` of one sample."""
    sums = e.astype(np.float64) @ w.astype(np.float64)
    return as_error(half_up(sums.astype(np.int64), shift))


def rate_of(lr: float, exponent: int) -> int:
    """``lr * 2**exponent`` as the device holds it: rounded half up to 16 bits."""
    return int(min(np.floor(np.float64(np.float32(lr)) * 2.0**exponent + 0.5), 65535))


def dense_update(
    x: NDArray[Any], e: Errors, w: NDArray[np.int8], b: NDArray[np.int32], *, rate: int, fraction: int, stream: Stream
) -> None:
    """Move weights ``[n_out, n_in]`` and biases in place. ``fraction``: of the layer's input."""
    noise = stream.draw(len(x)) >> 8
    u = stream.draw(len(e))
    q = np.clip((128 - e.astype(np.int64) * rate) >> 8, -STEP_MAX, STEP_MAX)
    r = (u[:, None] + (noise[None, :] << 8)) & 0xFFFF
    moved = w + ((q[:, None] * x.astype(np.int64)[None, :] + r) >> 16)
    w[...] = np.clip(moved, -LARGEST, LARGEST)
    b[...] = np.clip(b + np.where(q == 0, 0, _bias_change(q, u, fraction)), -BIAS_MAX, BIAS_MAX)


def _bias_change(q: I64, u: I64, fraction: int) -> I64:
    shift = 16 - 2 * fraction
    if shift <= 0:
        return q << -shift
    noise = u & ((1 << shift) - 1) if shift <= 16 else u << (shift - 16)
    return (q + noise) >> shift
