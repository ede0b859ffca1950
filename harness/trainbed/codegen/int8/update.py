# SPDX-License-Identifier: Apache-2.0
"""The steps of 8-bit layers in C: standardised, or plain with the scale of the weights (quantisation-aware scaling)."""

from __future__ import annotations

from trainbed.codegen.int8.calls import Int8Calls
from trainbed.codegen.int8.places import Int8Places
from trainbed.codegen.int8.scales import ScaleWriter
from trainbed.network.layers import Kind, Layer
from trainbed.planner.int8.plan import Int8Plan

_LAYER_KEY = 0x85EBCA6B
_BIAS_KEY = 0xC2B2AE35


class UpdateWriter:
    """Writes one function per trained 8-bit layer."""

    def __init__(self, plan: Int8Plan, places: Int8Places, calls: Int8Calls, scales: ScaleWriter) -> None:
        self._plan = plan
        self._places = places
        self._calls = calls
        self._scales = scales
        self._design = plan.design

    def functions(self) -> list[str]:
        """Definitions of the steps."""
        return [self._function(layer) for layer in self._plan.quantised]

    def call(self, layer: Layer) -> str:
        """Statement that steps one layer."""
        return f"step_{self._places.name(layer)}();"

    def _function(self, layer: Layer) -> str:
        share, body = self._design.share(layer), []
        number = self._design.quantised.index(layer)
        s_e = self._calls.error_scale_expression(layer.name)
        body.append(f"const float gain = trn_lr * trn_batch_mean * {s_e};")
        key = f"trn_random_mix(trn_step_key + 0x{_LAYER_KEY * (number + 1) & 0xFFFFFFFF:08X}u)"
        stochastic = "true" if self._plan.precision.quantisation.rounding == "stochastic" else "false"
        body.append(f"const trn_i8_rounding_t rounding = {{{stochastic}, {key}}};")
        if share.bias:
            body += self._bias_step(layer)
        if share.channels:
            body += self._weights_step(layer)
        lines = "".join(f"    {line}\n" for line in body)
        return f"static TRN_NOINLINE void step_{self._places.name(layer)}(void)\n{{\n{lines}}}\n"

    def _bias_step(self, layer: Layer) -> list[str]:
        b, gb = self._places.field(layer.name, "bias"), self._places.sums(layer, "bias")
        per = "true" if self._design.per_channel else "false"
        lines = [f"const trn_i8_rounding_t for_bias = {{rounding.stochastic, rounding.key ^ 0x{_BIAS_KEY:08X}u}};"]
        if self._design.per_channel:
            lines += self._rates(layer, "bias_rates", "gain / ({s_x} * {scales}[o])", with_ratio=True)
            lines.append(
                f"trn_i8_update_bias({b}, {gb}, {layer.n_biases}, bias_rates, bias_ratios, {per}, for_bias, 0);"
            )
            return lines
        lines.append("static const float same = 1.0f;")
        lines.append(f"const float bias_rate = gain / {self._scales.sum_scale_name(layer)};")
        lines.append(f"trn_i8_update_bias({b}, {gb}, {layer.n_biases}, &bias_rate, &same, {per}, for_bias, 0);")
        return lines

    def _weights_step(self, layer: Layer) -> list[str]:
        w, g = self._places.field(layer.name, "weights"), self._places.sums(layer, "weights")
        narrow = "true" if self._plan.narrow else "false"
        shift = self._places.sums(layer, "shift") if self._plan.narrow else "NULL"
        sums = f"(trn_i8_sums_t){{{g}, {narrow}}}"
        summed = self._design.gradient(layer).channels
        tensor = tensor_literal(layer, self._design.share(layer).channels, summed=summed)
        if self._design.per_channel:
            lines = self._rates(layer, "rates", "gain * {s_x} / {scales}[o]", with_ratio=False)
            return [*lines, f"trn_i8_update_plain({w}, {sums}, {shift}, {tensor}, rates, true, rounding);"]
        scale = self._places.field(layer.name, "scale")
        if self._plan.precision.quantisation.standardise:
            scratch = f"(trn_i8_step_t *)(void *){self._scratch(layer)}"
            return [
                f"*{scale} = trn_i8_update_standardised({w}, {sums}, {shift}, {tensor}, *{scale}, trn_lr,"
                f" TRN_I8_SCALE_FOLLOWS, 1.0f, rounding, {scratch});"
            ]
        return [
            f"const float rate = gain * {self._scale_of_input(layer)} / *{scale};",
            f"trn_i8_update_plain({w}, {sums}, {shift}, {tensor}, &rate, false, rounding);",
        ]

    def _rates(self, layer: Layer, name: str, formula: str, *, with_ratio: bool) -> list[str]:
        """Rates of each channel in the step's scratch."""
        n = layer.n_biases
        rate = formula.format(s_x=self._scale_of_input(layer), scales=f"scales_{self._places.name(layer)}")
        lines = [
            f"float *const {name} = (float *)(void *){self._scratch(layer)};",
            *([f"float *const bias_ratios = {name} + {n};"] if with_ratio else []),
            f"for (trn_size_t o = 0; o < {n}; o++) {{",
            f"    {name}[o] = {rate};",
            *(["    bias_ratios[o] = 1.0f;"] if with_ratio else []),
            "}",
        ]
        return lines

    def _scale_of_input(self, layer: Layer) -> str:
        x = self._design.graph.inputs(layer)[0]
        return f"{self._places.numbers(self._design.range_owner(x))}.scale"

    def _scratch(self, layer: Layer) -> str:
        """Scratch of a step: its slot in immediate mode; between samples the arena is free."""
        return self._places.scratch(f"update of {layer.name}") if self._plan.immediate else "trn_arena"


def tensor_literal(layer: Layer, channels: int, *, summed: int) -> str:
    """A layer's trained weights as a trn_i8_tensor_t: structures, and the runs of elements of each.

    ``channels`` are trained; ``summed``, as many or more, have gradient sums.
    """
    n = layer.n_biases
    if layer.kind is Kind.DEPTHWISE_CONV2D:
        taps = layer.n_weights // n
        return f"(trn_i8_tensor_t){{{n}, 1, 1, {{1, {taps}, 0, {n}, 0, {n}}}}}"
    inputs = layer.weight_shape[-1]
    structure = layer.n_weights // n
    if channels == inputs:
        return f"(trn_i8_tensor_t){{{n}, {structure}, {structure}, {{1, {structure}, 0, 1, 0, 1}}}}"
    runs = structure // inputs
    return f"(trn_i8_tensor_t){{{n}, {structure}, {runs * summed}, {{{runs}, {channels}, {inputs}, 1, {summed}, 1}}}}"
