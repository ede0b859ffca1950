# SPDX-License-Identifier: Apache-2.0
"""The training step as a list of operations: forward, loss, backward, update, with what each reads and writes.

Backward starts at the loss and goes only as far as a trainable layer lies before; the network's input never gets a
gradient.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from trainbed.errors import NetworkError
from trainbed.network.layers import INPUT, Activation, Kind, Layer, Network


class Role(str, Enum):
    """What a slot holds."""

    VALUE = "value"
    """Output of a layer, after its activation."""
    ERROR = "error"
    """Derivative of the loss by that output, later by the layer's sum."""
    BITS = "bits"
    """One bit per element: the activation's derivative is 1."""
    INDEX = "index"
    """Position of the maximum inside each pooling window, one byte each."""
    GRADIENT = "gradient"
    """Gradient of one layer's parameters, where it lives only until that layer's step."""
    SCRATCH = "scratch"
    """What one operation needs beside its operands; ``tensor`` is the operation's name."""


@dataclass(frozen=True)
class Slot:
    """A piece of data with a life of its own during one training step; ``tensor`` is the name of a layer."""

    role: Role
    tensor: str

    def __str__(self) -> str:
        return f"{self.role.value} of {self.tensor}"


class Op(str, Enum):
    """Operations of a training step."""

    RECEIVE = "receive"
    """The network's input comes into the arena, in the frame that brings it."""
    FORWARD = "forward"
    BITS = "bits"
    LOSS = "loss"
    LOSS_GRADIENT = "loss_gradient"
    BACKWARD_WEIGHTS = "backward_weights"
    BACKWARD_INPUT = "backward_input"
    SELECT = "select"
    """Chooses the structures of a layer that take part in its backward steps."""
    UPDATE = "update"


@dataclass(frozen=True)
class Epilogue:
    """What is done to an input gradient before it is stored (docs/numerics.md)."""

    activation: Activation
    derivative_from: Slot | None
    """VALUE or BITS slot the derivative is taken from; None without activation."""
    accumulate: bool


@dataclass(frozen=True)
class Fused:
    """A pool that is run with the convolution before it, ``rows`` of its rows at a time."""

    pool: Layer
    rows: int

    @property
    def height(self) -> int:
        """Rows of the convolution at a time."""
        assert self.pool.window is not None
        return self.rows * self.pool.window.kernel_h


@dataclass(frozen=True)
class Step:
    """One operation. ``in_place`` pairs (read, written) may share memory element by element."""

    op: Op
    layer: Layer
    reads: tuple[Slot, ...]
    writes: tuple[Slot, ...]
    in_place: tuple[tuple[Slot, Slot], ...] = ()
    sources: tuple[str, ...] = ()
    """Tensors the layer reads, in the order of its inputs."""
    epilogue: Epilogue | None = None
    target: str = ""
    """BACKWARD_INPUT: the tensor whose error is written."""
    parts: int = 1
    """BACKWARD_INPUT: shares of the input channels that are worked out one after the other."""
    fused: Fused | None = None
    """The pool behind the layer that is run with it, some rows at a time."""
    chain: tuple[Layer, ...] = ()
    """Layers that are run together row by row; ``layer`` is the last of them."""


