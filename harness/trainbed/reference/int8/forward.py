# SPDX-License-Identifier: Apache-2.0
"""A batch forward in 8 bits, and in float32 behind the first float layer."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from trainbed.network.layers import INPUT, Activation, Kind, Layer
from trainbed.reference.activations import activation_forward
from trainbed.reference.arrays import F32, ONE
from trainbed.reference.int8 import depthwise, elementwise, pool, products
from trainbed.reference.int8.arithmetic import I64, U8, Output, range_of
from trainbed.reference.int8.numbers import (
    Numbers,
    add_scale_of,
    scales_of,
)
from trainbed.reference.int8.state import State


@dataclass
class Pass:
    """What one forward pass leaves: values and pooling indices by tensor, ranges of sums by owner."""

    values: dict[str, Any]
    index: dict[str, U8] = field(default_factory=dict)
    seen: dict[str, tuple[int, int]] = field(default_factory=dict)


class Forward:
    """Layers in order, on the state as it is."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._design = state.design
        self._graph = state.graph
        self._arrays = state.arrays

    def run(self, x: U8) -> Pass:
        """Codes uint8 ``[B, H, W, C]`` in; every tensor out."""
        run = Pass({INPUT: x})
        for layer in self._graph.layers:
            sources = self._graph.inputs(layer)
            inputs = [run.values[name] for name in sources]
            if layer.kind is Kind.DEQUANTISE:
                numbers = self._state.numbers[self._design.range_owner(sources[0])]
                values = elementwise.dequantise(inputs[0], s=float(numbers.scale), zero=numbers.zero)
                if self._design.is_centred(layer):
                    values = values - self._arrays[f"{layer.name}.mean"].reshape(layer.out_shape)
                run.values[layer.name] = values
            elif self._design.is_float(layer):
                run.values[layer.name] = self._float(layer, inputs, run)
            else:
                run.values[layer.name] = self._codes(layer, sources, inputs, run)
        return run

    def _float(self, layer: Layer, inputs: list[F32], run: Pass) -> F32:
        z, saved = self._state.operators[layer.name].forward(inputs, self._state.float_weights(layer))
        run.index[layer.name] = saved
        return z if layer is self._design.head else activation_forward(z, layer.activation)

    def _codes(self, layer: Layer, sources: tuple[str, ...], inputs: list[U8], run: Pass) -> Any:
        x, zero = inputs[0], self._state.zero(sources[0])
        out_hw = (layer.out_shape[0], layer.out_shape[1])
        if layer.kind is Kind.MAX_POOL:
            assert layer.window is not None
            y, run.index[layer.name] = pool.max_pool(x, layer.window, out_hw)
            return y
        if layer.kind is Kind.AVG_POOL:
            assert layer.window is not None
            sums = pool.avg_pool_sums(x, layer.window, out_hw, zero=zero)
            return self._average(layer, zero).codes(sums)
        if layer.kind is Kind.GLOBAL_AVG_POOL:
            sums = pool.global_avg_pool_sums(x, zero=zero)[:, None, None, :]
            return self._average(layer, zero).codes(sums)
        numbers = self._state.numbers.get(layer.name, Numbers(ONE, 0))
        lo = numbers.zero if layer.activation is not Activation.NONE else 0
        if layer.kind is Kind.ADD:
            scales = [self._state.numbers[self._design.range_owner(name)].scale for name in sources]
            scale = add_scale_of(np.float32(scales[0] / numbers.scale), np.float32(scales[1] / numbers.scale))
            zeros = [self._state.zero(name) for name in sources]
            sums = elementwise.add_sums(inputs[0], inputs[1], scale, zero_a=zeros[0], zero_b=zeros[1])
            run.seen[layer.name] = range_of(sums)
            return np.clip(numbers.zero + sums, lo, 255).astype(np.uint8)
        sums = self._layer_sums(layer, x, zero)
        if layer is self._design.head:
            return elementwise.dequantise(sums, s=float(self._state.sum_scales[layer.name][0]))
        if (table := self._design.table(layer.name)) is not None:
            to = scales_of((self._state.sum_scales[layer.name] / table.before.scale).astype(np.float32))
            return table.codes[Output(to, table.before.zero).codes(sums)]
        run.seen[layer.name] = range_of(sums)
        scale_y = scales_of((self._state.sum_scales[layer.name] / numbers.scale).astype(np.float32))
        return Output(scale_y, numbers.zero, lo, 255).codes(sums)

    def _average(self, layer: Layer, zero: int) -> Output:
        return Output(scales_of(np.array([1 / pooled(layer)], np.float32)), zero)

    def _layer_sums(self, layer: Layer, x: U8, zero: int) -> I64:
        w, b = self._arrays[f"{layer.name}.weights"], self._arrays[f"{layer.name}.bias"]
        if layer.kind is Kind.DENSE:
            return products.dense_sums(rows(x), w, b, zero=zero)[:, None, None, :]
        assert layer.window is not None
        out_hw = (layer.out_shape[0], layer.out_shape[1])
        if layer.kind is Kind.DEPTHWISE_CONV2D:
            return depthwise.depthwise_sums(x, w, b, layer.window, out_hw, zero=zero)
        return products.conv2d_sums(x, w, b, layer.window, out_hw, zero=zero)


def rows(z: Any) -> Any:
    """A batch ``[B, ...]`` as ``[B, n]``."""
    return z.reshape(z.shape[0], -1)


def pooled(layer: Layer) -> int:
    """Values an average is of; 1 where none is taken."""
    if layer.kind is Kind.GLOBAL_AVG_POOL:
        return layer.in_shape[0] * layer.in_shape[1]
    if layer.kind is Kind.AVG_POOL and layer.window is not None:
        return layer.window.kernel_h * layer.window.kernel_w
    return 1
