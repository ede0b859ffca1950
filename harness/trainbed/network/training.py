# SPDX-License-Identifier: Apache-2.0
"""How a network is trained, as plain values: loss and optimizer. Formulas: docs/numerics.md."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from enum import Enum

import numpy as np

from trainbed.network.layers import Activation


class Loss(str, Enum):
    """Loss of one sample; the cross-entropies are fused with sigmoid and softmax."""

    MSE = "mse"
    BINARY_CROSSENTROPY = "binary_crossentropy"
    CATEGORICAL_CROSSENTROPY = "categorical_crossentropy"

    @property
    def needs(self) -> Activation | None:
        """Activation of the last layer the loss is fused with; None: any."""
        if self is Loss.MSE:
            return None
        return Activation.SIGMOID if self is Loss.BINARY_CROSSENTROPY else Activation.SOFTMAX


@dataclass(frozen=True)
class _Schedule:
    """Learning rate over the epochs."""

    lr: float = 0.001
    decay: float = field(default=1.0, kw_only=True)
    """Factor on the learning rate after each epoch."""

    def lr_of(self, epoch: int) -> float:
        """Learning rate of an epoch (0-based), rounded once to float32."""
        return float(np.float32(self.lr * math.pow(self.decay, epoch)))


@dataclass(frozen=True)
class Sgd(_Schedule):
    """Stochastic gradient descent; momentum 0 keeps no state."""

    momentum: float = 0.0


@dataclass(frozen=True)
class Adam(_Schedule):
    """Adam with eps added to the uncorrected square root (the form of Keras and AIfES)."""

    beta1: float = 0.9
    beta2: float = 0.999
    eps: float = 1e-7


Optimizer = Sgd | Adam
