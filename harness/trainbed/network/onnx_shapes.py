# SPDX-License-Identifier: Apache-2.0
"""ONNX operators that compute nothing: they move, join or pad axes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from trainbed.network.onnx_graph import Graph, Node, Tensor

KEEP_PADS = ("Identity", "Dropout", "Pad")
"""Operators that may stand between a Pad and its convolution."""


def _same(graph: Graph, node: Node, tensor: Tensor) -> Tensor:
    return tensor


def _transpose(graph: Graph, node: Node, tensor: Tensor) -> Tensor:
    order = list(node.attribute("perm", range(len(tensor.axes), -1, -1)))
    if order[0] != 0:
        raise node.error("the batch must stay the first axis")
    return replace(tensor, axes=tuple(tensor.axes[i - 1] for i in order[1:]))


def _flatten(graph: Graph, node: Node, tensor: Tensor) -> Tensor:
    if node.attribute("axis", 1) != 1:
        raise node.error("axis 1 is supported only")
    return _regrouped(node, tensor, [tensor.n_elements])


def _reshape(graph: Graph, node: Node, tensor: Tensor) -> Tensor:
    old, new = (1, *tensor.sizes), [int(size) for size in graph.constant(node, 1).ravel()]
    keep_zero = node.attribute("allowzero", 0)
    new = [old[i] if size == 0 and not keep_zero and i < len(old) else size for i, size in enumerate(new)]
    rest = tensor.n_elements
    if new and new[0] == -1 and -1 not in new[1:] and int(np.prod(new[1:])) == rest:
        new[0] = 1  # the batch, whatever it is
    if new.count(-1) == 1:
        known = int(np.prod([size for size in new if size != -1]))
        new[new.index(-1)] = rest // max(known, 1)
    if not new or new[0] != 1:
        raise node.error(f"to {new}: the batch must stay the first axis")
    return _regrouped(node, tensor, new[1:])


def _squeeze(graph: Graph, node: Node, tensor: Tensor) -> Tensor:
    rank = len(tensor.axes) + 1
    given = node.attribute("axes", None)
    numbers = graph.constant(node, 1, np.arange(0)) if given is None else np.asarray(given)
    if node.op == "Unsqueeze":
        sizes = list(tensor.sizes)
        for number in sorted(int(n) % (rank + numbers.size) for n in numbers.ravel()):
            sizes.insert(number - 1, 1)
        return _regrouped(node, tensor, sizes)
    gone = {int(n) % rank for n in numbers.ravel()} or {i + 1 for i, size in enumerate(tensor.sizes) if size == 1}
    if 0 in gone:
        raise node.error("the batch must stay the first axis")
    return _regrouped(node, tensor, [size for i, size in enumerate(tensor.sizes) if i + 1 not in gone] or [1])


def _regrouped(node: Node, tensor: Tensor, sizes: Sequence[int]) -> Tensor:
    made = tensor.regrouped(sizes)
    if made is None:
        raise node.error(f"{list(tensor.sizes)} to {list(sizes)} would cut a dimension; only joining them is supported")
    return made


def _pad(graph: Graph, node: Node, tensor: Tensor) -> Tensor:
    pads = node.attribute("pads", None)
    numbers = graph.constant(node, 1) if pads is None else np.asarray(pads)
    value = float(graph.constant(node, 2, node.attribute("value", 0.0)))
    n = len(tensor.axes) + 1
    if node.attribute("mode", "constant") != "constant" or value or numbers.size != 2 * n or numbers.min() < 0:
        raise node.error("padding with zeros is supported only")
    around = {"H": (0, 0), "W": (0, 0)}
    for i, axis in enumerate(((), *tensor.axes)):
        amount = (int(numbers[i]), int(numbers[n + i]))
        if any(amount) and axis not in (("H",), ("W",)):
            raise node.error("height and width can be padded only")
        if any(amount):
            around[axis[0]] = amount
    top, left, bottom, right = tensor.pads
    (down, under), (aside, beyond) = around["H"], around["W"]
    return replace(tensor, pads=(top + down, left + aside, bottom + under, right + beyond))


SHAPE_OPERATORS: dict[str, Callable[[Graph, Node, Tensor], Tensor]] = {
    **dict.fromkeys(("Identity", "Dropout"), _same),
    "Transpose": _transpose,
    "Flatten": _flatten,
    "Reshape": _reshape,
    **dict.fromkeys(("Squeeze", "Unsqueeze"), _squeeze),
    "Pad": _pad,
}
