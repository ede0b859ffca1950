# SPDX-License-Identifier: Apache-2.0
"""An ONNX file as nodes in order, constants evaluated, and what each axis of a tensor holds.

Exporters differ in layout: PyTorch's tensors are [N, C, H, W], Keras's [N, H, W, C] with Transposes in between. Here
an axis carries its meaning along, so a Transpose costs nothing and weights after a Flatten can be put in the runtime's
order.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trainbed.errors import MissingTool, NetworkError

Axis = tuple[str, ...]
"""The dimensions an axis runs over, outermost first: ("C",), after a Flatten ("C", "H", "W"); () has size 1."""


@dataclass(frozen=True)
class Tensor:
    """A tensor of the graph: the layer that makes it, and its axes after the batch."""

    layer: str
    shape: tuple[int, int, int]
    """(H, W, C) of the layer's output."""
    axes: tuple[Axis, ...]
    shared: bool = False
    """Somebody else reads it, or what it was made from, too: the layer must stay as it is."""
    pads: tuple[int, int, int, int] = (0, 0, 0, 0)
    """Zeros still to be put around it: top, left, bottom, right."""

    def size(self, axis: Axis) -> int:
        """Elements along an axis."""
        return math.prod(self._side(name) for name in axis)

    def _side(self, name: str) -> int:
        return self.shape["HWC".index(name)]

    @property
    def n_elements(self) -> int:
        """Elements of one sample."""
        return math.prod(self.shape)

    @property
    def sizes(self) -> tuple[int, ...]:
        """Sizes of the axes after the batch."""
        return tuple(self.size(axis) for axis in self.axes)

    def regrouped(self, sizes: Sequence[int]) -> Tensor | None:
        """The same elements in the same order along other axes; None where a dimension would have to be cut."""
        atoms = [name for axis in self.axes for name in axis]
        if math.prod(sizes) != math.prod(self.sizes):
            return None
        axes: list[Axis] = []
        for size in sizes:
            taken: list[str] = []
            if size == 1 and atoms and self._side(atoms[0]) == 1:
                taken.append(atoms.pop(0))
            while math.prod(self._side(name) for name in taken) < size and atoms:
                taken.append(atoms.pop(0))
            if math.prod(self._side(name) for name in taken) != size:
                return None
            axes.append(tuple(taken))
        if atoms:  # dimensions of size 1 that are left
            axes[-1] = (*axes[-1], *atoms)
        return replace(self, axes=tuple(axes))


class Node:
    """One node: its attributes as plain values, its inputs by name."""

    def __init__(self, proto: Any, number: int) -> None:
        from onnx import helper

        self.proto = proto
        self.op = str(proto.op_type)
        self.name = proto.name or f"{self.op}_{number}"
        self.inputs = list(proto.input)
        self.outputs = [name for name in proto.output if name]
        self.attributes = {a.name: helper.get_attribute_value(a) for a in proto.attribute}

    def attribute(self, name: str, default: Any) -> Any:
        """An attribute, bytes as text."""
        value = self.attributes.get(name, default)
        return value.decode() if isinstance(value, bytes) else value

    def error(self, message: str) -> NetworkError:
        """The error of a node that cannot be imported."""
        return NetworkError(f"node '{self.name}' ({self.op}): {message}")


class Graph:
    """The nodes of a file that are not constants, and the constants by name."""

    def __init__(self, path: Path) -> None:
        """Raises MissingTool without onnx, NetworkError for a file that is none."""
        try:
            import onnx
        except ImportError:
            raise MissingTool("onnx", install="pip install 'trainbed[onnx]'", detail="it reads ONNX files") from None
        if not path.is_file():
            raise NetworkError(f"{path}: no such file")
        try:
            model = onnx.load(path)
            onnx.checker.check_model(model)
        except Exception as error:  # protobuf, checker and file errors share no base
            reason = str(error).strip().splitlines()
            raise NetworkError(f"{path}: is no ONNX model: {reason[0] if reason else type(error).__name__}") from None
        self._opsets = list(model.opset_import)
        self._ir_version = model.ir_version
        graph = model.graph
        self.constants: dict[str, NDArray[Any]] = {
            tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in graph.initializer
        }
        inputs = [value for value in graph.input if value.name not in self.constants]
        if len(inputs) != 1 or len(graph.output) != 1:
            raise NetworkError(f"{path}: one input and one output are needed, found {len(inputs)}, {len(graph.output)}")
        self.input = inputs[0].name
        self.input_sizes = tuple(int(d.dim_value) for d in inputs[0].type.tensor_type.shape.dim)[1:]
        if not 1 <= len(self.input_sizes) <= 3 or min(self.input_sizes) < 1:
            raise NetworkError(f"{path}: input '{self.input}' is not [N, ...] with one to three fixed sizes")
        self.output = graph.output[0].name
        self.nodes = [Node(proto, number) for number, proto in enumerate(graph.node)]
        self.uses = Counter(name for node in self.nodes for name in node.inputs)
        self.uses[self.output] += 1

    def fold(self, node: Node) -> bool:
        """Evaluate a node all of whose inputs are constants; True when it was one."""
        if not all(name in self.constants for name in node.inputs if name):
            return False
        from onnx import TensorProto, helper
        from onnx.reference import ReferenceEvaluator

        outputs = [helper.make_tensor_value_info(name, TensorProto.UNDEFINED, None) for name in node.outputs]
        inputs = {name: self.constants[name] for name in node.inputs if name}
        infos = [
            helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(value.dtype), value.shape)
            for name, value in inputs.items()
        ]
        graph = helper.make_graph([node.proto], "constant", infos, outputs)
        model = helper.make_model(graph, opset_imports=self._opsets, ir_version=self._ir_version)
        try:
            values = ReferenceEvaluator(model).run(None, inputs)
        except Exception as error:  # an operator the evaluator does not know
            raise node.error(f"a constant that cannot be evaluated: {error}") from None
        self.constants.update({name: np.asarray(value) for name, value in zip(node.outputs, values, strict=True)})
        return True

    def constant(self, node: Node, index: int, default: Any = None) -> NDArray[Any]:
        """Input ``index`` of a node, which must be a constant. ``default``: where there is none."""
        name = node.inputs[index] if index < len(node.inputs) else ""
        if not name:
            if default is None:
                raise node.error(f"input {index} is missing")
            return np.asarray(default)
        if name not in self.constants:
            raise node.error(f"input '{name}' is not a constant")
        return self.constants[name]
