# SPDX-License-Identifier: Apache-2.0
"""What the firmware computes, in NumPy, to the bit (docs/numerics.md)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trainbed.errors import DataError, NetworkError
from trainbed.network.layers import INPUT, Activation, Kind, Layer, Network
from trainbed.network.training import Adam, Loss, Sgd
from trainbed.reference import operators
from trainbed.reference.activations import activation_forward, activation_gradient
from trainbed.reference.arrays import F32, ZERO, sum_rows
from trainbed.reference.loss import loss_forward, loss_gradient
from trainbed.reference.optimizer import make_stepper
from trainbed.reference.random import initial_weights

_EVALUATION_CHUNK = 32
"""Samples evaluated at once: small enough for the cache, large enough for NumPy."""


@dataclass(frozen=True)
class BatchResult:
    """Losses ``[B]`` and outputs ``[B, n_out]`` of a batch, both float32 and from before the update.

    ``diverged_at`` is the first sample whose loss is not finite: the firmware stops there, so nothing after it counts
    and no update was made.
    """

    losses: F32
    outputs: F32
    diverged_at: int | None = None


class Twin:
    """Trains and evaluates a network exactly as the float32 runtime does.

    ``weights`` holds (weights, biases) of each layer of ``network.parametric``, in order; training changes them in
    place. ``fused``: sums of products are made of fused multiply-adds.
    """

    def __init__(self, network: Network, *, loss: Loss, optimizer: Sgd | Adam, seed: int, fused: bool = False) -> None:
        _check_network(network, loss)
        self.network = network
        self.loss = loss
        self.weights = initial_weights(network, seed)
        self._operators = {layer.name: operators.make(layer, fused=fused) for layer in network.layers}
        self._slots = {layer.name: slot for slot, layer in enumerate(network.parametric)}
        self._needs_gradient = _tensors_that_need_a_gradient(network)
        self._consumers = _consumers(network)
        self._stepper = make_stepper(optimizer)

    def set_weights(self, weights: Iterable[tuple[NDArray[Any], NDArray[Any]]]) -> None:
        """Takes over copies of float32 weights; -0 becomes +0. The optimizer's state stays.

        Raises DataError when number, shape or type do not match the network.
        """
        given = list(weights)
        if len(given) != len(self.weights):
            raise DataError(f"{len(given)} pairs of weights for {len(self.weights)} layers that have weights")
        for layer, pair in zip(self.network.parametric, given, strict=True):
            shapes = (layer.weight_shape, (layer.n_biases,))
            for what, array, shape in zip(("weights", "biases"), pair, shapes, strict=True):
                if array.dtype != np.float32 or array.shape != shape:
                    found = f"{array.dtype} {list(array.shape)}"
                    raise DataError(f"{what} of layer {layer.name}: expected float32 {list(shape)}, got {found}")
        self.weights = [(w + ZERO, b + ZERO) for w, b in given]

    def set_lr(self, lr: np.float32) -> None:
        """Learning rate of the steps that follow."""
        self._stepper.lr = lr

    def train_batch(self, x: F32, t: F32) -> BatchResult:
        """Trains on ``x [B, H, W, C]`` and targets ``t [B, n_out]`` (float32): one optimizer step.

        When a loss is not finite the first such sample is reported and no update is made.
        """
        self._check_data(x, t)
        with np.errstate(all="ignore"):
            tensors, saved = self._forward(x)
            last = self.network.layers[-1]
            losses, p = loss_forward(_rows(tensors[last.name]), t, self.loss, last.activation)
            bad = np.flatnonzero(~np.isfinite(losses))
            if bad.size:
                return BatchResult(losses, p, diverged_at=int(bad[0]))
            error = loss_gradient(p, t, self.loss, last.activation)
            self._step(self._backward(tensors, saved, error.reshape(len(x), *last.out_shape)))
        return BatchResult(losses, np.ascontiguousarray(p))

    def gradients(self, x: F32, t: F32) -> dict[str, tuple[F32, F32]]:
        """Gradients of the trainable layers by name, weights and biases, of a batch; changes nothing."""
        self._check_data(x, t)
        with np.errstate(all="ignore"):
            tensors, saved = self._forward(x)
            last = self.network.layers[-1]
            _, p = loss_forward(_rows(tensors[last.name]), t, self.loss, last.activation)
            error = loss_gradient(p, t, self.loss, last.activation)
            return self._backward(tensors, saved, error.reshape(len(x), *last.out_shape))

    def evaluate(self, x: F32, t: F32) -> BatchResult:
        """Losses and outputs of any number of samples; changes nothing."""
        self._check_data(x, t)
        last = self.network.layers[-1]
        losses, outputs = np.empty(len(x), np.float32), np.empty((len(x), last.out_size), np.float32)
        with np.errstate(all="ignore"):
            for first in range(0, len(x), _EVALUATION_CHUNK):
                part = slice(first, first + _EVALUATION_CHUNK)
                z = _rows(self._forward(x[part])[0][last.name])
                losses[part], outputs[part] = loss_forward(z, t[part], self.loss, last.activation)
        bad = np.flatnonzero(~np.isfinite(losses))
        return BatchResult(losses, outputs, diverged_at=int(bad[0]) if bad.size else None)

    def predict(self, x: F32) -> F32:
        """Outputs ``[B, n_out]`` of any number of samples."""
        return self.evaluate(x, np.zeros((len(x), self.network.output_size), np.float32)).outputs

    def tensors(self, x: F32) -> dict[str, F32]:
        """Outputs of all layers by name, ``[B, H, W, C]``; of the last one its sums, before the activation."""
        with np.errstate(all="ignore"):
            return {name: values for name, values in self._forward(x)[0].items() if name != INPUT}

    def _forward(self, x: F32) -> tuple[dict[str, F32], dict[str, Any]]:
        """Outputs of all layers by name, and what the operators saved.

        The last layer is left at its sum, since the loss applies the activation.
        """
        tensors: dict[str, F32] = {INPUT: x}
        saved: dict[str, Any] = {}
        for layer in self.network.layers:
            inputs = [tensors[name] for name in layer.inputs]
            z, saved[layer.name] = self._operators[layer.name].forward(inputs, self._weights_of(layer))
            is_last = layer is self.network.layers[-1]
            tensors[layer.name] = z if is_last else activation_forward(z, layer.activation)
        return tensors, saved

    def _backward(self, tensors: dict[str, F32], saved: dict[str, Any], error: F32) -> dict[str, tuple[F32, F32]]:
        """Gradients of the trainable layers, sample added to sample; ``error`` is at the last layer's sum."""
        layers = self.network.layers
        outstanding = dict(self._consumers)
        errors: dict[str, F32] = {layers[-1].name: error}
        gradients: dict[str, tuple[F32, F32]] = {}
        by_name = {layer.name: layer for layer in layers}
        for layer in reversed(layers):
            if layer.name not in errors:
                continue
            error = errors.pop(layer.name)
            operator = self._operators[layer.name]
            inputs = [tensors[name] for name in layer.inputs]
            if layer.has_weights and layer.trainable:
                per_sample = operator.backward_weights(inputs[0], error)
                gradients[layer.name] = (sum_rows(per_sample[0]), sum_rows(per_sample[1]))
            for name, x in zip(layer.inputs, inputs, strict=True):
                if not self._needs_gradient.get(name, False):
                    continue
                d = operator.backward_input(x, error, saved[layer.name], self._weights_of(layer))
                d = errors[name] + d if name in errors else d
                outstanding[name] -= 1
                errors[name] = d if outstanding[name] else activation_gradient(d, x, by_name[name].activation)
        return gradients

    def _step(self, gradients: dict[str, tuple[F32, F32]]) -> None:
        trained = [layer.name for layer in self.network.parametric if layer.name in gradients]
        parameters = [array for name in trained for array in self.weights[self._slots[name]]]
        self._stepper.step(parameters, [array for name in trained for array in gradients[name]])

    def _weights_of(self, layer: Layer) -> tuple[F32, F32] | None:
        return self.weights[self._slots[layer.name]] if layer.has_weights else None

    def _check_data(self, x: F32, t: F32) -> None:
        expected = (*self.network.input_shape,), (self.network.output_size,)
        for what, array, shape in zip(("samples", "targets"), (x, t), expected, strict=True):
            if array.dtype != np.float32 or array.shape[1:] != shape or not len(array):
                raise DataError(
                    f"{what}: expected float32 [B, {', '.join(map(str, shape))}], got {array.dtype} {list(array.shape)}"
                )
        if len(x) != len(t):
            raise DataError(f"{len(x)} samples, but {len(t)} targets")


