# SPDX-License-Identifier: Apache-2.0
"""Layers of the host's own trainer: float32, batch first, products by BLAS. Fast rather than reproducible to the bit.

``forward(inputs)`` gives the sum before the activation and keeps what backward needs; ``backward(error)`` gives the
gradients of the inputs and leaves those of the parameters in ``gradients``.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from trainbed.network.layers import Kind, Layer, Window

F32 = NDArray[np.float32]


class HostLayer(Protocol):
    """One layer with its parameters, changed in place by the trainer."""

    parameters: list[F32]
    gradients: list[F32]

    def forward(self, inputs: list[F32]) -> F32:
        """``[B, H, W, C]`` of each input to the layer's sum."""

    def backward(self, error: F32) -> list[F32]:
        """Error at the sum to the error at each input."""


class _Weightless:
    def __init__(self) -> None:
        self.parameters: list[F32] = []
        self.gradients: list[F32] = []


class _Weighted:
    def __init__(self, weights: F32, bias: F32) -> None:
        self.parameters: list[F32] = [weights.copy(), bias.copy()]
        self.gradients: list[F32] = [np.zeros_like(weights), np.zeros_like(bias)]

    @property
    def _w(self) -> F32:
        weights: F32 = self.parameters[0]
        return weights

    @property
    def _b(self) -> F32:
        bias: F32 = self.parameters[1]
        return bias


class _Dense(_Weighted):
    def forward(self, inputs: list[F32]) -> F32:
        self._shape = inputs[0].shape
        self._x = inputs[0].reshape(len(inputs[0]), -1)
        z: F32 = (self._x @ self._w.T + self._b)[:, None, None, :]
        return z

    def backward(self, error: F32) -> list[F32]:
        e = error.reshape(len(error), -1)
        self.gradients = [e.T @ self._x, e.sum(axis=0)]
        dx: F32 = (e @ self._w).reshape(self._shape)
        return [dx]


class _Pointwise(_Weighted):
    def forward(self, inputs: list[F32]) -> F32:
        self._x = inputs[0]
        z: F32 = self._x @ self._w.reshape(len(self._w), -1).T + self._b
        return z

    def backward(self, error: F32) -> list[F32]:
        w = self._w.reshape(len(self._w), -1)
        e, x = error.reshape(-1, error.shape[-1]), self._x.reshape(-1, self._x.shape[-1])
        self.gradients = [(e.T @ x).reshape(self._w.shape), e.sum(axis=0)]
        dx: F32 = error @ w
        return [dx]


class _Windowed:
    """Padding and windows shared by convolutions and pooling."""

    def __init__(self, layer: Layer) -> None:
        assert layer.window is not None
        self._window: Window = layer.window
        self._in, self._out = layer.in_shape, layer.out_shape
        win = self._window
        below = (self._out[0] - 1) * win.stride_h + win.kernel_h - self._in[0] - win.pad_top
        right = (self._out[1] - 1) * win.stride_w + win.kernel_w - self._in[1] - win.pad_left
        self._pads = ((0, 0), (win.pad_top, max(below, 0)), (win.pad_left, max(right, 0)), (0, 0))

    def _padded(self, x: F32, value: float = 0.0) -> F32:
        if self._pads == ((0, 0),) * 4:
            return x
        return np.pad(x, self._pads, constant_values=value)

    def _unpadded(self, dx: F32) -> F32:
        top, left = self._window.pad_top, self._window.pad_left
        return dx[:, top : top + self._in[0], left : left + self._in[1]]

    def _tap(self, x: F32, u: int, v: int) -> F32:
        """The element under tap (u, v) of every window: ``[B, out_h, out_w, C]``, a view of the padded ``x``."""
        win, (rows, columns, _) = self._window, self._out
        view: F32 = x[
            :,
            u : u + (rows - 1) * win.stride_h + 1 : win.stride_h,
            v : v + (columns - 1) * win.stride_w + 1 : win.stride_w,
        ]
        return view

    def _taps(self) -> list[tuple[int, int]]:
        return [(u, v) for u in range(self._window.kernel_h) for v in range(self._window.kernel_w)]

    def _empty_padded(self, n: int) -> F32:
        (_, (top, below), (left, right), _) = self._pads
        return np.zeros((n, self._in[0] + top + below, self._in[1] + left + right, self._in[2]), np.float32)


class _Conv2d(_Windowed, _Weighted):
    def __init__(self, layer: Layer, weights: F32, bias: F32) -> None:
        _Windowed.__init__(self, layer)
        _Weighted.__init__(self, weights, bias)

    def forward(self, inputs: list[F32]) -> F32:
        win, x = self._window, self._padded(inputs[0])
        windows = sliding_window_view(x, (win.kernel_h, win.kernel_w), axis=(1, 2))
        windows = windows[:, :: win.stride_h, :: win.stride_w][:, : self._out[0], : self._out[1]]
        # [B, rows, columns, C, kh, kw] -> a row for every output pixel, in the order of the weights.
        self._rows: F32 = np.ascontiguousarray(windows.transpose(0, 1, 2, 4, 5, 3)).reshape(-1, self._w[0].size)
        z: F32 = self._rows @ self._w.reshape(len(self._w), -1).T + self._b
        return z.reshape(len(x), *self._out)

    def backward(self, error: F32) -> list[F32]:
        w, n = self._w.reshape(len(self._w), -1), len(error)
        e = error.reshape(-1, error.shape[-1])
        self.gradients = [(e.T @ self._rows).reshape(self._w.shape), e.sum(axis=0)]
        shape = (n, *self._out[:2], self._window.kernel_h, self._window.kernel_w, self._in[2])
        d = (e @ w).reshape(shape)
        dx = self._empty_padded(n)
        for u, v in self._taps():
            self._tap(dx, u, v)[...] += d[:, :, :, u, v]
        return [self._unpadded(dx)]


