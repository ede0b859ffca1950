# SPDX-License-Identifier: Apache-2.0
"""The network a scenario asks for, shapes resolved, as it is deployed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from trainbed.errors import NetworkError
from trainbed.network.blocks import InvertedResidual
from trainbed.network.build import Common, NetworkBuilder
from trainbed.network.layers import Activation, Kind, Network
from trainbed.network.onnx_import import F32, import_onnx
from trainbed.reference.random import initial_weights
from trainbed.scenario.layers import Composite, LayerSpec
from trainbed.scenario.scenario import Scenario, with_line

_WITH_WEIGHTS = (Kind.DENSE, Kind.CONV2D, Kind.DEPTHWISE_CONV2D)


@dataclass(frozen=True)
class Resolved:
    """A network as it is deployed, and what the host needs beyond it to train it.

    ``normalised``: layers with batch normalisation between sum and activation while the host trains; afterwards it is
    folded into their weights.
    """

    network: Network
    normalised: frozenset[str] = frozenset()
    weights: tuple[tuple[F32, F32], ...] | None = None
    """(weights, bias) of each parametric layer that came with the network; None: it came without."""


def resolve_network(scenario: Scenario) -> Network:
    """The scenario's network as it is deployed. Raises ScenarioError at the line of the layer that is impossible."""
    return resolve(scenario).network


def resolve(scenario: Scenario) -> Resolved:
    """The scenario's network. Raises ScenarioError at the line of the layer that is impossible."""
    spec = scenario.network
    with with_line(scenario, "network.onnx" if spec.onnx is not None else "network"):
        if spec.onnx is not None:
            resolved = _imported(scenario, scenario.base_dir / spec.onnx)
        else:
            resolved = _Resolver(spec.input_shape, spec.layers).resolve()
        if spec.trainable_last is not None:
            network = with_trainable_last(resolved.network, spec.trainable_last)
            resolved = replace(resolved, network=network)
    return resolved


def _imported(scenario: Scenario, path: Path) -> Resolved:
    """The network of an ONNX file, with a fresh head where the scenario asks for other classes."""
    needed = scenario.training.loss.needs
    imported = import_onnx(path, head=needed or Activation.NONE)
    network, pairs = imported.network, list(imported.weights)
    head = network.layers[-1]
    if needed is not None and head.activation is not needed:
        raise scenario.error(
            f"{scenario.training.loss.value} needs {needed.value} at the last layer, "
            f"'{head.name}' of {path} has {head.activation.value}",
            "training.loss",
        )
    classes = scenario.network.classes
    if classes is not None:
        if head.kind is not Kind.DENSE:
            raise NetworkError(
                f"'{head.name}' is no Gemm or MatMul: it cannot be replaced by one for {classes} classes"
            )
        network = replace(network, layers=(*network.layers[:-1], replace(head, out_shape=(1, 1, classes))))
        pairs[-1] = initial_weights(network, scenario.training.seed)[-1]
    return Resolved(network, weights=tuple(pairs))


def with_trainable_last(network: Network, n: int) -> Network:
    """The network with the last ``n`` layers that have weights trainable, the others frozen."""
    if n > len(network.parametric):
        raise NetworkError(f"trainable_last is {n}, {len(network.parametric)} layers have weights")
    trained = {layer.name for layer in network.parametric[-n:]}
    return replace(network, layers=tuple(replace(layer, trainable=layer.name in trained) for layer in network.layers))


class _Resolver:
    """Adds layer by layer; remembers which layers stand for which of the scenario's."""

    def __init__(self, input_shape: Sequence[int], specs: Sequence[LayerSpec]) -> None:
        self._builder = NetworkBuilder(input_shape)
        self._specs = specs
        self._outputs: dict[str, str] = {}
        """Scenario's name -> layer that gives its output, where that has another name."""
        self._normalised: set[str] = set()
        self._norms = {spec.inputs[0]: spec for spec in specs if spec.kind is Composite.BATCH_NORM}

    def resolve(self) -> Resolved:
        for spec in self._specs:
            try:
                self._add(spec)
            except NetworkError as error:
                inside = f"{error.layer}: " if error.layer not in (None, spec.name) else ""
                raise NetworkError(f"{inside}{error}", layer=spec.name) from error
        return Resolved(self._builder.build(), frozenset(self._normalised))

    def _add(self, spec: LayerSpec) -> None:
        if spec.kind is Composite.BATCH_NORM:
            self._fold(spec)
        elif spec.kind is Composite.INVERTED_RESIDUAL:
            self._add_block(spec)
        else:
            _add_layer(self._builder, spec, self._common(spec), [self._output(name) for name in spec.inputs])
            if spec.batch_norm:
                self._normalised.add(spec.name)

    def _output(self, name: str) -> str:
        return self._outputs.get(name, name)

    def _common(self, spec: LayerSpec) -> Common:
        norm = self._norms.get(spec.name)
        return {
            "name": spec.name,
            "input": self._output(spec.inputs[0]),
            "activation": norm.activation if norm is not None else spec.activation,
            "trainable": spec.trainable,
            "initializer": spec.initializer,
        }

    def _fold(self, spec: LayerSpec) -> None:
        """Batch normalisation becomes a part of the layer it follows; that layer takes over its activation."""
        source = next((other for other in self._specs if other.name == spec.inputs[0]), None)
        if source is None or source.kind not in _WITH_WEIGHTS or source.batch_norm:
            raise NetworkError("batch_norm follows a dense, conv2d or depthwise_conv2d layer", layer=spec.name)
        if source.activation is not Activation.NONE:
            raise NetworkError(
                f"batch_norm comes before the activation: give {source.activation.value} to '{spec.name}' and none "
                f"to '{source.name}'",
                layer=spec.name,
            )
        others = [other.name for other in self._specs if source.name in other.inputs and other is not spec]
        if others:
            raise NetworkError(
                f"'{others[0]}' reads '{source.name}' before its batch_norm; let it read '{spec.name}'", layer=spec.name
            )
        self._outputs[spec.name] = source.name
        self._normalised.add(source.name)

    def _add_block(self, spec: LayerSpec) -> None:
        block = InvertedResidual(
            name=spec.name,
            source=self._output(spec.inputs[0]),
            filters=spec.filters or 0,
            expand=spec.expand,
            kernel=spec.kernel or (1, 1),
            stride=spec.stride,
            activation=spec.activation,
            trainable=spec.trainable,
            initializer=spec.initializer,
        )
        names = block.add_to(self._builder)
        self._outputs[spec.name] = names[-1]
        if spec.batch_norm:
            self._normalised.update(name for name in names if not name.endswith("_add"))


def _add_layer(builder: NetworkBuilder, spec: LayerSpec, common: Common, inputs: Sequence[str]) -> None:
    kernel = spec.kernel or (1, 1)
    if spec.kind is Kind.DENSE:
        builder.dense(spec.units or 0, **common)
    elif spec.kind is Kind.CONV2D:
        builder.conv2d(spec.filters or 0, kernel, spec.stride, spec.padding, **common)
    elif spec.kind is Kind.DEPTHWISE_CONV2D:
        builder.depthwise_conv2d(kernel, spec.stride, spec.padding, spec.multiplier, **common)
    elif spec.kind in (Kind.MAX_POOL, Kind.AVG_POOL):
        assert isinstance(spec.kind, Kind)
        builder.pool(spec.kind, kernel, spec.stride, **common)
    elif spec.kind is Kind.GLOBAL_AVG_POOL:
        builder.global_avg_pool(**common)
    elif spec.kind is Kind.FLATTEN:
        builder.flatten(**common)
    else:
        builder.add(inputs, **common)
