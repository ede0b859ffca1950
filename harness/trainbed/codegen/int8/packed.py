# SPDX-License-Identifier: Apache-2.0
"""Frozen layers on AVR as calls of firmware/include/trn/int8/packed.h: addresses and numbers are constants in each."""

from __future__ import annotations

from functools import cache

import numpy as np

from trainbed.codegen.call import Call
from trainbed.codegen.constants import define_constant, define_pieces, pieces_of
from trainbed.codegen.int8.places import Int8Places
from trainbed.codegen.int8.scales import ScaleWriter
from trainbed.codegen.literals import c_window
from trainbed.network.layers import Activation, Kind, Layer
from trainbed.planner.graph import Step
from trainbed.planner.int8.packed import PackedSums, leaves_taps_out, packed_sums
from trainbed.planner.int8.plan import Int8Plan, list_of
from trainbed.planner.parameters import Arrays
from trainbed.reference.int8.forward import pooled
from trainbed.reference.int8.numbers import scale_of
from trainbed.reference.pow2.numbers import lift


class PackedCalls:
    """Writes the packed layers of a plan."""

    def __init__(self, plan: Int8Plan, places: Int8Places, scales: ScaleWriter, constants: Arrays) -> None:
        self._plan = plan
        self._places = places
        self._scales = scales
        self._constants = constants
        self._design = plan.design
        self._sums = cache(self._find_sums)

    def holds(self, layer: Layer) -> bool:
        """The layer is packed."""
        return layer.name in self._plan.packed

    def definitions(self, layer: Layer) -> list[str]:
        """Weights, those of dense layers lifted, and biases with the input's zero point taken off, in flash."""
        weights, bias = (self._plan.parameters.of(layer.name, what) for what in ("weights", "bias"))
        names = [self._places.field(layer.name, what) for what in ("weights", "bias")]
        array = self._constants[weights.name]
        array = lift(array) if layer.kind is Kind.DENSE else array
        return [
            *define_pieces(names[0], weights, array, qualifier="TRN_FLASH"),
            define_constant(names[1], bias, self._sums(layer).bias, qualifier="TRN_FLASH"),
        ]

    def dense(self, call: Call, step: Step, x: str) -> None:
        """A dense layer: its codes, or the sums of the head to be read as ``sums``."""
        layer = step.layer
        listed = "NULL, 0"
        if layer.name in self._plan.sparse:
            scratch = call.take("uint8_t *list", self._places.slot(list_of(layer)))
            found = f"trn_pow2_list((const int8_t *){x}, {scratch}, {layer.in_size})"
            call.lines.append(f"const trn_size_t n_listed = {found};")
            listed = f"{scratch}, n_listed"
        is_head = layer.name == self._design.graph.output
        verb, y = ("sums", "sums") if is_head else ("dense", "y")
        numbers = self._kind(layer) if is_head else f"{self._sink_of(layer)}, {self._kind(layer)}"
        for first, count, suffix in pieces_of(self._plan.parameters.of(layer.name, "weights")):
            w, b = self._address(layer, "weights", suffix), self._address(layer, "bias")
            places = f"{w}, {b} + {first}, {y} + {first}" if first else f"{w}, {b}, {y}"
            call.lines.append(f"trn_i8_packed_{verb}({x}, {listed}, {places}, {layer.in_size}, {count}, {numbers});")

    def average(self, layer: Layer, x: str, y: str) -> str:
        """Statement: an average over windows, or over all pixels; it keeps the numbers of its input."""
        n, zero = pooled(layer), self._zero(layer)
        multiplier, shift = scale_of(np.float32(1 / n))
        near = PackedSums(np.zeros(1, np.int32), 255 * n).near(multiplier, shift)
        to = _sink(multiplier, shift, near=near, zero=zero, lo=0, x_zero=zero)
        if layer.kind is Kind.AVG_POOL:
            return f"trn_i8_packed_avg_pool({x}, {y}, {c_window(layer)}, {to});"
        return f"trn_i8_packed_global_avg_pool({x}, {y}, {n}, {layer.in_shape[2]}, {to});"

    def window(self, layer: Layer, x: str, y: str, *, window: str = "", row: str = "", in_place: str = "") -> str:
        """Statement: a convolution; of a part of the tensors with the ``window`` for it, of one ``row`` (its number and
        the rows of the ring it reads), or over its input with the scratch ``in_place``.
        """
        w, b = self._address(layer, "weights"), self._address(layer, "bias")
        numbers = f"{window or c_window(layer)}, {self._sink_of(layer)}, {self._kind(layer)}"
        name = f"trn_i8_packed_{layer.kind.value}"
        if row:
            return f"{name}_row({x}, {w}, {b}, {y}, {numbers}, {row});"
        if in_place:
            return f"{name}_inplace({x}, {w}, {b}, {numbers}, {in_place});"
        return f"{name}({x}, {w}, {b}, {y}, {numbers});"

    def _address(self, layer: Layer, what: str, suffix: str = "") -> str:
        kind = "int8_t" if what == "weights" else "int32_t"
        return f"(const {kind} *)(uintptr_t){self._places.field(layer.name, what)}{suffix}"

    def _kind(self, layer: Layer) -> str:
        flags = (True, True, self._sums(layer).narrow, layer.kind is Kind.DENSE)
        return f"(trn_pow2_kind_t){{{', '.join('true' if flag else 'false' for flag in flags)}}}"

    def _sink_of(self, layer: Layer) -> str:
        """What the sums become, as a trn_pow2_sink_t."""
        multiplier, shift = self._scales.forward_pair(layer)
        zero = self._scales.sums_zero(layer)
        relu = layer.activation in (Activation.RELU, Activation.RELU6)
        x_zero = self._zero(layer) if leaves_taps_out(layer) else 0
        near = self._sums(layer).near(multiplier, shift)
        return _sink(multiplier, shift, near=near, zero=zero, lo=zero if relu else 0, x_zero=x_zero)

    def _zero(self, layer: Layer) -> int:
        return self._scales.numbers_of(self._design.range_owner(self._design.graph.inputs(layer)[0])).zero

    def _find_sums(self, layer: Layer) -> PackedSums:
        w, b = (self._constants[f"{layer.name}.{what}"] for what in ("weights", "bias"))
        return packed_sums(layer, w, b, zero=self._zero(layer))


def _sink(multiplier: int, shift: int, *, near: int, zero: int, lo: int, x_zero: int) -> str:
    return f"(trn_pow2_sink_t){{true, {{0, 0, 0}}, {{{multiplier}, {shift}}}, {near}, {zero}, {lo}, 255, {x_zero}}}"


def row_window(layer: Layer) -> str:
    """The window of one row of a pointwise convolution."""
    assert layer.kind is Kind.CONV2D
    (_, width, channels), filters = layer.in_shape, layer.out_shape[2]
    return f"(trn_window_t){{1, {width}, {channels}, 1, {width}, {filters}, 1, 1, 1, 1, 0, 0}}"
