# SPDX-License-Identifier: Apache-2.0
"""The plan of a training step: operations, arena, optimizer state; everything the code generator and the memory
report need.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from itertools import groupby

from trainbed.network.layers import Layer, Network
from trainbed.network.training import Adam, Loss, Optimizer
from trainbed.planner.graph import Graph, Slot, Step, bit_candidates, training_steps
from trainbed.planner.storage import Storage, check, place, total_bytes


@dataclass(frozen=True)
class Segment:
    """A contiguous run of trainable parameters: offsets in floats into the parameters and into gradients and
    optimizer state.
    """

    parameters: int
    state: int
    count: int


@dataclass(frozen=True)
class Plan:
    """How one network is trained on a device. Sizes in bytes unless named otherwise."""

    network: Network
    loss: Loss
    optimizer: Optimizer
    batch_size: int
    steps: tuple[Step, ...]
    storages: tuple[Storage, ...]
    immediate: bool
    """Each layer is updated as soon as its gradient is known; gradients live in the arena."""

    @property
    def arena_bytes(self) -> int:
        """Activations, errors, masks, and in immediate mode gradients."""
        return total_bytes(self.storages)

    @property
    def trainable(self) -> tuple[Layer, ...]:
        """Layers whose parameters are updated, in forward order."""
        return tuple(layer for layer in self.network.parametric if layer.trainable)

    @property
    def n_trainable(self) -> int:
        """Parameters that are updated."""
        return sum(layer.n_parameters for layer in self.trainable)

    @property
    def gradient_bytes(self) -> int:
        """Gradient accumulators outside the arena."""
        return 0 if self.immediate else 4 * self.n_trainable

    @property
    def state_floats(self) -> int:
        """Floats of optimizer state per trainable parameter: 2 for Adam, 1 with momentum, else 0."""
        if isinstance(self.optimizer, Adam):
            return 2
        return 1 if self.optimizer.momentum else 0

    @property
    def optimizer_bytes(self) -> int:
        """Moments or velocities."""
        return 4 * self.state_floats * self.n_trainable

    @property
    def parameter_bytes(self) -> int:
        """All weights and biases."""
        return 4 * self.network.n_parameters

    @property
    def training_bytes(self) -> int:
        """What training needs on top of parameters and sample buffer: activations, gradients, optimizer state,
        scratch.
        """
        return self.arena_bytes + self.gradient_bytes + self.optimizer_bytes

    def storage_of(self, slot: Slot) -> Storage:
        """Storage that holds a slot."""
        return next(storage for storage in self.storages if slot in storage.slots)

    def parameter_offset(self, layer: Layer) -> int:
        """Index of a layer's first weight in the parameters, in floats."""
        before = self.network.parametric[: self.network.parametric.index(layer)]
        return sum(other.n_parameters for other in before)

    def state_offset(self, layer: Layer) -> int:
        """Index of a trainable layer's first weight in gradients and optimizer state, in floats."""
        return sum(other.n_parameters for other in self.trainable[: self.trainable.index(layer)])

    @property
    def segments(self) -> tuple[Segment, ...]:
        """Neighbouring trainable layers, joined: what one call of the optimizer covers."""
        joined = []
        for trainable, run in groupby(self.network.parametric, key=lambda layer: layer.trainable):
            layers = list(run)
            if trainable:
                count = sum(layer.n_parameters for layer in layers)
                joined.append(Segment(self.parameter_offset(layers[0]), self.state_offset(layers[0]), count))
        return tuple(joined)

    @property
    def fingerprint(self) -> int:
        """32 bits that identify network and training method; host and device compare them."""
        text = repr((self.network, self.loss, self.optimizer, self.immediate))
        return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "little")


def make_plan(network: Network, *, loss: Loss, optimizer: Optimizer, batch_size: int) -> Plan:
    """Plan the training of a network: keep as little as possible for as short as possible.

    Each tensor that backward needs only for a relu-like derivative is kept as bits where that makes the arena smaller.
    Raises NetworkError when nothing is trainable.
    """
    graph = Graph(network)
    immediate = batch_size == 1
    chosen: frozenset[str] = frozenset()
    best = _placed(graph, chosen, immediate=immediate)
    for tensor in bit_candidates(graph):
        trial = _placed(graph, chosen | {tensor}, immediate=immediate)
        if total_bytes(trial[1]) < total_bytes(best[1]):
            chosen, best = chosen | {tensor}, trial
    steps, storages = best
    check(network, steps, storages)
    return Plan(network, loss, optimizer, batch_size, steps, storages, immediate)


def _placed(graph: Graph, bits: frozenset[str], *, immediate: bool) -> tuple[tuple[Step, ...], tuple[Storage, ...]]:
    steps = training_steps(graph, bits=bits, immediate=immediate)
    return steps, place(graph.network, steps)
