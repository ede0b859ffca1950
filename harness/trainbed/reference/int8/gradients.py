# SPDX-License-Identifier: Apache-2.0
"""Norms, the choice of structures, and 16-bit gradient accumulators with a shift per structure."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from trainbed.reference.int8.arithmetic import I8, I16, I64, U8

INT16_MAX = 32767


def norms(e: I8) -> I64:
    """L1 norm of each structure's error: ``[B, ..., O]`` to ``[B, O]``."""
    sums: I64 = np.abs(e.astype(np.int64)).reshape(e.shape[0], -1, e.shape[-1]).sum(axis=1)
    return sums


def select(norms_of_sample: I64, k: int) -> NDArray[np.bool_]:
    """Mask of the ``k`` structures with the largest norms; of equal norms the lower numbers."""
    mask = np.zeros(norms_of_sample.size, np.bool_)
    mask[np.argsort(-norms_of_sample, kind="stable")[:k]] = True
    return mask


def scaled_down(sums: I64, shift: I64) -> I64:
    """``sums / 2**shift``, half up."""
    return np.where(shift == 0, sums, (sums + (np.int64(1) << np.maximum(shift - 1, 0))) >> shift)


def deposit(g: I16, shift: U8, sums: I64) -> tuple[I16, U8]:
    """The 16-bit gradient ``g [O, N]`` at ``2**shift [O]`` with one sample's sums ``[O, N]`` added.

    Each shift first grows to the smallest that keeps its structure within 16 bits.
    """
    wide, old = g.astype(np.int64), shift.astype(np.int64)
    step = np.zeros_like(old)
    while True:
        after = scaled_down(wide, step[:, None]) + scaled_down(sums, (old + step)[:, None])
        beyond = (np.abs(after) > INT16_MAX).any(axis=1)
        if not beyond.any():
            return after.astype(np.int16), (old + step).astype(np.uint8)
        step += beyond
