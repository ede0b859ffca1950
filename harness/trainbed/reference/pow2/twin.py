# SPDX-License-Identifier: Apache-2.0
"""What the firmware computes in int8_pow2, in NumPy, to the bit (docs/numerics-pow2.md)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from trainbed.network.layers import INPUT, Activation, Kind, Layer
from trainbed.network.training import Loss
from trainbed.planner.graph import Op
from trainbed.planner.parameters import Arrays
from trainbed.planner.pow2.design import TABLES
from trainbed.planner.pow2.plan import Pow2Plan
from trainbed.reference.pow2 import layers, loss, tables, update
from trainbed.reference.pow2.numbers import store
from trainbed.reference.random import random_mix
from trainbed.reference.twin import BatchResult

F32 = NDArray[np.float32]
Codes = NDArray[Any]

_CHUNK = 256
_TABLES = {Activation.SIGMOID: tables.sigmoid_codes, Activation.TANH: tables.tanh_codes}


class Pow2Twin:
    """Trains and evaluates a plan exactly as its firmware does. ``initial``: parameters by the names of its fields."""

    def __init__(self, plan: Pow2Plan, initial: Arrays, *, seed: int) -> None:
        self.plan = plan
        self.design = plan.design
        self._graph = plan.design.graph
        self._head = plan.design.head
        self._weights: dict[str, NDArray[Any]] = {
            layer.name: np.array(initial[f"{layer.name}.weights"]) for layer in plan.network.parametric
        }
        self._biases: dict[str, NDArray[Any]] = {
            layer.name: np.array(initial[f"{layer.name}.bias"]) for layer in plan.network.parametric
        }
        self._key = random_mix(seed ^ update.STEP_STREAM)
        self._step = 0
        self._rates: dict[str, int] = {}
        self.set_lr(np.float32(plan.optimizer.lr))

    def set_lr(self, lr: np.float32) -> None:
        """Learning rate of the steps that follow."""
        exponents = {layer.name: self.design.rate_exponent(layer) for layer in self.plan.updated}
        self._rates = {name: update.rate_of(float(lr), exponent) for name, exponent in exponents.items()}

    def arrays(self) -> Arrays:
        """Parameters by the names of the plan's fields."""
        named: dict[str, NDArray[np.generic]] = {}
        for layer in self.plan.network.parametric:
            named[f"{layer.name}.weights"] = self._weights[layer.name]
            named[f"{layer.name}.bias"] = self._biases[layer.name]
        return named

    def train_batch(self, x: Codes, t: F32) -> BatchResult:
        """One step for each sample ``[H, W, C]`` of x (codes as they travel), one after the other."""
        losses, outputs = np.empty(len(x), np.float32), np.empty(t.shape, np.float32)
        for i in range(len(x)):
            tensors = self._forward(x[i : i + 1])
            head = self._finish(tensors[self._head.name], t[i : i + 1])
            losses[i], outputs[i] = head.losses[0], head.outputs[0]
            self._train(tensors, head.errors[0])
        return BatchResult(losses, outputs)

    def evaluate(self, x: Codes, t: F32) -> BatchResult:
        """Losses and outputs of any number of samples; changes nothing."""
        heads = [
            self._finish(self._forward(x[start : start + _CHUNK])[self._head.name], t[start : start + _CHUNK])
            for start in range(0, len(x), _CHUNK)
        ]
        return BatchResult(
            np.concatenate([head.losses for head in heads]), np.concatenate([head.outputs for head in heads])
        )

    def _forward(self, x: Codes) -> dict[str, Codes]:
        """Codes of every tensor, ``[B, H, W, C]``."""
        tensors: dict[str, Codes] = {INPUT: x if self.design.unsigned_input else x.view(np.int8)}
        for layer in self._graph.layers:
            inputs = [tensors[name] for name in self._graph.inputs(layer)]
            codes = self._codes(layer, inputs).reshape(len(x), *layer.out_shape)
            if self.design.is_unsigned(layer.name):
                codes = codes.view(np.uint8)
            if (activation := self.design.table(layer)) is not None:
                codes = layers.lookup(codes, _TABLES[activation](TABLES[activation]))
            tensors[layer.name] = codes
        return tensors

    def _codes(self, layer: Layer, inputs: list[Codes]) -> Codes:
        if layer.has_weights:
            return store(self._sums(layer, inputs[0]), self.design.range_of(layer))
        if layer.kind is Kind.ADD:
            finest = self.design.sum_fraction(layer)
            a, b = (finest - self.design.fraction(name) for name in self._graph.inputs(layer))
            return layers.add(*inputs, shift_a=a, shift_b=b, range_=self.design.range_of(layer))
        if layer.kind is Kind.MAX_POOL:
            return layers.max_pool(inputs[0], layer)
        if layer.kind is Kind.AVG_POOL:
            return layers.avg_pool(inputs[0], layer)
        if layer.kind is Kind.GLOBAL_AVG_POOL:
            return layers.global_avg_pool(inputs[0], layer)
        return inputs[0]

    def _sums(self, layer: Layer, x: Codes) -> NDArray[np.int64]:
        w, b = self._weights[layer.name], self._biases[layer.name]
        if layer.kind is Kind.CONV2D:
            return layers.conv2d_sums(x, w, b, layer)
        if layer.kind is Kind.DEPTHWISE_CONV2D:
            return layers.depthwise_sums(x, w, b, layer)
        return layers.dense_sums(x.reshape(len(x), -1), w, b)

    def _finish(self, codes: Codes, t: F32) -> loss.Head:
        z, fraction = codes.reshape(len(codes), -1), self.design.fraction(self._head.name)
        if self.plan.loss is Loss.CATEGORICAL_CROSSENTROPY:
            return loss.softmax_crossentropy(z, t, fraction=fraction)
        if self.plan.loss is Loss.BINARY_CROSSENTROPY:
            return loss.binary_crossentropy(z, t, fraction=fraction)
        return loss.mse(z, t, fraction=fraction)

    def _train(self, tensors: dict[str, Codes], error: update.Errors) -> None:
        """Backward and steps of one sample, in the order of the plan."""
        stream = update.Stream(self._key, self._step)
        self._step += 1
        if self.plan.loss is Loss.MSE:
            error = self._through(self._head, error, tensors)
        errors = {self._head.name: error}
        for step in self.plan.steps:
            name = step.layer.name
            if step.op is Op.BACKWARD_INPUT:
                shift = self.design.weights[name]
                dx = update.dense_backward_input(self._weights[name], errors[name], shift=shift)
                errors[step.target] = self._through(self._graph.producer[step.target], dx, tensors)
            elif step.op is Op.UPDATE:
                source = self._graph.inputs(step.layer)[0]
                update.dense_update(
                    tensors[source].reshape(-1),
                    errors[name],
                    self._weights[name],
                    self._biases[name],
                    rate=self._rates[name],
                    fraction=self.design.fraction(source),
                    stream=stream,
                )

    def _through(self, layer: Layer, error: update.Errors, tensors: dict[str, Codes]) -> update.Errors:
        y = tensors[layer.name].reshape(-1)
        return update.derivative(error, y, layer.activation, hi=self.design.range_of(layer).hi)
