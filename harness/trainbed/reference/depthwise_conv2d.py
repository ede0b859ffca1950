# SPDX-License-Identifier: Apache-2.0
"""Depthwise convolution, weights ``[kh, kw, C*m]``: channel ``c`` feeds outputs ``c*m .. c*m+m-1``."""

from __future__ import annotations

import numpy as np

from trainbed.reference.arrays import F32, add_products, all_finite, batch_first, channel_major, sum_rows
from trainbed.reference.geometry import Geometry, gather


def depthwise_conv2d_forward(x: F32, w: F32, b: F32, geometry: Geometry, *, fused: bool = False) -> F32:
    """``x [B, H, W, C]`` to ``z [B, OH, OW, C*m]``: ``z[i,j,c*m+k] = b[c*m+k] + sum_u,v w[u,v,c*m+k]*x[..., c]``."""
    n, channels = x.shape[0], x.shape[3]
    multiplier = w.shape[2] // channels
    taps = gather(channel_major(x), geometry.sources)
    weights = w.reshape(geometry.n_taps, channels, multiplier, 1, 1)
    finite = all_finite(w)
    acc = np.empty((channels, multiplier, geometry.n_out, n), np.float32)
    acc[...] = b.reshape(channels, multiplier, 1, 1)
    for tap in range(geometry.n_taps):
        outside = None if finite else np.s_[:, :, geometry.sources[tap] == geometry.n_in]
        add_products(acc, weights[tap], taps[tap][:, None], invalid=outside, fused=fused)
    return batch_first(acc.reshape(channels * multiplier, geometry.n_out, n), *geometry.out_hw)


def depthwise_conv2d_backward_weights(x: F32, e: F32, geometry: Geometry, *, fused: bool = False) -> tuple[F32, F32]:
    """Gradients of each sample: ``x [B, H, W, C]``, ``e [B, OH, OW, C*m]`` to ``gw [B, kh, kw, C*m]``, ``gb``."""
    n, channels = x.shape[0], x.shape[3]
    multiplier = e.shape[3] // channels
    taps = np.ascontiguousarray(gather(channel_major(x), geometry.sources).transpose(2, 0, 1, 3))[:, :, :, None, :]
    errors = np.ascontiguousarray(channel_major(e).transpose(1, 0, 2))
    by_channel = errors.reshape(geometry.n_out, channels, multiplier, n)
    finite = all_finite(e)
    acc = np.zeros((geometry.n_taps, channels, multiplier, n), np.float32)
    for pixel in range(geometry.n_out):
        outside = None if finite else geometry.sources[:, pixel] == geometry.n_in
        add_products(acc, taps[pixel], by_channel[pixel], invalid=outside, fused=fused)
    gw = np.ascontiguousarray(np.moveaxis(acc, -1, 0))
    shape = (n, geometry.window.kernel_h, geometry.window.kernel_w, channels * multiplier)
    return gw.reshape(shape), sum_rows(errors).T


def depthwise_conv2d_backward_input(
    w: F32, e: F32, geometry: Geometry, *, multiplier: int = 1, fused: bool = False
) -> F32:
    """``w [kh, kw, C*m]``, ``e [B, OH, OW, C*m]`` to ``d [B, H, W, C]``, before the epilogue; sums over ``u, v, k``."""
    errors = channel_major(e)
    n = e.shape[0]
    channels = errors.shape[0] // multiplier
    weights = w.reshape(geometry.n_taps, channels, multiplier, 1, 1)
    finite = all_finite(w)
    d = np.zeros((channels, geometry.n_in, n), np.float32)
    for phase in geometry.phases:
        taps = gather(errors, phase.sources).reshape(phase.taps.size, channels, multiplier, phase.pixels.size, n)
        acc = np.zeros((channels, phase.pixels.size, n), np.float32)
        for position, tap in enumerate(phase.taps):
            for k in range(multiplier):
                outside = None if finite else np.s_[:, phase.sources[position] == geometry.n_out]
                add_products(acc, weights[tap, :, k], taps[position, :, k], invalid=outside, fused=fused)
        d[:, phase.pixels] = acc
    return batch_first(d, *geometry.in_hw)
