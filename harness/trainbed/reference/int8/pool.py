# SPDX-License-Identifier: Apache-2.0
"""8-bit pooling over a batch: x uint8 and e int8 ``[B, H, W, C]``."""

from __future__ import annotations

import numpy as np

from trainbed.network.layers import Window
from trainbed.reference.int8.arithmetic import I8, I64, U8
from trainbed.reference.int8.products import scatter_taps, windows_of


def max_pool(x: U8, window: Window, out_hw: tuple[int, int]) -> tuple[U8, U8]:
    """Codes ``[B, OH, OW, C]`` and the tap ``u*kw + v`` of the first maximum. Taps outside the input never win."""
    view = windows_of(x, window, out_hw, zero=-1)  # padding is 0, below every code + 1
    taps = view.reshape(*view.shape[:4], -1)
    index = taps.argmax(axis=-1)
    best = np.take_along_axis(taps, index[..., None], axis=-1)[..., 0] - 1
    return best.astype(np.uint8), index.astype(np.uint8)


def max_pool_input_sums(index: U8, e: I8, window: Window, in_hw: tuple[int, int]) -> I64:
    """What each input gets back: the errors of the windows whose maximum it was."""
    taps = np.arange(window.kernel_h * window.kernel_w).reshape(window.kernel_h, window.kernel_w)
    took = index[:, :, :, None, None, :] == taps[:, :, None]
    return scatter_taps(np.where(took, e[:, :, :, None, None, :], 0).astype(np.float64), window, in_hw)


def avg_pool_sums(x: U8, window: Window, out_hw: tuple[int, int], *, zero: int) -> I64:
    """Sums of ``x - zero`` over each window."""
    sums: I64 = windows_of(x, window, out_hw, zero).sum(axis=(4, 5)).astype(np.int64)
    return sums


def avg_pool_input_sums(e: I8, window: Window, in_hw: tuple[int, int]) -> I64:
    """Sums of the errors of the windows that hold each input."""
    parts = np.broadcast_to(
        e[:, :, :, None, None, :].astype(np.float64), (*e.shape[:3], window.kernel_h, window.kernel_w, e.shape[3])
    )
    return scatter_taps(parts, window, in_hw)


def global_avg_pool_sums(x: U8, *, zero: int) -> I64:
    """``[B, C]``."""
    sums: I64 = (x.astype(np.int64) - zero).sum(axis=(1, 2))
    return sums


def global_avg_pool_input_sums(e: I8, in_hw: tuple[int, int]) -> I64:
    """``e [B, C]`` for every pixel: ``[B, H, W, C]``."""
    return np.broadcast_to(e[:, None, None, :], (e.shape[0], *in_hw, e.shape[1])).astype(np.int64)