def _rows(z: F32) -> F32:
    """``[B, H, W, C]`` to ``[B, n]``."""
    return z.reshape(z.shape[0], -1)


def _tensors_that_need_a_gradient(network: Network) -> dict[str, bool]:
    """Names of tensors with a trainable layer at or before them: there the backward pass has to go."""
    needs: dict[str, bool] = {INPUT: False}
    for layer in network.layers:
        needs[layer.name] = (layer.has_weights and layer.trainable) or any(needs[name] for name in layer.inputs)
    return needs


def _consumers(network: Network) -> Counter[str]:
    """How many contributions the gradient of each tensor has: its readers that the network's output depends on."""
    counts: Counter[str] = Counter()
    live = {network.layers[-1].name}
    for layer in reversed(network.layers):
        if layer.name in live:
            live.update(layer.inputs)
            counts.update(layer.inputs)
    return counts


def _check_network(network: Network, loss: Loss) -> None:
    last = network.layers[-1]
    fused = {Loss.BINARY_CROSSENTROPY: Activation.SIGMOID, Loss.CATEGORICAL_CROSSENTROPY: Activation.SOFTMAX}.get(loss)
    if fused is not None and last.activation is not fused:
        raise NetworkError(f"{loss.value} needs {fused.value} at the last layer", layer=last.name)
    known = {INPUT}
    for layer in network.layers:
        if layer.activation is Activation.SOFTMAX and layer is not last:
            raise NetworkError(f"softmax at layer {layer.name}: only the last layer may have it", layer=layer.name)
        if unknown := [name for name in layer.inputs if name not in known]:
            raise NetworkError(
                f"layer {layer.name} reads {unknown[0]}, which comes later or not at all", layer=layer.name
            )
        n_inputs = 2 if layer.kind is Kind.ADD else 1
        if len(layer.inputs) != n_inputs:
            raise NetworkError(f"layer {layer.name} takes {n_inputs} inputs, got {len(layer.inputs)}", layer=layer.name)
        known.add(layer.name)
