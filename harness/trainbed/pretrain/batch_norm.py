# SPDX-License-Identifier: Apache-2.0
"""Batch normalisation on the host, and its folding into the layer before it (Ioffe and Szegedy, ICML 2015)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

F32 = NDArray[np.float32]

EPSILON = np.float32(1e-3)
"""Added to the variance; Keras's default."""
MOMENTUM = np.float32(0.9)
"""Share of the old running mean and variance kept after each batch."""


class BatchNorm:
    """``y = gamma * (x - mean) / sqrt(variance + eps) + beta`` per channel, over batch and pixels.

    While training, mean and variance are the batch's, and running ones follow them; those serve everywhere else.
    """

    def __init__(self, channels: int) -> None:
        self.parameters = [np.ones(channels, np.float32), np.zeros(channels, np.float32)]
        self.gradients = [np.zeros(channels, np.float32), np.zeros(channels, np.float32)]
        self.mean = np.zeros(channels, np.float32)
        self.variance = np.ones(channels, np.float32)
        self._batches = 0

    def train(self, x: F32) -> F32:
        """Normalise by the batch and remember it."""
        axes = (0, 1, 2)
        mean = x.mean(axis=axes, dtype=np.float32)
        centred = x - mean
        variance = np.square(centred).mean(axis=axes, dtype=np.float32)
        self._inverse = np.float32(1) / np.sqrt(variance + EPSILON)
        self._normal = centred * self._inverse
        n = x.size // x.shape[-1]
        unbiased = variance * np.float32(n / max(n - 1, 1))
        keep = MOMENTUM if self._batches else np.float32(0)  # the first batch says more than the start value
        self.mean = keep * self.mean + (1 - keep) * mean
        self.variance = keep * self.variance + (1 - keep) * unbiased
        self._batches += 1
        gamma, beta = self.parameters
        y: F32 = gamma * self._normal + beta
        return y

    def infer(self, x: F32) -> F32:
        """Normalise by the running mean and variance."""
        gamma, beta = self.parameters
        y: F32 = gamma * (x - self.mean) / np.sqrt(self.variance + EPSILON) + beta
        return y

    def backward(self, error: F32) -> F32:
        """Error at the output of train() to the error at its input."""
        axes = (0, 1, 2)
        n = np.float32(error.size // error.shape[-1])
        self.gradients = [(error * self._normal).sum(axis=axes), error.sum(axis=axes)]
        gamma = self.parameters[0]
        by_gamma, by_beta = self.gradients
        d: F32 = (gamma * self._inverse) * (error - (by_beta + self._normal * by_gamma) / n)
        return d

    def folded(self, weights: F32, bias: F32, *, channel_axis: int) -> tuple[F32, F32]:
        """Weights and bias of the layer before that give what infer() would: computed in float64, rounded once."""
        gamma, beta, mean, variance = (a.astype(np.float64) for a in (*self.parameters, self.mean, self.variance))
        factor = gamma / np.sqrt(variance + float(EPSILON))
        shape = [1] * weights.ndim
        shape[channel_axis] = -1
        new_bias = (bias.astype(np.float64) - mean) * factor + beta
        return (weights * factor.reshape(shape)).astype(np.float32), new_bias.astype(np.float32)
