# SPDX-License-Identifier: Apache-2.0
"""Convolution, weights ``[O, kh, kw, I]``; a 1x1 convolution is the same arithmetic."""

from __future__ import annotations

import numpy as np

from trainbed.reference.arrays import F32, all_finite, batch_first, channel_major, sum_of_outer_products, sum_rows
from trainbed.reference.geometry import Geometry, gather


def conv2d_forward(x: F32, w: F32, b: F32, geometry: Geometry, *, fused: bool = False) -> F32:
    """``x [B, H, W, I]`` to ``z [B, OH, OW, O]``.

    ``z[i,j,o] = b[o] + sum_u,v,c w[o,u,v,c]*x[i*s+u-pad, j*s+v-pad, c]``
    """
    n, out_c = x.shape[0], w.shape[0]
    taps = gather(channel_major(x), geometry.sources)
    terms = taps.reshape(-1, geometry.n_out * n)
    valid = None
    if not all_finite(w):  # a padded tap is left out, and 0*inf is not 0
        valid = np.broadcast_to((geometry.sources < geometry.n_in)[:, None, :, None], taps.shape).reshape(terms.shape)
    weights = np.ascontiguousarray(w.reshape(out_c, -1).T)
    z = sum_of_outer_products(weights, terms, start=b[:, None], valid=valid, fused=fused)
    return batch_first(np.ascontiguousarray(z).reshape(out_c, geometry.n_out, n), *geometry.out_hw)


def conv2d_backward_weights(x: F32, e: F32, geometry: Geometry, *, fused: bool = False) -> tuple[F32, F32]:
    """Gradients of each sample: ``x [B, H, W, I]``, ``e [B, OH, OW, O]`` to ``gw [B, O, kh, kw, I]``, ``gb [B, O]``."""
    n, channels = x.shape[0], x.shape[3]
    taps = gather(channel_major(x), geometry.sources).transpose(2, 3, 0, 1)
    errors = np.ascontiguousarray(channel_major(e).transpose(1, 2, 0))
    terms = np.ascontiguousarray(taps).reshape(geometry.n_out, n, -1)
    valid = None
    if not all_finite(e):
        valid = np.broadcast_to((geometry.sources < geometry.n_in).T[:, None, :, None], taps.shape).reshape(terms.shape)
    gw = sum_of_outer_products(errors, terms, valid=valid, fused=fused)
    shape = (n, e.shape[3], geometry.window.kernel_h, geometry.window.kernel_w, channels)
    return np.ascontiguousarray(gw).reshape(shape), sum_rows(errors)


def conv2d_backward_input(w: F32, e: F32, geometry: Geometry, *, fused: bool = False) -> F32:
    """``w [O, kh, kw, I]``, ``e [B, OH, OW, O]`` to ``d [B, H, W, I]``, before the epilogue.

    ``d[a,b,c] = sum_u,v,o w[o,u,v,c]*e[(a+pad-u)/s, (b+pad-v)/s, o]`` over the whole, inside positions.
    """
    n, channels, out_c = e.shape[0], w.shape[3], w.shape[0]
    errors = channel_major(e)
    weights = np.ascontiguousarray(w.reshape(out_c, geometry.n_taps, channels).transpose(1, 0, 2))
    finite = all_finite(w)
    d = np.zeros((channels, geometry.n_in, n), np.float32)
    for phase in geometry.phases:
        taps = gather(errors, phase.sources)
        terms = taps.reshape(-1, phase.pixels.size * n)
        valid = None
        if not finite:
            inside = (phase.sources < geometry.n_out)[:, None, :, None]
            valid = np.broadcast_to(inside, taps.shape).reshape(terms.shape)
        by_tap = weights[phase.taps].reshape(-1, channels)
        part = sum_of_outer_products(by_tap, terms, valid=valid, fused=fused)
        d[:, phase.pixels] = part.reshape(channels, phase.pixels.size, n)
    return batch_first(d, *geometry.in_hw)
