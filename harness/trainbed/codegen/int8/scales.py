# SPDX-License-Identifier: Apache-2.0
"""The scales of an 8-bit plan in C: constants where nothing moves, else statics that are worked out anew between
batches.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from trainbed.codegen.int8.error_scales import error_scale_expression, needs_error_scale
from trainbed.codegen.int8.places import Int8Places
from trainbed.codegen.literals import c_float
from trainbed.network.layers import INPUT, Activation, Kind, Layer
from trainbed.network.precision import DynamicUpdate
from trainbed.planner.graph import Op
from trainbed.planner.int8.design import Design
from trainbed.planner.int8.plan import Int8Plan
from trainbed.planner.parameters import Arrays
from trainbed.reference.arrays import F32
from trainbed.reference.int8.forward import pooled
from trainbed.reference.int8.numbers import Numbers, add_scale_of, numbers_of, scale_of

FOLLOW = "0.1f"
"""Share of a batch's range that goes into the range kept (Deutel et al., alpha of activations and errors)."""


class ScaleWriter:
    """Writes the statics that hold scales and the code that keeps them right."""

    def __init__(self, plan: Int8Plan, places: Int8Places, constants: Arrays) -> None:
        self._plan = plan
        self._places = places
        self._constants = constants
        self._design: Design = plan.design
        self._graph = self._design.graph

    # --- definitions -------------------------------------------------------------------------------------------------

    def definitions(self) -> str:
        """All statics."""
        lines = ["/* Scales: constants, or worked out between batches. */"]
        for owner in self._used_owners():
            if self._design.moves(owner):
                lines.append(f"static trn_i8_numbers_t {self._places.numbers(owner)};")
                lines.append(f"static trn_i8_range_t {self._places.seen(owner)} = TRN_I8_RANGE_EMPTY;")
            else:
                numbers = self.numbers_of(owner)
                value = f"{{{c_float(float(numbers.scale))}, {numbers.zero}}}"
                lines.append(f"TRN_UNUSED static const trn_i8_numbers_t {self._places.numbers(owner)} = {value};")
        for layer in self._graph.layers:
            if not self._design.is_float(layer):
                lines += self._layer_definitions(layer)
        for tensor in self._design.error_owners:
            lines.append(f"static trn_i8_range_t {self._places.seen_error(tensor)} = TRN_I8_RANGE_EMPTY;")
            lines.append(f"static float sum_scale_error_{self._name(tensor)};")
        for layer in self.choosing:
            lines.append(f"static trn_i8_choice_t choice_{self._places.name(layer)};")
        return "\n".join(lines) + "\n"

    def _layer_definitions(self, layer: Layer) -> list[str]:
        lines = []
        name = self._places.forward_scale(layer)
        if layer.name == self._graph.output:
            lines.append(
                self._define("float", name, self._moves(layer), lambda: c_float(float(self._sum_scale(layer))))
            )
        elif layer.name in self._plan.packed:
            return []  # a number of the call
        elif layer.has_weights and self._design.per_channel:
            factors = np.asarray(self._sum_scales(layer) / self._out_scale(layer), np.float32)
            lines.append(_scale_array(name, factors))
        elif layer.has_weights:
            lines.append(self._define("trn_i8_scale_t", name, self._moves(layer), lambda: self._scale_literal(layer)))
        elif layer.kind is Kind.ADD:
            lines.append(self._define("trn_i8_add_scale_t", name, self._moves(layer), lambda: self._add_literal(layer)))
        elif layer.kind in (Kind.AVG_POOL, Kind.GLOBAL_AVG_POOL):
            lines.append(f"static const trn_i8_scale_t {name} = {_pair(scale_of(np.float32(1 / pooled(layer))))};")
        if layer.has_weights and self._bias_moves(layer):
            lines.append(f"static float sum_scale_{self._places.name(layer)};")
        if layer.has_weights and self._design.per_channel and self._has_input_gradient(layer):
            scales = self._array(layer, "scale")
            lines.append(_scale_array(self._places.channel_scale(layer), np.asarray(scales / scales.max(), np.float32)))
        for target in self._error_targets(layer):
            lines.append(f"static trn_i8_scale_t {self._places.error_scale(layer, target)};")
        return lines

    # --- code --------------------------------------------------------------------------------------------------------

    def refresh(self) -> list[str]:
        """Body that works out everything that moves from ranges and scales of weights."""
        lines = [
            f"{self._places.numbers(owner)} = trn_i8_numbers_of({self._places.field(owner, 'range')});"
            for owner in self._used_owners()
            if self._design.moves(owner)
        ]
        for layer in self._graph.layers:
            if not self._design.is_float(layer):
                lines += self._refresh_layer(layer)
        for tensor in self._design.error_owners:
            for layer in self._graph.consumers[tensor]:
                if layer.has_weights and not self._design.is_float(layer):
                    lines.append(f"sum_scale_error_{self._name(tensor)} = {self._error_sums(layer)};")
        return lines

    def _refresh_layer(self, layer: Layer) -> list[str]:
        lines, name = [], self._places.forward_scale(layer)
        sums = self.sum_scale_expression(layer) if layer.has_weights else ""
        if layer.has_weights and self._bias_moves(layer):
            lines.append(f"sum_scale_{self._places.name(layer)} = {sums};")
        if self._moves(layer):
            if layer.name == self._graph.output:
                lines.append(f"{name} = {sums};")
            elif layer.has_weights:
                lines.append(f"{name} = trn_i8_scale_of({sums} / {self._places.numbers(layer.name)}.scale);")
            elif layer.kind is Kind.ADD:
                out = f"{self._places.numbers(layer.name)}.scale"
                ratios = [f"{self._numbers(tensor)}.scale / {out}" for tensor in self._graph.inputs(layer)]
                lines.append(f"{name} = trn_i8_add_scale_of({', '.join(ratios)});")
        for target in self._error_targets(layer):
            to = error_scale_expression(self._design, self._places, target)
            if layer.has_weights:
                factor = f"{self._error_sums(layer)} / {to}"
            else:
                factor = f"{error_scale_expression(self._design, self._places, layer.name)} / {pooled(layer)}.0f / {to}"
            lines.append(f"{self._places.error_scale(layer, target)} = trn_i8_scale_of({factor});")
        return lines

    def follow(self) -> list[str]:
        """Body that takes what a batch has shown into the ranges."""
        lines = []
        for owner in self._used_owners():
            if self._design.moves(owner):
                layer = self._graph.producer[owner]
                s = self.sum_scale_name(layer) if layer.has_weights else f"{self._places.numbers(owner)}.scale"
                least = "0.0f" if self._design.starts_at_zero(owner) else "-0x1p100f"
                most = "6.0f" if layer.activation is Activation.RELU6 else "0x1p100f"
                span = f"{self._places.field(owner, 'range')}, &{self._places.seen(owner)}"
                lines.append(f"trn_i8_range_follow({span}, {s}, {least}, {most}, {FOLLOW});")
        for tensor in self._design.error_owners:
            arguments = f"{self._places.field(tensor, 'error_range')}, &{self._places.seen_error(tensor)}"
            lines.append(f"trn_i8_error_range_follow({arguments}, sum_scale_error_{self._name(tensor)}, {FOLLOW});")
        return lines

    def forget(self) -> list[str]:
        """Body that drops what an unfinished batch has shown."""
        seen = [self._places.seen(owner) for owner in self._used_owners() if self._design.moves(owner)]
        seen += [self._places.seen_error(tensor) for tensor in self._design.error_owners]
        return [f"{name} = (trn_i8_range_t)TRN_I8_RANGE_EMPTY;" for name in seen]

    def rescale_biases(self) -> list[str]:
        """Body that brings biases to the scales of the next batch, before refresh()."""
        lines = []
        for layer in self._design.quantised:
            if self._bias_moves(layer) and self._scale_changes(layer):
                x = self._graph.inputs(layer)[0]
                owner = self._design.range_owner(x)
                to = f"{self._places.numbers(owner)}.scale"
                if self._design.moves(owner):
                    to = f"trn_i8_numbers_of({self._places.field(owner, 'range')}).scale"
                after = f"({to} * {self._weights_scale(layer)})"
                b = self._places.field(layer.name, "bias")
                lines.append(f"trn_i8_rescale_bias({b}, {layer.n_biases}, {self.sum_scale_name(layer)} / {after});")
        return lines

    # --- expressions -------------------------------------------------------------------------------------------------

    @property
    def choosing(self) -> tuple[Layer, ...]:
        """Layers that choose the structures they train."""
        if not isinstance(self._plan.precision.update, DynamicUpdate):
            return ()
        return tuple(step.layer for step in self._plan.steps if step.op is Op.SELECT)

    def sum_scale_expression(self, layer: Layer) -> str:
        """C expression of the scale of a layer's sums: s_x s_w."""
        return f"{self._numbers(self._graph.inputs(layer)[0])}.scale * {self._weights_scale(layer)}"

    def sum_scale_name(self, layer: Layer) -> str:
        """The scale of a layer's sums in the batch in hand, as C."""
        if self._bias_moves(layer):
            return f"sum_scale_{self._places.name(layer)}"
        return self._sum_scale_literal(layer)

    def _weights_scale(self, layer: Layer) -> str:
        if self._design.scale_moves(layer):
            return f"*{self._places.field(layer.name, 'scale')}"
        return c_float(float(self._array(layer, "scale").max()))

    def _error_sums(self, layer: Layer) -> str:
        """Scale of the sums of a layer's input gradient: s_w s_e."""
        return f"{self._weights_scale(layer)} * {error_scale_expression(self._design, self._places, layer.name)}"

    def _numbers(self, tensor: str) -> str:
        return self._places.numbers(self._design.range_owner(tensor))

    def _used_owners(self) -> tuple[str, ...]:
        return (INPUT, *self._design.owners)

    def _moves(self, layer: Layer) -> bool:
        own = layer.name in self._design.owners and self._design.moves(layer.name)
        return own or self._design.input_moves(layer) or (layer.has_weights and self._design.scale_moves(layer))

    def _scale_changes(self, layer: Layer) -> bool:
        return self._design.scale_moves(layer) or self._design.input_moves(layer)

    def _bias_moves(self, layer: Layer) -> bool:
        return self._design.share(layer).bias or self._scale_changes(layer)

    def _has_input_gradient(self, layer: Layer) -> bool:
        return any(step.op is Op.BACKWARD_INPUT and step.layer == layer for step in self._plan.steps)

    def _error_targets(self, layer: Layer) -> list[str]:
        """Tensors whose errors a layer's input gradients are scaled into."""
        targets = [s.target for s in self._plan.steps if s.op is Op.BACKWARD_INPUT and s.layer == layer]
        return [target for target in targets if needs_error_scale(self._design, layer, target)]

    def _name(self, tensor: str) -> str:
        return self._places.name(self._graph.producer[tensor])

    # --- constants ---------------------------------------------------------------------------------------------------

    def _define(self, kind: str, name: str, moves: bool, literal: Callable[[], str]) -> str:
        return f"static {kind} {name};" if moves else f"static const {kind} {name} = {literal()};"

    def _array(self, layer: Layer, what: str) -> F32:
        return np.atleast_1d(np.asarray(self._constants[f"{layer.name}.{what}"], np.float32))

    def numbers_of(self, owner: str) -> Numbers:
        """Scale and zero point of an owner's codes, where nothing moves."""
        if owner == INPUT:
            scale, zero = self._plan.input_numbers
            return Numbers(np.float32(scale), zero)
        table = self._design.table(owner)
        return table.after if table else numbers_of(np.asarray(self._constants[f"{owner}.range"], np.float32))

    def sums_zero(self, layer: Layer) -> int:
        """Zero point of the codes that a layer's sums become, before a table makes others of them."""
        return self._sums_numbers(layer).zero

    def forward_pair(self, layer: Layer) -> tuple[int, int]:
        """(multiplier, shift) of a layer's sums, where nothing moves."""
        return scale_of(np.float32(self._sum_scale(layer) / self._out_scale(layer)))

    def _sums_numbers(self, layer: Layer) -> Numbers:
        table = self._design.table(layer.name)
        return table.before if table else self.numbers_of(layer.name)

    def _sum_scales(self, layer: Layer) -> F32:
        s_x = self.numbers_of(self._design.range_owner(self._graph.inputs(layer)[0])).scale
        return np.asarray(s_x * self._array(layer, "scale"), np.float32)

    def _sum_scale(self, layer: Layer) -> np.float32:
        largest: np.float32 = np.float32(self._sum_scales(layer).max())
        return largest

    def _out_scale(self, layer: Layer) -> np.float32:
        return self._sums_numbers(layer).scale

    def _sum_scale_literal(self, layer: Layer) -> str:
        return c_float(float(self._sum_scale(layer)))

    def _scale_literal(self, layer: Layer) -> str:
        return _pair(self.forward_pair(layer))

    def _add_literal(self, layer: Layer) -> str:
        out = self._out_scale(layer)
        a, b = (self.numbers_of(self._design.range_owner(tensor)).scale for tensor in self._graph.inputs(layer))
        scale = add_scale_of(np.float32(a / out), np.float32(b / out))
        return f"{{{scale.a}, {scale.b}, {scale.shift}}}"


def _scale_array(name: str, factors: F32) -> str:
    rows = ", ".join(_pair(scale_of(factor)) for factor in factors.astype(np.float32))
    return f"static const trn_i8_scale_t {name}[{len(factors)}] = {{{rows}}};"


def _pair(scale: tuple[int, int]) -> str:
    return f"{{{scale[0]}, {scale[1]}}}"
