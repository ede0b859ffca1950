# SPDX-License-Identifier: Apache-2.0
"""Magnitude pruning along a polynomial schedule, while the host trains.

Zhu and Gupta, "To prune, or not to prune" (arXiv 1710.01878), equation 1, the schedule of TensorFlow's model
optimization toolkit (PolynomialDecay, power 3): sparsity rises steeply at first, slowly at the end.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

F32 = NDArray[np.float32]


@dataclass(frozen=True)
class Schedule:
    """From ``initial`` to ``final`` sparsity over ``steps`` optimizer steps; constant afterwards."""

    initial: float
    final: float
    steps: int

    def sparsity(self, step: int) -> float:
        """Share of zero weights after optimizer step ``step`` (1-based; 0: before the first)."""
        left = 1.0 - min(step, self.steps) / self.steps
        return self.final + (self.initial - self.final) * left**3


@dataclass
class Pruner:
    """Keeps the smallest weights of each array at zero. What is pruned stays so: its gradient is dropped, too."""

    schedule: Schedule
    weights: list[F32]
    """Arrays that are pruned, each by itself; biases are not."""
    _masks: list[NDArray[np.bool_]] = field(init=False)
    _step: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        self._masks = [np.ones(w.shape, np.bool_) for w in self.weights]
        self._cut()

    def mask_gradients(self, gradients: list[F32]) -> None:
        """Drop the gradients of pruned weights; ``gradients`` in the order of ``weights``."""
        for gradient, mask in zip(gradients, self._masks, strict=True):
            gradient *= mask

    def after_step(self) -> None:
        """Prune to the schedule after one more optimizer step."""
        self._step += 1
        self._cut()

    def _cut(self) -> None:
        sparsity = self.schedule.sparsity(self._step)
        for w, mask in zip(self.weights, self._masks, strict=True):
            n_zero = round(w.size * sparsity)
            if n_zero > w.size - np.count_nonzero(mask):
                magnitude = np.where(mask, np.abs(w), np.float32(-1)).ravel()
                order = np.argsort(magnitude, kind="stable")  # equal magnitudes: the first ones go
                mask.ravel()[order[:n_zero]] = False
            w *= mask


def sparsity_of(weights: list[F32]) -> float:
    """Share of zeros in all arrays together."""
    n = sum(w.size for w in weights)
    return 1.0 - sum(int(np.count_nonzero(w)) for w in weights) / n if n else 0.0
