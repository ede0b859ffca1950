# SPDX-License-Identifier: Apache-2.0
"""The scheme of a sparse update for a scenario that names a budget: gradients by the float32 twin, sizes by plans."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from trainbed.data.load import Data
from trainbed.network.layers import Network
from trainbed.network.precision import SparseUpdate
from trainbed.network.training import Sgd
from trainbed.planner.int8.budget import Contributions, contributions, search
from trainbed.planner.int8.plan import make_int8_plan
from trainbed.quantise import input_numbers
from trainbed.reference.arrays import F32
from trainbed.reference.twin import Twin
from trainbed.scenario.scenario import Scenario
from trainbed.weights import pairs_of

_GROUP = 8
"""Samples whose gradient is taken together."""


def scheme_within(
    scenario: Scenario, network: Network, weights: Mapping[str, F32], data: Data, *, budget_bytes: int
) -> SparseUpdate:
    """The biases and shares of weights to train within ``budget_bytes`` of parameters in RAM and training memory.

    Raises NetworkError when none fit.
    """
    training = scenario.training

    def needs(scheme: SparseUpdate) -> int:
        plan = make_int8_plan(
            network,
            loss=training.loss,
            optimizer=training.optimizer,
            batch_size=training.batch_size,
            precision=replace(scenario.precision, update=scheme),
            input_numbers=input_numbers(data),
        )
        return plan.parameters.ram_bytes + plan.training_bytes

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
