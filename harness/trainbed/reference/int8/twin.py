# SPDX-License-Identifier: Apache-2.0
"""What the firmware computes in uint8, mixed and int8_qas, in NumPy, to the bit (docs/numerics-integer.md)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trainbed.network.layers import INPUT, Activation, Kind, Layer
from trainbed.network.precision import DynamicUpdate
from trainbed.network.training import Loss
from trainbed.planner.int8.design import ErrorScale
from trainbed.planner.int8.plan import Int8Plan
from trainbed.planner.parameters import Arrays
from trainbed.reference import operators
from trainbed.reference.activations import activation_forward, activation_gradient
from trainbed.reference.arrays import F32, ONE, sum_rows
from trainbed.reference.int8 import depthwise, elementwise, gradients, pool, products
from trainbed.reference.int8.arithmetic import I8, I64, U8, Output, error_codes, range_of
from trainbed.reference.int8.numbers import (
    Numbers,
    add_scale_of,
    error_scale_of,
    follow_error_range,
    follow_range,
    numbers_of,
    rescale_bias,
    scales_of,
)
from trainbed.reference.int8.update import FOLLOWS, update_bias, update_plain, update_standardised
from trainbed.reference.loss import loss_forward, loss_gradient
from trainbed.reference.optimizer import make_stepper
from trainbed.reference.random import random_mix
from trainbed.reference.twin import BatchResult

_FOLLOW = 0.1
_CHUNK = 64
_LAYER_KEY, _BIAS_KEY = 0x85EBCA6B, 0xC2B2AE35
_ERROR_UNIT = np.float32(ONE / np.float32(127))
_WIDE = 2.0**100


@dataclass
class Choices:
    """What dynamic updates have done: structures kept, of how many, and each layer's norms in the last batch."""

    kept: int = 0
    of: int = 0
    largest: dict[str, np.float32] = field(default_factory=dict)
    norms: dict[str, I64] = field(default_factory=dict)
    masks: dict[str, NDArray[np.bool_]] = field(default_factory=dict)


@dataclass
class _Pass:
    """What one forward pass leaves: values and pooling indices by tensor, ranges of sums by owner."""

    values: dict[str, Any]
    index: dict[str, U8] = field(default_factory=dict)
    seen: dict[str, tuple[int, int]] = field(default_factory=dict)


