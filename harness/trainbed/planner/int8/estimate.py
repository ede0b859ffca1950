# SPDX-License-Identifier: Apache-2.0
"""What training takes when weights are trained besides the biases of a plan: by how long tensors live, unplanned."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import cached_property

from trainbed.network.layers import INPUT, Layer
from trainbed.planner.arena import aligned
from trainbed.planner.graph import Op, Role, Slot, Step
from trainbed.planner.int8.plan import Int8Plan
from trainbed.planner.storage import lives

_BACKWARD = (Op.BACKWARD_WEIGHTS, Op.BACKWARD_INPUT)


class Estimate:
    """Training memory of a plan of biases alone, and what shares of weights add to it.

    A layer whose weights are trained keeps its input from where it is made to its own backward, and its gradient lies
    beside that. The arena is then taken to be as long as the most that is alive at one step.
    """

    def __init__(self, plan: Int8Plan) -> None:
        self._plan = plan
        self._outside = plan.training_bytes - plan.arena_bytes
        self._kept: dict[str, tuple[int, ...]] = {}

    def training_bytes(self, weights: Mapping[str, float]) -> int:
        """With these shares of 8-bit layers' weights trained: layer -> ratio."""
        alive, outside = list(self._alive), self._outside
        for name, ratio in weights.items():
            layer = self._plan.network.layer(name)
            for step in self._missing(name):
                alive[step] += aligned(layer.in_size)
            sums = aligned((2 if self._plan.narrow else 4) * math.ceil(ratio * layer.n_weights))
            if self._plan.immediate:
                for step in self._backward(layer):
                    alive[step] += sums
            else:
                outside += sums
        return max(self._plan.arena_bytes, *alive) + outside

    def _missing(self, name: str) -> tuple[int, ...]:
        """Steps at which the plan has not got a layer's input, and the layer's weights need it kept."""
        if name not in self._kept:
            layer = self._plan.network.layer(name)
            tensor = layer.inputs[0]
            first, last = self._lives.get(Slot(Role.VALUE, tensor), (0, -1))
            steps = range(self._forward(tensor), self._backward(layer).start + 1)
            self._kept[name] = tuple(step for step in steps if not first <= step <= last)
        return self._kept[name]

    @cached_property
    def _alive(self) -> tuple[int, ...]:
        """Bytes alive at each step."""
        alive = [0] * len(self._plan.steps)
        for storage in self._plan.storages:
            for step in range(storage.first, storage.last + 1):
                alive[step] += aligned(storage.n_bytes)
        return tuple(alive)

    @cached_property
    def _lives(self) -> dict[Slot, tuple[int, int]]:
        return lives(self._plan.steps)

    def _forward(self, tensor: str) -> int:
        """The step that makes a tensor, alone or in a chain."""
        return 0 if tensor == INPUT else next(n for n, step in enumerate(self._plan.steps) if _makes(step, tensor))

    def _backward(self, layer: Layer) -> range:
        """Steps of a layer's backward, of which the first reads its input; the plan's last where errors do not go as
        far.
        """
        steps = enumerate(self._plan.steps)
        own = [n for n, step in steps if step.layer.name == layer.name and step.op in _BACKWARD]
        return range(own[0], own[-1] + 1) if own else range(len(self._plan.steps) - 1, len(self._plan.steps))


def _makes(step: Step, tensor: str) -> bool:
    if step.op is not Op.FORWARD:
        return False
    fused = (step.fused.pool,) if step.fused is not None else ()
    return tensor in {layer.name for layer in (step.layer, *step.chain, *fused)}
