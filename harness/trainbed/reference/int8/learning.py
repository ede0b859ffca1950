# SPDX-License-Identifier: Apache-2.0
"""What a batch's gradients do to weights, biases and ranges in 8 bits."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from trainbed.network.layers import Activation, Kind, Layer
from trainbed.network.training import Loss
from trainbed.reference.arrays import ONE
from trainbed.reference.int8 import gradients
from trainbed.reference.int8.arithmetic import I8, I64
from trainbed.reference.int8.backward import Gradients
from trainbed.reference.int8.forward import Pass
from trainbed.reference.int8.numbers import (
    follow_error_range,
    follow_range,
    numbers_of,
    rescale_bias,
)
from trainbed.reference.int8.state import State
from trainbed.reference.int8.update import FOLLOWS, update_bias, update_plain, update_standardised
from trainbed.reference.optimizer import make_stepper
from trainbed.reference.random import random_mix

FOLLOW = 0.1
"""Share of what was just seen in a range that follows."""
_LAYER_KEY, _BIAS_KEY = 0x85EBCA6B, 0xC2B2AE35
_WIDE = 2.0**100


class Learner:
    """Steps of the state; draws differ from step to step."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._plan = state.plan
        self._design = state.design
        self._graph = state.graph
        self._arrays = state.arrays
        self._stepper = make_stepper(state.plan.optimizer)
        self._lr = np.float32(state.plan.optimizer.lr)
        self._step = 0

    def set_lr(self, lr: np.float32) -> None:
        """Learning rate of the steps that follow."""
        self._lr = lr
        self._stepper.lr = lr

    def step(self, run: Pass, found: Gradients, *, n_samples: int) -> None:
        """One step by what a batch's passes left."""
        key = random_mix(random_mix(self._plan.precision.seed) + self._step)
        self._step += 1
        layers = [layer for layer in self._plan.network.parametric if layer.name in found.float32]
        parameters = [self._arrays[f"{layer.name}.{what}"] for layer in layers for what in ("weights", "bias")]
        self._stepper.step(parameters, [array for layer in layers for array in found.float32[layer.name]])
        mean = np.float32(np.float32(ONE / np.float32(n_samples)) * np.float32(self._mean_factor()))
        for layer in self._plan.quantised:
            self._step_layer(layer, found.sums[layer.name], mean, key)
        for owner in self._design.owners:
            if self._design.moves(owner):
                self._follow(owner, run.seen[owner])
        for tensor, span in found.seen.items():
            self.follow_error(tensor, span, follow=FOLLOW)
        self._rescale_biases()
        self._state.refresh()

    def _mean_factor(self) -> float:
        n = self._design.head.out_size
        if self._design.is_float(self._design.head):
            return 1.0
        return {Loss.CATEGORICAL_CROSSENTROPY: 1.0, Loss.BINARY_CROSSENTROPY: 1 / n}.get(self._plan.loss, 2 / n)

    def _step_layer(self, layer: Layer, sums: tuple[I64, I64], mean: np.float32, key: int) -> None:
        share, quantisation = self._design.share(layer), self._plan.precision.quantisation
        stochastic = quantisation.rounding == "stochastic"
        gain = np.float32(np.float32(self._lr * mean) * self._state.error_scale(layer.name))
        number = self._design.quantised.index(layer)
        key = random_mix(key + (_LAYER_KEY * (number + 1) & 0xFFFFFFFF))
        s_x = self._state.numbers[self._design.range_owner(self._graph.inputs(layer)[0])].scale
        scales = np.atleast_1d(self._arrays[f"{layer.name}.scale"])
        if share.bias:
            name = f"{layer.name}.bias"
            per_channel = (gain / (s_x * scales).astype(np.float32)).astype(np.float32)
            rates = (
                per_channel if self._design.per_channel else np.float32(gain / self._state.sum_scales[layer.name][0])
            )
            index = np.arange(layer.n_biases)
            self._arrays[name] = update_bias(
                self._arrays[name], sums[1].sum(axis=0), index, rates=rates, ratios=1.0, stochastic=stochastic,
                key=key ^ _BIAS_KEY,
            )  # fmt: skip
        if not share.channels:
            return
        w, index = self._structures(layer)
        g, shift = self._accumulated(layer, sums[0])
        name = f"{layer.name}.weights"
        if self._design.per_channel or not quantisation.standardise:
            scale_w = scales if self._design.per_channel else scales[:1]
            rates = (np.float32(gain * s_x) / scale_w).astype(np.float32)
            new = update_plain(w, g, index, rates=rates, shift=shift, stochastic=stochastic, key=key)
        else:
            new, scale = update_standardised(
                w, g, index, scale=np.float32(scales[0]), lr=float(self._lr), scaling=FOLLOWS, stochastic=stochastic,
                key=key,
            )  # fmt: skip
            self._arrays[f"{layer.name}.scale"] = np.float32(scale)
        self._arrays[name].reshape(-1)[index] = new

    def _structures(self, layer: Layer) -> tuple[I8, NDArray[np.int64]]:
        """Trained weights ``[S, N]`` and the place of each in its tensor."""
        w = self._arrays[f"{layer.name}.weights"]
        places = np.arange(w.size).reshape(w.shape)
        if layer.kind is Kind.DEPTHWISE_CONV2D:
            index = places.reshape(-1, w.shape[-1]).T
        else:
            index = places[..., : self._design.share(layer).channels].reshape(w.shape[0], -1)
        return w.reshape(-1)[index], index

    def _accumulated(self, layer: Layer, sums: I64) -> tuple[I64, Any]:
        """Gradient sums ``[S, N]`` of a batch and, where 16 bits wide, their shifts."""
        if layer.kind is Kind.DEPTHWISE_CONV2D:
            rows = sums.reshape(len(sums), -1, sums.shape[-1]).transpose(0, 2, 1)
        else:
            rows = sums.reshape(len(sums), sums.shape[1], -1)
        if not self._plan.narrow:
            return rows.sum(axis=0), 0
        g, shift = np.zeros(rows.shape[1:], np.int16), np.zeros(rows.shape[1], np.uint8)
        for row in rows:
            g, shift = gradients.deposit(g, shift, row)
        return g.astype(np.int64), shift

    def _follow(self, owner: str, seen: tuple[int, int]) -> None:
        layer, name = self._graph.producer[owner], f"{owner}.range"
        s = self._state.sum_scales[owner][0] if layer.has_weights else self._state.numbers[owner].scale
        least = 0.0 if self._design.starts_at_zero(owner) else -_WIDE
        most = 6.0 if layer.activation is Activation.RELU6 else _WIDE
        self._arrays[name] = follow_range(self._arrays[name], seen, s=s, least=least, most=most, follow=FOLLOW)

    def follow_error(self, tensor: str, seen: tuple[int, int], *, follow: float) -> None:
        """Takes ``follow`` of the range of the sums that became a tensor's error into the error's range."""
        name = f"{tensor}.error_range"
        s = self._state.error_sum_scales[tensor]
        self._arrays[name] = follow_error_range(np.float32(self._arrays[name]), seen, s=s, follow=follow)

    def _rescale_biases(self) -> None:
        for layer in self._design.quantised:
            if self._design.scale_moves(layer) or self._design.input_moves(layer):
                owner = self._design.range_owner(self._graph.inputs(layer)[0])
                numbers = (
                    numbers_of(self._arrays[f"{owner}.range"])
                    if self._design.moves(owner)
                    else self._state.numbers[owner]
                )
                after = np.float32(numbers.scale * np.float32(np.max(self._arrays[f"{layer.name}.scale"])))
                name = f"{layer.name}.bias"
                ratio = np.float32(np.float32(self._state.sum_scales[layer.name].max()) / after)
                self._arrays[name] = rescale_bias(self._arrays[name], ratio)
