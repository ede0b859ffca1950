# SPDX-License-Identifier: Apache-2.0
"""8-bit dense, convolution and pointwise layers over a batch: x, e ``[B, H, W, C]``, w ``[O, kh, kw, I]``.

Products go through float64, where they are exact (every partial sum is below 2**53) and NumPy is fast. Structures that
a dynamic update skips have their slices of e set to 0 beforehand (``only``): the same sums.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from trainbed.network.layers import Window
from trainbed.reference.int8.arithmetic import I8, I32, I64, U8

F64 = NDArray[np.float64]


def only(e: I8, mask: NDArray[np.bool_]) -> I8:
    """The errors of the chosen structures, ``mask [O]`` or ``[B, O]``; 0 elsewhere."""
    lanes = mask if mask.ndim == 1 else mask.reshape(mask.shape[0], *[1] * (e.ndim - 2), mask.shape[1])
    return np.where(lanes, e, np.int8(0))


def windows_of(x: NDArray[Any], window: Window, out_hw: tuple[int, int], zero: int) -> Any:
    """A view ``[B, OH, OW, C, kh, kw]`` of ``x - zero`` as float64, 0 where a tap falls outside."""
    _, height, width, _ = x.shape
    bottom = (out_hw[0] - 1) * window.stride_h + window.kernel_h - window.pad_top - height
    right = (out_hw[1] - 1) * window.stride_w + window.kernel_w - window.pad_left - width
    values = x.astype(np.float64) - zero
    padded = np.pad(values, [(0, 0), (window.pad_top, max(bottom, 0)), (window.pad_left, max(right, 0)), (0, 0)])
    view = sliding_window_view(padded, (window.kernel_h, window.kernel_w), axis=(1, 2))
    view = view[:, :: window.stride_h, :: window.stride_w]
    return view[:, : out_hw[0], : out_hw[1]]


def _columns(x: U8, window: Window, out_hw: tuple[int, int], zero: int) -> F64:
    """``[B, OH*OW, kh*kw*C]``."""
    view = windows_of(x, window, out_hw, zero).transpose(0, 1, 2, 4, 5, 3)
    return np.ascontiguousarray(view).reshape(x.shape[0], out_hw[0] * out_hw[1], -1)


def conv2d_sums(x: U8, w: I8, b: I32 | None, window: Window, out_hw: tuple[int, int], *, zero: int) -> I64:
    """Sums ``[B, OH, OW, O]`` of a forward pass."""
    n_out = w.shape[0]
    sums = _columns(x, window, out_hw, zero) @ w.reshape(n_out, -1).T.astype(np.float64)
    whole: I64 = sums.astype(np.int64).reshape(x.shape[0], *out_hw, n_out)
    return whole if b is None else whole + b


def conv2d_input_sums(w: I8, e: I8, window: Window, in_hw: tuple[int, int]) -> I64:
    """Sums ``[B, H, W, C]`` of an input gradient."""
    n, out_h, out_w, n_out = e.shape
    channels = w.shape[3]
    parts = (e.reshape(-1, n_out).astype(np.float64) @ w.reshape(n_out, -1).astype(np.float64)).reshape(
        n, out_h, out_w, window.kernel_h, window.kernel_w, channels
    )
    return scatter_taps(parts, window, in_hw)


def scatter_taps(parts: F64, window: Window, in_hw: tuple[int, int]) -> I64:
    """Adds ``[B, OH, OW, kh, kw, C]`` where each tap of each output lies in the input: ``[B, H, W, C]``."""
    n, out_h, out_w = parts.shape[:3]
    reach_h = max((out_h - 1) * window.stride_h + window.kernel_h, in_hw[0] + window.pad_top)
    reach_w = max((out_w - 1) * window.stride_w + window.kernel_w, in_hw[1] + window.pad_left)
    padded = np.zeros((n, reach_h, reach_w, parts.shape[-1]))
    for u in range(window.kernel_h):
        for v in range(window.kernel_w):
            rows = slice(u, u + (out_h - 1) * window.stride_h + 1, window.stride_h)
            columns = slice(v, v + (out_w - 1) * window.stride_w + 1, window.stride_w)
            padded[:, rows, columns] += parts[:, :, :, u, v]
    top, left = window.pad_top, window.pad_left
    inside: I64 = padded[:, top : top + in_hw[0], left : left + in_hw[1]].astype(np.int64)
    return inside


def conv2d_weight_sums(x: U8, e: I8, window: Window, *, zero: int, channels: int | None = None) -> tuple[I64, I64]:
    """Gradient sums of each sample, ``gw [B, O, kh, kw, n_c]`` for the first ``channels`` inputs, and ``gb [B, O]``."""
    n, out_h, out_w, n_out = e.shape
    part = x if channels is None else x[..., :channels]
    errors = e.reshape(n, -1, n_out).astype(np.float64)
    sums = errors.transpose(0, 2, 1) @ _columns(part, window, (out_h, out_w), zero)
    shape = (n, n_out, window.kernel_h, window.kernel_w, part.shape[3])
    return sums.astype(np.int64).reshape(shape), bias_sums(e)


def bias_sums(e: I8) -> I64:
    """``gb [B, O]``."""
    sums: I64 = e.reshape(e.shape[0], -1, e.shape[-1]).sum(axis=1, dtype=np.int64)
    return sums


def dense_sums(x: U8, w: I8, b: I32 | None, *, zero: int) -> I64:
    """``x [B, I]``, ``w [O, I]`` to sums ``[B, O]``."""
    sums: I64 = ((x.astype(np.float64) - zero) @ w.T.astype(np.float64)).astype(np.int64)
    return sums if b is None else sums + b


def dense_input_sums(w: I8, e: I8) -> I64:
    """``e [B, O]`` to sums ``[B, I]``."""
    return (e.astype(np.float64) @ w.astype(np.float64)).astype(np.int64)


def dense_weight_sums(x: U8, e: I8, *, zero: int, channels: int | None = None) -> tuple[I64, I64]:
    """Gradient sums of each sample, ``gw [B, O, n_k]`` and ``gb [B, O]``."""
    inputs = x.astype(np.int64)[:, :channels] - zero
    return e.astype(np.int64)[:, :, None] * inputs[:, None, :], bias_sums(e)


def pointwise_sums(x: U8, w: I8, b: I32 | None, *, zero: int) -> I64:
    """``x [B, H, W, I]``, ``w [O, I]`` (or ``[O, 1, 1, I]``) to sums ``[B, H, W, O]``."""
    matrix = w.reshape(w.shape[0], -1)
    return dense_sums(x.reshape(-1, x.shape[-1]), matrix, b, zero=zero).reshape(*x.shape[:3], -1)


def pointwise_input_sums(w: I8, e: I8) -> I64:
    """``e [B, H, W, O]`` to sums ``[B, H, W, I]``."""
    return dense_input_sums(w.reshape(w.shape[0], -1), e.reshape(-1, e.shape[-1])).reshape(*e.shape[:3], -1)