class Graph:
    """Names resolved: who produces and who consumes each tensor, and which tensors need a gradient."""

    def __init__(
        self,
        network: Network,
        *,
        inference: bool = False,
        weights_are_trained: Callable[[Layer], bool] = lambda layer: True,
        has_gradient: Callable[[Layer], bool] = lambda layer: layer.trainable,
    ) -> None:
        """``weights_are_trained``: false for a trainable layer of which only the biases are: it needs no input.
        ``has_gradient``: the gradient of a layer's parameters is worked out.
        """
        self.network = network
        self.inference = inference
        self.weights_are_trained = weights_are_trained
        self._has_gradient = has_gradient
        self._alias: dict[str, str] = {}
        self.layers: list[Layer] = []
        for layer in network.layers:
            if layer.kind is Kind.FLATTEN and layer.activation is Activation.NONE:
                self._alias[layer.name] = self.tensor(layer.inputs[0])
            else:
                self.layers.append(layer)
        self.producer = {layer.name: layer for layer in self.layers}
        self.consumers: dict[str, list[Layer]] = {name: [] for name in (INPUT, *self.producer)}
        for layer in self.layers:
            for name in self.inputs(layer):
                self.consumers[name].append(layer)
        self.output = self.tensor(network.layers[-1].name)
        self._needs_gradient = set() if inference else self._find_needs_gradient()
        if self.output not in self._needs_gradient and not inference:
            raise NetworkError("no layer of the network is trainable")

    def tensor(self, name: str) -> str:
        """Tensor a layer's name stands for: a flatten stands for its input."""
        return self._alias.get(name, name)

    def inputs(self, layer: Layer) -> tuple[str, ...]:
        """Tensors a layer reads."""
        return tuple(self.tensor(name) for name in layer.inputs)

    def has_gradient(self, layer: Layer) -> bool:
        """True where the gradient of the layer's parameters is worked out."""
        return layer.has_weights and self._has_gradient(layer)

    def needs_gradient(self, tensor: str) -> bool:
        """True where a trainable layer produces the tensor or lies before it."""
        return tensor in self._needs_gradient

    def _find_needs_gradient(self) -> set[str]:
        needs: set[str] = set()
        for layer in self.layers:
            if self.has_gradient(layer) or any(name in needs for name in self.inputs(layer)):
                needs.add(layer.name)
        return needs

    def activation_after_pool(self, layer: Layer) -> Activation:
        """Activation of a max-pool's input whose derivative can be taken from the pool's output instead.

        The error reaches only the maximum, and the maximum is the pool's output; so the input need not be kept. Exact
        to the bit
        where windows do not overlap and nobody else reads the input.
        """
        if layer.kind is not Kind.MAX_POOL or layer.activation is not Activation.NONE or windows_overlap(layer):
            return Activation.NONE
        if layer.name == self.output:
            return Activation.NONE
        source = self.inputs(layer)[0]
        if source == INPUT or len(self.consumers[source]) > 1 or not self.needs_gradient(source):
            return Activation.NONE
        return self.producer[source].activation


def windows_overlap(layer: Layer) -> bool:
    """True when an input element may lie in two windows."""
    assert layer.window is not None
    return layer.window.stride_h < layer.window.kernel_h or layer.window.stride_w < layer.window.kernel_w


RELU_FAMILY = (Activation.RELU, Activation.RELU6, Activation.LEAKY_RELU)


def training_steps(graph: Graph, *, bits: frozenset[str], immediate: bool) -> tuple[Step, ...]:
    """Operations of one sample in order.

    ``bits``: tensors whose activation's derivative is kept as one bit per element. ``immediate``: each layer is
    updated as soon as its
    gradient is known (batch size 1); otherwise gradients live outside the arena and the update is not part of these
    steps.
    """
    steps = [*_forward(graph, bits), *_loss(graph)]
    pending = Counter({name: len(users) for name, users in graph.consumers.items()})
    written: set[str] = {graph.output}
    for layer in reversed(graph.layers):
        if not graph.needs_gradient(layer.name):
            continue
        if graph.has_gradient(layer):
            steps.append(_weights_step(graph, layer, immediate=immediate))
        for tensor in graph.inputs(layer):
            pending[tensor] -= 1
            if graph.needs_gradient(tensor):
                steps.append(
                    _input_step(graph, layer, tensor, bits=bits, first=tensor not in written, last=not pending[tensor])
                )
                written.add(tensor)
        if immediate and layer.has_weights and layer.trainable:
            steps.append(Step(Op.UPDATE, layer, reads=(Slot(Role.GRADIENT, layer.name),), writes=()))
    return tuple(steps)


def inference_steps(graph: Graph) -> tuple[Step, ...]:
    """Operations of one sample where nothing is trained: forward, and the loss for evaluation."""
    return (*_forward(graph, frozenset()), _loss(graph)[0])