class _DepthwiseConv2d(_Windowed, _Weighted):
    def __init__(self, layer: Layer, weights: F32, bias: F32) -> None:
        _Windowed.__init__(self, layer)
        _Weighted.__init__(self, weights, bias)
        self._multiplier = layer.multiplier

    def forward(self, inputs: list[F32]) -> F32:
        self._x = self._padded(inputs[0])
        z = np.empty((len(self._x), *self._out), np.float32)
        z[...] = self._b
        for u, v in self._taps():
            z += self._spread(self._tap(self._x, u, v)) * self._w[u, v]
        return z

    def backward(self, error: F32) -> list[F32]:
        gradient, dx = np.empty_like(self._w), self._empty_padded(len(error))
        for u, v in self._taps():
            gradient[u, v] = np.einsum("bhwc,bhwc->c", self._spread(self._tap(self._x, u, v)), error)
            self._tap(dx, u, v)[...] += self._gathered(error * self._w[u, v])
        self.gradients = [gradient, error.sum(axis=(0, 1, 2))]
        return [self._unpadded(dx)]

    def _spread(self, x: F32) -> F32:
        return x if self._multiplier == 1 else np.repeat(x, self._multiplier, axis=-1)

    def _gathered(self, d: F32) -> F32:
        return d if self._multiplier == 1 else d.reshape(*d.shape[:3], -1, self._multiplier).sum(axis=-1)


class _MaxPool(_Windowed, _Weightless):
    def __init__(self, layer: Layer) -> None:
        _Windowed.__init__(self, layer)
        _Weightless.__init__(self)

    def forward(self, inputs: list[F32]) -> F32:
        x = self._padded(inputs[0], -np.inf)
        taps = np.stack([self._tap(x, u, v) for u, v in self._taps()])
        self._winner = taps.argmax(axis=0)
        best: F32 = taps.max(axis=0)
        return best

    def backward(self, error: F32) -> list[F32]:
        dx = self._empty_padded(len(error))
        for number, (u, v) in enumerate(self._taps()):
            self._tap(dx, u, v)[...] += np.where(self._winner == number, error, np.float32(0))
        return [self._unpadded(dx)]


class _AvgPool(_Windowed, _Weightless):
    def __init__(self, layer: Layer) -> None:
        _Windowed.__init__(self, layer)
        _Weightless.__init__(self)
        self._share = np.float32(1.0 / len(self._taps()))

    def forward(self, inputs: list[F32]) -> F32:
        x = self._padded(inputs[0])
        total = np.zeros((len(x), *self._out), np.float32)
        for u, v in self._taps():
            total += self._tap(x, u, v)
        mean: F32 = total * self._share
        return mean

    def backward(self, error: F32) -> list[F32]:
        dx, share = self._empty_padded(len(error)), error * self._share
        for u, v in self._taps():
            self._tap(dx, u, v)[...] += share
        return [self._unpadded(dx)]


class _GlobalAvgPool(_Weightless):
    def forward(self, inputs: list[F32]) -> F32:
        self._shape = inputs[0].shape
        mean: F32 = inputs[0].mean(axis=(1, 2), keepdims=True, dtype=np.float32)
        return mean

    def backward(self, error: F32) -> list[F32]:
        share = error / np.float32(self._shape[1] * self._shape[2])
        return [np.broadcast_to(share, self._shape)]


class _Flatten(_Weightless):
    def forward(self, inputs: list[F32]) -> F32:
        self._shape = inputs[0].shape
        row: F32 = inputs[0].reshape(len(inputs[0]), 1, 1, -1)
        return row

    def backward(self, error: F32) -> list[F32]:
        return [error.reshape(self._shape)]


class _Add(_Weightless):
    def forward(self, inputs: list[F32]) -> F32:
        return inputs[0] + inputs[1]

    def backward(self, error: F32) -> list[F32]:
        return [error, error]


def make_layer(layer: Layer, pair: tuple[F32, F32] | None) -> HostLayer:
    """The host's form of a layer; ``pair``: the weights and biases it starts from, None for a layer without."""
    if layer.has_weights:
        assert pair is not None
        if layer.kind is Kind.DENSE:
            return _Dense(*pair)
        if layer.kind is Kind.DEPTHWISE_CONV2D:
            return _DepthwiseConv2d(layer, *pair)
        return _Pointwise(*pair) if layer.is_pointwise else _Conv2d(layer, *pair)
    if layer.kind is Kind.MAX_POOL:
        return _MaxPool(layer)
    if layer.kind is Kind.AVG_POOL:
        return _AvgPool(layer)
    if layer.kind is Kind.GLOBAL_AVG_POOL:
        return _GlobalAvgPool()
    return _Add() if layer.kind is Kind.ADD else _Flatten()
