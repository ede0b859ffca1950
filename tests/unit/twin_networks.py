# SPDX-License-Identifier: Apache-2.0
"""Networks for the tests of the twin, written layer by layer without the scenario loader."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trainbed.network.layers import INPUT, Activation, Initializer, Kind, Layer, Network, Window

_HE = (Activation.RELU, Activation.RELU6, Activation.LEAKY_RELU)


class Stack:
    """Builds a network layer by layer; every layer reads the one before unless told otherwise."""

    def __init__(self, *shape: int) -> None:
        self.input_shape = (shape[0], shape[1], shape[2])
        self.layers: list[Layer] = []

    def _append(
        self,
        kind: Kind,
        out: tuple[int, int, int],
        activation: str,
        *,
        window: Window | None = None,
        inputs: tuple[str, ...] = (),
        name: str = "",
        trainable: bool = True,
    ) -> Stack:
        act = Activation(activation)
        self.layers.append(
            Layer(
                name or f"{kind.value}_{len(self.layers)}",
                kind,
                inputs or (self.layers[-1].name if self.layers else INPUT,),
                self.shape_of(inputs),
                out,
                act,
                window,
                trainable,
                Initializer.HE_UNIFORM if act in _HE else Initializer.GLOROT_UNIFORM,
            )
        )
        return self

    def shape_of(self, inputs: tuple[str, ...]) -> tuple[int, int, int]:
        """Shape of the tensor the next layer reads."""
        if inputs == (INPUT,) or (not inputs and not self.layers):
            return self.input_shape
        return next(x.out_shape for x in self.layers if x.name == (inputs[0] if inputs else self.layers[-1].name))

    def dense(self, units: int, activation: str = "none", **options: Any) -> Stack:
        return self._append(Kind.DENSE, (1, 1, units), activation, **options)

    def conv(self, filters: int, kernel: Any = 3, activation: str = "none", **options: Any) -> Stack:
        return self._windowed(Kind.CONV2D, filters, kernel, activation, **options)

    def depthwise(self, kernel: Any = 3, activation: str = "none", *, multiplier: int = 1, **options: Any) -> Stack:
        inputs = options.get("inputs", ())
        channels = self.shape_of(inputs)[2]
        return self._windowed(Kind.DEPTHWISE_CONV2D, channels * multiplier, kernel, activation, **options)

    def pool(self, kind: str, kernel: Any = 2, activation: str = "none", **options: Any) -> Stack:
        options.setdefault("stride", kernel)
        return self._windowed(Kind(f"{kind}_pool"), 0, kernel, activation, **options)

    def global_avg_pool(self, activation: str = "none") -> Stack:
        return self._append(Kind.GLOBAL_AVG_POOL, (1, 1, self.shape_of(())[2]), activation)

    def flatten(self) -> Stack:
        h, w, c = self.shape_of(())
        return self._append(Kind.FLATTEN, (1, 1, h * w * c), "none")

    def add(self, a: str, b: str, activation: str = "none", **options: Any) -> Stack:
        return self._append(Kind.ADD, self.shape_of((a,)), activation, inputs=(a, b), **options)

    def network(self, *, frozen: tuple[str, ...] = ()) -> Network:
        layers = tuple(replace(layer, trainable=layer.name not in frozen) for layer in self.layers)
        return Network(self.input_shape, layers)

    def _windowed(
        self,
        kind: Kind,
        channels: int,
        kernel: Any,
        activation: str,
        *,
        stride: Any = 1,
        padding: str = "valid",
        inputs: tuple[str, ...] = (),
        **options: Any,
    ) -> Stack:
        h, w, c = self.shape_of(inputs)
        (kh, kw), (sh, sw) = _pair(kernel), _pair(stride)
        (oh, pad_top), (ow, pad_left) = _axis(h, kh, sh, padding), _axis(w, kw, sw, padding)
        window = Window(kh, kw, sh, sw, pad_top, pad_left)
        return self._append(kind, (oh, ow, channels or c), activation, window=window, inputs=inputs, **options)


def random_batch(network: Network, n: int, *, seed: int = 0) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Samples in [-1, 1) and one-hot targets (0 or 1 for one output)."""
    rng = np.random.default_rng(seed)
    x = (rng.random((n, *network.input_shape), np.float32) * 2 - 1).astype(np.float32)
    if network.output_size == 1:
        return x, rng.integers(0, 2, (n, 1)).astype(np.float32)
    return x, np.eye(network.output_size, dtype=np.float32)[rng.integers(0, network.output_size, n)]


def _pair(value: Any) -> tuple[int, int]:
    return (value, value) if isinstance(value, int) else (value[0], value[1])


def _axis(size: int, kernel: int, stride: int, padding: str) -> tuple[int, int]:
    if padding == "valid":
        return (size - kernel) // stride + 1, 0
    out = -(-size // stride)
    return out, max((out - 1) * stride + kernel - size, 0) // 2
