# SPDX-License-Identifier: Apache-2.0
"""Activations, and the epilogue that takes a gradient through them (docs/numerics.md)."""

from __future__ import annotations

import numpy as np

from trainbed.network.layers import Activation
from trainbed.reference.arrays import F32, ONE, ZERO, flat
from trainbed.reference.elementary import sigmoid, softmax, tanh

_SIX = np.float32(6.0)
_SLOPE = np.float32(0.2)


def activation_forward(z: F32, activation: Activation) -> F32:
    """``y = f(z)``, elementwise on any shape; softmax over everything but the batch axis."""
    if activation is Activation.RELU:
        return np.where(z <= ZERO, ZERO, z)
    if activation is Activation.RELU6:
        return np.where(z <= ZERO, ZERO, np.where(z >= _SIX, _SIX, z))
    if activation is Activation.LEAKY_RELU:
        return np.where(z > ZERO, z, _SLOPE * z)
    if activation is Activation.SIGMOID:
        return sigmoid(z)
    if activation is Activation.TANH:
        return tanh(z)
    if activation is Activation.SOFTMAX:
        return softmax(flat(z)).reshape(z.shape)
    return z


def activation_gradient(d: F32, y: F32, activation: Activation) -> F32:
    """The error at the sum, from the error ``d`` at the output ``y`` (same shapes): the last part of the epilogue."""
    if activation is Activation.RELU:
        return np.where(y == ZERO, ZERO, d)
    if activation is Activation.RELU6:
        return np.where((y > ZERO) & (y < _SIX), d, ZERO)
    if activation is Activation.LEAKY_RELU:
        return np.where(y > ZERO, d, _SLOPE * d)
    error: F32
    if activation is Activation.SIGMOID:
        error = d * (y * (ONE - y))
        return error
    if activation is Activation.TANH:
        error = d * (ONE - y * y)
        return error
    if activation is Activation.SOFTMAX:
        return _softmax_gradient(flat(d), flat(y)).reshape(d.shape)
    return d


def _softmax_gradient(d: F32, p: F32) -> F32:
    """``e_k = p_k * (d_k - s)`` with ``s = sum_k d_k*p_k``; all ``[B, n]``."""
    s = np.zeros(d.shape[0], np.float32)
    for k in range(d.shape[1]):
        s = s + d[:, k] * p[:, k]
    return p * (d - s[:, None])
