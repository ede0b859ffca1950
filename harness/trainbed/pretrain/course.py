# SPDX-License-Identifier: Apache-2.0
"""What an engine of the host trains, and what it tells and hands back."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from trainbed.data.augment import Augmentation, augmentation_of, sets_of
from trainbed.data.load import Data, Unfitted
from trainbed.network.layers import Network
from trainbed.pretrain.prune import Schedule
from trainbed.scenario.schema import PretrainKeys

F32 = NDArray[np.float32]
Pairs = list[tuple[F32, F32]]
"""(weights, bias) of each parametric layer, in order."""


@dataclass(frozen=True, eq=False)
class HostCourse:
    """A network as the host trains it (all layers trainable, the head the data need), and how.

    ``small``: the same layers for the smaller images of the first epochs; None: all epochs have the network's own.
    """

    network: Network
    source: Unfitted
    keys: PretrainKeys
    initial: Pairs
    normalised: frozenset[str]
    prune: Schedule | None
    small: Network | None = None

    def data(self, network: Network) -> Data:
        """The data as an input of ``network`` takes them, the sets as they are asked for. Resizing takes long."""
        data = self.source.at(network.input_shape)
        augmentation = self.augmentation(network)
        train, test = sets_of(self.keys.augment, augmentation, data.train, data.test, seed=self.keys.seed)
        return replace(data, train=train, test=test)

    def check(self) -> None:
        """Raises DataError or NetworkError where the data cannot be varied or chosen as they are asked to be."""
        self.augmentation(self.network)
        sets_of(self.keys.augment, None, self.source.data.train, self.source.data.test, seed=self.keys.seed)

    def augmentation(self, network: Network) -> Augmentation | None:
        """How these data are varied in each epoch; None: not at all."""
        return augmentation_of(self.keys.augment, network.input_shape, seed=self.keys.seed)

    def network_of(self, epoch: int) -> Network:
        """The network an epoch trains: its shapes follow the size of the images."""
        if self.small is None or self.keys.progressive is None or epoch >= self.keys.progressive.epochs:
            return self.network
        return self.small


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
