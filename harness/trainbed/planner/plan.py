# SPDX-License-Identifier: Apache-2.0
"""The plan of a training step: operations, arena, optimizer state; everything the code generator and the memory
report need.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from trainbed.network.layers import Layer, Network
from trainbed.network.precision import FLOAT32, Precision
from trainbed.network.training import Adam, Loss, Optimizer
from trainbed.planner.graph import Graph, Slot, Step, bit_candidates, inference_steps, training_steps
from trainbed.planner.parameters import ParameterLayout, float32_layout
from trainbed.planner.storage import SlotBytes, Storage, check, float32_bytes, least_bytes, place, total_bytes


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
    parameters: ParameterLayout
    """Where the parameters lie: what is trained in RAM, what is frozen in flash."""
    precision: Precision = FLOAT32
    inference: bool = False
    """Nothing is trained: forward passes only, all parameters in flash."""

    @property
    def arena_bytes(self) -> int:
        """Activations, errors, masks, and in immediate mode gradients."""
        return total_bytes(self.storages)

    @property
    def trainable(self) -> tuple[Layer, ...]:
        """Layers whose parameters are updated, in forward order."""
        return () if self.inference else tuple(layer for layer in self.network.parametric if layer.trainable)

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
        """All weights and biases, in RAM and flash."""
        return self.parameters.ram_bytes + self.parameters.flash_bytes

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
        """Index of a trainable layer's first weight in trn_parameters, gradients and optimizer state, in floats."""
        return self.parameters.of(layer.name, "weights").offset // 4

    @property
    def receive_offset(self) -> int | None:
        """Where in the arena the link receives, in bytes; None: it has a buffer of its own."""
        return None

    @property
    def fingerprint(self) -> int:
        """32 bits that identify network and training method; host and device compare them."""
        text = repr((self.network, self.loss, self.optimizer, self.immediate, self.precision, self.inference))
        return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "little")


def make_plan(
    network: Network,
    *,
    loss: Loss,
    optimizer: Optimizer,
    batch_size: int,
    inference: bool = False,
) -> Plan:
    """Plan the training of a network in float32: keep as little as possible for as short as possible.

    Each tensor that backward needs only for a relu-like derivative is kept as bits where that makes the arena smaller.
    ``inference``: nothing is trained. Raises NetworkError when something is to be trained and nothing can.
    """
    slot_bytes = partial(float32_bytes, network)
    immediate = batch_size == 1
    steps, storages = arrange(Graph(network, inference=inference), slot_bytes, immediate=immediate)
    layout = float32_layout(network, frozen=inference)
    return Plan(network, loss, optimizer, batch_size, steps, storages, immediate, layout, inference=inference)


def plain_steps(graph: Graph, bits: frozenset[str] = frozenset(), *, immediate: bool) -> tuple[Step, ...]:
    """Operations of one sample, training or inferring."""
    return inference_steps(graph) if graph.inference else training_steps(graph, bits=bits, immediate=immediate)


Arranged = tuple[tuple[Step, ...], tuple[Storage, ...]]


def arrange(
    graph: Graph,
    slot_bytes: SlotBytes,
    *,
    immediate: bool,
    finish: Callable[[tuple[Step, ...]], tuple[Step, ...]] = lambda steps: steps,
    bits: bool = True,
) -> Arranged:
    """Steps and storages with the smallest arena found, checked. ``finish``: adds to the steps what kernels need.
    ``bits``: values may be kept as bits.
    """

    def operations(bits: frozenset[str]) -> tuple[Step, ...]:
        return finish(plain_steps(graph, bits, immediate=immediate))

    chosen: frozenset[str] = frozenset()
    first = operations(chosen)
    best = (first, place(first, slot_bytes))
    for tensor in bit_candidates(graph) if bits else ():
        steps = operations(chosen | {tensor})
        if least_bytes(steps, slot_bytes) >= total_bytes(best[1]):
            continue  # no need to look for places
        trial = (steps, place(steps, slot_bytes))
        if total_bytes(trial[1]) < total_bytes(best[1]):
            chosen, best = chosen | {tensor}, trial
    check(*best, slot_bytes)
    return best
