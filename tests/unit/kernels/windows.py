# SPDX-License-Identifier: Apache-2.0
"""Shapes of convolutions and pools for tests, and the twin's results for them on one sample."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from hypothesis import strategies as st
from kernels.shim import F32, WindowArgument

from trainbed.network.layers import Window
from trainbed.reference import ops


@dataclass(frozen=True)
class Shape:
    """A window over an input; ``multiplier`` 0: conv2d, otherwise depthwise or (1) a pool."""

    in_hwc: tuple[int, int, int]
    out_c: int
    window: Window
    out_hw: tuple[int, int]
    multiplier: int = 0

    @property
    def argument(self) -> WindowArgument:
        """trn_window_t"""
        return WindowArgument(*self.numbers)

    @property
    def numbers(self) -> tuple[int, ...]:
        """The members of trn_window_t in order."""
        w = self.window
        return (
            *self.in_hwc,
            *self.out_hw,
            self.out_c,
            w.kernel_h,
            w.kernel_w,
            w.stride_h,
            w.stride_w,
            w.pad_top,
            w.pad_left,
        )

    @property
    def geometry(self) -> ops.Geometry:
        """The twin's tables."""
        return ops.make_geometry(self.window, self.in_hwc[:2], self.out_hw)

    @property
    def out_hwc(self) -> tuple[int, int, int]:
        """Output shape."""
        return (*self.out_hw, self.out_c)

    @property
    def weights(self) -> tuple[int, ...]:
        """Weight shape."""
        kernel = (self.window.kernel_h, self.window.kernel_w)
        return (*kernel, self.out_c) if self.multiplier else (self.out_c, *kernel, self.in_hwc[2])


def shape_of(
    in_hwc: tuple[int, int, int],
    kernel: tuple[int, int],
    stride: tuple[int, int],
    *,
    same: bool,
    out_c: int = 0,
    multiplier: int = 0,
) -> Shape:
    """The shape with TensorFlow's padding."""
    outs, pads = [], []
    for n, k, s in zip(in_hwc, kernel, stride, strict=False):
        outs.append(-(-n // s) if same else (n - k) // s + 1)
        pads.append(max((outs[-1] - 1) * s + k - n, 0) // 2 if same else 0)
    return Shape(
        in_hwc,
        in_hwc[2] * multiplier if multiplier else out_c,
        Window(*kernel, *stride, *pads),
        (outs[0], outs[1]),
        multiplier,
    )


@st.composite
def shapes(draw: st.DrawFn, *, depthwise: bool = False, pool: bool = False) -> Shape:
    """Small, odd shapes: 1-wide inputs, kernels wider than the input, strides beyond the kernel."""
    kernel = draw(st.tuples(st.integers(1, 4), st.integers(1, 5)))
    stride = draw(st.tuples(st.integers(1, 3), st.integers(1, 3)))
    same = not pool and draw(st.booleans())
    low = (1, 1) if same else kernel
    height, width = draw(st.integers(low[0], 9)), draw(st.integers(low[1], 12))
    channels = draw(st.sampled_from([1, 2, 3, 4, 5, 7, 8, 9]))
    return shape_of(
        (height, width, channels),
        kernel,
        stride,
        same=same,
        out_c=draw(st.sampled_from([1, 2, 3, 4, 6, 8, 11, 17])),
        multiplier=1 if pool else draw(st.integers(1, 3)) if depthwise else 0,
    )


def numbers(rng: np.random.Generator, *shape: int) -> F32:
    """Normal numbers with some zeros of either sign among them."""
    values = rng.standard_normal(shape).astype(np.float32)
    values[rng.random(shape) < 0.1] = 0.0
    values[rng.random(shape) < 0.1] *= np.float32(-0.0)
    return values


def forward(shape: Shape, x: F32, w: F32, b: F32) -> F32:
    """The sum before the activation."""
    function = ops.depthwise_conv2d_forward if shape.multiplier else ops.conv2d_forward
    return np.ascontiguousarray(function(x[None], w, b, shape.geometry)[0])


def backward_weights(shape: Shape, x: F32, e: F32) -> tuple[F32, F32]:
    """Gradient of one sample."""
    function = ops.depthwise_conv2d_backward_weights if shape.multiplier else ops.conv2d_backward_weights
    gw, gb = function(x[None], e[None], shape.geometry)
    return np.ascontiguousarray(gw[0]).reshape(shape.weights), np.ascontiguousarray(gb[0])


def backward_input(shape: Shape, w: F32, e: F32) -> F32:
    """Gradient before the epilogue."""
    if shape.multiplier:
        d = ops.depthwise_conv2d_backward_input(w, e[None], shape.geometry, multiplier=shape.multiplier)
    else:
        d = ops.conv2d_backward_input(w, e[None], shape.geometry)
    return np.ascontiguousarray(d[0])
