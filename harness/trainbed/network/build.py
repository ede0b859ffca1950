# SPDX-License-Identifier: Apache-2.0
"""Networks built layer by layer: shapes resolved, names given, impossible layers refused with the reason."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TypedDict

from typing_extensions import Unpack

from trainbed.errors import NetworkError
from trainbed.network.layers import INPUT, Activation, Initializer, Kind, Layer, Network, Window

Shape = tuple[int, int, int]
Pair = tuple[int, int]
Padding = str | tuple[int, int, int, int]
"""``valid``, ``same``, or rows and columns of zeros: top, left, bottom, right."""

_RELU_LIKE = (Activation.RELU, Activation.RELU6, Activation.LEAKY_RELU)
_LARGEST = 32_767
"""Largest height, width, channel count or kernel side: the runtime keeps them in 16 bits."""


class Common(TypedDict, total=False):
    """What every layer may be told; absent or None: the name by kind and number, the layer before, none, True,
    the default.
    """

    name: str | None
    input: str | None
    activation: Activation | str | None
    trainable: bool
    initializer: Initializer | str | None


def _outputs(size: int, kernel: int, stride: int, *, before: int, after: int) -> int:
    return (size + before + after - kernel) // stride + 1


def pair(value: int | Sequence[int]) -> Pair:
    """A number for both directions, or [height, width]."""
    if isinstance(value, int):
        return (value, value)
    height, width = value
    return (height, width)


class NetworkBuilder:
    """Adds layers in order; each reads the one before unless told otherwise."""

    def __init__(self, input_shape: Sequence[int]) -> None:
        if not 1 <= len(input_shape) <= 3 or any(side < 1 for side in input_shape):
            raise NetworkError(f"input {list(input_shape)} is no shape; use [H, W, C], [T, C] or [features]")
        padded = [1] * (3 - len(input_shape)) + list(input_shape)
        self.input_shape: Shape = (padded[0], padded[1], padded[2])
        self._layers: list[Layer] = []
        self._shapes: dict[str, Shape] = {INPUT: self.input_shape}
        self._counts: dict[str, int] = {}

    def build(self) -> Network:
        """The finished network. Raises NetworkError when it is empty, or when a layer's output is used by nobody."""
        if not self._layers:
            raise NetworkError("the network has no layers")
        used = {name for layer in self._layers for name in layer.inputs}
        for layer in self._layers[:-1]:
            if layer.name not in used:
                raise NetworkError("its output is used by no layer", layer=layer.name)
            if layer.activation is Activation.SOFTMAX:
                raise NetworkError("softmax is for the last layer only", layer=layer.name)
        return Network(self.input_shape, tuple(self._layers))

    def shape_of(self, name: str) -> Shape:
        """Output shape of a layer (or of ``input``)."""
        return self._shapes[name]

    def has(self, name: str) -> bool:
        """True where a name is taken."""
        return name in self._shapes

    def kind_of(self, name: str) -> Kind | None:
        """Kind of a layer; None for ``input``."""
        return next((layer.kind for layer in self._layers if layer.name == name), None)

    def activation_of(self, name: str) -> Activation:
        """Activation of a layer; ``input`` has none."""
        return next((layer.activation for layer in self._layers if layer.name == name), Activation.NONE)

    def activate(self, name: str, activation: Activation) -> None:
        """Give an activation to a layer that was added without one."""
        index = next(i for i, layer in enumerate(self._layers) if layer.name == name)
        self._layers[index] = replace(self._layers[index], activation=activation)

    @property
    def last(self) -> str:
        """Name of the layer added last, or ``input``."""
        return self._layers[-1].name if self._layers else INPUT

    def dense(self, units: int, **common: Unpack[Common]) -> str:
        """Fully connected layer on the flattened input."""
        name, source = self._open(Kind.DENSE, common)
        _at_least_one(name, units=units)
        return self._close(name, Kind.DENSE, (source,), (1, 1, units), None, common)

    def conv2d(
        self,
        filters: int,
        kernel: int | Sequence[int],
        stride: int | Sequence[int] = 1,
        padding: Padding = "valid",
        **common: Unpack[Common],
    ) -> str:
        """Convolution with bias."""
        name, source = self._open(Kind.CONV2D, common)
        _at_least_one(name, filters=filters)
        window, rows, columns = self._window(name, source, pair(kernel), pair(stride), padding)
        return self._close(name, Kind.CONV2D, (source,), (rows, columns, filters), window, common)

    def depthwise_conv2d(
        self,
        kernel: int | Sequence[int],
        stride: int | Sequence[int] = 1,
        padding: Padding = "valid",
        multiplier: int = 1,
        **common: Unpack[Common],
    ) -> str:
        """Convolution of each channel by itself; ``multiplier`` outputs per channel."""
        name, source = self._open(Kind.DEPTHWISE_CONV2D, common)
        _at_least_one(name, multiplier=multiplier)
        window, rows, columns = self._window(name, source, pair(kernel), pair(stride), padding)
        channels = self._shapes[source][2] * multiplier
        return self._close(name, Kind.DEPTHWISE_CONV2D, (source,), (rows, columns, channels), window, common)

    def pool(
        self,
        kind: Kind,
        size: int | Sequence[int] = 2,
        stride: int | Sequence[int] | None = None,
        **common: Unpack[Common],
    ) -> str:
        """Max or average pooling without padding; the stride is the size unless given. Rows and columns left
        over are dropped.
        """
        name, source = self._open(kind, common)
        steps = pair(size) if stride is None else pair(stride)
        window, rows, columns = self._window(name, source, pair(size), steps, "valid")
        if window.kernel_h * window.kernel_w > 256:
            raise NetworkError(
                f"a window of {window.kernel_h}x{window.kernel_w} has more than 256 elements", layer=name
            )
        return self._close(name, kind, (source,), (rows, columns, self._shapes[source][2]), window, common)

    def global_avg_pool(self, **common: Unpack[Common]) -> str:
        """Mean over all pixels of each channel."""
        name, source = self._open(Kind.GLOBAL_AVG_POOL, common)
        return self._close(name, Kind.GLOBAL_AVG_POOL, (source,), (1, 1, self._shapes[source][2]), None, common)

    def flatten(self, **common: Unpack[Common]) -> str:
        """The same values as one vector."""
        name, source = self._open(Kind.FLATTEN, common)
        height, width, channels = self._shapes[source]
        return self._close(name, Kind.FLATTEN, (source,), (1, 1, height * width * channels), None, common)

    def add(self, inputs: Sequence[str], **common: Unpack[Common]) -> str:
        """Sum of two layers of the same shape."""
        name, _ = self._open(Kind.ADD, common)
        if len(inputs) != 2:
            raise NetworkError(f"add takes two layers, got {len(inputs)}", layer=name)
        for source in inputs:
            self._check_known(name, source)
        one, other = (self._shapes[source] for source in inputs)
        if one != other:
            raise NetworkError(
                f"{inputs[0]} is {list(one)} and {inputs[1]} is {list(other)}; add needs equal shapes", layer=name
            )
        return self._close(name, Kind.ADD, tuple(inputs), one, None, common)

    def _next_name(self, kind: str) -> str:
        while True:
            self._counts[kind] = self._counts.get(kind, 0) + 1
            name = f"{kind}_{self._counts[kind]}"
            if name not in self._shapes:
                return name

    def _open(self, kind: Kind, common: Common) -> tuple[str, str]:
        """Name of the new layer and of the layer it reads."""
        name = str(common.get("name") or self._next_name(kind.value))
        if name in self._shapes:
            raise NetworkError(f"the name '{name}' is taken", layer=name)
        source = str(common.get("input") or self.last)
        self._check_known(name, source)
        return name, source

    def _check_known(self, name: str, source: str) -> None:
        if source not in self._shapes:
            raise NetworkError(
                f"reads '{source}', which is no earlier layer (there are: {', '.join(self._shapes)})", layer=name
            )

    def _window(self, name: str, source: str, kernel: Pair, stride: Pair, padding: Padding) -> tuple[Window, int, int]:
        height, width, _ = self._shapes[source]
        if min(*kernel, *stride) < 1:
            raise NetworkError(f"kernel {list(kernel)} and stride {list(stride)} must be at least 1", layer=name)
        if padding == "same":
            rows, columns = -(-height // stride[0]), -(-width // stride[1])
            top = max((rows - 1) * stride[0] + kernel[0] - height, 0) // 2
            left = max((columns - 1) * stride[1] + kernel[1] - width, 0) // 2
            return Window(*kernel, *stride, top, left), rows, columns
        if not isinstance(padding, str):
            top, left, bottom, right = padding
            rows = _outputs(height, kernel[0], stride[0], before=top, after=bottom)
            columns = _outputs(width, kernel[1], stride[1], before=left, after=right)
            if min(rows, columns) < 1 or max(top, bottom) >= kernel[0] or max(left, right) >= kernel[1]:
                what = f"a {kernel[0]}x{kernel[1]} window does not fit into {source}, {height}x{width}"
                raise NetworkError(f"{what}, padded by {list(padding)}", layer=name)
            return Window(*kernel, *stride, top, left), rows, columns
        if kernel[0] > height or kernel[1] > width:
            what = f"a {kernel[0]}x{kernel[1]} window does not fit into {source}, {height}x{width}"
            raise NetworkError(f"{what}; use padding: same or a smaller window", layer=name)
        return Window(*kernel, *stride), (height - kernel[0]) // stride[0] + 1, (width - kernel[1]) // stride[1] + 1

    def _close(
        self, name: str, kind: Kind, inputs: tuple[str, ...], out_shape: Shape, window: Window | None, common: Common
    ) -> str:
        in_shape = self._shapes[inputs[0]]
        if kind is Kind.DENSE:
            in_shape = (1, 1, in_shape[0] * in_shape[1] * in_shape[2])
        if kind is not Kind.FLATTEN and kind is not Kind.DENSE and max(*in_shape, *out_shape) > _LARGEST:
            raise NetworkError(f"{list(in_shape)} -> {list(out_shape)} has a side above {_LARGEST}", layer=name)
        activation = Activation(common.get("activation") or Activation.NONE)
        default = Initializer.HE_UNIFORM if activation in _RELU_LIKE else Initializer.GLOROT_UNIFORM
        layer = Layer(
            name=name,
            kind=kind,
            inputs=inputs,
            in_shape=in_shape,
            out_shape=out_shape,
            activation=activation,
            window=window,
            trainable=bool(common.get("trainable", True)),
            initializer=Initializer(common.get("initializer") or default),
        )
        self._layers.append(layer)
        self._shapes[name] = out_shape
        return name


def _at_least_one(name: str, **values: int) -> None:
    for key, value in values.items():
        if value < 1:
            raise NetworkError(f"{key} must be at least 1, got {value}", layer=name)
