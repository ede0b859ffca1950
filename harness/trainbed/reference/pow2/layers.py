# SPDX-License-Identifier: Apache-2.0
"""Forward passes in codes; arrays have a leading batch axis and ``[B, H, W, C]``, dense ``[B, n]``.

Sums are exact, so NumPy may take them in any order; float64 products are used where they are exact too and quicker.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from trainbed.network.layers import Layer, Window
from trainbed.reference.pow2.numbers import I64, Ints, Range, half_up, store

Codes = NDArray[Any]
"""int8, or uint8 for a network's input that is never negative."""


def dense_sums(x: Codes, w: Ints, b: Ints) -> I64:
    """``b[o] + sum over k of w[o, k] x[k]``: ``[B, n_out]``."""
    product = x.astype(np.float64) @ w.astype(np.float64).T  # below 2**53: exact
    sums: I64 = product.astype(np.int64) + b
    return sums


def conv2d_sums(x: Codes, w: Ints, b: Ints, layer: Layer) -> I64:
    """Sums of a convolution, w ``[O, kh, kw, I]``: ``[B, H, W, O]``."""
    taps = _windows(x, layer)
    flat = taps.reshape(*taps.shape[:3], -1).astype(np.float64)
    sums: I64 = (flat @ w.reshape(len(w), -1).astype(np.float64).T).astype(np.int64) + b
    return sums


def depthwise_sums(x: Codes, w: Ints, b: Ints, layer: Layer) -> I64:
    """Sums of a depthwise convolution, w ``[kh, kw, C*m]``: ``[B, H, W, C*m]``."""
    multiplier = layer.out_shape[2] // layer.in_shape[2]
    taps = np.repeat(_windows(x, layer), multiplier, axis=-1).astype(np.int64)
    sums: I64 = np.einsum("bijuvc,uvc->bijc", taps, w.astype(np.int64)) + b
    return sums


def max_pool(x: Codes, layer: Layer) -> NDArray[np.int8]:
    """Largest code of each window."""
    padded = _windows(x, layer, outside=-128)
    codes: NDArray[np.int8] = padded.max(axis=(3, 4)).astype(np.uint8).view(np.int8)
    return codes


def avg_pool(x: Codes, layer: Layer) -> NDArray[np.int8]:
    """Mean of each window: its sum times ``inverse`` in 16 bits, half up."""
    sums = _windows(x, layer).sum(axis=(3, 4), dtype=np.int64)
    return _mean(sums, window_inverse(layer))


def global_avg_pool(x: Codes, layer: Layer) -> NDArray[np.int8]:
    """Mean of each channel: ``[B, 1, 1, C]``."""
    return _mean(x.sum(axis=(1, 2), keepdims=True, dtype=np.int64), window_inverse(layer))


def window_inverse(layer: Layer) -> int:
    """``2**16`` divided by the number of taps, rounded, at most 65535."""
    window = layer.window
    taps = window.kernel_h * window.kernel_w if window is not None else layer.in_shape[0] * layer.in_shape[1]
    return min((65536 + taps // 2) // taps, 65535)


def add(a: Codes, b: Codes, *, shift_a: int, shift_b: int, range_: Range) -> NDArray[np.int8]:
    """Sum of two tensors of codes, each brought to the finer of the two scales."""
    return store((a.astype(np.int64) << shift_a) + (b.astype(np.int64) << shift_b), range_)


def lookup(x: Codes, table: NDArray[np.int8]) -> NDArray[np.int8]:
    """``table[x]``, codes taken as unsigned bytes."""
    return table[x.view(np.uint8)]


def _mean(sums: I64, inverse: int) -> NDArray[np.int8]:
    return half_up(sums * inverse, 16).astype(np.uint8).view(np.int8)


def _windows(x: Codes, layer: Layer, *, outside: int = 0) -> Ints:
    """``[B, H, W, kh, kw, C]``: the taps of every output, ``outside`` where there is no input."""
    window: Window | None = layer.window
    assert window is not None
    rows, columns = layer.out_shape[0], layer.out_shape[1]
    height = (rows - 1) * window.stride_h + window.kernel_h
    width = (columns - 1) * window.stride_w + window.kernel_w
    below = max(height - window.pad_top - x.shape[1], 0)
    right = max(width - window.pad_left - x.shape[2], 0)
    edges = ((0, 0), (window.pad_top, below), (window.pad_left, right), (0, 0))
    padded = np.pad(x.astype(np.int32), edges, constant_values=outside)
    view = np.lib.stride_tricks.sliding_window_view(padded, (window.kernel_h, window.kernel_w), axis=(1, 2))
    strided = view[:, : height : window.stride_h, : width : window.stride_w][:, :rows, :columns]
    return np.ascontiguousarray(strided.transpose(0, 1, 2, 4, 5, 3))
