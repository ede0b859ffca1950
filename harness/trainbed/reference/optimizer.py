# SPDX-License-Identifier: Apache-2.0
"""Optimizer steps (docs/numerics.md, "Optimizers"): gradients of a whole batch in, weights changed in place."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from trainbed.network.training import Adam, Sgd
from trainbed.reference.arrays import F32, ONE


class Stepper(Protocol):
    """Applies one step after another to the same list of arrays, at a learning rate that may change in between."""

    lr: np.float32

    def step(self, parameters: list[F32], gradients: list[F32]) -> None:
        """Changes ``parameters`` in place; ``gradients`` have the same shapes and order at every call."""


class SgdStepper:
    """``w <- w - lr*g``, or with momentum ``v <- momentum*v + g; w <- w - lr*v``."""

    def __init__(self, sgd: Sgd) -> None:
        self.lr = np.float32(sgd.lr)
        self.momentum = np.float32(sgd.momentum)
        self.v: list[F32] = []

    def step(self, parameters: list[F32], gradients: list[F32]) -> None:
        """One step; without momentum no state is kept."""
        if not self.momentum:
            for w, g in zip(parameters, gradients, strict=True):
                w -= self.lr * g
            return
        self.v = self.v or [np.zeros_like(w) for w in parameters]
        for w, g, v in zip(parameters, gradients, self.v, strict=True):
            np.add(self.momentum * v, g, out=v)
            w -= self.lr * v


class AdamStepper:
    """Adam (Kingma and Ba 2015, with eps added to the uncorrected square root as in Keras)."""

    def __init__(self, adam: Adam) -> None:
        self.lr, self.eps = np.float32(adam.lr), np.float32(adam.eps)
        self.beta1, self.beta2 = np.float32(adam.beta1), np.float32(adam.beta2)
        self.power1, self.power2 = ONE, ONE
        self.m: list[F32] = []
        self.v: list[F32] = []

    def step(self, parameters: list[F32], gradients: list[F32]) -> None:
        """One step: advances the running powers, then every array."""
        if not self.m:
            self.m = [np.zeros_like(w) for w in parameters]
            self.v = [np.zeros_like(w) for w in parameters]
        self.power1 = self.power1 * self.beta1
        self.power2 = self.power2 * self.beta2
        lr_t = (self.lr * np.sqrt(ONE - self.power2)) / (ONE - self.power1)
        for w, g, m, v in zip(parameters, gradients, self.m, self.v, strict=True):
            np.add(self.beta1 * m, (ONE - self.beta1) * g, out=m)
            np.add(self.beta2 * v, (ONE - self.beta2) * (g * g), out=v)
            w -= (lr_t * m) / (np.sqrt(v) + self.eps)


def make_stepper(optimizer: Sgd | Adam) -> Stepper:
    """The stepper of an optimizer, state at its start."""
    return AdamStepper(optimizer) if isinstance(optimizer, Adam) else SgdStepper(optimizer)
