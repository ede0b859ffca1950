# SPDX-License-Identifier: Apache-2.0
"""Which layer computes in which numbers, which scales move while training, and whose scale a tensor has."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from trainbed.errors import NetworkError
from trainbed.network.layers import INPUT, Activation, Kind, Layer, Network
from trainbed.network.precision import Precision, SparseUpdate
from trainbed.planner.graph import Graph
from trainbed.reference.int8.tabled import Tabled, tabled

_POOLS = (Kind.MAX_POOL, Kind.AVG_POOL, Kind.GLOBAL_AVG_POOL)
_RELUS = (Activation.RELU, Activation.RELU6)


@dataclass(frozen=True)
class Share:
    """What of a layer is trained: ``channels`` of the inputs of each structure (0: no weight), and the biases."""

    channels: int
    bias: bool

    @property
    def anything(self) -> bool:
        """True when the layer takes part in training."""
        return self.channels > 0 or self.bias


@dataclass(frozen=True)
class ErrorScale:
    """Where the scale of a tensor's errors comes from: ``of`` another tensor's, divided by ``divisor``; ``of`` empty:
    it has its own.
    """

    of: str = ""
    divisor: int = 1


class Design:
    """The numbers of a network in an 8-bit precision.

    ``network`` is the given one with a conversion before every float32 layer that reads codes, ``graph`` its backward
    graph as it is computed, ``needed`` as far as steps ask for it. Both are the same if ``pruned``; else gradients of
    all 8-bit layers are worked out, whole, and most of them are for nothing. Raises NetworkError for what the precision
    cannot do, naming the layer.
    """

    def __init__(self, network: Network, precision: Precision, *, inference: bool = False, pruned: bool = True) -> None:
        self.precision = precision
        self.inference = inference
        self._shares = _shares(network, precision, inference=inference)
        trained = _with_trainable(network, self._shares)
        self._float = _float_layers(trained, precision)
        for layer in network.parametric:
            if layer.name in self._float and layer.name in self._shares:
                self._shares[layer.name] = Share(_inputs(layer), True)  # float32 layers are trained whole
        self.network = _with_conversions(trained, self._float)
        self._pruned = pruned or inference
        self.needed = Graph(
            self.network, inference=inference, weights_are_trained=lambda layer: self.share(layer).channels > 0
        )
        self.graph = self.needed
        if not self._pruned:
            self.graph = Graph(
                self.network,
                weights_are_trained=lambda layer: self.gradient(layer).channels > 0,
                has_gradient=lambda layer: self.gradient(layer).anything,
            )
        for layer in self.graph.layers:
            self._check(layer)

    @property
    def per_channel(self) -> bool:
        """Weights have a scale for each output channel."""
        return self.precision.name == "int8_qas"

    @property
    def head(self) -> Layer:
        """The layer whose sums are the network's outputs."""
        return self.graph.producer[self.graph.output]

    def is_float(self, layer: Layer) -> bool:
        """The layer computes in float32."""
        return layer.name in self._float or layer.kind is Kind.DEQUANTISE

    def is_centred(self, layer: Layer) -> bool:
        """A conversion whose outputs are freed of their mean, for the head."""
        if layer.kind is not Kind.DEQUANTISE or not self.precision.quantisation.centre_head:
            return False
        return self.head in self.graph.consumers[layer.name]

    def holds_codes(self, tensor: str) -> bool:
        """The tensor's values are codes; else float32: of a float32 layer, or the sums of an 8-bit head."""
        if tensor == INPUT:
            return True
        return tensor != self.graph.output and not self.is_float(self.graph.producer[tensor])

    def errors_are_codes(self, tensor: str) -> bool:
        """The tensor's errors are codes."""
        return not self.is_float(self.graph.producer[tensor])

    def share(self, layer: Layer) -> Share:
        """What of a layer with weights is trained."""
        return self._shares.get(layer.name, Share(0, False))

    def gradient(self, layer: Layer) -> Share:
        """Of what of a layer with weights the gradient is worked out: of what is trained, and more if not pruned.

        16-bit sums of a structure share a shift: more of them than are trained would change what is trained.
        """
        share = self.share(layer)
        if self._pruned or self.is_float(layer):
            return share
        in_part = share.channels > 0 and self.precision.quantisation.accumulators == "int16"
        return Share(share.channels if in_part else _inputs(layer), True)

    @property
    def quantised(self) -> tuple[Layer, ...]:
        """8-bit layers with weights, in forward order."""
        return tuple(layer for layer in self.network.parametric if not self.is_float(layer))

    # --- activations -------------------------------------------------------------------------------------------------

    def range_owner(self, tensor: str) -> str:
        """The tensor whose range, so scale and zero point, the codes of this one have."""
        while tensor != INPUT:
            layer = self.graph.producer[tensor]
            if layer.kind not in _POOLS and layer.kind is not Kind.FLATTEN:
                return tensor
            tensor = self.graph.inputs(layer)[0]
        return tensor

    @property
    def owners(self) -> tuple[str, ...]:
        """Tensors with a range of their own, without the network's input, in forward order."""
        names = [layer.name for layer in self.graph.layers]
        return tuple(name for name in names if self.holds_codes(name) and self.range_owner(name) == name)

    def table(self, tensor: str) -> Tabled | None:
        """The table that makes an owner's codes from those of its layer's sums; None: there is none."""
        if tensor in (INPUT, self.graph.output):
            return None
        layer = self.graph.producer[tensor]
        return None if self.is_float(layer) else tabled(layer.activation)

    def moves(self, tensor: str) -> bool:
        """The range of an owner follows training; sums of channels with scales of their own say nothing of it."""
        return (
            tensor != INPUT
            and not self.inference
            and self.precision.quantisation.ranges == "ema"
            and not self.per_channel
            and self.needed.needs_gradient(tensor)
        )

    def starts_at_zero(self, tensor: str) -> bool:
        """The codes of an owner have the zero point 0: its values are never negative."""
        return tensor != INPUT and self.graph.producer[tensor].activation in _RELUS

    def input_moves(self, layer: Layer) -> bool:
        """The range of what an 8-bit layer reads follows training."""
        return any(self.moves(self.range_owner(tensor)) for tensor in self.graph.inputs(layer))

    def scale_moves(self, layer: Layer) -> bool:
        """The scale of a layer's weights changes with its steps."""
        return self.share(layer).channels > 0 and not self.per_channel and not self.inference

    # --- errors ------------------------------------------------------------------------------------------------------

    def error_scale(self, tensor: str) -> ErrorScale:
        """Whose scale the errors of a tensor have."""
        for layer in self.graph.consumers[tensor]:
            if self.is_float(layer):
                continue
            if layer.kind is Kind.GLOBAL_AVG_POOL:
                return ErrorScale(layer.name, layer.in_shape[0] * layer.in_shape[1])
            if layer.kind is Kind.AVG_POOL:
                assert layer.window is not None
                return ErrorScale(layer.name, layer.window.kernel_h * layer.window.kernel_w)
            if layer.kind in (Kind.MAX_POOL, Kind.ADD, Kind.FLATTEN):
                return ErrorScale(layer.name)
        readers = [layer for layer in self.graph.consumers[tensor] if not self.is_float(layer)]
        follows = self.precision.quantisation.error_range == "ema" and self.needed.needs_gradient(tensor)
        if not follows and readers:
            return ErrorScale(readers[-1].name)
        return ErrorScale()

    @property
    def error_owners(self) -> tuple[str, ...]:
        """Tensors whose errors have a scale of their own that follows training, in forward order."""
        if self.precision.quantisation.error_range == "fixed":
            return ()
        names = [layer.name for layer in self.graph.layers]
        return tuple(
            name
            for name in names
            if self.needed.needs_gradient(name)
            and self.errors_are_codes(name)
            and name != self.graph.output
            and self.error_scale(name) == ErrorScale()
        )

    # --- inside ------------------------------------------------------------------------------------------------------

    def _check(self, layer: Layer) -> None:
        name = self.precision.name
        if self.is_float(layer):
            return
        is_head = layer.name == self.graph.output
        if is_head and layer.kind is not Kind.DENSE:
            raise NetworkError(f"{name} needs a dense layer at the end", layer=layer.name)
        if not is_head and layer.activation not in (Activation.NONE, *_RELUS):
            self._check_table(layer)
        if layer.kind in _POOLS and layer.activation is not Activation.NONE:
            raise NetworkError(f"{name} takes no activation behind a pool", layer=layer.name)
        if layer.kind is Kind.ADD and INPUT in layer.inputs:
            raise NetworkError(f"{name} cannot add the network's input", layer=layer.name)

    def _check_table(self, layer: Layer) -> None:
        name, found = self.precision.name, layer.activation.value
        if tabled(layer.activation) is None or not layer.has_weights:
            raise NetworkError(f"{name} has relu and relu6 before the last layer, not {found}", layer=layer.name)
        if self.graph.needs_gradient(layer.name):
            raise NetworkError(
                f"{name} has {found} in frozen layers only; what is trained before the last layer has relu or relu6",
                layer=layer.name,
            )


