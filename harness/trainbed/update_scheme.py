# SPDX-License-Identifier: Apache-2.0
"""The scheme of a sparse update for a scenario that names a budget: gradients by the float32 twin, sizes by plans."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from trainbed.data.load import Data
from trainbed.network.layers import Network
from trainbed.network.precision import Precision, SparseUpdate
from trainbed.network.training import Sgd
from trainbed.planner.arena import aligned
from trainbed.planner.int8.budget import Contributions, check_least, contributions, depths, search
from trainbed.planner.int8.estimate import Estimate
from trainbed.planner.int8.plan import Int8Plan, make_int8_plan
from trainbed.planner.int8.techniques import ALL_TECHNIQUES, Techniques
from trainbed.quantise import input_numbers
from trainbed.reference.arrays import F32
from trainbed.reference.twin import Twin
from trainbed.scenario.scenario import Scenario
from trainbed.weights import pairs_of

_GROUP = 8
"""Samples whose gradient is taken together."""


class PlannedNeeds:
    """Needs of schemes by plans of a scenario's training, as its firmware will hold them."""

    def __init__(self, scenario: Scenario, network: Network, data: Data, *, receive_bytes: int) -> None:
        self._scenario = scenario
        self._network = network
        self._input_numbers = input_numbers(data)
        self._receive_bytes = receive_bytes
        self._seen: dict[tuple[int, tuple[tuple[str, float], ...]], Int8Plan] = {}
        self._estimates: dict[int, Estimate] = {}

    def exactly(self, scheme: SparseUpdate) -> int:
        plan = self._plan(scheme)
        return plan.parameters.ram_bytes + plan.training_bytes

    def about(self, scheme: SparseUpdate) -> int:
        """Parameters, and training memory by how long tensors live where errors go as far back, or nearly."""
        start = self._plan(SparseUpdate(scheme.biases_of_last))
        names = [layer.name for layer in self._network.parametric]
        weights = {
            name: ratio
            for name, ratio in scheme.weights.items()
            if not start.design.is_float(self._network.layer(name))
        }  # a float32 head is trained whole, whatever its share
        back = max([scheme.biases_of_last, *(len(names) - names.index(name) for name in weights)])
        parameters = start.parameters.ram_bytes
        for layer in map(self._network.layer, weights):
            parameters += aligned(layer.n_weights)
            if names.index(layer.name) < len(names) - scheme.biases_of_last:
                parameters += 4 * layer.n_biases
        depth = max(depth for depth in depths(len(names)) if depth <= back)
        if depth not in self._estimates:
            self._estimates[depth] = Estimate(self._plan(SparseUpdate(depth)))
        return parameters + self._estimates[depth].training_bytes(weights)

    def _plan(self, scheme: SparseUpdate) -> Int8Plan:
        key = (scheme.biases_of_last, tuple(sorted(scheme.weights.items())))
        if key not in self._seen:
            training = self._scenario.training
            self._seen[key] = make_int8_plan(
                self._network,
                loss=training.loss,
                optimizer=training.optimizer,
                batch_size=training.batch_size,
                precision=self._precision(scheme),
                input_numbers=self._input_numbers,
                techniques=techniques_of(self._scenario),
                receive_bytes=self._receive_bytes,
            )
        return self._seen[key]

    def _precision(self, scheme: SparseUpdate) -> Precision:
        return replace(self._scenario.precision, update=scheme)


def techniques_of(scenario: Scenario) -> Techniques:
    """What the planner of an 8-bit precision may do for less memory."""
    names = scenario.build.techniques
    return ALL_TECHNIQUES if names is None else Techniques.only(names)


def scheme_within(
    scenario: Scenario,
    network: Network,
    weights: Mapping[str, F32],
    data: Data,
    *,
    budget_bytes: int,
    receive_bytes: int,
    final: bool = True,
) -> SparseUpdate:
    """The biases and shares of weights to train within ``budget_bytes`` of parameters in RAM and training memory.

    ``receive_bytes``: of the frame with one sample, where the arena holds it. ``final`` false: the weights are not yet
    those that will be trained, so nothing is searched; it is the least scheme if that fits. Raises NetworkError when
    none fit.
    """
    needs = PlannedNeeds(scenario, network, data, receive_bytes=receive_bytes)
    if not final:
        check_least(needs, budget_bytes=budget_bytes)
        return SparseUpdate(biases_of_last=1)
    worth = contributions_of(scenario, network, weights, data)
    return search(network, worth, needs, budget_bytes=budget_bytes)


def contributions_of(scenario: Scenario, network: Network, weights: Mapping[str, F32], data: Data) -> Contributions:
    """What training each part can gain, from the scenario's calibration samples."""
    thawed = Network(network.input_shape, tuple(replace(layer, trainable=True) for layer in network.layers))
    twin = Twin(thawed, loss=scenario.training.loss, optimizer=Sgd(1.0), seed=0)
    twin.set_weights(pairs_of(network, weights))
    n = scenario.quantisation.calibration_samples
    x = data.inputs(data.train)[:n].reshape(-1, *network.input_shape)
    t = data.targets_of(data.train)[:n]
    groups = [twin.gradients(x[i : i + _GROUP], t[i : i + _GROUP]) for i in range(0, len(x), _GROUP)]
    return contributions(
        network,
        {
            layer.name: (
                np.stack([group[layer.name][0] for group in groups]),
                np.stack([group[layer.name][1] for group in groups]),
            )
            for layer in network.parametric
        },
    )
