# SPDX-License-Identifier: Apache-2.0
"""Dense layer: ``z = w x + b``."""

from __future__ import annotations

import numpy as np

from trainbed.reference.arrays import F32, ZERO, sum_of_outer_products


def dense_forward(x: F32, w: F32, b: F32, *, fused: bool = False) -> F32:
    """``x [B, I]``, ``w [O, I]``, ``b [O]`` to ``z [B, O]``: ``z[o] = b[o] + sum_i w[o,i]*x[i]``."""
    z = sum_of_outer_products(np.ascontiguousarray(w.T), np.ascontiguousarray(x.T), start=b[:, None], fused=fused)
    rows: F32 = z.T
    return rows


def dense_backward_weights(x: F32, e: F32) -> tuple[F32, F32]:
    """Gradients of each sample: ``x [B, I]``, ``e [B, O]`` to ``gw [B, O, I]``, ``gb [B, O]``; one product, no sum."""
    gw = np.ascontiguousarray(e)[:, :, None] * np.ascontiguousarray(x)[:, None, :]
    # an accumulator starts at +0, so it never holds -0
    np.add(gw, ZERO, out=gw)
    return gw, e + ZERO


def dense_backward_input(w: F32, e: F32, *, fused: bool = False) -> F32:
    """``w [O, I]``, ``e [B, O]`` to ``d [B, I]``, before the epilogue: ``d[i] = sum_o w[o,i]*e[o]``."""
    d: F32 = sum_of_outer_products(w, np.ascontiguousarray(e.T), fused=fused).T
    return d
