# SPDX-License-Identifier: Apache-2.0
"""Codes with power-of-two scales: rounding, saturation, and the order in which weights lie."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.signedinteger[Any]]
I64 = NDArray[np.int64]

LARGEST = 127
"""Codes are -127 .. 127; the network's input may be 0 .. 255 instead."""
ERROR_FRACTION = 13
"""Errors are 16 bits, 13 of them behind the point."""
ERROR_MAX = 32_767
BIAS_MAX = 1 << 22
ROWS = 4
"""Outputs whose weights lie together, input by input."""


@dataclass(frozen=True)
class Range:
    """What a layer's sums become: ``clip(floor(sum / 2**shift + 1/2), lo, hi)``."""

    shift: int
    lo: int = -LARGEST
    hi: int = LARGEST


def half_up(values: Ints, shift: int) -> I64:
    """``floor(values / 2**shift + 1/2)``."""
    wide = values.astype(np.int64)
    return wide if shift == 0 else ((wide >> (shift - 1)) + 1) >> 1


def store(sums: Ints, range_: Range) -> NDArray[np.int8]:
    """Codes of a layer's sums."""
    return np.clip(half_up(sums, range_.shift), range_.lo, range_.hi).astype(np.int8)


def as_error(values: Ints) -> NDArray[np.int16]:
    """Saturated to the range of errors."""
    return np.clip(values, -ERROR_MAX, ERROR_MAX).astype(np.int16)


def fixed(values: NDArray[np.float32], fraction: int) -> I64:
    """``floor(v * 2**fraction + 1/2)`` of finite numbers, where the product has no more than 24 bits."""
    return np.clip(np.floor(values.astype(np.float64) * 2.0**fraction + 0.5), -(1 << 24), 1 << 24).astype(np.int64)


def pack_rows(weights: NDArray[Any]) -> NDArray[Any]:
    """``[O, ...]`` to the kernels' order: blocks of four outputs, in each the inputs, for each the block's outputs."""
    rows = weights.reshape(len(weights), -1)
    return np.concatenate([rows[o : o + ROWS].T.reshape(-1) for o in range(0, len(rows), ROWS)])


def lift(weights: NDArray[Any]) -> NDArray[np.int8]:
    """Weights as AVR keeps those of frozen dense layers: w + 128 in a byte, so that no product has a sign."""
    return (weights.astype(np.int16) + 128).astype(np.uint8).view(np.int8)


def raise_inputs(weights: NDArray[Any], bias: NDArray[Any]) -> NDArray[np.int32]:
    """Biases for inputs with a sign, which meet lifted weights as x + 128: what that adds is taken off."""
    lifted: NDArray[np.int64] = bias.astype(np.int64) - 128 * weights.astype(np.int64).sum(axis=1)
    return lifted.astype(np.int32)


def unpack_rows(packed: NDArray[Any], shape: tuple[int, ...]) -> NDArray[Any]:
    """The inverse of ``pack_rows`` for weights of this shape."""
    n_out = shape[0]
    n_in = packed.size // n_out
    blocks = [packed[o * n_in : min(o + ROWS, n_out) * n_in].reshape(n_in, -1).T for o in range(0, n_out, ROWS)]
    return np.concatenate(blocks).reshape(shape)
