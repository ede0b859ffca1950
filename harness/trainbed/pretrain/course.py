# SPDX-License-Identifier: Apache-2.0
"""What an engine of the host trains, and what it tells and hands back."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trainbed.data.augment import Augmentation
from trainbed.data.load import Data
from trainbed.network.layers import Network
from trainbed.pretrain.prune import Schedule
from trainbed.scenario.schema import PretrainKeys

F32 = NDArray[np.float32]
Pairs = list[tuple[F32, F32]]
"""(weights, bias) of each parametric layer, in order."""


@dataclass(frozen=True, eq=False)
class HostCourse:
    """A network as the host trains it (all layers trainable, the head the data need), and how."""

    network: Network
    data: Data
    keys: PretrainKeys
    initial: Pairs
    normalised: frozenset[str]
    augmentation: Augmentation | None
    prune: Schedule | None


@dataclass(frozen=True, eq=False)
class Outcome:
    """Weights (batch normalisation folded) and scores; accuracies None without labels.

    ``losses`` and ``accuracies`` are per epoch, while training. ``diverged``: epoch in which a loss was not finite.
    """

    weights: Pairs
    losses: tuple[float, ...]
    accuracies: tuple[float, ...] | None
    test_loss: float | None
    test_accuracy: float | None
    diverged: int | None = None
