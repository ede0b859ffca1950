# SPDX-License-Identifier: Apache-2.0
"""Float32 arrays and the one sum every product of the twin is made of.

All operations take batch-first arrays ``[B, H, W, C]``. In memory they lie channel-major with the batch last, since
that gives NumPy long inner loops; strides hide it, so any layout may be passed in and only speed differs.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from trainbed.reference.fusion import fused_multiply_add

F32 = NDArray[np.float32]
"""A float32 array."""

ZERO = np.float32(0.0)
ONE = np.float32(1.0)

_CHUNK_ELEMENTS = 32768
"""Products made by one NumPy call: enough to hide the call, few enough to stay in the second-level cache."""


def sum_of_outer_products(
    a: F32, b: F32, *, start: F32 | None = None, valid: NDArray[np.bool_] | None = None, fused: bool = False
) -> F32:
    """``acc[..., n, m] <- acc[..., n, m] + a[k, ..., n] * b[k, ..., m]`` for ascending ``k``.

    Each operation is rounded or, if ``fused``, each multiplication with its addition once.

    ``a`` is ``[K, ..., N]``, ``b`` is ``[K, ..., M]`` with equal axes in between; ``start`` is broadcast to
    ``[..., N, M]`` (None: +0). Where ``valid`` (``[K, ..., M]``) is false the product is left out.
    """
    if valid is None and a.shape[-1] > b.shape[-1]:
        # the longer axis innermost: NumPy spends a fixed time per inner loop
        flipped = None if start is None else np.swapaxes(np.atleast_2d(start), -1, -2)
        return np.swapaxes(sum_of_outer_products(b, a, start=flipped, fused=fused), -1, -2)
    shape = a.shape[1:] + b.shape[-1:]
    acc = np.zeros(shape, np.float32)
    if start is not None:
        acc[...] = start
    n_terms = a.shape[0]
    if fused:
        for k in range(n_terms):
            following = fused_multiply_add(a[k, ..., :, None], b[k, ..., None, :], acc)
            acc = following if valid is None else np.where(valid[k, ..., None, :], following, acc)
        return acc
    step = max(1, min(n_terms, _CHUNK_ELEMENTS // max(1, acc.size)))
    products = np.empty((step, *shape), np.float32)
    for first in range(0, n_terms, step):
        last = min(first + step, n_terms)
        part = products[: last - first]
        np.multiply(a[first:last, ..., :, None], b[first:last, ..., None, :], out=part)
        if valid is not None:
            np.copyto(part, ZERO, where=~valid[first:last, ..., None, :])
        for product in part:
            np.add(acc, product, out=acc)
    return acc


def add_products(acc: F32, a: F32, b: F32, *, invalid: Any = None, fused: bool = False) -> None:
    """``acc <- acc + a * b`` in place; ``invalid`` indexes what is left out (``acc[invalid]`` keeps its value)."""
    following = fused_multiply_add(a, b, acc) if fused else None
    if following is None:
        product = a * b
        if invalid is not None:
            product[invalid] = ZERO
        np.add(acc, product, out=acc)
        return
    if invalid is not None:
        following[invalid] = acc[invalid]
    acc[...] = following


def sum_rows(rows: F32 | Any) -> F32:
    """Sum over the first axis from +0 in ascending order: ``[K, ...]`` to ``[...]``."""
    acc = np.zeros(rows.shape[1:], np.float32)
    for row in rows:
        np.add(acc, row, out=acc)
    return acc


def all_finite(array: F32) -> bool:
    """True when no element is infinite or NaN."""
    return bool(np.isfinite(array).all())


def channel_major(x: F32) -> F32:
    """``[B, H, W, C]`` to a contiguous ``[C, H*W, B]`` (no copy when the memory lies so already)."""
    n, height, width, channels = x.shape
    return np.ascontiguousarray(x.transpose(3, 1, 2, 0)).reshape(channels, height * width, n)


def batch_first(y: F32, height: int, width: int) -> F32:
    """A view ``[B, H, W, C]`` of ``[C, H*W, B]``."""
    channels, _, n = y.shape
    view: F32 = y.reshape(channels, height, width, n).transpose(3, 1, 2, 0)
    return view


def flat(x: F32) -> F32:
    """``[B, ...]`` to ``[B, N]``, elements in H, W, C order, the batch last in memory."""
    n = x.shape[0]
    rows: F32 = np.moveaxis(x, 0, -1).reshape(-1, n).T
    return rows
