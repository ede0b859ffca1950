# SPDX-License-Identifier: Apache-2.0
"""Frozen layers whose weights lie as the kernels of AVR want them (firmware/include/trn/int8/packed.h): which they are,
and what is proven of their sums.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trainbed.errors import NetworkError
from trainbed.network.layers import INPUT, Kind, Layer
from trainbed.planner.int8.design import Design

_NARROW = 1 << 23
"""Sums below this magnitude fit 24 bits."""
_LARGEST_CODE = 255


def packed_layers(design: Design) -> frozenset[str]:
    """Layers of which nothing moves in training, and no error passes them: those with weights, and averages."""
    weighted = (
        layer.name
        for layer in design.quantised
        if not design.share(layer).anything and not design.scale_moves(layer) and not design.per_channel
    )
    averages = (
        layer.name
        for layer in design.graph.layers
        if layer.kind in (Kind.AVG_POOL, Kind.GLOBAL_AVG_POOL) and not design.is_float(layer)
    )
    return frozenset(
        name
        for name in (*weighted, *averages)
        if not design.input_moves(design.graph.producer[name]) and not design.graph.needs_gradient(name)
    )


def sparse_layers(design: Design, packed: frozenset[str], input_zero: int) -> frozenset[str]:
    """Packed dense layers on the network's input that leave out what is zero in it.

    Raises NetworkError where the number 0 is not the code 0.
    """
    if not design.precision.quantisation.skip_zeros:
        return frozenset()
    if input_zero:
        raise NetworkError(
            f"skip_zeros leaves out the code 0; the input's zero is the code {input_zero}: choose data.scale and"
            " data.offset so that its smallest value is 0"
        )
    return frozenset(
        layer.name
        for layer in design.quantised
        if layer.name in packed and layer.kind is Kind.DENSE and design.graph.inputs(layer)[0] == INPUT
    )


@dataclass(frozen=True, eq=False)
class PackedSums:
    """``bias``: int32 ``[O]``, the input's zero point taken off; ``bound``: no partial sum is larger in magnitude."""

    bias: NDArray[np.int32]
    bound: int

    @property
    def narrow(self) -> bool:
        """Sums fit 24 bits."""
        return self.bound < _NARROW

    def near(self, multiplier: int, shift: int) -> int:
        """``near`` of trn_pow2_sink_t (pow2/sink.h) for sums times this factor."""
        if shift or not self.narrow or (self.bound * multiplier + (1 << 31)) >> 32 > (1 << 15) - 1 - _LARGEST_CODE:
            return 0
        for s in range(8):
            if multiplier % (1 << s) == 0 and multiplier >> s < 1 << 24 and self.bound << s < _NARROW:
                return 1 + s
        return 0


def packed_sums(layer: Layer, w: NDArray[Any], b: NDArray[Any], *, zero: int) -> PackedSums:
    """What is known of a layer's sums from its codes; ``zero``: the input's zero point.

    A code lies in 0 .. 255, so a partial sum of a channel lies between what its negative and what its positive weights
    can come to; a tap outside the input counts as the code ``zero`` (pow2/outside.h).
    """
    axes = (0, 1) if layer.kind is Kind.DEPTHWISE_CONV2D else tuple(range(1, w.ndim))
    wide = w.astype(np.int64)
    bias = b.astype(np.int64).reshape(-1) - zero * wide.sum(axis=axes).reshape(-1)
    lowest = bias + _LARGEST_CODE * np.minimum(wide, 0).sum(axis=axes).reshape(-1)
    highest = bias + _LARGEST_CODE * np.maximum(wide, 0).sum(axis=axes).reshape(-1)
    bound = int(max(np.abs(lowest).max(), np.abs(highest).max()))
    assert bound < 1 << 31, f"{layer.name}: a sum may leave 32 bits"
    return PackedSums(bias.astype(np.int32), bound)


def leaves_taps_out(layer: Layer) -> bool:
    """Some outputs of a layer have taps outside the input."""
    window = layer.window
    if window is None:
        return False
    ends = (
        (layer.out_shape[0] - 1) * window.stride_h - window.pad_top + window.kernel_h - layer.in_shape[0],
        (layer.out_shape[1] - 1) * window.stride_w - window.pad_left + window.kernel_w - layer.in_shape[1],
    )
    return bool(window.pad_top or window.pad_left or max(ends) > 0)
