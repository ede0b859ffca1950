# SPDX-License-Identifier: Apache-2.0
"""The network a scenario asks for, shapes resolved."""

from __future__ import annotations

from trainbed.network.build import Common, NetworkBuilder
from trainbed.network.layers import Kind, Network
from trainbed.scenario.layers import LayerSpec
from trainbed.scenario.scenario import Scenario, with_line


def resolve_network(scenario: Scenario) -> Network:
    """Build the scenario's network. Raises ScenarioError at the line of the layer that is impossible."""
    with with_line(scenario, "network"):
        builder = NetworkBuilder(scenario.network.input_shape)
        for spec in scenario.network.layers:
            _add(builder, spec)
        return builder.build()


def _add(builder: NetworkBuilder, spec: LayerSpec) -> None:
    common: Common = {
        "name": spec.name,
        "input": spec.inputs[0],
        "activation": spec.activation,
        "trainable": spec.trainable,
        "initializer": spec.initializer,
    }
    kernel = spec.kernel or (1, 1)
    if spec.kind is Kind.DENSE:
        builder.dense(spec.units or 0, **common)
    elif spec.kind is Kind.CONV2D:
        builder.conv2d(spec.filters or 0, kernel, spec.stride, spec.padding, **common)
    elif spec.kind is Kind.DEPTHWISE_CONV2D:
        builder.depthwise_conv2d(kernel, spec.stride, spec.padding, spec.multiplier, **common)
    elif spec.kind in (Kind.MAX_POOL, Kind.AVG_POOL):
        builder.pool(spec.kind, kernel, spec.stride, **common)
    elif spec.kind is Kind.GLOBAL_AVG_POOL:
        builder.global_avg_pool(**common)
    elif spec.kind is Kind.FLATTEN:
        builder.flatten(**common)
    else:
        builder.add(spec.inputs, **common)
