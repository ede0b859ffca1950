# SPDX-License-Identifier: Apache-2.0
"""The counter-based generator of docs/numerics.md for whole arrays of counters, and what data sets draw from it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

U32 = NDArray[np.uint32]

_STEP = np.uint32(0x9E3779B9)
_STREAM = np.uint32(0x165667B1)
_TEST_SET = np.uint32(0x80000000)


def mix(x: Any) -> U32:
    """C. Wellons' lowbias32, elementwise on uint32."""
    x = np.asarray(x, dtype=np.uint32).copy()
    x ^= x >> np.uint32(16)
    x *= np.uint32(0x7FEB352D)
    x ^= x >> np.uint32(15)
    x *= np.uint32(0x846CA68B)
    x ^= x >> np.uint32(16)
    return np.asarray(x, dtype=np.uint32)


def random(key: Any, i: Any) -> U32:
    """``random(key, i)`` of docs/numerics.md; ``key`` and ``i`` broadcast."""
    key, i = np.atleast_1d(np.asarray(key, np.uint32)), np.asarray(i, np.uint32)
    return mix(key + i * _STEP)


def sample_keys(seed: int, n: int, *, test: bool) -> U32:
    """Key of each of the first ``n`` samples of the training or the test set: it depends on nothing else."""
    index = np.arange(n, dtype=np.uint32) + (_TEST_SET if test else np.uint32(0))
    return mix(mix(np.uint32(seed) ^ _STREAM) + index)


def bell(key: Any, first: int, n: int) -> NDArray[np.float32]:
    """``n`` numbers per key, close to N(0, 1): each the exact sum of twelve 16-bit draws, float32 ``[len(key), n]``."""
    key = np.asarray(key, np.uint32)[:, None, None]
    draws = random(key, first + np.arange(12 * n, dtype=np.uint32).reshape(n, 12)) >> np.uint32(16)
    whole = draws.astype(np.int32).sum(axis=2) - 12 * 32768
    return np.asarray(whole.astype(np.float32) * np.float32(2.0**-16), dtype=np.float32)
