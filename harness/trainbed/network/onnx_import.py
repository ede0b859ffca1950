# SPDX-License-Identifier: Apache-2.0
"""Networks from ONNX files: exports of PyTorch and Keras of the layers the runtime has, weights and all.

What cannot be imported is refused and named with its node.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trainbed.errors import NetworkError
from trainbed.network.build import NetworkBuilder
from trainbed.network.layers import INPUT, Activation, Kind, Network
from trainbed.network.onnx_graph import Axis, Graph, Node, Tensor
from trainbed.network.onnx_shapes import KEEP_PADS, SHAPE_OPERATORS

F32 = NDArray[np.float32]

_LEAKY_SLOPE = 0.2
_IMAGE: tuple[Axis, ...] = (("C",), ("H",), ("W",))
_SERIES: tuple[Axis, ...] = (("C",), ("W",))
_LAYOUTS = {1: ("C",), 2: ("CW", "WC"), 3: ("CHW", "HWC")}


@dataclass(frozen=True, eq=False)
class Imported:
    """A network and its weights: (weights, bias) of each layer of ``network.parametric``."""

    network: Network
    weights: tuple[tuple[F32, F32], ...]


class _OtherLayout(NetworkError):
    """A convolution met a tensor whose axes are not channels first: the input's layout was guessed wrongly."""


def import_onnx(path: Path, *, head: Activation = Activation.NONE) -> Imported:
    """Read a network. ``head``: activation of the last layer where the file gives none: PyTorch's losses take sums.

    Raises NetworkError naming the node that cannot be imported, MissingTool without onnx.
    """
    problem: NetworkError | None = None
    for layout in _layouts(Graph(path).input_sizes):
        try:
            return _Importer(Graph(path), layout).run(head)
        except _OtherLayout as error:
            problem = problem or error
    assert problem is not None
    raise problem


def _layouts(sizes: Sequence[int]) -> tuple[str, ...]:
    """Layouts to try, the likelier first; a network without convolutions takes any."""
    channels_first, *channels_last = _LAYOUTS[len(sizes)]
    if len(sizes) == 3 and sizes[2] in (1, 3) and sizes[0] not in (1, 3):
        return (*channels_last, channels_first)
    return (channels_first, *channels_last)


