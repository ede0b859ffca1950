# SPDX-License-Identifier: Apache-2.0
"""Max, average and global average pooling. Windows must lie inside the input."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from trainbed.errors import NetworkError
from trainbed.reference.arrays import F32, ZERO, batch_first, channel_major, sum_rows
from trainbed.reference.geometry import Geometry, gather


def max_pool_forward(x: F32, geometry: Geometry) -> tuple[F32, NDArray[np.uint8]]:
    """``x [B, H, W, C]`` to ``y [B, OH, OW, C]`` and the tap ``u*kw + v`` of the first maximum, same shape."""
    _refuse_outside(geometry)
    taps = gather(channel_major(x), geometry.sources)
    best = taps[0]
    index = np.zeros(best.shape, np.uint8)
    for tap in range(1, geometry.n_taps):
        greater = taps[tap] > best
        best = np.where(greater, taps[tap], best)
        index[greater] = tap
    shape = geometry.out_hw
    return batch_first(best, *shape), index.reshape(index.shape[0], *shape, -1).transpose(3, 1, 2, 0)


def max_pool_backward(index: NDArray[np.uint8], e: F32, geometry: Geometry) -> F32:
    """``index`` and ``e [B, OH, OW, C]`` to ``d [B, H, W, C]``, before the epilogue: each error goes to its maximum."""
    errors = channel_major(e)
    channels, n_out, n = errors.shape
    chosen = np.ascontiguousarray(index.transpose(3, 1, 2, 0)).reshape(errors.shape)
    d = np.zeros((channels, geometry.n_in, n), np.float32)
    if _is_disjoint(geometry):
        for tap in range(geometry.n_taps):
            d[:, geometry.sources[tap]] = np.where(chosen == tap, errors + ZERO, ZERO)
    else:
        c, b = np.arange(channels)[:, None], np.arange(n)[None, :]
        for pixel in range(n_out):  # one output at a time: windows overlap, and the order of adding is row by row
            target = geometry.sources[chosen[:, pixel], pixel]
            d[c, target, b] = d[c, target, b] + errors[:, pixel]
    return batch_first(d, *geometry.in_hw)


def avg_pool_forward(x: F32, geometry: Geometry) -> F32:
    """``x [B, H, W, C]`` to ``y [B, OH, OW, C]``: the sum over the window times ``1/(kh*kw)``."""
    _refuse_outside(geometry)
    total = sum_rows(gather(channel_major(x), geometry.sources))
    return batch_first(total * np.float32(1.0 / geometry.n_taps), *geometry.out_hw)


def avg_pool_backward(e: F32, geometry: Geometry) -> F32:
    """``e [B, OH, OW, C]`` to ``d [B, H, W, C]``, before the epilogue: every input of a window takes ``e/(kh*kw)``."""
    shares = channel_major(e) * np.float32(1.0 / geometry.n_taps)
    channels, n_out, n = shares.shape
    d = np.zeros((channels, geometry.n_in, n), np.float32)
    if _is_disjoint(geometry):
        for source in geometry.sources:
            d[:, source] = shares + ZERO
    else:
        for pixel in range(n_out):
            d[:, geometry.sources[:, pixel]] += shares[:, pixel, None]
    return batch_first(d, *geometry.in_hw)


def global_avg_pool_forward(x: F32) -> F32:
    """``x [B, H, W, C]`` to ``y [B, 1, 1, C]``: the sum over the pixels times ``1/(H*W)``."""
    rows = channel_major(x)
    total = sum_rows(rows.transpose(1, 0, 2))
    return batch_first((total * np.float32(1.0 / rows.shape[1]))[:, None], 1, 1)


def global_avg_pool_backward(e: F32, in_hw: tuple[int, int]) -> F32:
    """``e [B, 1, 1, C]`` to ``d [B, H, W, C]``, before the epilogue: every pixel takes ``e/(H*W)``."""
    n_pixels = in_hw[0] * in_hw[1]
    share = channel_major(e) * np.float32(1.0 / n_pixels) + ZERO
    return batch_first(np.repeat(share, n_pixels, axis=1), *in_hw)


def _is_disjoint(geometry: Geometry) -> bool:
    """True when no two windows share an input, so that the order of adding cannot matter."""
    window = geometry.window
    return window.kernel_h <= window.stride_h and window.kernel_w <= window.stride_w


def _refuse_outside(geometry: Geometry) -> None:
    if geometry.has_padding:
        raise NetworkError("a pooling window reaches outside its input")
