# SPDX-License-Identifier: Apache-2.0
"""The numbers of a network in int8_pow2: how many bits of each tensor stand behind the point, and what follows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from trainbed.errors import NetworkError
from trainbed.network.layers import INPUT, Activation, Kind, Layer, Network
from trainbed.network.training import Adam, Loss, Optimizer
from trainbed.planner.graph import Graph
from trainbed.reference.pow2.numbers import BIAS_MAX, ERROR_FRACTION, LARGEST, Range

TABLES = {Activation.SIGMOID: 4, Activation.TANH: 5}
"""Activations by table, and the bits behind the point of the codes they are looked up by."""
TABLE_FRACTION = 7
"""Bits behind the point of a table's codes."""
POOLS = (Kind.MAX_POOL, Kind.AVG_POOL, Kind.GLOBAL_AVG_POOL)
_CLAMPS = (Activation.NONE, Activation.RELU, Activation.RELU6)
_NARROW = 1 << 23
_RATE_BITS = 24


@dataclass(frozen=True)
class Pow2Design:
    """Bits behind the point of every tensor and weight, chosen before training and constant."""

    network: Network
    loss: Loss
    input_fraction: int
    unsigned_input: bool
    """The network's input is never negative: its codes are 0 .. 255 instead of -127 .. 127."""
    sums: Mapping[str, int]
    """Of the codes that a layer's sums are stored in, before an activation by table; by layer."""
    weights: Mapping[str, int]
    """Of the weights, by layer."""
    narrow: frozenset[str] = frozenset()
    """Layers whose sums are proven to stay within 24 bits."""
    sparse: frozenset[str] = frozenset()
    """Dense layers that leave out the zeros of their input."""
    inference: bool = False

    @property
    def graph(self) -> Graph:
        """Who reads and who writes each tensor."""
        return Graph(self.network, inference=self.inference)

    @property
    def head(self) -> Layer:
        """The layer whose sums are the network's outputs."""
        graph = self.graph
        return graph.producer[graph.output]

    def is_trained(self, layer: Layer) -> bool:
        """The layer's parameters are updated."""
        return layer.has_weights and layer.trainable and not self.inference

    def table(self, layer: Layer) -> Activation | None:
        """Activation the layer applies by table; None where it clamps, or leaves it to the loss."""
        left_to_loss = layer.name == self.head.name and self.loss is not Loss.MSE
        return layer.activation if layer.activation in TABLES and not left_to_loss else None

    def fraction(self, tensor: str) -> int:
        """Bits behind the point of a tensor's values, after the activation."""
        if tensor == INPUT:
            return self.input_fraction
        layer = self.graph.producer[tensor]
        return TABLE_FRACTION if self.table(layer) else self.sums[tensor]

    def is_unsigned(self, tensor: str) -> bool:
        """The tensor's codes are 0 .. 255: the network's input, also behind pools."""
        graph = self.graph
        while tensor != INPUT:
            layer = graph.producer[tensor]
            if layer.kind not in POOLS or layer.activation is not Activation.NONE:
                return False
            tensor = graph.inputs(layer)[0]
        return self.unsigned_input

    def range_of(self, layer: Layer) -> Range:
        """What the sums of a layer, or of an add, become."""
        fraction = self.sums[layer.name]
        lo, hi = -LARGEST, LARGEST
        if layer.activation in (Activation.RELU, Activation.RELU6):
            lo = 0
        if layer.activation is Activation.RELU6:
            hi = min(LARGEST, int(6 * 2.0**fraction))
        return Range(self.sum_fraction(layer) - fraction, lo, hi)

    def sum_fraction(self, layer: Layer) -> int:
        """Bits behind the point of a layer's sums and biases; for an add, of the finer of its inputs."""
        inputs = [self.fraction(tensor) for tensor in self.graph.inputs(layer)]
        return inputs[0] + self.weights[layer.name] if layer.has_weights else max(inputs)

    def rate_exponent(self, layer: Layer) -> int:
        """The device's learning rate of a layer is ``lr * 2**this``."""
        source = self.graph.inputs(layer)[0]
        return _RATE_BITS + self.weights[layer.name] - ERROR_FRACTION - self.fraction(source)


def check(network: Network, *, loss: Loss, optimizer: Optimizer, batch_size: int, inference: bool) -> None:
    """Raises NetworkError for what int8_pow2 cannot do, naming the layer where one is to blame."""
    graph = Graph(network, inference=inference)
    for layer in graph.layers:
        _check_forward(layer, graph, loss)
    if inference:
        return
    if isinstance(optimizer, Adam) or optimizer.momentum:
        raise NetworkError("int8_pow2 trains by sgd without momentum: 8-bit weights leave no room for state")
    if batch_size != 1:
        raise NetworkError(f"int8_pow2 steps after every sample; set training.batch_size to 1, not {batch_size}")
    for layer in graph.layers:
        if graph.needs_gradient(layer.name):
            _check_backward(layer, graph)


def _check_forward(layer: Layer, graph: Graph, loss: Loss) -> None:
    is_head = layer.name == graph.output
    if is_head and layer.kind is not Kind.DENSE:
        raise NetworkError("int8_pow2 needs a dense layer at the end", layer=layer.name)
    if layer.activation is Activation.SOFTMAX and loss is Loss.MSE:
        raise NetworkError("int8_pow2 has softmax with categorical_crossentropy only", layer=layer.name)
    if layer.activation not in (*_CLAMPS, *TABLES) and not is_head:
        raise NetworkError(
            f"int8_pow2 has relu, relu6, sigmoid and tanh, not {layer.activation.value}", layer=layer.name
        )
    if layer.activation is Activation.LEAKY_RELU:
        raise NetworkError("int8_pow2 has no leaky_relu: its slope is no power of two", layer=layer.name)
    if not (layer.has_weights or layer.kind is Kind.ADD) and layer.activation is not Activation.NONE:
        raise NetworkError(f"int8_pow2 takes no activation behind {layer.kind.value}", layer=layer.name)
    if layer.kind is Kind.ADD and INPUT in graph.inputs(layer):
        raise NetworkError("int8_pow2 cannot add the network's input", layer=layer.name)


def _check_backward(layer: Layer, graph: Graph) -> None:
    if layer.kind is not Kind.DENSE:
        raise NetworkError(
            f"int8_pow2 trains dense layers; no error passes a {layer.kind.value}: set trainable: false on it and"
            " on the layers before it",
            layer=layer.name,
        )
    if len(graph.consumers[layer.name]) > 1:
        raise NetworkError("int8_pow2 trains chains of dense layers; this one has several readers", layer=layer.name)


def sums_bound(n_products: int, *, unsigned: bool) -> int:
    """Largest magnitude of a trained layer's sums, whatever its weights become."""
    return BIAS_MAX + n_products * LARGEST * (255 if unsigned else LARGEST)


def is_narrow(bound: int) -> bool:
    """Sums of this magnitude fit 24 bits."""
    return bound < _NARROW