def _forward(graph: Graph, bits: frozenset[str]) -> list[Step]:
    steps = []
    for layer in graph.layers:
        value = Slot(Role.VALUE, layer.name)
        sources = tuple(Slot(Role.VALUE, name) for name in graph.inputs(layer) if name != INPUT)
        writes: tuple[Slot, ...] = (value,)
        if layer.kind is Kind.MAX_POOL and graph.needs_gradient(graph.inputs(layer)[0]):
            writes += (Slot(Role.INDEX, layer.name),)
        elementwise = layer.kind in (Kind.ADD, Kind.FLATTEN)
        pairs = tuple((source, value) for source in sources) if elementwise else ()
        steps.append(Step(Op.FORWARD, layer, reads=sources, writes=writes, in_place=pairs, sources=graph.inputs(layer)))
        if layer.name in bits:
            steps.append(Step(Op.BITS, layer, reads=(value,), writes=(Slot(Role.BITS, layer.name),)))
    return steps


def _loss(graph: Graph) -> list[Step]:
    last = graph.producer[graph.output]
    value, error = Slot(Role.VALUE, last.name), Slot(Role.ERROR, last.name)
    return [
        Step(Op.LOSS, last, reads=(value,), writes=(value,), in_place=((value, value),)),
        Step(Op.LOSS_GRADIENT, last, reads=(value,), writes=(error,), in_place=((value, error),)),
    ]


def _weights_step(graph: Graph, layer: Layer, *, immediate: bool) -> Step:
    sources: tuple[Slot, ...] = ()
    if graph.weights_are_trained(layer):
        sources = tuple(Slot(Role.VALUE, name) for name in graph.inputs(layer) if name != INPUT)
    writes = (Slot(Role.GRADIENT, layer.name),) if immediate else ()
    reads = (*sources, Slot(Role.ERROR, layer.name))
    return Step(Op.BACKWARD_WEIGHTS, layer, reads=reads, writes=writes, sources=graph.inputs(layer))


def _input_step(graph: Graph, layer: Layer, tensor: str, *, bits: frozenset[str], first: bool, last: bool) -> Step:
    error_out, error_in, value = Slot(Role.ERROR, layer.name), Slot(Role.ERROR, tensor), Slot(Role.VALUE, tensor)
    activation = Activation.NONE
    if last:
        producer = graph.producer[tensor]
        activation = producer.activation
        if graph.activation_after_pool(layer) is not Activation.NONE:
            activation = Activation.NONE
        elif activation is Activation.NONE:
            activation = graph.activation_after_pool(producer)
    source = None if activation is Activation.NONE else Slot(Role.BITS, tensor) if tensor in bits else value
    epilogue = Epilogue(activation, source, accumulate=not first)
    reads = (error_out,) + ((Slot(Role.INDEX, layer.name),) if layer.kind is Kind.MAX_POOL else ())
    reads += ((error_in,) if not first else ()) + ((source,) if source else ())
    pairs: list[tuple[Slot, Slot]] = [(error_in, error_in)] if not first else []
    pooling = layer.kind in (Kind.MAX_POOL, Kind.AVG_POOL)
    if source == value and first and not (pooling and windows_overlap(layer)):
        pairs.append((value, error_in))
    if layer.kind in (Kind.ADD, Kind.FLATTEN) and first:
        pairs.append((error_out, error_in))
    return Step(
        Op.BACKWARD_INPUT,
        layer,
        reads=reads,
        writes=(error_in,),
        in_place=tuple(pairs),
        sources=graph.inputs(layer),
        epilogue=epilogue,
        target=tensor,
    )


def bit_candidates(graph: Graph) -> tuple[str, ...]:
    """Tensors that backward needs only for the derivative of a relu-like activation: one bit per element would do."""
    found = []
    for layer in graph.layers:
        users = graph.consumers[layer.name]
        if layer.name == graph.output or not graph.needs_gradient(layer.name) or layer.activation not in RELU_FAMILY:
            continue
        if any(graph.has_gradient(user) and graph.weights_are_trained(user) for user in users):
            continue
        if any(graph.activation_after_pool(user) is not Activation.NONE for user in users):
            continue
        found.append(layer.name)
    return tuple(found)
