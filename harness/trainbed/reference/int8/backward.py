# SPDX-License-Identifier: Apache-2.0
"""Errors backward through a batch's layers: sums of gradients, and which structures take part."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trainbed.network.layers import Activation, Kind, Layer
from trainbed.network.precision import DynamicUpdate
from trainbed.network.training import Loss
from trainbed.reference.activations import activation_gradient
from trainbed.reference.arrays import F32, sum_rows
from trainbed.reference.int8 import depthwise, elementwise, gradients, pool, products
from trainbed.reference.int8.arithmetic import I8, I64, U8, error_codes, range_of
from trainbed.reference.int8.forward import Pass, pooled, rows
from trainbed.reference.int8.numbers import (
    scales_of,
)
from trainbed.reference.int8.state import State
from trainbed.reference.loss import loss_gradient


@dataclass
class Choices:
    """What dynamic updates have done: structures kept, of how many, and each layer's norms in the last batch."""

    kept: int = 0
    of: int = 0
    largest: dict[str, np.float32] = field(default_factory=dict)
    norms: dict[str, I64] = field(default_factory=dict)
    masks: dict[str, NDArray[np.bool_]] = field(default_factory=dict)


@dataclass
class Gradients:
    """Of one batch, not yet applied."""

    float32: dict[str, Any] = field(default_factory=dict)
    """Of float layers: weights and biases, summed over the batch."""
    sums: dict[str, tuple[I64, I64]] = field(default_factory=dict)
    """Of 8-bit layers, sample by sample: weights ``[B, ...]`` (trained channels only), biases ``[B, O]``."""
    seen: dict[str, tuple[int, int]] = field(default_factory=dict)
    """Ranges of the sums that became errors, by tensor."""