def _shares(network: Network, precision: Precision, *, inference: bool) -> dict[str, Share]:
    """What is trained of each layer with weights."""
    if inference:
        return {}
    update = precision.update
    if not isinstance(update, SparseUpdate):
        return {layer.name: Share(_inputs(layer), True) for layer in network.parametric if layer.trainable}
    names = [layer.name for layer in network.parametric]
    for name in update.weights:
        if name not in names:
            known = ", ".join(names)
            raise NetworkError(f"update.sparse.weights names '{name}', which has no weights; there are: {known}")
    biased = names[len(names) - min(update.biases_of_last, len(names)) :]
    shares = {}
    for layer in network.parametric:
        ratio = update.weights.get(layer.name, 0.0)
        channels = math.ceil(ratio * _inputs(layer))
        if layer.kind is Kind.DEPTHWISE_CONV2D and 0 < ratio < 1:
            raise NetworkError("a depthwise layer is trained whole or not at all", layer=layer.name)
        if channels or layer.name in biased:
            shares[layer.name] = Share(channels, layer.name in biased or channels > 0)
    return shares


def _inputs(layer: Layer) -> int:
    """Inputs of one structure of a layer that can be left out: input channels; 1 for a depthwise convolution."""
    if layer.kind is Kind.DEPTHWISE_CONV2D:
        return 1
    return layer.in_size if layer.kind is Kind.DENSE else layer.in_shape[2]


