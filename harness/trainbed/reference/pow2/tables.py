# SPDX-License-Identifier: Apache-2.0
"""Tables the kernels look up instead of computing exp and log: the code generator writes, the twin reads them."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache

import numpy as np
from numpy.typing import NDArray

LN2 = 2839
"""ln 2 in 12 bits."""


def _rounded(value: float) -> int:
    return math.floor(value + 0.5)


@cache
def exps(fraction: int) -> NDArray[np.uint16]:
    """``exp(-d * 2**-fraction)`` in 16 bits, at most 65535, for the differences d = 0 .. 254 of two codes."""
    return np.array([min(_rounded(65536 * math.exp(-math.ldexp(d, -fraction))), 65535) for d in range(255)], np.uint16)


@cache
def logs() -> NDArray[np.uint16]:
    """``ln(1 + i/64)`` in 12 bits, i = 0 .. 64."""
    return np.array([_rounded(4096 * math.log1p(i / 64)) for i in range(65)], np.uint16)


@cache
def sigmoids(fraction: int) -> NDArray[np.uint16]:
    """Sigmoid of each code in 15 bits, indexed by the code as an unsigned byte."""
    return _by_code(lambda z: 32768 * _sigmoid(z), fraction).astype(np.uint16)


@cache
def softplus(fraction: int) -> NDArray[np.uint16]:
    """``ln(1 + exp(-d * 2**-fraction))`` in 12 bits, d = 0 .. 127."""
    return np.array([_rounded(4096 * math.log1p(math.exp(-math.ldexp(d, -fraction)))) for d in range(128)], np.uint16)


@cache
def sigmoid_codes(fraction: int) -> NDArray[np.int8]:
    """Sigmoid as a code with 7 bits behind the point, at most 127, indexed by the code as an unsigned byte."""
    return np.minimum(_by_code(lambda z: 128 * _sigmoid(z), fraction), 127).astype(np.int8)


@cache
def tanh_codes(fraction: int) -> NDArray[np.int8]:
    """tanh as a code with 7 bits behind the point, -127 .. 127, indexed by the code as an unsigned byte."""
    return np.clip(_by_code(lambda z: 128 * math.tanh(z), fraction), -127, 127).astype(np.int8)


def _by_code(function: Callable[[float], float], fraction: int) -> NDArray[np.int64]:
    codes = [code - 256 if code > 127 else code for code in range(256)]
    return np.array([_rounded(function(math.ldexp(code, -fraction))) for code in codes], np.int64)


def _sigmoid(z: float) -> float:
    return 1 / (1 + math.exp(-z))
