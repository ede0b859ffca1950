# SPDX-License-Identifier: Apache-2.0
"""Scales of errors as C expressions."""

from __future__ import annotations

from trainbed.codegen.int8.places import Int8Places
from trainbed.network.layers import Layer
from trainbed.planner.int8.design import Design, ErrorScale


def error_scale_expression(design: Design, places: Int8Places, tensor: str) -> str:
    """C expression (float) of the scale of a tensor's errors: its own range's, or that of another divided."""
    divisor = 1
    while tensor != design.graph.output:
        source = design.error_scale(tensor)
        if source == ErrorScale():
            break
        divisor *= source.divisor
        tensor = source.of
    if tensor in design.error_owners:
        base = f"trn_i8_error_scale_of(*{places.field(tensor, 'error_range')})"
    else:
        base = "(1.0f / 127.0f)"
    return base if divisor == 1 else f"({base} / {divisor}.0f)"


def needs_error_scale(design: Design, layer: Layer, target: str) -> bool:
    """A layer's input gradient is scaled on its way into the error of ``target``: always behind weights."""
    if layer.has_weights:
        return True
    return design.error_scale(target).of != layer.name
