# SPDX-License-Identifier: Apache-2.0
"""Float32 weights and data to what an 8-bit plan starts from: codes, scales, calibrated ranges."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trainbed.data.load import Data
from trainbed.link.samples import SampleSet
from trainbed.network.layers import INPUT, Activation, Kind, Layer
from trainbed.network.training import Sgd
from trainbed.planner.int8.plan import Int8Plan
from trainbed.planner.parameters import Arrays
from trainbed.reference.arrays import F32
from trainbed.reference.int8.numbers import numbers_of
from trainbed.reference.int8.twin import Int8Twin
from trainbed.reference.twin import Twin
from trainbed.weights import pairs_of

Vary = Callable[[SampleSet, int], SampleSet]
"""Samples as an epoch (0-based) trains them; each is varied by its place in the set."""

_ERROR_ROUNDS = 4
"""A layer's errors depend on the scales of the layers behind it: the ranges settle from the head backwards."""


def quantise_data(data: Data) -> Data:
    """Samples as uint8 codes with a whole zero point; as they are where they are that already."""
    zero = -data.x_offset / data.x_scale
    if data.train.x.dtype == np.uint8 and zero == np.floor(zero) and 0 <= zero <= 255:
        return data
    train = data.inputs(data.train)
    span = np.array([min(train.min(), 0.0), max(train.max(), 0.0)], np.float32)
    numbers = numbers_of(span)

    def codes(samples: SampleSet) -> SampleSet:
        scaled = np.floor(data.inputs(samples) / numbers.scale + np.float32(0.5)) + numbers.zero
        return replace(samples, x=np.clip(scaled, 0, 255).astype(np.uint8))

    offset = np.float32(-numbers.zero * numbers.scale)
    return replace(data, train=codes(data.train), test=codes(data.test), x_scale=numbers.scale, x_offset=offset)


def input_numbers(data: Data) -> tuple[float, int]:
    """Scale and zero point of quantised samples."""
    return float(data.x_scale), round(float(-data.x_offset / data.x_scale))


def quantise_parameters(
    plan: Int8Plan, weights: Mapping[str, F32], data: Data, *, n_samples: int, vary: Vary | None = None
) -> Arrays:
    """Every field of a plan from float32 weights by name and the first ``n_samples`` of the training set.

    ``vary``: how the first epoch varies samples; means that a head is freed of are those it will read. None: not.
    """
    x = data.train.x[:n_samples].reshape(-1, *plan.original.input_shape)
    ranges = _calibrate(plan, weights, data, n_samples=n_samples)
    means = _means(plan, weights, data, n_samples=n_samples, vary=vary)
    arrays: dict[str, NDArray[Any]] = {}
    design = plan.design
    s_input = np.float32(plan.input_numbers[0])
    for field in plan.parameters.fields:
        layer = design.network.layer(field.layer)
        if field.what == "range":
            arrays[field.name] = ranges[layer.name]
        elif field.what == "mean":
            arrays[field.name] = means[layer.name]
        elif field.what == "error_range":
            arrays[field.name] = np.float32(1)
        elif field.dtype == "float32" and field.what in ("weights", "bias"):
            arrays[field.name] = np.array(weights[field.name])
        elif field.what == "weights":
            # The sums of the head become outputs by one factor.
            per_channel = design.per_channel and layer.name != design.graph.output
            scale = weight_scales(layer, weights[field.name], per_channel=per_channel)
            arrays[field.name] = weight_codes(layer, weights[field.name], scale)
            shape = plan.parameters.of(layer.name, "scale").shape
            arrays[f"{layer.name}.scale"] = np.broadcast_to(scale, shape).astype(np.float32)
        elif field.what == "bias":
            owner = design.range_owner(design.graph.inputs(layer)[0])
            table = design.table(owner)
            s_x = s_input if owner == INPUT else table.after.scale if table else numbers_of(ranges[owner]).scale
            sums = (s_x * np.asarray(arrays[f"{layer.name}.scale"], np.float32)).astype(np.float64)
            exact = np.floor(weights[field.name].astype(np.float64) / sums + 0.5)
            arrays[field.name] = np.clip(exact, -(2**30), 2**30).astype(np.int32)
    ordered: Arrays = {field.name: arrays[field.name] for field in plan.parameters.fields}
    if design.error_owners:
        ordered = _observe_errors(plan, ordered, x, data.targets_of(data.train)[:n_samples])
    return ordered


def weight_scales(layer: Layer, w: F32, *, per_channel: bool) -> Any:
    """The scale that makes the largest magnitude 127: of the tensor, or of each output channel."""
    axes = tuple(range(w.ndim - 1)) if layer.kind is Kind.DEPTHWISE_CONV2D else tuple(range(1, w.ndim))
    largest = np.abs(w).max(axis=axes) if per_channel else np.abs(w).max()
    return (np.where(largest > 0, largest, 1) / 127).astype(np.float32)


def weight_codes(layer: Layer, w: F32, scale: Any) -> NDArray[np.int8]:
    """Codes of weights, rounded to nearest."""
    column = np.asarray(scale, np.float64)
    if column.ndim and layer.kind is not Kind.DEPTHWISE_CONV2D:
        column = column.reshape(-1, *[1] * (w.ndim - 1))
    return np.clip(np.floor(w.astype(np.float64) / column + 0.5), -127, 127).astype(np.int8)


def _calibrate(plan: Int8Plan, weights: Mapping[str, F32], data: Data, *, n_samples: int) -> dict[str, F32]:
    """Range [lo, hi] of each owner over the samples, from the float32 network."""
    network = plan.original
    twin = Twin(network, loss=plan.loss, optimizer=Sgd(1.0), seed=0)
    twin.set_weights(pairs_of(network, weights))
    x = data.inputs(data.train)[:n_samples].reshape(-1, *network.input_shape)
    ranges = {}
    values = twin.tensors(x)
    for owner in plan.design.owners:
        if plan.design.table(owner) is not None:
            continue
        lo, hi = float(values[owner].min()), float(values[owner].max())
        most = 6.0 if plan.design.graph.producer[owner].activation is Activation.RELU6 else np.inf
        ranges[owner] = np.array([min(lo, 0.0), min(max(hi, 0.0), most)], np.float32)
    return ranges


def _means(
    plan: Int8Plan, weights: Mapping[str, F32], data: Data, *, n_samples: int, vary: Vary | None
) -> dict[str, F32]:
    """Mean of each element of the centred conversions, from the float32 network."""
    centred = [layer for layer in plan.design.network.layers if plan.design.is_centred(layer)]
    if not centred:
        return {}
    network = plan.original
    twin = Twin(network, loss=plan.loss, optimizer=Sgd(1.0), seed=0)
    twin.set_weights(pairs_of(network, weights))
    train = data.train
    few = SampleSet(
        x=train.x[:n_samples],
        labels=None if train.labels is None else train.labels[:n_samples],
        values=None if train.values is None else train.values[:n_samples],
    )
    shown = few if vary is None else vary(few, 0)
    values = twin.tensors(data.inputs(shown).reshape(-1, *network.input_shape))
    return {
        layer.name: values[layer.inputs[0]].mean(axis=0, dtype=np.float64).reshape(-1).astype(np.float32)
        for layer in centred
    }


def _observe_errors(plan: Int8Plan, arrays: Arrays, x: NDArray[np.uint8], t: F32) -> Arrays:
    """Ranges of errors from a few backward passes that learn nothing."""
    twin = Int8Twin(plan, arrays)
    twin.observe_errors(x, t, rounds=_ERROR_ROUNDS)
    return {name: twin.arrays()[name] for name in arrays}