class _Importer:
    def __init__(self, graph: Graph, layout: str) -> None:
        self._graph = graph
        sides = dict(zip(layout, graph.input_sizes, strict=True))
        shape = (sides.get("H", 1), sides.get("W", 1), sides["C"])
        self._builder = NetworkBuilder(shape)
        axes = tuple((name,) for name in layout)
        self._tensors = {graph.input: Tensor(INPUT, shape, axes, shared=graph.uses[graph.input] > 1)}
        self._weights: dict[str, tuple[F32, F32]] = {}

    def run(self, head: Activation) -> Imported:
        for node in self._graph.nodes:
            if node.op == "Shape" and node.inputs[0] in self._tensors:
                sizes = np.array([1, *self._tensors[node.inputs[0]].sizes], np.int64)
                self._graph.constants[node.outputs[0]] = sizes[node.attribute("start", 0) : node.attribute("end", None)]
            elif not self._graph.fold(node):
                self._convert(node)
        output = self._tensors.get(self._graph.output)
        if output is None or output.layer != self._builder.last or any(output.pads):
            raise NetworkError(f"the output '{self._graph.output}' is not the last layer's")
        if self._builder.activation_of(output.layer) is Activation.NONE and head is not Activation.NONE:
            self._builder.activate(output.layer, head)
        network = self._builder.build()
        return Imported(network, tuple(self._weights[layer.name] for layer in network.parametric))

    def _convert(self, node: Node) -> None:
        if node.proto.domain not in ("", "ai.onnx") or not (node.op in SHAPE_OPERATORS or node.op in _CONVERTERS):
            raise node.error(f"operator {node.proto.domain or 'ai.onnx'}.{node.op} is not supported")
        if any(name for name in node.outputs[1:] if self._graph.uses[name]):
            raise node.error("its second output is not supported")
        if node.op in SHAPE_OPERATORS:
            padded = node.op in KEEP_PADS
            tensor = SHAPE_OPERATORS[node.op](self._graph, node, self._tensor(node, padded=padded))
        else:
            tensor = _CONVERTERS[node.op](self, node)
        shared = self._graph.uses[node.outputs[0]] > 1
        self._tensors[node.outputs[0]] = replace(tensor, shared=tensor.shared or shared)

    # --- pieces ------------------------------------------------------------------------------------------------------

    def _tensor(self, node: Node, index: int = 0, *, padded: bool = False) -> Tensor:
        name = node.inputs[index]
        if name not in self._tensors:
            raise node.error(f"input {index} ('{name}') is a constant; a tensor is needed")
        tensor = self._tensors[name]
        if any(tensor.pads) and not padded:
            raise node.error("zero padding is supported before a convolution only")
        return tensor

    def _made(self, layer: str, axes: tuple[Axis, ...]) -> Tensor:
        return Tensor(layer, self._builder.shape_of(layer), axes)

    def _name(self, node: Node) -> str | None:
        """A layer's name from the node's; None: the builder's own."""
        word = re.sub(r"[^A-Za-z0-9]+", "_", node.proto.name).strip("_")[:60]
        if not word or word == INPUT:
            return None
        word = word if word[0].isalpha() else f"{node.op}_{word}"
        return word if not self._builder.has(word) else None

    # --- layers with weights -----------------------------------------------------------------------------------------

    def _conv(self, node: Node) -> Tensor:
        tensor = self._tensor(node, padded=True)
        weights = self._graph.constant(node, 1).astype(np.float32)
        if tensor.axes not in (_IMAGE, _SERIES):
            raise _OtherLayout(str(node.error(f"input is laid out {_words(tensor.axes)}, [N, C, H, W] is needed")))
        if tensor.axes == _SERIES:
            weights = weights[:, :, None, :] if weights.ndim == 3 else weights
        if weights.ndim != 4:
            raise node.error(f"weights {list(weights.shape)} are of another number of dimensions than the input")
        if set(node.attribute("dilations", [1])) != {1}:
            raise node.error("dilation is not supported")
        n_out, per_group, kernel = len(weights), weights.shape[1], (weights.shape[2], weights.shape[3])
        groups, channels = node.attribute("group", 1), tensor.shape[2]
        stride, padding = self._pair(node, "strides", 1, tensor), self._padding(node, tensor)
        bias = self._graph.constant(node, 2, np.zeros(n_out)).astype(np.float32)
        common: Any = {"name": self._name(node), "input": tensor.layer}
        if groups == 1:
            layer = self._builder.conv2d(n_out, kernel, stride, padding, **common)
            own = weights.transpose(0, 2, 3, 1)
        elif groups == channels and per_group == 1:
            layer = self._builder.depthwise_conv2d(kernel, stride, padding, n_out // channels, **common)
            own = weights[:, 0].transpose(1, 2, 0)
        else:
            raise node.error(f"{groups} groups of {per_group} channels; 1, or one per channel, are supported")
        self._weights[layer] = (np.ascontiguousarray(own), bias)
        return self._made(layer, tensor.axes)

    def _pair(self, node: Node, name: str, default: int, tensor: Tensor) -> tuple[int, int]:
        n = len(tensor.axes) - 1
        values = node.attribute(name, [default] * n)
        return (1, int(values[0])) if n == 1 else (int(values[0]), int(values[1]))

    def _padding(self, node: Node, tensor: Tensor) -> str | tuple[int, int, int, int]:
        automatic = node.attribute("auto_pad", "NOTSET")
        top, left, bottom, right = tensor.pads
        if automatic in ("SAME_UPPER", "VALID") and not any(tensor.pads):
            return "same" if automatic == "SAME_UPPER" else "valid"
        if automatic != "NOTSET":
            raise node.error(f"auto_pad {automatic} is not supported")
        n = len(tensor.axes) - 1
        pads = [int(pad) for pad in node.attribute("pads", [0] * (2 * n))]
        before, after = pads[:n], pads[n:]
        if n == 1:
            before, after = [0, *before], [0, *after]
        return (top + before[0], left + before[1], bottom + after[0], right + after[1])

    def _gemm(self, node: Node) -> Tensor:
        if node.attribute("transA", 0):
            raise node.error("transA is not supported")
        weights = self._graph.constant(node, 1).astype(np.float32)
        weights = weights if node.attribute("transB", 0) else weights.T
        bias = self._graph.constant(node, 2, np.zeros(len(weights))).astype(np.float32)
        weights = weights * np.float32(node.attribute("alpha", 1.0))
        return self._dense(
            node, weights, np.broadcast_to(bias.ravel(), len(weights)) * np.float32(node.attribute("beta", 1.0))
        )

    def _matmul(self, node: Node) -> Tensor:
        weights = self._graph.constant(node, 1).astype(np.float32)
        if weights.ndim != 2:
            raise node.error(f"a matrix is needed, found {list(weights.shape)}")
        return self._dense(node, weights.T, np.zeros(weights.shape[1], np.float32))

    def _dense(self, node: Node, weights: F32, bias: F32) -> Tensor:
        """``weights`` [O, I], I in the order of the graph; the runtime's is H, W, C."""
        tensor = self._tensor(node)
        sizes = tensor.sizes
        if max(sizes[:-1], default=1) > 1 or sizes[-1] != weights.shape[1]:
            raise node.error(f"input {list(sizes)} is not one vector of {weights.shape[1]}; Flatten comes before")
        order = [name for axis in tensor.axes for name in axis]
        sides = [tensor.size((name,)) for name in order]
        own = weights.reshape(len(weights), *sides)
        own = own.transpose(0, *(1 + order.index(name) for name in "HWC" if name in order))
        layer = self._builder.dense(len(weights), name=self._name(node), input=tensor.layer)
        self._weights[layer] = (np.ascontiguousarray(own.reshape(len(weights), -1)), np.array(bias, np.float32))
        return self._made(layer, (("C",),))

    # --- what becomes a part of the layer before ---------------------------------------------------------------------

    def _affine(self, node: Node, tensor: Tensor, factor: NDArray[Any], shift: NDArray[Any]) -> Tensor:
        """``factor * x + shift`` per channel, folded into the layer that makes x: in float64, rounded once."""
        layer = tensor.layer
        pair = self._weights.get(layer)
        if pair is None or tensor.shared or self._builder.activation_of(layer) is not Activation.NONE:
            raise node.error("it can be folded only right after a Conv, Gemm or MatMul whose output nobody else reads")
        factor, shift = (self._per_channel(node, tensor, np.asarray(v, np.float64)) for v in (factor, shift))
        weights, bias = pair
        depthwise = self._builder.kind_of(layer) is Kind.DEPTHWISE_CONV2D
        shape = [-1 if axis == (weights.ndim - 1 if depthwise else 0) else 1 for axis in range(weights.ndim)]
        folded = (weights * factor.reshape(shape)).astype(np.float32), (bias * factor + shift).astype(np.float32)
        self._weights[layer] = folded
        return tensor

    def _per_channel(self, node: Node, tensor: Tensor, value: NDArray[np.float64]) -> NDArray[np.float64]:
        channels = tensor.shape[2]
        if value.size == 1:
            return np.full(channels, value.ravel()[0])
        sizes = (1,) * (1 + len(tensor.axes) - value.ndim) + value.shape
        along = [axis for axis, size in zip(((), *tensor.axes), sizes, strict=True) if size > 1]
        if along != [("C",)] and not (len(along) == 1 and tensor.size(along[0]) == channels == value.size):
            raise node.error(f"a constant {list(value.shape)} is not one number per channel")
        return value.ravel()

    def _batch_norm(self, node: Node) -> Tensor:
        scale, shift, mean, variance = (self._graph.constant(node, i).astype(np.float64) for i in range(1, 5))
        tensor = self._tensor(node)
        if tensor.axes[0] != ("C",):
            raise node.error(f"input is laid out {_words(tensor.axes)}, [N, C, ...] is needed")
        factor = scale / np.sqrt(variance + node.attribute("epsilon", 1e-5))
        shape = [-1] + [1] * (len(tensor.axes) - 1)
        return self._affine(node, tensor, factor.reshape(shape), (shift - mean * factor).reshape(shape))

    def _arithmetic(self, node: Node) -> Tensor:
        """Add, Sub, Mul, Div with a constant; Add of two tensors."""
        names = node.inputs
        constants = [name in self._graph.constants for name in names]
        if not any(constants):
            return self._add(node)
        tensor = self._tensor(node, constants.index(False))
        value = self._graph.constants[names[constants.index(True)]].astype(np.float64)
        if node.op in ("Add", "Sub"):
            factor, shift = np.float64(1), value
            if node.op == "Sub":
                factor, shift = (np.float64(1), -value) if constants[1] else (np.float64(-1), value)
            return self._affine(node, tensor, np.asarray(factor), shift)
        if node.op == "Div":
            if constants[0]:
                raise node.error("a constant divided by a tensor is not supported")
            value = 1.0 / value
        return self._affine(node, tensor, value, np.zeros(()))

    def _add(self, node: Node) -> Tensor:
        if node.op != "Add":
            raise node.error("two tensors can be added only")
        one, other = self._tensor(node, 0), self._tensor(node, 1)
        if one.axes != other.axes or one.shape != other.shape:
            raise node.error(f"{list(one.sizes)} and {list(other.sizes)} differ; broadcasting is not supported")
        layer = self._builder.add([one.layer, other.layer], name=self._name(node))
        return self._made(layer, one.axes)

    def _activation(self, node: Node) -> Tensor:
        tensor = self._tensor(node)
        activation = self._activation_of(node)
        if node.op == "Softmax":
            axis = node.attribute("axis", -1)
            meant = tensor.axes[axis if axis < 0 else axis - 1]
            if tensor.size(meant) != tensor.n_elements:
                raise node.error("softmax over all outputs is supported only")
        if tensor.layer == INPUT or tensor.shared or self._builder.activation_of(tensor.layer) is not Activation.NONE:
            raise node.error("an activation needs a layer of its own before it, whose output nobody else reads")
        self._builder.activate(tensor.layer, activation)
        return tensor

    def _activation_of(self, node: Node) -> Activation:
        if node.op == "LeakyRelu":
            slope = node.attribute("alpha", 0.01)
            if abs(slope - _LEAKY_SLOPE) > 1e-6:
                raise node.error(f"slope {slope:g}; the runtime's is {_LEAKY_SLOPE:g}")
            return Activation.LEAKY_RELU
        if node.op == "Clip":
            low = float(self._graph.constant(node, 1, node.attribute("min", -np.inf)))
            high = float(self._graph.constant(node, 2, node.attribute("max", np.inf)))
            if low != 0.0 or (high not in (6.0, np.inf) and high < 3e38):
                raise node.error(f"clips to {low:g}..{high:g}; 0..6 and 0..inf are supported")
            return Activation.RELU6 if high == 6.0 else Activation.RELU
        return Activation(node.op.lower())

    # --- pooling -----------------------------------------------------------------------------------------------------

    def _pool(self, node: Node) -> Tensor:
        tensor = self._tensor(node)
        if tensor.axes not in (_IMAGE, _SERIES):
            raise _OtherLayout(str(node.error(f"input is laid out {_words(tensor.axes)}, [N, C, H, W] is needed")))
        size, stride = self._pair(node, "kernel_shape", 1, tensor), self._pair(node, "strides", 1, tensor)
        padded = any(node.attribute("pads", [0])) or node.attribute("auto_pad", "NOTSET") not in ("NOTSET", "VALID")
        sides = zip(tensor.shape[:2], size, stride, strict=True)
        exact = all((side - k) % s == 0 for side, k, s in sides)
        if node.attribute("auto_pad", "NOTSET").startswith("SAME"):
            padded = any(side % s or k > s for side, k, s in zip(tensor.shape[:2], size, stride, strict=True))
        if padded or (node.attribute("ceil_mode", 0) and not exact):
            raise node.error("padding of a pooling layer is not supported")
        if set(node.attribute("dilations", [1])) != {1}:
            raise node.error("dilation is not supported")
        kind = Kind.MAX_POOL if node.op == "MaxPool" else Kind.AVG_POOL
        layer = self._builder.pool(kind, size, stride, name=self._name(node), input=tensor.layer)
        return self._made(layer, tensor.axes)

    def _global_pool(self, node: Node) -> Tensor:
        tensor = self._tensor(node)
        if tensor.axes not in (_IMAGE, _SERIES):
            raise _OtherLayout(str(node.error(f"input is laid out {_words(tensor.axes)}, [N, C, H, W] is needed")))
        return self._mean(node, tensor, tensor.axes)

    def _reduce_mean(self, node: Node) -> Tensor:
        tensor = self._tensor(node)
        given = node.attribute("axes", None)
        numbers = self._graph.constant(node, 1, np.arange(1)) if given is None else np.asarray(given)
        rank = len(tensor.axes) + 1
        chosen = sorted(int(number) % rank for number in numbers.ravel())
        spatial = [i + 1 for i, axis in enumerate(tensor.axes) if axis != ("C",)]
        if chosen != spatial or not all(axis in (("H",), ("W",), ("C",)) for axis in tensor.axes):
            raise node.error(f"a mean over axes {chosen} of {_words(tensor.axes)}; over all of H and W it is supported")
        kept = tensor.axes if node.attribute("keepdims", 1) else (("C",),)
        return self._mean(node, tensor, kept)

    def _mean(self, node: Node, tensor: Tensor, axes: tuple[Axis, ...]) -> Tensor:
        layer = self._builder.global_avg_pool(name=self._name(node), input=tensor.layer)
        return self._made(layer, axes)


def _words(axes: tuple[Axis, ...]) -> str:
    return "[" + ", ".join(("N", *("*".join(axis) or "1" for axis in axes))) + "]"


_CONVERTERS: dict[str, Callable[[_Importer, Node], Tensor]] = {
    "Conv": _Importer._conv,
    "Gemm": _Importer._gemm,
    "MatMul": _Importer._matmul,
    "BatchNormalization": _Importer._batch_norm,
    **dict.fromkeys(("Add", "Sub", "Mul", "Div"), _Importer._arithmetic),
    **dict.fromkeys(("Relu", "Clip", "LeakyRelu", "Sigmoid", "Tanh", "Softmax"), _Importer._activation),
    **dict.fromkeys(("MaxPool", "AveragePool"), _Importer._pool),
    "GlobalAveragePool": _Importer._global_pool,
    "ReduceMean": _Importer._reduce_mean,
}