class Int8Twin:
    """Trains and evaluates as the 8-bit runtime does.

    ``parameters``: arrays by the names of the plan's fields; copies of them change. Inputs are codes
    ``uint8 [B, H, W, C]``, targets ``float32 [B, n_out]``.
    """

    def __init__(self, plan: Int8Plan, parameters: Arrays) -> None:
        self.plan = plan
        self.design = plan.design
        self.graph = self.design.needed
        self.choices = Choices()
        self._arrays: dict[str, Any] = {name: np.array(array) for name, array in parameters.items()}
        self._lr = np.float32(plan.optimizer.lr)
        self._stepper = make_stepper(plan.optimizer)
        self._operators = {
            layer.name: operators.make(layer)
            for layer in self.graph.layers
            if self.design.is_float(layer) and layer.kind is not Kind.DEQUANTISE
        }
        self._step = 0
        self._sum_scales: dict[str, F32] = {}
        self._refresh()

    def arrays(self) -> Arrays:
        """Parameters by the names of the plan's fields."""
        return dict(self._arrays)

    def set_lr(self, lr: np.float32) -> None:
        """Learning rate of the steps that follow."""
        self._lr = lr
        self._stepper.lr = lr

    def train_batch(self, x: U8, t: F32) -> BatchResult:
        """One batch; no step where a loss is not finite."""
        with np.errstate(all="ignore"):
            run = self._forward(x)
            head = self.design.head
            z = _rows(run.values[head.name])
            losses, p = loss_forward(z, t, self.plan.loss, head.activation)
            bad = np.flatnonzero(~np.isfinite(losses))
            if bad.size:
                return BatchResult(losses, p, diverged_at=int(bad[0]))
            self._learn(run, self._loss_error(p, t), n_samples=len(x))
        return BatchResult(losses, np.ascontiguousarray(p))

    def evaluate(self, x: U8, t: F32) -> BatchResult:
        """Losses and outputs; changes nothing."""
        head = self.design.head
        losses, outputs = np.empty(len(x), np.float32), np.empty((len(x), head.out_size), np.float32)
        with np.errstate(all="ignore"):
            for first in range(0, len(x), _CHUNK):
                part = slice(first, first + _CHUNK)
                z = _rows(self._forward(x[part]).values[head.name])
                losses[part], outputs[part] = loss_forward(z, t[part], self.plan.loss, head.activation)
        bad = np.flatnonzero(~np.isfinite(losses))
        return BatchResult(losses, outputs, diverged_at=int(bad[0]) if bad.size else None)

    def observe_errors(self, x: U8, t: F32) -> None:
        """Takes the magnitudes of a batch's errors as their ranges and learns nothing: for calibration."""
        with np.errstate(all="ignore"):
            run = self._forward(x)
            head = self.design.head
            _, p = loss_forward(_rows(run.values[head.name]), t, self.plan.loss, head.activation)
            seen = self._backward(run, self._loss_error(p, t), n_samples=len(x))[2]
            for tensor, span in seen.items():
                self._follow_error(tensor, span, follow=1.0)
        self._refresh()

    # --- forward -----------------------------------------------------------------------------------------------------

    def _forward(self, x: U8) -> _Pass:
        run = _Pass({INPUT: x})
        for layer in self.graph.layers:
            sources = self.graph.inputs(layer)
            inputs = [run.values[name] for name in sources]
            if layer.kind is Kind.DEQUANTISE:
                numbers = self._numbers[self.design.range_owner(sources[0])]
                values = elementwise.dequantise(inputs[0], s=float(numbers.scale), zero=numbers.zero)
                if self.design.is_centred(layer):
                    values = values - self._arrays[f"{layer.name}.mean"].reshape(layer.out_shape)
                run.values[layer.name] = values
            elif self.design.is_float(layer):
                run.values[layer.name] = self._forward_float(layer, inputs, run)
            else:
                run.values[layer.name] = self._forward_codes(layer, sources, inputs, run)
        return run

    def _forward_float(self, layer: Layer, inputs: list[F32], run: _Pass) -> F32:
        z, saved = self._operators[layer.name].forward(inputs, self._float_weights(layer))
        run.index[layer.name] = saved
        return z if layer is self.design.head else activation_forward(z, layer.activation)

    def _forward_codes(self, layer: Layer, sources: tuple[str, ...], inputs: list[U8], run: _Pass) -> Any:
        x, zero = inputs[0], self._zero(sources[0])
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
        numbers = self._numbers.get(layer.name, Numbers(ONE, 0))
        lo = numbers.zero if layer.activation is not Activation.NONE else 0
        if layer.kind is Kind.ADD:
            scales = [self._numbers[self.design.range_owner(name)].scale for name in sources]
            scale = add_scale_of(np.float32(scales[0] / numbers.scale), np.float32(scales[1] / numbers.scale))
            zeros = [self._zero(name) for name in sources]
            sums = elementwise.add_sums(inputs[0], inputs[1], scale, zero_a=zeros[0], zero_b=zeros[1])
            run.seen[layer.name] = range_of(sums)
            return np.clip(numbers.zero + sums, lo, 255).astype(np.uint8)
        sums = self._layer_sums(layer, x, zero)
        if layer is self.design.head:
            return elementwise.dequantise(sums, s=float(self._sum_scales[layer.name][0]))
        run.seen[layer.name] = range_of(sums)
        scale_y = scales_of((self._sum_scales[layer.name] / numbers.scale).astype(np.float32))
        return Output(scale_y, numbers.zero, lo, 255).codes(sums)

    def _average(self, layer: Layer, zero: int) -> Output:
        return Output(scales_of(np.array([1 / _pooled(layer)], np.float32)), zero)

    def _layer_sums(self, layer: Layer, x: U8, zero: int) -> I64:
        w, b = self._arrays[f"{layer.name}.weights"], self._arrays[f"{layer.name}.bias"]
        if layer.kind is Kind.DENSE:
            return products.dense_sums(_rows(x), w, b, zero=zero)[:, None, None, :]
        assert layer.window is not None
        out_hw = (layer.out_shape[0], layer.out_shape[1])
        if layer.kind is Kind.DEPTHWISE_CONV2D:
            return depthwise.depthwise_sums(x, w, b, layer.window, out_hw, zero=zero)
        return products.conv2d_sums(x, w, b, layer.window, out_hw, zero=zero)

    # --- backward ----------------------------------------------------------------------------------------------------

    def _loss_error(self, p: F32, t: F32) -> Any:
        """Error at the head's sums: codes of an 8-bit head, float32 of a float32 one."""
        head, loss = self.design.head, self.plan.loss
        shape = (len(p), *head.out_shape)
        if self.design.is_float(head):
            return loss_gradient(p, t, loss, head.activation).reshape(shape)
        error = p - t
        if loss is Loss.MSE:
            n = p.shape[1]
            factor = np.float32(np.float32(2) * np.float32(np.float32(n / 2) * np.float32(1 / n)))
            error = activation_gradient(error * factor, p, head.activation)
        return elementwise.quantise_error(error, inv_s=127.0).reshape(shape)

    def _backward(
        self, run: _Pass, error: Any, *, n_samples: int
    ) -> tuple[dict[str, Any], dict[str, Any], dict[str, tuple[int, int]]]:
        """Gradients of float32 and of 8-bit layers, and the ranges of the sums that became errors."""
        errors: dict[str, Any] = {self.graph.output: error}
        float_gradients: dict[str, Any] = {}
        sums: dict[str, Any] = {}
        seen: dict[str, tuple[int, int]] = {}
        pending = {name: len(users) for name, users in self.graph.consumers.items()}
        for layer in reversed(self.graph.layers):
            if not self.graph.needs_gradient(layer.name):
                continue
            e = errors.pop(layer.name)
            is_float = self.design.is_float(layer)
            if layer.has_weights and is_float and self.design.share(layer).anything:
                per_sample = self._operators[layer.name].backward_weights(run.values[self.graph.inputs(layer)[0]], e)
                float_gradients[layer.name] = (sum_rows(per_sample[0]), sum_rows(per_sample[1]))
            elif layer.has_weights and not is_float:
                e = self._chosen(layer, e)
                if self.design.share(layer).anything:
                    sums[layer.name] = self._weight_sums(layer, run.values[self.graph.inputs(layer)[0]], e)
            for tensor in self.graph.inputs(layer):
                pending[tensor] -= 1
                if self.graph.needs_gradient(tensor):
                    last = not pending[tensor]
                    errors[tensor] = self._input_error(layer, tensor, e, run, errors.get(tensor), seen, last, n_samples)
        return float_gradients, sums, seen

    def _chosen(self, layer: Layer, e: I8) -> I8:
        """The error with the structures that do not take part set to 0, sample by sample."""
        update = self.plan.precision.update
        if not isinstance(update, DynamicUpdate) or (update.exempt_head and layer is self.design.head):
            return e
        norms = gradients.norms(e)
        n, pixels = layer.n_biases, layer.out_shape[0] * layer.out_shape[1]
        s_e = self._error_scale(layer.name)
        masks = np.zeros(norms.shape, np.bool_)
        for i, row in enumerate(norms):
            m = np.float32(np.float32(np.float32(int(row.sum())) * s_e) / np.float32(pixels * n))
            largest = max(m, self.choices.largest.get(layer.name, np.float32(0)))
            self.choices.largest[layer.name] = largest
            least, most = np.float32(update.lambda_min), np.float32(update.lambda_max)
            rate = least
            if largest > 0:
                rate = np.float32(least + np.float32(np.float32(m / largest) * np.float32(most - least)))
            k = min(max(int(np.floor(np.float32(rate * np.float32(n)))), 1), n)
            masks[i] = gradients.select(row, k)
            self.choices.kept += k
            self.choices.of += n
        self.choices.norms[layer.name] = norms
        self.choices.masks[layer.name] = masks
        return products.only(e, masks)

    def _weight_sums(self, layer: Layer, x: U8, e: I8) -> tuple[I64, I64]:
        """Gradient sums of each sample: weights ``[B, ...]`` (trained channels only), biases ``[B, O]``."""
        channels, zero = self.design.share(layer).channels, self._zero(self.graph.inputs(layer)[0])
        if not channels:
            return np.zeros((len(e), 0), np.int64), products.bias_sums(e)
        if layer.kind is Kind.DENSE:
            return products.dense_weight_sums(_rows(x), _rows(e), zero=zero, channels=channels)
        assert layer.window is not None
        if layer.kind is Kind.DEPTHWISE_CONV2D:
            return depthwise.depthwise_weight_sums(x, e, layer.window, zero=zero)
        return products.conv2d_weight_sums(x, e, layer.window, zero=zero, channels=channels)

    def _input_error(
        self,
        layer: Layer,
        tensor: str,
        e: Any,
        run: _Pass,
        before: Any,
        seen: dict[str, tuple[int, int]],
        last: bool,
        n_samples: int,
    ) -> Any:
        x = run.values[tensor]
        activation = self._activation_at(layer, tensor) if last else Activation.NONE
        if self.design.is_float(layer) and layer.kind is not Kind.DEQUANTISE:
            saved, weights = run.index[layer.name], self._float_weights(layer)
            d = self._operators[layer.name].backward_input(x, e, saved, weights)
            d = before + d if before is not None else d
            return activation_gradient(d, x, activation)
        passes = None
        if activation is not Activation.NONE:
            passes = elementwise.passes(x, lo=0, hi=255 if activation is Activation.RELU6 else 256)
        if layer.kind is Kind.DEQUANTISE:
            inv_s = np.float32(np.float32(n_samples) / self._error_scale(tensor))
            sums = elementwise.nearest(e, inv_s).reshape(x.shape)
            return error_codes(sums, None, before=before, passes=passes)
        sums, factor = self._input_sums(layer, tensor, x, e, run)
        if tensor in self.design.error_owners and layer.has_weights:
            seen[tensor] = range_of(sums)
        scale = None if factor is None else scales_of(np.array([factor], np.float32))
        return error_codes(sums, scale, before=before, passes=passes)

    def _input_sums(self, layer: Layer, tensor: str, x: U8, e: I8, run: _Pass) -> tuple[I64, np.float32 | None]:
        """Sums of an input gradient shaped like ``x``, and the factor that makes them codes (None: they are)."""
        to = self._error_scale(tensor)
        if layer.has_weights:
            w, scales = self._arrays[f"{layer.name}.weights"], np.atleast_1d(self._arrays[f"{layer.name}.scale"])
            if self.design.per_channel:
                e = elementwise.scale_channels(e, scales_of((scales / scales.max()).astype(np.float32)))
            factor = np.float32(np.float32(np.float32(scales.max()) * self._error_scale(layer.name)) / to)
            if layer.kind is Kind.DENSE:
                return products.dense_input_sums(w, _rows(e)).reshape(x.shape), factor
            assert layer.window is not None
            in_hw = (layer.in_shape[0], layer.in_shape[1])
            if layer.kind is Kind.DEPTHWISE_CONV2D:
                sums = depthwise.depthwise_input_sums(w, e, layer.window, in_hw, multiplier=layer.multiplier)
                return sums, factor
            return products.conv2d_input_sums(w, e, layer.window, in_hw), factor
        same = self.design.error_scale(tensor).of == layer.name
        from_ = np.float32(self._error_scale(layer.name) / np.float32(_pooled(layer)))
        through = None if same else np.float32(from_ / to)
        in_hw = (layer.in_shape[0], layer.in_shape[1])
        if layer.kind is Kind.MAX_POOL:
            assert layer.window is not None
            return pool.max_pool_input_sums(run.index[layer.name], e, layer.window, in_hw), through
        if layer.kind is Kind.AVG_POOL:
            assert layer.window is not None
            return pool.avg_pool_input_sums(e, layer.window, in_hw), through
        if layer.kind is Kind.GLOBAL_AVG_POOL:
            return pool.global_avg_pool_input_sums(_rows(e), in_hw), through
        return e.astype(np.int64).reshape(x.shape), through

    def _activation_at(self, layer: Layer, tensor: str) -> Activation:
        """Activation whose derivative goes into the last contribution to a tensor's error, as the planner places it."""
        producer = self.graph.producer[tensor]
        if self.graph.activation_after_pool(layer) is not Activation.NONE:
            return Activation.NONE
        if producer.activation is not Activation.NONE:
            return producer.activation
        return self.graph.activation_after_pool(producer)

    # --- learning ----------------------------------------------------------------------------------------------------

    def _learn(self, run: _Pass, error: Any, *, n_samples: int) -> None:
        float_gradients, sums, seen = self._backward(run, error, n_samples=n_samples)
        key = random_mix(random_mix(self.plan.precision.seed) + self._step)
        self._step += 1
        layers = [layer for layer in self.plan.network.parametric if layer.name in float_gradients]
        parameters = [self._arrays[f"{layer.name}.{what}"] for layer in layers for what in ("weights", "bias")]
        self._stepper.step(parameters, [array for layer in layers for array in float_gradients[layer.name]])
        mean = np.float32(np.float32(ONE / np.float32(n_samples)) * np.float32(self._mean_factor()))
        for layer in self.plan.quantised:
            self._step_layer(layer, sums[layer.name], mean, key)
        for owner in self.design.owners:
            if self.design.moves(owner):
                self._follow(owner, run.seen[owner])
        for tensor, span in seen.items():
            self._follow_error(tensor, span, follow=_FOLLOW)
        self._rescale_biases()
        self._refresh()

    def _mean_factor(self) -> float:
        n = self.design.head.out_size
        if self.design.is_float(self.design.head):
            return 1.0
        return {Loss.CATEGORICAL_CROSSENTROPY: 1.0, Loss.BINARY_CROSSENTROPY: 1 / n}.get(self.plan.loss, 2 / n)

    def _step_layer(self, layer: Layer, sums: tuple[I64, I64], mean: np.float32, key: int) -> None:
        share, quantisation = self.design.share(layer), self.plan.precision.quantisation
        stochastic = quantisation.rounding == "stochastic"
        gain = np.float32(np.float32(self._lr * mean) * self._error_scale(layer.name))
        number = self.design.quantised.index(layer)
        key = random_mix(key + (_LAYER_KEY * (number + 1) & 0xFFFFFFFF))
        s_x = self._numbers[self.design.range_owner(self.graph.inputs(layer)[0])].scale
        scales = np.atleast_1d(self._arrays[f"{layer.name}.scale"])
        if share.bias:
            name = f"{layer.name}.bias"
            per_channel = (gain / (s_x * scales).astype(np.float32)).astype(np.float32)
            rates = per_channel if self.design.per_channel else np.float32(gain / self._sum_scales[layer.name][0])
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
        if self.design.per_channel or not quantisation.standardise:
            scale_w = scales if self.design.per_channel else scales[:1]
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
            index = places[..., : self.design.share(layer).channels].reshape(w.shape[0], -1)
        return w.reshape(-1)[index], index

    def _accumulated(self, layer: Layer, sums: I64) -> tuple[I64, Any]:
        """Gradient sums ``[S, N]`` of a batch and, where 16 bits wide, their shifts."""
        if layer.kind is Kind.DEPTHWISE_CONV2D:
            rows = sums.reshape(len(sums), -1, sums.shape[-1]).transpose(0, 2, 1)
        else:
            rows = sums.reshape(len(sums), sums.shape[1], -1)
        if not self.plan.narrow:
            return rows.sum(axis=0), 0
        g, shift = np.zeros(rows.shape[1:], np.int16), np.zeros(rows.shape[1], np.uint8)
        for row in rows:
            g, shift = gradients.deposit(g, shift, row)
        return g.astype(np.int64), shift

    def _follow(self, owner: str, seen: tuple[int, int]) -> None:
        layer, name = self.graph.producer[owner], f"{owner}.range"
        s = self._sum_scales[owner][0] if layer.has_weights else self._numbers[owner].scale
        least = 0.0 if self.design.starts_at_zero(owner) else -_WIDE
        most = 6.0 if layer.activation is Activation.RELU6 else _WIDE
        self._arrays[name] = follow_range(self._arrays[name], seen, s=s, least=least, most=most, follow=_FOLLOW)

    def _follow_error(self, tensor: str, seen: tuple[int, int], *, follow: float) -> None:
        name = f"{tensor}.error_range"
        s = self._error_sum_scales[tensor]
        self._arrays[name] = follow_error_range(np.float32(self._arrays[name]), seen, s=s, follow=follow)

    def _rescale_biases(self) -> None:
        for layer in self.design.quantised:
            if self.design.scale_moves(layer) or self.design.input_moves(layer):
                owner = self.design.range_owner(self.graph.inputs(layer)[0])
                numbers = (
                    numbers_of(self._arrays[f"{owner}.range"]) if self.design.moves(owner) else self._numbers[owner]
                )
                after = np.float32(numbers.scale * np.float32(np.max(self._arrays[f"{layer.name}.scale"])))
                name = f"{layer.name}.bias"
                ratio = np.float32(np.float32(self._sum_scales[layer.name].max()) / after)
                self._arrays[name] = rescale_bias(self._arrays[name], ratio)

    # --- scales ------------------------------------------------------------------------------------------------------

    def _refresh(self) -> None:
        """Everything that follows from ranges and scales of weights."""
        scale, zero = self.plan.input_numbers
        self._numbers = {INPUT: Numbers(np.float32(scale), zero)}
        for owner in self.design.owners:
            self._numbers[owner] = numbers_of(self._arrays[f"{owner}.range"])
        for layer in self.design.quantised:
            s_x = self._numbers[self.design.range_owner(self.graph.inputs(layer)[0])].scale
            scales = np.atleast_1d(np.asarray(self._arrays[f"{layer.name}.scale"], np.float32))
            self._sum_scales[layer.name] = (s_x * scales).astype(np.float32)
        self._error_sum_scales: dict[str, np.float32] = {}
        for tensor in self.design.error_owners:
            for layer in self.graph.consumers[tensor]:
                if layer.has_weights and not self.design.is_float(layer):
                    s_w = np.float32(np.max(self._arrays[f"{layer.name}.scale"]))
                    self._error_sum_scales[tensor] = np.float32(s_w * self._error_scale(layer.name))

    def _error_scale(self, tensor: str) -> np.float32:
        divisor = 1
        while tensor != self.graph.output:
            source = self.design.error_scale(tensor)
            if source == ErrorScale():
                break
            divisor *= source.divisor
            tensor = source.of
        base = _ERROR_UNIT
        if tensor in self.design.error_owners:
            base = error_scale_of(np.float32(self._arrays[f"{tensor}.error_range"]))
        scale: np.float32 = base if divisor == 1 else np.float32(base / np.float32(divisor))
        return scale

    def _zero(self, tensor: str) -> int:
        return self._numbers[self.design.range_owner(tensor)].zero

    def _float_weights(self, layer: Layer) -> tuple[F32, F32] | None:
        if not layer.has_weights:
            return None
        return self._arrays[f"{layer.name}.weights"], self._arrays[f"{layer.name}.bias"]


def _rows(z: Any) -> Any:
    return z.reshape(z.shape[0], -1)


def _pooled(layer: Layer) -> int:
    if layer.kind is Kind.GLOBAL_AVG_POOL:
        return layer.in_shape[0] * layer.in_shape[1]
    if layer.kind is Kind.AVG_POOL and layer.window is not None:
        return layer.window.kernel_h * layer.window.kernel_w
    return 1
