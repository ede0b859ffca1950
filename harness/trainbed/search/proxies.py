# SPDX-License-Identifier: Apache-2.0
"""Scores of a network that was not trained: a forward pass, or one backward pass, of the NumPy twin.

SynFlow: H. Tanaka et al., "Pruning neural networks without any data by iteratively conserving synaptic flow", NeurIPS
2020. NASWOT: J. Mellor et al., "Neural architecture search without training", ICML 2021. An ensemble of such scores
as a filter before training: M. Deutel et al., "PrototypeNAS", 2026.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from trainbed.network.layers import Activation, Network
from trainbed.network.training import Loss, Sgd
from trainbed.prepare import Prepared
from trainbed.reference.twin import Twin

F32 = NDArray[np.float32]

_RELU_LIKE = (Activation.RELU, Activation.RELU6, Activation.LEAKY_RELU)


def score(name: str, prepared: Prepared, *, samples: int) -> float:
    """The score of that name, larger is better; -inf where it tells nothing."""
    if name == "synflow":
        return synflow(prepared.network, seed=prepared.scenario.training.seed)
    x = prepared.data.inputs(prepared.data.train)[:samples]
    return naswot(prepared.network, x, seed=prepared.scenario.training.seed)


def synflow(network: Network, *, seed: int) -> float:
    """log of sum over the parameters of theta * dR/dtheta, R the outputs' sum for an input of ones through |theta|.

    Activations are left out: with |theta| and ones every sum is positive, where relu-like ones change nothing.
    """
    layers = tuple(replace(layer, activation=Activation.NONE, trainable=True) for layer in network.layers)
    flow = _Probe(replace(network, layers=layers), loss=Loss.MSE, optimizer=Sgd(lr=1.0), seed=seed).flow()
    return math.log(flow) if 0.0 < flow < math.inf else -math.inf


def naswot(network: Network, x: F32, *, seed: int) -> float:
    """log |det K|: K counts, for each pair of samples, the relus that have both on the same side.

    ``x``: float32 ``[B, n_inputs]``. A network that tells samples apart before it was trained has rows that differ.
    """
    codes = _Probe(network, loss=Loss.MSE, optimizer=Sgd(lr=1.0), seed=seed).codes(x)
    if codes.shape[1] == 0:
        return -math.inf
    kernel = codes @ codes.T + (1.0 - codes) @ (1.0 - codes).T
    return float(np.linalg.slogdet(kernel)[1])


def ranks(scores: Sequence[Sequence[float]]) -> list[float]:
    """The ensemble: per candidate its mean rank over the scores (one list each), scaled to 0 (worst) .. 1 (best)."""
    n = len(scores[0])
    total = np.zeros(n)
    for one in scores:
        values = np.asarray(one)
        total += [(np.sum(values < value) + (np.sum(values == value) - 1) / 2) / max(n - 1, 1) for value in values]
    return [float(mean) for mean in total / len(scores)]


class _Probe(Twin):
    """A twin whose passes are looked into."""

    def flow(self) -> float:
        """Sum of theta * dR/dtheta."""
        self.weights = [(np.abs(w), np.abs(b)) for w, b in self.weights]
        ones = np.ones((1, *self.network.input_shape), np.float32)
        with np.errstate(all="ignore"):
            tensors, saved = self._forward(ones)
            error = np.ones((1, *self.network.layers[-1].out_shape), np.float32)
            gradients = self._backward(tensors, saved, error)
        return sum(
            float(np.sum(theta.astype(np.float64) * g))
            for layer, pair in zip(self.network.parametric, self.weights, strict=True)
            if layer.name in gradients
            for theta, g in zip(pair, gradients[layer.name], strict=True)
        )

    def codes(self, x: F32) -> NDArray[np.float64]:
        """Which relu-like units are on: 0 or 1 ``[B, n_units]``."""
        with np.errstate(all="ignore"):
            tensors, _ = self._forward(x.reshape(len(x), *self.network.input_shape))
        on = [
            (tensors[layer.name] > 0).reshape(len(x), -1)
            for layer in self.network.layers[:-1]
            if layer.activation in _RELU_LIKE
        ]
        return np.concatenate(on, axis=1).astype(np.float64) if on else np.zeros((len(x), 0))
