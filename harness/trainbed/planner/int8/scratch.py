# SPDX-License-Identifier: Apache-2.0
"""Scratch of the 8-bit kernels in bytes: the macros TRN_I8_*_SCRATCH of firmware/include/trn/int8, in Python."""

from __future__ import annotations

import math

from trainbed.network.layers import Kind, Layer
from trainbed.planner.graph import Fused

_STEP_BYTES = 20
"""Size of a trn_i8_step_t."""


def words(n_bytes: int) -> int:
    """Bytes rounded up to whole words."""
    return -(-n_bytes // 4) * 4


def input_parts(layer: Layer, *, wanted: int) -> int:
    """Parts in which an input gradient can be worked out, at most ``wanted``: fours of channels stay whole."""
    fits = layer.kind is Kind.CONV2D and layer.in_shape[2] % (4 * wanted) == 0
    return wanted if fits else 1


def backward_input_bytes(layer: Layer, *, chosen: bool, parts: int) -> int:
    """Transposed weights of one part of the input channels and, where structures are chosen, slices of the error."""
    if layer.kind is not Kind.CONV2D:
        return 0
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


def update_bytes(layer: Layer) -> int:
    """What the standardised step keeps of each structure."""
    return _STEP_BYTES * layer.n_biases


def selection_bytes(layer: Layer) -> int:
    """Norms of all structures and the list of the chosen."""
    return 4 * layer.n_biases + words(2 * layer.n_biases)
