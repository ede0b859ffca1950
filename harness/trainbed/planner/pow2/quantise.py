# SPDX-License-Identifier: Apache-2.0
"""From a float32 network and samples of its data to codes: where the point of every tensor stands, weights, inputs."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trainbed.network.layers import INPUT, Kind, Layer, Network
from trainbed.network.training import Loss, Sgd
from trainbed.planner.parameters import Arrays
from trainbed.planner.pow2.design import TABLES, Pow2Design, is_narrow, sums_bound
from trainbed.reference.pow2.numbers import BIAS_MAX, LARGEST
from trainbed.reference.twin import Twin
from trainbed.weights import pairs_of

F32 = NDArray[np.float32]

_SLACK = 1 - 2.0**-8
"""The largest value may saturate by one part in 256, as in NNoM: 1.0 gets 7 bits behind the point, not 6."""
_LOWEST, _HIGHEST = -7, 15


@dataclass(frozen=True)
class Headroom:
    """How far values may grow in training beyond what they were when the point was set."""

    weights: float
    activations: float


SCRATCH = Headroom(3.0, 8.0)
"""From random weights. Outputs that saturate go on sending errors: see docs/numerics-pow2.md."""
TUNING = Headroom(1.5, 4.0)
"""From trained weights."""
FROZEN = Headroom(1.0, 1.0)


def fraction_for(peak: float, *, unsigned: bool = False) -> int:
    """Most bits behind the point with which codes reach ``peak``."""
    if not peak > 0:
        return 7
    return max(_LOWEST, min(_HIGHEST, math.floor(math.log2((256 if unsigned else 128) / (peak * _SLACK)))))


def to_codes(values: NDArray[Any], fraction: int, *, unsigned: bool = False) -> NDArray[np.int64]:
    """``floor(v * 2**fraction + 1/2)``, clipped to the codes."""
    scaled = np.floor(values.astype(np.float64) * 2.0**fraction + 0.5)
    return np.clip(scaled, 0 if unsigned else -LARGEST, 255 if unsigned else LARGEST).astype(np.int64)


def quantise_inputs(design: Pow2Design, x: F32) -> NDArray[np.uint8]:
    """Samples as they travel and the device reads them: one byte each, int8 by its bits where the input is signed."""
    codes = to_codes(x, design.input_fraction, unsigned=design.unsigned_input)
    return codes.astype(np.uint8)


def choose(
    network: Network,
    weights: Arrays,
    x: F32,
    *,
    loss: Loss,
    inference: bool,
    pretrained: bool,
    skip_zeros: bool = False,
) -> Pow2Design:
    """Where the points stand, from float32 weights and samples ``[n, H, W, C]`` run through them.

    ``pretrained``: training goes on from trained weights, not from random ones.
    """
    unsigned = bool(x.min() >= 0)
    bare = Pow2Design(
        network=network,
        loss=loss,
        input_fraction=fraction_for(float(np.abs(x).max()), unsigned=unsigned),
        unsigned_input=unsigned,
        sums={},
        weights={},
        inference=inference,
    )
    growth = TUNING if pretrained else SCRATCH
    peaks = _peaks(network, weights, x, loss)
    graph = bare.graph
    sums: dict[str, int] = {}
    points: dict[str, int] = {}
    design = bare
    for layer in graph.layers:
        moves = not inference and graph.needs_gradient(layer.name)
        if layer.has_weights:
            headroom = growth.weights if bare.is_trained(layer) else FROZEN.weights
            peak = float(np.abs(np.asarray(weights[f"{layer.name}.weights"])).max())
            points[layer.name] = fraction_for(peak * headroom)
        if layer.has_weights or layer.kind is Kind.ADD:
            headroom = growth.activations if moves else FROZEN.activations
            wanted = TABLES.get(layer.activation) if design.table(layer) else None
            wanted = fraction_for(peaks[layer.name] * headroom) if wanted is None else wanted
            if layer.name == graph.output:
                wanted = max(0, min(wanted, 7))
            design = replace(design, sums=dict(sums), weights=dict(points))
            sums[layer.name] = min(wanted, design.sum_fraction(layer))
        else:
            sums[layer.name] = design.fraction(graph.inputs(layer)[0])
        design = replace(design, sums=dict(sums), weights=dict(points))
    sparse = {
        layer.name
        for layer in graph.layers
        if skip_zeros and layer.kind is Kind.DENSE and graph.inputs(layer)[0] == INPUT
    }
    design = replace(design, sparse=frozenset(sparse))
    initial = quantise_weights(design, weights)
    narrow = {layer.name for layer in network.parametric if is_narrow(_bound(design, layer, initial))}
    return replace(design, narrow=frozenset(narrow))


def quantise_weights(design: Pow2Design, weights: Arrays) -> dict[str, NDArray[Any]]:
    """Weights as int8, biases at the scale of the sums as int32, by name."""
    arrays: dict[str, NDArray[Any]] = {}
    for layer in design.network.parametric:
        name = layer.name
        arrays[f"{name}.weights"] = to_codes(np.asarray(weights[f"{name}.weights"]), design.weights[name]).astype(
            np.int8
        )
        bias = np.asarray(weights[f"{name}.bias"], np.float64) * 2.0 ** design.sum_fraction(layer)
        arrays[f"{name}.bias"] = np.clip(np.floor(bias + 0.5), -BIAS_MAX, BIAS_MAX).astype(np.int32)
    return arrays


def _peaks(network: Network, weights: Arrays, x: F32, loss: Loss) -> dict[str, float]:
    """Largest magnitude of every tensor over the samples; of the last layer's sums."""
    twin = Twin(network, loss=loss, optimizer=Sgd(), seed=1)
    twin.set_weights(pairs_of(network, weights))
    peaks: dict[str, float] = {}
    for start in range(0, len(x), 32):
        for name, values in twin.tensors(x[start : start + 32]).items():
            peaks[name] = max(peaks.get(name, 0.0), float(np.abs(values).max()))
    return peaks


def _bound(design: Pow2Design, layer: Layer, initial: dict[str, NDArray[Any]]) -> int:
    """Largest magnitude of any partial sum of a layer: from its weights where they stay, from their range where not."""
    unsigned = design.is_unsigned(design.graph.inputs(layer)[0])
    if design.is_trained(layer):
        return sums_bound(layer.in_size, unsigned=unsigned)
    w = np.abs(initial[f"{layer.name}.weights"].astype(np.int64))
    axes = (0, 1) if layer.kind is Kind.DEPTHWISE_CONV2D else tuple(range(1, w.ndim))
    sums = w.sum(axis=axes) * (255 if unsigned else LARGEST) + np.abs(initial[f"{layer.name}.bias"].astype(np.int64))
    return int(sums.max())
