# SPDX-License-Identifier: Apache-2.0
"""Scratch of the 8-bit kernels in bytes: the macros TRN_I8_*_SCRATCH of firmware/include/trn/int8, in Python."""

from __future__ import annotations

import math

from trainbed.network.layers import Kind, Layer
from trainbed.planner.graph import Fused
from trainbed.planner.int8.design import Design

_STEP_BYTES = 20
"""Size of a trn_i8_step_t."""
_RATE_BYTES = 8
"""Of two floats."""


def words(n_bytes: int) -> int:
    """Bytes rounded up to whole words."""
    return -(-n_bytes // 4) * 4


TILE = 4
"""Input channels whose weights are transposed at a time."""


def in_tiles(layer: Layer, *, chosen: bool, tiles: bool) -> bool:
    """The input gradient transposes some channels at a time: of pointwise layers of which all structures take part."""
    return tiles and not chosen and layer.is_pointwise and layer.in_shape[2] > TILE


def input_parts(layer: Layer, *, wanted: int) -> int:
    """Parts in which another convolution's input gradient can be worked out, at most ``wanted``: tiles stay whole."""
    fits = layer.kind is Kind.CONV2D and not layer.is_pointwise and layer.in_shape[2] % (TILE * wanted) == 0
    return wanted if fits else 1


def backward_input_bytes(layer: Layer, *, chosen: bool, tiles: bool, parts: int) -> int:
    """Transposed weights of the input channels at hand and, where structures are chosen, slices of the error."""
    if layer.kind is not Kind.CONV2D:
        return 0
    if in_tiles(layer, chosen=chosen, tiles=tiles):
        return words(TILE * layer.n_biases)
    pixels = layer.out_shape[0] * layer.out_shape[1]
    return words(layer.n_weights // parts) + (words(layer.n_biases * pixels) if chosen else 0)


def narrow_gradient_bytes(layer: Layer, channels: int) -> int:
    """Sums of two structures before they are deposited in 16 bits; one of a depthwise layer."""
    if not layer.has_weights:
        return 0
    taps = math.prod(layer.weight_shape[:2]) if layer.kind is Kind.DEPTHWISE_CONV2D else 1
    if layer.kind is Kind.CONV2D:
        taps = math.prod(layer.weight_shape[1:3])
    return 8 * taps * channels


def pooled_rows_bytes(layer: Layer, fused: Fused) -> int:
    """The rows of a convolution that exist at a time."""
    return words(fused.height * layer.out_shape[1] * layer.out_shape[2])


def in_place_bytes(layer: Layer) -> int:
    """Input rows of a depthwise convolution that its outputs have overwritten but later ones need."""
    assert layer.window is not None
    return words((layer.window.pad_top + 1) * layer.in_shape[1] * layer.in_shape[2])


def update_bytes(layer: Layer, design: Design) -> int:
    """What a step keeps of each structure: standardised, or with a rate (and a ratio of the bias) for each channel."""
    if design.per_channel:
        return _RATE_BYTES * layer.n_biases
    standardised = design.precision.quantisation.standardise and design.share(layer).channels > 0
    return _STEP_BYTES * layer.n_biases if standardised else 0


def selection_bytes(layer: Layer) -> int:
    """Norms of all structures and the list of the chosen."""
    return 4 * layer.n_biases + words(2 * layer.n_biases)