def _with_trainable(network: Network, shares: dict[str, Share]) -> Network:
    """A layer is trainable when something of it is trained."""
    layers = tuple(
        replace(layer, trainable=layer.name in shares) if layer.has_weights else layer for layer in network.layers
    )
    return Network(network.input_shape, layers)


def _float_layers(network: Network, precision: Precision) -> frozenset[str]:
    """Names of the layers that compute in float32; what reads one of them does too."""
    if precision.name == "mixed":
        seeds = {layer.name for layer in network.parametric if layer.trainable}
    elif precision.float_head:
        seeds = {network.parametric[-1].name} if network.parametric else set()
    else:
        seeds = set()
    found: set[str] = set()
    for layer in network.layers:
        if layer.name in seeds or any(name in found for name in layer.inputs):
            found.add(layer.name)
    return frozenset(found)


def _with_conversions(network: Network, float_layers: frozenset[str]) -> Network:
    """The network with one conversion behind every 8-bit tensor that float32 layers read."""
    shapes = {INPUT: network.input_shape} | {layer.name: layer.out_shape for layer in network.layers}
    converted: dict[str, str] = {}
    layers: list[Layer] = []
    for layer in network.layers:
        if layer.name in float_layers:
            for name in layer.inputs:
                if name not in float_layers and name not in converted:
                    converted[name] = f"{name}_float32"
                    shape = shapes[name]
                    layers.append(Layer(converted[name], Kind.DEQUANTISE, (name,), shape, shape))
            layer = replace(layer, inputs=tuple(converted.get(name, name) for name in layer.inputs))
        layers.append(layer)
    return Network(network.input_shape, tuple(layers))
