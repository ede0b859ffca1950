# SPDX-License-Identifier: Apache-2.0
"""The layers of a network as plain values, shapes resolved. What a layer computes is written in docs/numerics.md."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum

INPUT = "input"
"""Name under which layers refer to the network's input."""


class Kind(str, Enum):
    """What a layer computes."""

    DENSE = "dense"
    CONV2D = "conv2d"
    DEPTHWISE_CONV2D = "depthwise_conv2d"
    MAX_POOL = "max_pool"
    AVG_POOL = "avg_pool"
    GLOBAL_AVG_POOL = "global_avg_pool"
    FLATTEN = "flatten"
    ADD = "add"
    DEQUANTISE = "dequantise"
    """Codes to float32: put in by the planner where a float32 layer reads an 8-bit one."""


class Activation(str, Enum):
    """Activation applied to a layer's sum; softmax only at the last layer."""

    NONE = "none"
    RELU = "relu"
    RELU6 = "relu6"
    LEAKY_RELU = "leaky_relu"
    SIGMOID = "sigmoid"
    TANH = "tanh"
    SOFTMAX = "softmax"


class Initializer(str, Enum):
    """How a layer's weights start; biases start at zero."""

    HE_UNIFORM = "he_uniform"
    GLOROT_UNIFORM = "glorot_uniform"
    ZEROS = "zeros"


@dataclass(frozen=True)
class Window:
    """Sliding window of a convolution or pooling layer; pad_bottom and pad_right follow from the shapes."""

    kernel_h: int
    kernel_w: int
    stride_h: int
    stride_w: int
    pad_top: int = 0
    pad_left: int = 0


@dataclass(frozen=True)
class Layer:
    """One layer. Shapes are (H, W, C); a dense layer and what follows it have (1, 1, C)."""

    name: str
    kind: Kind
    inputs: tuple[str, ...]
    in_shape: tuple[int, int, int]
    out_shape: tuple[int, int, int]
    activation: Activation = Activation.NONE
    window: Window | None = None
    trainable: bool = True
    initializer: Initializer = Initializer.GLOROT_UNIFORM

    @property
    def in_size(self) -> int:
        """Elements of one input tensor."""
        return math.prod(self.in_shape)

    @property
    def out_size(self) -> int:
        """Elements of the output tensor."""
        return math.prod(self.out_shape)

    @property
    def has_weights(self) -> bool:
        """True for dense, conv2d and depthwise_conv2d."""
        return self.kind in (Kind.DENSE, Kind.CONV2D, Kind.DEPTHWISE_CONV2D)

    @property
    def is_pointwise(self) -> bool:
        """A 1x1 convolution with stride 1: it has a kernel of its own."""
        return self.kind is Kind.CONV2D and self.window == Window(1, 1, 1, 1)

    @property
    def multiplier(self) -> int:
        """Outputs per input channel of a depthwise convolution."""
        return self.out_shape[2] // self.in_shape[2]

    @property
    def weight_shape(self) -> tuple[int, ...]:
        """Shape of the weights: dense [O, I], conv2d [O, kh, kw, I], depthwise [kh, kw, C*m]; () without weights."""
        if self.kind is Kind.DENSE:
            return (self.out_size, self.in_size)
        if self.window is not None and self.kind is Kind.CONV2D:
            return (self.out_shape[2], self.window.kernel_h, self.window.kernel_w, self.in_shape[2])
        if self.window is not None and self.kind is Kind.DEPTHWISE_CONV2D:
            return (self.window.kernel_h, self.window.kernel_w, self.out_shape[2])
        return ()

    @property
    def n_weights(self) -> int:
        """Number of weights without biases."""
        return math.prod(self.weight_shape) if self.has_weights else 0

    @property
    def n_biases(self) -> int:
        """Number of biases: one per output channel (dense: per unit)."""
        return self.out_shape[2] if self.has_weights else 0

    @property
    def n_parameters(self) -> int:
        """Weights and biases."""
        return self.n_weights + self.n_biases

    @property
    def init_limit(self) -> float:
        """Half-width of the uniform distribution the weights start from (docs/numerics.md); 0 for zeros."""
        if not self.has_weights or self.initializer is Initializer.ZEROS:
            return 0.0
        if self.kind is Kind.DENSE:
            fan_in, fan_out = self.in_size, self.out_size
        else:
            assert self.window is not None
            taps = self.window.kernel_h * self.window.kernel_w
            depthwise = self.kind is Kind.DEPTHWISE_CONV2D
            fan_in = taps * (1 if depthwise else self.in_shape[2])
            fan_out = taps * (self.multiplier if depthwise else self.out_shape[2])
        fans = fan_in if self.initializer is Initializer.HE_UNIFORM else fan_in + fan_out
        return math.sqrt(6.0 / fans)

    @property
    def macs_forward(self) -> int:
        """Multiply-accumulates of one forward pass, padded borders counted (nominal)."""
        if self.kind is Kind.DENSE:
            return self.n_weights
        if self.kind is Kind.CONV2D:
            return self.out_shape[0] * self.out_shape[1] * self.n_weights
        if self.kind is Kind.DEPTHWISE_CONV2D:
            return self.out_shape[0] * self.out_shape[1] * self.n_weights
        return 0


@dataclass(frozen=True)
class Network:
    """A network with resolved shapes: layers in forward order, each naming the layers it reads."""

    input_shape: tuple[int, int, int]
    layers: tuple[Layer, ...]

    @property
    def output_size(self) -> int:
        """Number of outputs of the last layer."""
        return self.layers[-1].out_size

    @property
    def parametric(self) -> tuple[Layer, ...]:
        """Layers that have weights, in order: the order of every weight list."""
        return tuple(layer for layer in self.layers if layer.has_weights)

    def layer(self, name: str) -> Layer:
        """The layer of that name."""
        return next(layer for layer in self.layers if layer.name == name)

    @property
    def n_parameters(self) -> int:
        """Weights and biases of all layers."""
        return sum(layer.n_parameters for layer in self.layers)

    @property
    def macs_forward(self) -> int:
        """Multiply-accumulates of one forward pass of one sample (nominal)."""
        return sum(layer.macs_forward for layer in self.layers)
