# SPDX-License-Identifier: Apache-2.0
"""Literals of the shapes that 8-bit kernels take."""

from __future__ import annotations

from dataclasses import replace

from trainbed.codegen.literals import c_window
from trainbed.network.layers import Activation, Kind, Layer
from trainbed.planner.graph import Fused


def family(layer: Layer) -> str:
    """The family of kernels a layer belongs to, as their names have it."""
    return "pointwise" if layer.is_pointwise else layer.kind.value


def shape_of(layer: Layer) -> str:
    """Literals of a kernel's shape."""
    if layer.kind is Kind.DENSE:
        return f"{layer.in_size}, {layer.out_size}"
    if layer.is_pointwise:
        return f"{layer.in_shape[0] * layer.in_shape[1]}, {layer.in_shape[2]}, {layer.out_shape[2]}"
    if layer.kind is Kind.GLOBAL_AVG_POOL:
        return f"{layer.in_shape[0] * layer.in_shape[1]}, {layer.in_shape[2]}"
    return c_window(layer)


def row_windows(layer: Layer, fused: Fused) -> list[str]:
    """The convolution's window, and the pool's on the rows of one turn."""
    pool = fused.pool
    part = replace(pool, in_shape=(fused.height, *pool.in_shape[1:]), out_shape=(fused.rows, *pool.out_shape[1:]))
    return [f"const trn_window_t whole = {c_window(layer)};", f"const trn_window_t pool = {c_window(part)};"]


def rows_of_turn(layer: Layer, fused: Fused) -> list[str]:
    """Window and first byte of the input of the rows of turn i."""
    height, row = fused.height, layer.in_shape[1] * layer.in_shape[2]
    return [
        f"    const trn_window_t window = trn_i8_rows(whole, i * {height}, (i + 1) * {height});",
        f"    const trn_size_t from = trn_i8_rows_from(whole, i * {height}) * {row};",
    ]


def mask_limits(activation: Activation) -> str:
    """Codes between which the derivative of an activation is 1: relu's zero point is 0, relu6 ends where codes do."""
    return "0, 255" if activation is Activation.RELU6 else "0, 256"
