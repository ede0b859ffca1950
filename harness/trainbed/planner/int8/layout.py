# SPDX-License-Identifier: Apache-2.0
"""Where parameters and gradients of an 8-bit design lie."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from trainbed.network.layers import Kind, Layer
from trainbed.planner.int8.design import Design
from trainbed.planner.parameters import Field, ParameterLayout, lay_out
from trainbed.reference.pow2.numbers import ROWS


def parameter_layout(design: Design, *, flash: bool = True, packed: frozenset[str] = frozenset()) -> ParameterLayout:
    """Fields layer by layer: weights, bias, scale of the weights, mean that is taken away, range of the output, scale
    of the output's errors.

    ``flash`` false: weights and biases lie in RAM, trained or not. What float32 layers train stands first in RAM, in
    one piece, as the float32 optimizers want it. ``packed``: layers whose dense and convolution weights lie in blocks
    of outputs.
    """
    fields = [_in_blocks(field, design) if field.layer in packed else field for field in _parameter_fields(design)]
    if not flash:
        fields = [replace(field, in_flash=False) if field.what in ("weights", "bias") else field for field in fields]
    in_ram = lay_out([*filter(_is_trained_float, fields), *(f for f in fields if not _is_trained_float(f))])
    placed = {field.name: field for field in in_ram.fields}
    return ParameterLayout(tuple(placed[field.name] for field in fields))


def _in_blocks(field: Field, design: Design) -> Field:
    is_rows = field.what == "weights" and design.network.layer(field.layer).kind is not Kind.DEPTHWISE_CONV2D
    return replace(field, rows=ROWS) if is_rows else field


def _is_trained_float(field: Field) -> bool:
    return field.dtype == "float32" and field.what in ("weights", "bias") and not field.in_flash


def _parameter_fields(design: Design) -> Iterator[Field]:
    for layer in design.network.layers:
        name, share = layer.name, design.share(layer)
        if layer.has_weights and design.is_float(layer):
            in_flash = not share.anything
            yield Field(name, "weights", "float32", layer.weight_shape, in_flash)
            yield Field(name, "bias", "float32", (layer.n_biases,), in_flash)
        elif layer.has_weights:
            scales = (layer.n_biases,) if design.per_channel else ()
            yield Field(name, "weights", "int8", layer.weight_shape, in_flash=not share.channels)
            yield Field(name, "bias", "int32", (layer.n_biases,), in_flash=not bias_moves(design, layer))
            yield Field(name, "scale", "float32", scales, in_flash=not design.scale_moves(layer))
        if design.is_centred(layer):
            yield Field(name, "mean", "float32", (layer.out_size,), in_flash=True)
        if name in design.owners and design.table(name) is None:
            yield Field(name, "range", "float32", (2,), in_flash=not design.moves(name))
        if name in design.error_owners:
            yield Field(name, "error_range", "float32", ())


def bias_moves(design: Design, layer: Layer) -> bool:
    """The biases are trained, or their scale s_x s_w changes."""
    return design.share(layer).bias or design.scale_moves(layer) or design.input_moves(layer)


def gradient_fields(layer: Layer, design: Design, *, narrow: bool) -> list[Field]:
    """Accumulators of one 8-bit layer: sums of the weights, their shifts where 16 bits wide, sums of biases."""
    share = design.gradient(layer)
    fields = []
    if share.channels:
        shape = trained_shape(layer, share.channels)
        fields.append(Field(layer.name, "weights", "int16" if narrow else "int32", shape))
        if narrow:
            fields.append(Field(layer.name, "shift", "uint8", (layer.n_biases,)))
    if share.bias:
        fields.append(Field(layer.name, "bias", "int32", (layer.n_biases,)))
    return fields


def gradient_layout(design: Design, *, narrow: bool) -> ParameterLayout:
    """Accumulators of all 8-bit layers that have a gradient, one behind the other."""
    layers = (layer for layer in design.quantised if design.gradient(layer).anything)
    return lay_out(field for layer in layers for field in gradient_fields(layer, design, narrow=narrow))


def layer_gradient(layer: Layer, design: Design, *, narrow: bool) -> ParameterLayout:
    """Accumulators of one layer that live only until its step."""
    return lay_out(gradient_fields(layer, design, narrow=narrow))


def trained_shape(layer: Layer, channels: int) -> tuple[int, ...]:
    """Shape of the trained part of a layer's weights."""
    if layer.kind is Kind.DEPTHWISE_CONV2D:
        return layer.weight_shape
    return (*layer.weight_shape[:-1], channels)
