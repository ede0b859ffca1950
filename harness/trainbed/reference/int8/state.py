# SPDX-License-Identifier: Apache-2.0
"""Where the 8-bit twin stands: its arrays, and the scales and zero points that follow from them."""

from __future__ import annotations

from typing import Any

import numpy as np

from trainbed.network.layers import INPUT, Kind, Layer
from trainbed.planner.int8.design import ErrorScale
from trainbed.planner.int8.plan import Int8Plan
from trainbed.planner.parameters import Arrays
from trainbed.reference import operators
from trainbed.reference.arrays import F32, ONE
from trainbed.reference.int8.numbers import (
    Numbers,
    error_scale_of,
    numbers_of,
)

_ERROR_UNIT = np.float32(ONE / np.float32(127))


class State:
    """Arrays by the names of the plan's fields; call refresh() when ranges or scales of weights have changed."""

    def __init__(self, plan: Int8Plan, parameters: Arrays) -> None:
        self.plan = plan
        self.design = plan.design
        self.graph = self.design.needed
        self.arrays: dict[str, Any] = {name: np.array(array) for name, array in parameters.items()}
        self.operators = {
            layer.name: operators.make(layer)
            for layer in self.graph.layers
            if self.design.is_float(layer) and layer.kind is not Kind.DEQUANTISE
        }
        self.sum_scales: dict[str, F32] = {}
        """Of a layer's int32 sums, each structure's."""
        self.error_sum_scales: dict[str, np.float32] = {}
        """Of the sums that become a tensor's error."""
        self.refresh()

    def refresh(self) -> None:
        """Everything that follows from ranges and scales of weights."""
        scale, zero = self.plan.input_numbers
        self.numbers = {INPUT: Numbers(np.float32(scale), zero)}
        for owner in self.design.owners:
            table = self.design.table(owner)
            self.numbers[owner] = table.after if table else numbers_of(self.arrays[f"{owner}.range"])
        for layer in self.design.quantised:
            s_x = self.numbers[self.design.range_owner(self.graph.inputs(layer)[0])].scale
            scales = np.atleast_1d(np.asarray(self.arrays[f"{layer.name}.scale"], np.float32))
            self.sum_scales[layer.name] = (s_x * scales).astype(np.float32)
        self.error_sum_scales = {}
        for tensor in self.design.error_owners:
            for layer in self.graph.consumers[tensor]:
                if layer.has_weights and not self.design.is_float(layer):
                    s_w = np.float32(np.max(self.arrays[f"{layer.name}.scale"]))
                    self.error_sum_scales[tensor] = np.float32(s_w * self.error_scale(layer.name))

    def error_scale(self, tensor: str) -> np.float32:
        """What one step of a tensor's error codes is worth."""
        divisor = 1
        while tensor != self.graph.output:
            source = self.design.error_scale(tensor)
            if source == ErrorScale():
                break
            divisor *= source.divisor
            tensor = source.of
        base = _ERROR_UNIT
        if tensor in self.design.error_owners:
            base = error_scale_of(np.float32(self.arrays[f"{tensor}.error_range"]))
        scale: np.float32 = base if divisor == 1 else np.float32(base / np.float32(divisor))
        return scale

    def zero(self, tensor: str) -> int:
        """Code of 0."""
        return self.numbers[self.design.range_owner(tensor)].zero

    def float_weights(self, layer: Layer) -> tuple[F32, F32] | None:
        """Weights and bias of a float32 layer; None where it has none."""
        if not layer.has_weights:
            return None
        return self.arrays[f"{layer.name}.weights"], self.arrays[f"{layer.name}.bias"]