class Backward:
    """Layers in reverse, on the state as it is."""

    def __init__(self, state: State, choices: Choices) -> None:
        self._state = state
        self._plan = state.plan
        self._design = state.design
        self._graph = state.graph
        self._arrays = state.arrays
        self._choices = choices

    def loss_error(self, p: F32, t: F32) -> Any:
        """Error at the head's sums: codes of an 8-bit head, float32 of a float32 one."""
        head, loss = self._design.head, self._plan.loss
        shape = (len(p), *head.out_shape)
        if self._design.is_float(head):
            return loss_gradient(p, t, loss, head.activation).reshape(shape)
        error = p - t
        if loss is Loss.MSE:
            n = p.shape[1]
            factor = np.float32(np.float32(2) * np.float32(np.float32(n / 2) * np.float32(1 / n)))
            error = activation_gradient(error * factor, p, head.activation)
        return elementwise.quantise_error(error, inv_s=127.0).reshape(shape)

    def run(self, run: Pass, error: Any, *, n_samples: int) -> Gradients:
        """``error``: at the head's sums, see loss_error(); the mean is over ``n_samples``."""
        errors: dict[str, Any] = {self._graph.output: error}
        found = Gradients()
        pending = {name: len(users) for name, users in self._graph.consumers.items()}
        for layer in reversed(self._graph.layers):
            if not self._graph.needs_gradient(layer.name):
                continue
            e = errors.pop(layer.name)
            is_float = self._design.is_float(layer)
            if layer.has_weights and is_float and self._design.share(layer).anything:
                per_sample = self._state.operators[layer.name].backward_weights(
                    run.values[self._graph.inputs(layer)[0]], e
                )
                found.float32[layer.name] = (sum_rows(per_sample[0]), sum_rows(per_sample[1]))
            elif layer.has_weights and not is_float:
                e = self._chosen(layer, e)
                if self._design.share(layer).anything:
                    found.sums[layer.name] = self._weight_sums(layer, run.values[self._graph.inputs(layer)[0]], e)
            for tensor in self._graph.inputs(layer):
                pending[tensor] -= 1
                if self._graph.needs_gradient(tensor):
                    last = not pending[tensor]
                    errors[tensor] = self._input_error(
                        layer, tensor, e, run, errors.get(tensor), found.seen, last, n_samples
                    )
        return found

    def _chosen(self, layer: Layer, e: I8) -> I8:
        """The error with the structures that do not take part set to 0, sample by sample."""
        update = self._plan.precision.update
        if not isinstance(update, DynamicUpdate) or (update.exempt_head and layer is self._design.head):
            return e
        norms = gradients.norms(e)
        n, pixels = layer.n_biases, layer.out_shape[0] * layer.out_shape[1]
        s_e = self._state.error_scale(layer.name)
        masks = np.zeros(norms.shape, np.bool_)
        for i, row in enumerate(norms):
            m = np.float32(np.float32(np.float32(int(row.sum())) * s_e) / np.float32(pixels * n))
            largest = max(m, self._choices.largest.get(layer.name, np.float32(0)))
            self._choices.largest[layer.name] = largest
            least, most = np.float32(update.lambda_min), np.float32(update.lambda_max)
            rate = least
            if largest > 0:
                rate = np.float32(least + np.float32(np.float32(m / largest) * np.float32(most - least)))
            k = min(max(int(np.floor(np.float32(rate * np.float32(n)))), 1), n)
            masks[i] = gradients.select(row, k)
            self._choices.kept += k
            self._choices.of += n
        self._choices.norms[layer.name] = norms
        self._choices.masks[layer.name] = masks
        return products.only(e, masks)

    def _weight_sums(self, layer: Layer, x: U8, e: I8) -> tuple[I64, I64]:
        """Gradient sums of each sample: weights ``[B, ...]`` (trained channels only), biases ``[B, O]``."""
        channels, zero = self._design.share(layer).channels, self._state.zero(self._graph.inputs(layer)[0])
        if not channels:
            return np.zeros((len(e), 0), np.int64), products.bias_sums(e)
        if layer.kind is Kind.DENSE:
            return products.dense_weight_sums(rows(x), rows(e), zero=zero, channels=channels)
        assert layer.window is not None
        if layer.kind is Kind.DEPTHWISE_CONV2D:
            return depthwise.depthwise_weight_sums(x, e, layer.window, zero=zero)
        return products.conv2d_weight_sums(x, e, layer.window, zero=zero, channels=channels)

    def _input_error(
        self,
        layer: Layer,
        tensor: str,
        e: Any,
        run: Pass,
        before: Any,
        seen: dict[str, tuple[int, int]],
        last: bool,
        n_samples: int,
    ) -> Any:
        x = run.values[tensor]
        activation = self._activation_at(layer, tensor) if last else Activation.NONE
        if self._design.is_float(layer) and layer.kind is not Kind.DEQUANTISE:
            saved, weights = run.index[layer.name], self._state.float_weights(layer)
            d = self._state.operators[layer.name].backward_input(x, e, saved, weights)
            d = before + d if before is not None else d
            return activation_gradient(d, x, activation)
        passes = None
        if activation is not Activation.NONE:
            passes = elementwise.passes(x, lo=0, hi=255 if activation is Activation.RELU6 else 256)
        if layer.kind is Kind.DEQUANTISE:
            inv_s = np.float32(np.float32(n_samples) / self._state.error_scale(tensor))
            sums = elementwise.nearest(e, inv_s).reshape(x.shape)
            return error_codes(sums, None, before=before, passes=passes)
        sums, factor = self._input_sums(layer, tensor, x, e, run)
        if tensor in self._design.error_owners and layer.has_weights:
            seen[tensor] = range_of(sums)
        scale = None if factor is None else scales_of(np.array([factor], np.float32))
        return error_codes(sums, scale, before=before, passes=passes)

    def _input_sums(self, layer: Layer, tensor: str, x: U8, e: I8, run: Pass) -> tuple[I64, np.float32 | None]:
        """Sums of an input gradient shaped like ``x``, and the factor that makes them codes (None: they are)."""
        to = self._state.error_scale(tensor)
        if layer.has_weights:
            w, scales = self._arrays[f"{layer.name}.weights"], np.atleast_1d(self._arrays[f"{layer.name}.scale"])
            if self._design.per_channel:
                e = elementwise.scale_channels(e, scales_of((scales / scales.max()).astype(np.float32)))
            factor = np.float32(np.float32(np.float32(scales.max()) * self._state.error_scale(layer.name)) / to)
            if layer.kind is Kind.DENSE:
                return products.dense_input_sums(w, rows(e)).reshape(x.shape), factor
            assert layer.window is not None
            in_hw = (layer.in_shape[0], layer.in_shape[1])
            if layer.kind is Kind.DEPTHWISE_CONV2D:
                sums = depthwise.depthwise_input_sums(w, e, layer.window, in_hw, multiplier=layer.multiplier)
                return sums, factor
            return products.conv2d_input_sums(w, e, layer.window, in_hw), factor
        same = self._design.error_scale(tensor).of == layer.name
        from_ = np.float32(self._state.error_scale(layer.name) / np.float32(pooled(layer)))
        through = None if same else np.float32(from_ / to)
        in_hw = (layer.in_shape[0], layer.in_shape[1])
        if layer.kind is Kind.MAX_POOL:
            assert layer.window is not None
            return pool.max_pool_input_sums(run.index[layer.name], e, layer.window, in_hw), through
        if layer.kind is Kind.AVG_POOL:
            assert layer.window is not None
            return pool.avg_pool_input_sums(e, layer.window, in_hw), through
        if layer.kind is Kind.GLOBAL_AVG_POOL:
            return pool.global_avg_pool_input_sums(rows(e), in_hw), through
        return e.astype(np.int64).reshape(x.shape), through

    def _activation_at(self, layer: Layer, tensor: str) -> Activation:
        """Activation whose derivative goes into the last contribution to a tensor's error, as the planner places it."""
        producer = self._graph.producer[tensor]
        if self._graph.activation_after_pool(layer) is not Activation.NONE:
            return Activation.NONE
        if producer.activation is not Activation.NONE:
            return producer.activation
        return self._graph.activation_after_pool(producer)
