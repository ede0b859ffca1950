# SPDX-License-Identifier: Apache-2.0
"""Losses of each sample and the error they send back (docs/numerics.md, "Losses"). Everything is ``[B, n]``."""

from __future__ import annotations

import numpy as np

from trainbed.network.layers import Activation
from trainbed.network.training import Loss
from trainbed.reference.activations import activation_forward, activation_gradient
from trainbed.reference.arrays import F32, ONE, ZERO
from trainbed.reference.elementary import exp_neg, log, sigmoid, softmax_parts

_TWO = np.float32(2.0)


def loss_forward(z: F32, t: F32, loss: Loss, activation: Activation) -> tuple[F32, F32]:
    """Sums ``z`` of the last layer and targets ``t`` to the losses ``[B]`` and the outputs ``p [B, n]``."""
    if loss is Loss.BINARY_CROSSENTROPY:
        return binary_crossentropy(z, t)
    if loss is Loss.CATEGORICAL_CROSSENTROPY:
        return categorical_crossentropy(z, t)
    p = activation_forward(z, activation)
    return mse(p, t), p


def loss_gradient(p: F32, t: F32, loss: Loss, activation: Activation) -> F32:
    """Outputs and targets of one batch to the error at the last layer's sum, ``[B, n]``."""
    scale = ONE / np.float32(p.shape[0])
    inv_n = np.float32(1.0 / p.shape[1])
    error: F32
    if loss is Loss.CATEGORICAL_CROSSENTROPY:
        error = (p - t) * scale
        return error
    if loss is Loss.BINARY_CROSSENTROPY:
        error = (p - t) * (scale * inv_n)
        return error
    return activation_gradient((p - t) * (_TWO * (scale * inv_n)), p, activation)


def mse(p: F32, t: F32) -> F32:
    """Mean square error of each sample: ``1/n * sum_k (p_k - t_k)**2``."""
    total = np.zeros(p.shape[0], np.float32)
    for k in range(p.shape[1]):
        difference = p[:, k] - t[:, k]
        total = total + difference * difference
    mean: F32 = total * np.float32(1.0 / p.shape[1])
    return mean


def binary_crossentropy(z: F32, t: F32) -> tuple[F32, F32]:
    """Fused with sigmoid: ``1/n * sum_k (max(z,0) - z*t) + log(1 + e**-|z|)`` and the outputs."""
    terms = (np.where(z > ZERO, z, ZERO) - z * t) + log(ONE + exp_neg(-np.abs(z)))
    total = np.zeros(z.shape[0], np.float32)
    for k in range(z.shape[1]):
        total = total + terms[:, k]
    return total * np.float32(1.0 / z.shape[1]), sigmoid(z)


def categorical_crossentropy(z: F32, t: F32) -> tuple[F32, F32]:
    """Fused with softmax: ``sum_k t_k * (log s - (z_k - m))`` and the outputs."""
    m, e, s = softmax_parts(z)
    log_sum = log(s)
    total = np.zeros(z.shape[0], np.float32)
    for k in range(z.shape[1]):
        total = total + t[:, k] * (log_sum - (z[:, k] - m))
    return total, e * (ONE / s)[:, None]


class CompensatedSum:
    """Kahan's sum in float32, as the firmware adds the losses of an epoch."""

    def __init__(self) -> None:
        self.sum = ZERO
        self._compensation = ZERO

    def add(self, loss: np.float32 | float) -> None:
        """Adds one sample's loss."""
        with np.errstate(all="ignore"):
            y = np.float32(loss) - self._compensation
            total = self.sum + y
            self._compensation = (total - self.sum) - y
            self.sum = total
