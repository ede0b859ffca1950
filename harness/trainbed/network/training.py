# SPDX-License-Identifier: Apache-2.0
"""How a network is trained, as plain values: loss and optimizer. Formulas: docs/numerics.md."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Loss(str, Enum):
    """Loss of one sample; the cross-entropies are fused with sigmoid and softmax."""

    MSE = "mse"
    BINARY_CROSSENTROPY = "binary_crossentropy"
    CATEGORICAL_CROSSENTROPY = "categorical_crossentropy"


@dataclass(frozen=True)
class Sgd:
    """Stochastic gradient descent; momentum 0 keeps no state."""

    lr: float
    momentum: float = 0.0


@dataclass(frozen=True)
class Adam:
    """Adam with eps added to the uncorrected square root (the form of Keras and AIfES)."""

    lr: float = 0.001
    beta1: float = 0.9
    beta2: float = 0.999
    eps: float = 1e-7


Optimizer = Sgd | Adam
