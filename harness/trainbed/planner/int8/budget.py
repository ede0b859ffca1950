# SPDX-License-Identifier: Apache-2.0
"""Which biases and which shares of layers' weights to train within a number of bytes: contributions, and a search.

After Lin et al., On-Device Training Under 256KB Memory (2022): schemes of biases of the last k layers and of ratios
1, 1/2, 1/4, 1/8 of some layers' channels. The contribution of a part is its Fisher information on the calibration
samples, sum g^2 / n: what a step along the gradient can gain, and known without training.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from trainbed.errors import NetworkError
from trainbed.network.layers import Kind, Layer, Network
from trainbed.network.precision import SparseUpdate

RATIOS = (1.0, 0.5, 0.25, 0.125)

Gradients = Mapping[str, tuple[NDArray[np.float32], NDArray[np.float32]]]
"""Layer -> gradients ``[n, ...]`` of weights and biases, one row a group of samples."""


class Needs(Protocol):
    """RAM that schemes need: parameters and training memory, in bytes."""

    def exactly(self, scheme: SparseUpdate) -> int:
        """By a plan."""

    def about(self, scheme: SparseUpdate) -> int:
        """Without a plan of its own, quickly. Most schemes that do not fit show it here, and are not planned."""


@dataclass(frozen=True)
class Contributions:
    """What training a part can gain: of each layer's biases, and of each share of its weights."""

    biases: Mapping[str, float]
    weights: Mapping[tuple[str, float], float]

    def of(self, network: Network, scheme: SparseUpdate) -> float:
        """The sum over a scheme."""
        names = [layer.name for layer in network.parametric]
        biased = set(names[len(names) - min(scheme.biases_of_last, len(names)) :]) | set(scheme.weights)
        weights = sum(self.weights[name, ratio] for name, ratio in scheme.weights.items())
        return weights + sum(self.biases[name] for name in biased)


def contributions(network: Network, gradients: Gradients) -> Contributions:
    """Fisher information of every part that a scheme may train."""
    biases, weights = {}, {}
    for layer in network.parametric:
        of_weights, of_biases = gradients[layer.name]
        biases[layer.name] = _information(of_biases)
        for ratio in ratios_of(layer):
            channels = math.ceil(ratio * of_weights.shape[-1])
            part = of_weights if layer.kind is Kind.DEPTHWISE_CONV2D else of_weights[..., :channels]
            weights[layer.name, ratio] = _information(part)
    return Contributions(biases, weights)


def ratios_of(layer: Layer) -> tuple[float, ...]:
    """Shares of a layer's weights that can be trained; a depthwise layer whole or not at all."""
    return RATIOS[:1] if layer.kind is Kind.DEPTHWISE_CONV2D else RATIOS


def search(network: Network, worth: Contributions, needs: Needs, *, budget_bytes: int) -> SparseUpdate:
    """The best scheme found that needs at most ``budget_bytes``.

    For every number of trained biases that fits, shares of weights are added, the most gain for a byte first. Numbers
    that promise most come first, and none is planned that promises less than was found. Raises NetworkError when not
    even the last layer's biases fit.
    """
    check_least(needs, budget_bytes=budget_bytes)
    starts = [SparseUpdate(biases_of_last=k) for k in depths(len(network.parametric))]
    promised = []
    for start in itertools.takewhile(lambda start: needs.exactly(start) <= budget_bytes, starts):
        hoped = _added(network, worth, needs, start, budget_bytes=budget_bytes)[-1][1]
        promised.append((worth.of(network, hoped), start))
    best: tuple[float, SparseUpdate] | None = None
    for most, start in sorted(promised, key=lambda pair: (-pair[0], pair[1].biases_of_last)):
        if best is not None and most <= best[0]:
            break
        scheme = _filled(network, worth, needs, start, budget_bytes=budget_bytes)
        value = worth.of(network, scheme)
        if best is None or value > best[0]:
            best = (value, scheme)
    assert best is not None  # one layer's biases fit
    return best[1]


def check_least(needs: Needs, *, budget_bytes: int) -> None:
    """Raises NetworkError when not even the last layer's biases fit."""
    least = needs.exactly(SparseUpdate(biases_of_last=1))
    if least > budget_bytes:
        raise NetworkError(f"no scheme fits {budget_bytes} B: the last layer's biases alone need {least} B")


def _filled(
    network: Network, worth: Contributions, needs: Needs, scheme: SparseUpdate, *, budget_bytes: int
) -> SparseUpdate:
    """A scheme with shares of weights added while it fits.

    A plan of a deep network takes a second: shares are taken on by what about() says of them, and plans only look for
    the first of these that does not fit, by halves; it is left out, and what comes behind it is tried again.
    """
    first = 0
    while True:
        trials = _added(network, worth, needs, scheme, budget_bytes=budget_bytes, first=first)
        fits, fails = 0, len(trials)
        middle = fails - 1  # all of them, most of the time
        while fails - fits > 1:
            if needs.exactly(trials[middle][1]) <= budget_bytes:
                fits = middle
            else:
                fails = middle
            middle = (fits + fails) // 2
        first, scheme = trials[min(fails, len(trials) - 1)][0], trials[fits][1]
        if fails == len(trials):
            return scheme


def _added(
    network: Network, worth: Contributions, needs: Needs, scheme: SparseUpdate, *, budget_bytes: int, first: int = 0
) -> list[tuple[int, SparseUpdate]]:
    """The scheme, and after each share of weights that about() lets in, with the number of the share to go on with.

    In the order of gain for a byte of weights, from the ``first``.
    """
    sizes = {layer.name: layer.n_weights for layer in network.parametric}
    parts = sorted(worth.weights, key=lambda part: (-worth.weights[part] / (sizes[part[0]] * part[1]), part))
    trials = [(first, scheme)]
    for n, (name, ratio) in enumerate(parts[first:], first + 1):
        smaller = trials[-1][1]
        if ratio > smaller.weights.get(name, 0.0):
            larger = SparseUpdate(smaller.biases_of_last, {**smaller.weights, name: ratio})
            if needs.about(larger) <= budget_bytes:
                trials.append((n, larger))
    return trials


def depths(n_layers: int) -> list[int]:
    """Numbers of trained biases to try: all of a small network, about twelve of a deep one."""
    step = max(1, n_layers // 12)
    return sorted({1, *range(step, n_layers + 1, step), n_layers})


def _information(gradients: NDArray[np.float32]) -> float:
    return float(np.mean(np.sum(gradients.astype(np.float64).reshape(len(gradients), -1) ** 2, axis=1)))
