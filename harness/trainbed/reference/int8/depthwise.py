# SPDX-License-Identifier: Apache-2.0
"""8-bit depthwise convolution over a batch, weights int8 ``[kh, kw, C*m]``: channel ``c`` feeds ``c*m .. c*m+m-1``."""

from __future__ import annotations

import numpy as np

from trainbed.network.layers import Window
from trainbed.reference.int8.arithmetic import I8, I32, I64, U8
from trainbed.reference.int8.products import bias_sums, scatter_taps, windows_of


def depthwise_sums(x: U8, w: I8, b: I32 | None, window: Window, out_hw: tuple[int, int], *, zero: int) -> I64:
    """Sums ``[B, OH, OW, C*m]``."""
    n_out, channels = w.shape[2], x.shape[3]
    view = windows_of(x, window, out_hw, zero)
    taps = w.reshape(window.kernel_h, window.kernel_w, channels, -1).astype(np.float64)
    sums: I64 = np.einsum("bijcuv,uvcm->bijcm", view, taps).astype(np.int64).reshape(x.shape[0], *out_hw, n_out)
    return sums if b is None else sums + b


def depthwise_input_sums(w: I8, e: I8, window: Window, in_hw: tuple[int, int], *, multiplier: int = 1) -> I64:
    """Sums ``[B, H, W, C]`` of an input gradient."""
    n, out_h, out_w, n_out = e.shape
    errors = e.reshape(n, out_h, out_w, n_out // multiplier, multiplier).astype(np.float64)
    taps = w.reshape(window.kernel_h, window.kernel_w, -1, multiplier).astype(np.float64)
    return scatter_taps(np.einsum("bijcm,uvcm->bijuvc", errors, taps), window, in_hw)


def depthwise_weight_sums(x: U8, e: I8, window: Window, *, zero: int) -> tuple[I64, I64]:
    """Gradient sums of each sample, ``gw [B, kh, kw, C*m]`` and ``gb [B, C*m]``."""
    n, out_h, out_w, n_out = e.shape
    view = windows_of(x, window, (out_h, out_w), zero)
    errors = e.reshape(n, out_h, out_w, x.shape[3], -1).astype(np.float64)
    sums = np.einsum("bijcuv,bijcm->buvcm", view, errors).astype(np.int64)
    return sums.reshape(n, window.kernel_h, window.kernel_w, n_out), bias_sums(e)
