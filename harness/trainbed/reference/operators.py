# SPDX-License-Identifier: Apache-2.0
"""One object per layer that joins its forward and backward functions under one interface for the twin.

``forward(inputs, weights)`` gives the sum before the activation and what the backward pass needs beside input, error.
"""

from __future__ import annotations

from typing import Any, Protocol

from trainbed.network.layers import Kind, Layer
from trainbed.reference.arrays import F32, flat
from trainbed.reference.conv2d import conv2d_backward_input, conv2d_backward_weights, conv2d_forward
from trainbed.reference.dense import dense_backward_input, dense_backward_weights, dense_forward
from trainbed.reference.depthwise_conv2d import (
    depthwise_conv2d_backward_input,
    depthwise_conv2d_backward_weights,
    depthwise_conv2d_forward,
)
from trainbed.reference.geometry import geometry_of
from trainbed.reference.pool import (
    avg_pool_backward,
    avg_pool_forward,
    global_avg_pool_backward,
    global_avg_pool_forward,
    max_pool_backward,
    max_pool_forward,
)

Weights = tuple[F32, F32]


class Operator(Protocol):
    """A layer's arithmetic; every array has the batch first and the layer's shapes."""

    def forward(self, inputs: list[F32], weights: Weights | None) -> tuple[F32, Any]:
        """Sum before the activation, and what is saved for the backward pass."""

    def backward_weights(self, x: F32, e: F32) -> Weights:
        """Gradients of each sample."""

    def backward_input(self, x: F32, e: F32, saved: Any, weights: Weights | None) -> F32:
        """Gradient of an input, before the epilogue."""


class _Weightless:
    def backward_weights(self, x: F32, e: F32) -> Weights:
        raise TypeError("this layer has no weights")


class _Dense:
    def __init__(self, fused: bool) -> None:
        self._fused = fused

    def forward(self, inputs: list[F32], weights: Weights | None) -> tuple[F32, Any]:
        assert weights is not None
        return dense_forward(flat(inputs[0]), *weights, fused=self._fused)[:, None, None, :], None

    def backward_weights(self, x: F32, e: F32) -> Weights:
        return dense_backward_weights(flat(x), flat(e))

    def backward_input(self, x: F32, e: F32, saved: Any, weights: Weights | None) -> F32:
        assert weights is not None
        return dense_backward_input(weights[0], flat(e), fused=self._fused).reshape(x.shape)


class _Conv2d:
    def __init__(self, layer: Layer, fused: bool) -> None:
        self._geometry = geometry_of(layer)
        self._fused = fused

    def forward(self, inputs: list[F32], weights: Weights | None) -> tuple[F32, Any]:
        assert weights is not None
        return conv2d_forward(inputs[0], *weights, self._geometry, fused=self._fused), None

    def backward_weights(self, x: F32, e: F32) -> Weights:
        return conv2d_backward_weights(x, e, self._geometry, fused=self._fused)

    def backward_input(self, x: F32, e: F32, saved: Any, weights: Weights | None) -> F32:
        assert weights is not None
        return conv2d_backward_input(weights[0], e, self._geometry, fused=self._fused)


class _DepthwiseConv2d:
    def __init__(self, layer: Layer, fused: bool) -> None:
        self._geometry = geometry_of(layer)
        self._multiplier = layer.multiplier
        self._fused = fused

    def forward(self, inputs: list[F32], weights: Weights | None) -> tuple[F32, Any]:
        assert weights is not None
        return depthwise_conv2d_forward(inputs[0], *weights, self._geometry, fused=self._fused), None

    def backward_weights(self, x: F32, e: F32) -> Weights:
        return depthwise_conv2d_backward_weights(x, e, self._geometry, fused=self._fused)

    def backward_input(self, x: F32, e: F32, saved: Any, weights: Weights | None) -> F32:
        assert weights is not None
        return depthwise_conv2d_backward_input(
            weights[0], e, self._geometry, multiplier=self._multiplier, fused=self._fused
        )


class _MaxPool(_Weightless):
    def __init__(self, layer: Layer) -> None:
        self._geometry = geometry_of(layer)

    def forward(self, inputs: list[F32], weights: Weights | None) -> tuple[F32, Any]:
        return max_pool_forward(inputs[0], self._geometry)

    def backward_input(self, x: F32, e: F32, saved: Any, weights: Weights | None) -> F32:
        return max_pool_backward(saved, e, self._geometry)


class _AvgPool(_Weightless):
    def __init__(self, layer: Layer) -> None:
        self._geometry = geometry_of(layer)

    def forward(self, inputs: list[F32], weights: Weights | None) -> tuple[F32, Any]:
        return avg_pool_forward(inputs[0], self._geometry), None

    def backward_input(self, x: F32, e: F32, saved: Any, weights: Weights | None) -> F32:
        return avg_pool_backward(e, self._geometry)


class _GlobalAvgPool(_Weightless):
    def forward(self, inputs: list[F32], weights: Weights | None) -> tuple[F32, Any]:
        return global_avg_pool_forward(inputs[0]), None

    def backward_input(self, x: F32, e: F32, saved: Any, weights: Weights | None) -> F32:
        return global_avg_pool_backward(e, (x.shape[1], x.shape[2]))


class _Flatten(_Weightless):
    def forward(self, inputs: list[F32], weights: Weights | None) -> tuple[F32, Any]:
        return flat(inputs[0])[:, None, None, :], None

    def backward_input(self, x: F32, e: F32, saved: Any, weights: Weights | None) -> F32:
        return flat(e).reshape(x.shape)


class _Add(_Weightless):
    def forward(self, inputs: list[F32], weights: Weights | None) -> tuple[F32, Any]:
        return inputs[0] + inputs[1], None

    def backward_input(self, x: F32, e: F32, saved: Any, weights: Weights | None) -> F32:
        return e


def make(layer: Layer, *, fused: bool = False) -> Operator:
    """The operator of a layer, its tables made. ``fused``: sums of products by fused multiply-add."""
    if layer.kind is Kind.DENSE:
        return _Dense(fused)
    if layer.kind is Kind.CONV2D:
        return _Conv2d(layer, fused)
    if layer.kind is Kind.DEPTHWISE_CONV2D:
        return _DepthwiseConv2d(layer, fused)
    if layer.kind is Kind.MAX_POOL:
        return _MaxPool(layer)
    if layer.kind is Kind.AVG_POOL:
        return _AvgPool(layer)
    if layer.kind is Kind.GLOBAL_AVG_POOL:
        return _GlobalAvgPool()
    return _Add() if layer.kind is Kind.ADD else _Flatten()
