# SPDX-License-Identifier: Apache-2.0
"""The host's own trainer: NumPy with BLAS products, batch normalisation and pruning. Same seeds, losses, optimizers and
order of samples as the runtime; sums in BLAS's order, so its weights are close to the runtime's, not equal.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from trainbed.network.layers import INPUT, Activation, Kind, Network
from trainbed.network.training import Loss, Optimizer
from trainbed.pretrain.batch_norm import BatchNorm
from trainbed.pretrain.layers import F32, HostLayer, make_layer
from trainbed.pretrain.prune import Pruner, Schedule
from trainbed.reference.activations import activation_forward, activation_gradient
from trainbed.reference.loss import loss_forward, loss_gradient
from trainbed.reference.optimizer import make_stepper

_EVALUATION_BATCH = 64


class HostTrainer:
    """Trains all layers of a network from ``weights``, (weights, bias) of each layer of ``network.parametric``.

    ``normalised``: names of layers with batch normalisation between sum and activation. ``prune``: None: not.
    """

    def __init__(
        self,
        network: Network,
        weights: Sequence[tuple[F32, F32]],
        *,
        loss: Loss,
        optimizer: Optimizer,
        normalised: frozenset[str] = frozenset(),
        prune: Schedule | None = None,
    ) -> None:
        self.network = network
        self.loss = loss
        pairs = dict(zip((layer.name for layer in network.parametric), weights, strict=True))
        channels = {layer.name: layer.out_shape[2] for layer in network.layers}
        self._layers: dict[str, HostLayer] = {
            layer.name: make_layer(layer, pairs.get(layer.name)) for layer in network.layers
        }
        self._norms = {name: BatchNorm(channels[name]) for name in sorted(normalised)}
        self._stepper = make_stepper(optimizer)
        self._pruner: Pruner | None = None
        if prune is not None:
            self._pruner = Pruner(prune, [self._layers[layer.name].parameters[0] for layer in network.parametric])

    def set_lr(self, lr: float) -> None:
        """Learning rate of the steps that follow."""
        self._stepper.lr = np.float32(lr)

    def reshape(self, network: Network) -> None:
        """Go on with the same layers at another size of the images: weights, statistics and optimizer state stay."""
        layers: dict[str, HostLayer] = {}
        for layer in network.layers:
            old = self._layers[layer.name].parameters
            layers[layer.name] = make_layer(layer, (old[0], old[1]) if old else None)
            layers[layer.name].parameters = old  # the very arrays, which pruning knows
        self.network, self._layers = network, layers

    def train_batch(self, x: F32, t: F32) -> tuple[F32, F32]:
        """One optimizer step on ``x [B, H, W, C]`` and targets ``t [B, n_out]``.

        Losses ``[B]`` and outputs ``[B, n_out]`` from before it; no step is made when a loss is not finite.
        """
        tensors = self._forward(x, training=True)
        last = self.network.layers[-1]
        losses, p = loss_forward(_rows(tensors[last.name]), t, self.loss, last.activation)
        if np.isfinite(losses).all():
            error = loss_gradient(p, t, self.loss, last.activation)
            self._backward(tensors, error.reshape(len(x), *last.out_shape))
            self._step()
        return losses, p

    def evaluate(self, x: F32, t: F32) -> tuple[F32, F32]:
        """Losses and outputs of any number of samples with the running statistics; changes nothing."""
        last, parts = self.network.layers[-1], []
        for first in range(0, len(x), _EVALUATION_BATCH):
            part = slice(first, first + _EVALUATION_BATCH)
            z = _rows(self._forward(x[part], training=False)[last.name])
            parts.append(loss_forward(z, t[part], self.loss, last.activation))
        return np.concatenate([losses for losses, _ in parts]), np.concatenate([p for _, p in parts])

    def folded_weights(self) -> list[tuple[F32, F32]]:
        """(weights, bias) of each layer of ``network.parametric``, batch normalisation folded in."""
        pairs = []
        for layer in self.network.parametric:
            w, b = self._layers[layer.name].parameters
            norm = self._norms.get(layer.name)
            axis = -1 if layer.kind is Kind.DEPTHWISE_CONV2D else 0
            pairs.append(norm.folded(w, b, channel_axis=axis % w.ndim) if norm else (w.copy(), b.copy()))
        return pairs

    def _forward(self, x: F32, *, training: bool) -> dict[str, F32]:
        """Outputs of all layers by name; the last one's is its sum, since the loss applies the activation."""
        tensors: dict[str, F32] = {INPUT: x}
        for layer in self.network.layers:
            z = self._layers[layer.name].forward([tensors[name] for name in layer.inputs])
            norm = self._norms.get(layer.name)
            if norm is not None:
                z = norm.train(z) if training else norm.infer(z)
            last = layer is self.network.layers[-1]
            tensors[layer.name] = z if last else _activated(z, layer.activation)
        return tensors

    def _backward(self, tensors: dict[str, F32], error: F32) -> None:
        errors: dict[str, F32] = {self.network.layers[-1].name: error}
        for layer in reversed(self.network.layers):
            error = errors.pop(layer.name)
            if layer is not self.network.layers[-1] and layer.activation is not Activation.NONE:
                error = _at_the_sum(error, tensors[layer.name], layer.activation)
            norm = self._norms.get(layer.name)
            if norm is not None:
                error = norm.backward(error)
            host = self._layers[layer.name]
            inputs = host.backward(error)
            if norm is not None:
                host.gradients[1].fill(0)  # the mean takes a bias away again: its gradient is rounding noise
            for name, d in zip(layer.inputs, inputs, strict=True):
                if name != INPUT:
                    errors[name] = errors[name] + d if name in errors else d

    def _step(self) -> None:
        parts = [self._layers[layer.name] for layer in self.network.parametric]
        if self._pruner is not None:
            self._pruner.mask_gradients([part.gradients[0] for part in parts])
        every: list[HostLayer | BatchNorm] = [*parts, *self._norms.values()]
        parameters = [array for part in every for array in part.parameters]
        self._stepper.step(parameters, [array for part in every for array in part.gradients])
        if self._pruner is not None:
            self._pruner.after_step()


def _activated(z: F32, activation: Activation) -> F32:
    """The twin's activations; those of every image network in one NumPy call."""
    if activation not in (Activation.RELU, Activation.RELU6):
        return activation_forward(z, activation)
    highest = np.float32(6) if activation is Activation.RELU6 else None
    y: F32 = np.clip(z, np.float32(0), highest)
    return y


def _at_the_sum(d: F32, y: F32, activation: Activation) -> F32:
    """The error at the sum, from the error ``d`` at the output ``y``."""
    if activation not in (Activation.RELU, Activation.RELU6):
        return activation_gradient(d, y, activation)
    error: F32 = d * ((y > 0) if activation is Activation.RELU else (y > 0) & (y < 6))
    return error


def _rows(z: F32) -> F32:
    return z.reshape(len(z), -1)
