# SPDX-License-Identifier: Apache-2.0
"""The counter-based random numbers every backend shares (docs/numerics.md, "Random numbers")."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from trainbed.network.layers import Network
from trainbed.reference.arrays import F32, ONE, ZERO

U32 = NDArray[np.uint32]

_MASK = 0xFFFFFFFF
_STEP = 0x9E3779B9
_LAYER = 0x85EBCA6B
_SHUFFLE = 0xC2B2AE35


def random_mix(x: int) -> int:
    """32 bits to 32 well mixed bits, one to one (C. Wellons' lowbias32)."""
    return int(_mix(np.array([x & _MASK], np.uint32))[0])


def random_at(key: int, index: int) -> int:
    """Random 32-bit number ``index`` of the stream ``key``."""
    return random_mix(key + index * _STEP)


def random_stream(key: int, n: int) -> U32:
    """The first ``n`` numbers of the stream ``key``, ``[n]`` uint32."""
    return random_numbers(key, np.arange(n))


def random_numbers(key: int, index: NDArray[Any]) -> U32:
    """Numbers of the stream ``key`` at each index."""
    return _mix(index.astype(np.uint32) * np.uint32(_STEP) + np.array([key & _MASK], np.uint32))


def uniform(key: int, n: int) -> F32:
    """``n`` numbers uniform in [-1, 1), multiples of 2**-23, ``[n]``."""
    u: F32 = (random_stream(key, n) >> np.uint32(8)).astype(np.float32) * np.float32(2.0**-23) - ONE
    return u


def uniform_weights(key: int, n: int, *, limit: float) -> F32:
    """``n`` weights uniform in [-limit, limit), the limit rounded to float32; never -0."""
    weights: F32 = uniform(key, n) * np.float32(limit) + ZERO
    return weights


def weight_key(seed: int, number: int) -> int:
    """Key of the initial weights of parametric layer ``number`` (0-based)."""
    return random_mix(seed + _LAYER * (number + 1))


def initial_weights(network: Network, seed: int) -> list[tuple[F32, F32]]:
    """Weights and biases each parametric layer starts from, in order; biases are zero."""
    return [
        (
            uniform_weights(weight_key(seed, number), layer.n_weights, limit=layer.init_limit).reshape(
                layer.weight_shape
            ),
            np.zeros(layer.n_biases, np.float32),
        )
        for number, layer in enumerate(network.parametric)
    ]


def shuffle(seed: int, epoch: int, n: int) -> NDArray[np.int64]:
    """Order of ``n`` samples in an epoch (0-based): Fisher-Yates from the identity, ``[n]``."""
    draws = random_stream(random_mix(seed ^ _SHUFFLE) + epoch, n).tolist()
    order = list(range(n))
    for i in range(n - 1, 0, -1):
        j = draws[i] % (i + 1)
        order[i], order[j] = order[j], order[i]
    return np.array(order, np.int64)


def _mix(x: U32) -> U32:
    x = x ^ (x >> np.uint32(16))
    x = x * np.uint32(0x7FEB352D)
    x = x ^ (x >> np.uint32(15))
    x = x * np.uint32(0x846CA68B)
    mixed: U32 = x ^ (x >> np.uint32(16))
    return mixed
