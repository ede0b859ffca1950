# SPDX-License-Identifier: Apache-2.0
"""The layers of a scenario: the keys each kind takes, and the checked LayerSpec the network builder works from."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from trainbed.network.layers import INPUT, Activation, Initializer, Kind
from trainbed.scenario.keys import Choice, Keys, Name, OneKey, wrong

Padding = Literal["valid", "same"]


def _pair(value: Any) -> Any:
    """A number stands for a square."""
    if isinstance(value, int) and not isinstance(value, bool):
        return (value, value)
    if isinstance(value, list) and len(value) == 2:
        return tuple(value)
    raise wrong("a whole number or [h, w]", value)


Extent = Annotated[int, Field(ge=1, le=65535)]
Pair = Annotated[tuple[Extent, Extent], BeforeValidator(_pair)]


class CommonKeys(Keys):
    """Keys every layer may carry."""

    name: Annotated[Name, Field(max_length=64, pattern=r"^[A-Za-z][A-Za-z0-9_]*$")] | None = None
    input: Name | None = None
    activation: Choice[Activation] = Activation.NONE


class WeightKeys(CommonKeys):
    """Keys of a layer that has weights."""

    trainable: bool = True
    initializer: Choice[Initializer] | None = None


class DenseKeys(WeightKeys):
    """``dense {units}``."""

    units: Extent


class Conv2dKeys(WeightKeys):
    """``conv2d {filters, kernel, stride, padding}``."""

    filters: Extent
    kernel: Pair
    stride: Pair = (1, 1)
    padding: Padding = "valid"


class DepthwiseKeys(WeightKeys):
    """``depthwise_conv2d {kernel, stride, padding, multiplier}``."""

    kernel: Pair
    stride: Pair = (1, 1)
    padding: Padding = "valid"
    multiplier: Extent = 1


class PoolKeys(CommonKeys):
    """``max_pool {size, stride}``, ``avg_pool``; the stride is the size unless given, there is no padding."""

    size: Pair = (2, 2)
    stride: Pair | None = None


class BatchNormKeys(CommonKeys):
    """``batch_norm``: after a layer with weights and without activation."""


class InvertedResidualKeys(WeightKeys):
    """``inverted_residual {filters, expand, kernel, stride, batch_norm}``."""

    filters: Extent
    expand: Extent = 6
    kernel: Pair = (3, 3)
    stride: Pair = (1, 1)
    batch_norm: bool = False


class AddKeys(CommonKeys):
    """``add: [a, b]``, or ``add: {input: [a, b], name: ..}``."""

    input: list[Name] = Field(min_length=2, max_length=2)  # type: ignore[assignment]  # two inputs, by design

    @model_validator(mode="before")
    @classmethod
    def _list_is_the_inputs(cls, value: Any) -> Any:
        return {"input": value} if isinstance(value, list) else value


class LayerEntry(OneKey):
    """One item of ``network.layers``: a bare word, or a mapping with one key."""

    _what = "layer"

    dense: DenseKeys | None = None
    conv2d: Conv2dKeys | None = None
    depthwise_conv2d: DepthwiseKeys | None = None
    max_pool: PoolKeys | None = None
    avg_pool: PoolKeys | None = None
    global_avg_pool: CommonKeys | None = None
    flatten: CommonKeys | None = None
    add: AddKeys | None = None
    batch_norm: BatchNormKeys | None = None
    inverted_residual: InvertedResidualKeys | None = None


class Composite(str, Enum):
    """Layers of a scenario that become others before deployment."""

    BATCH_NORM = "batch_norm"
    INVERTED_RESIDUAL = "inverted_residual"


@dataclass(frozen=True)
class LayerSpec:
    """One layer as the scenario asks for it: names and inputs resolved, shapes not yet.

    ``inputs`` name earlier layers or ``input``. ``kernel``, ``stride``: (h, w); for pooling ``kernel`` is the
    window's size. ``initializer`` None: the default of docs/numerics.md. ``line``: in the scenario file, None when an
    override set it.
    """

    name: str
    kind: Kind | Composite
    inputs: tuple[str, ...]
    line: int | None = None
    activation: Activation = Activation.NONE
    trainable: bool = True
    initializer: Initializer | None = None
    units: int | None = None
    filters: int | None = None
    kernel: tuple[int, int] | None = None
    stride: tuple[int, int] = (1, 1)
    padding: str = "valid"
    multiplier: int = 1
    expand: int = 1
    batch_norm: bool = False
    """Batch normalisation between sum and activation while the host trains: of the layer, or of each in the block."""


def layer_specs(entries: Sequence[LayerEntry], lines: Sequence[int | None]) -> tuple[LayerSpec, ...]:
    """Resolve names and inputs of the layers. Raises LayerProblem with the index of the layer to blame.

    A layer without a name is called after its kind: ``conv2d_1``, ``conv2d_2``, ... A layer without ``input`` reads
    the one before.
    """
    names = _names(entries)
    specs: list[LayerSpec] = []
    for i, entry in enumerate(entries):
        known = (INPUT, *names[:i])
        keys = entry.chosen
        asked = keys.input if isinstance(keys, AddKeys) else (keys.input or known[-1],)
        for name in asked:
            if name not in known:
                later = " (layers read earlier ones only)" if name in names else ""
                raise LayerProblem(f"'{names[i]}' reads '{name}', no layer before it has that name{later}", i, known)
        if keys.activation is Activation.SOFTMAX and i != len(entries) - 1:
            raise LayerProblem(f"softmax is for the last layer only, '{names[i]}' is not the last", i)
        specs.append(_spec(entry, names[i], tuple(asked), lines[i]))
    return tuple(specs)


class LayerProblem(Exception):
    """A layer contradicts another. ``index``: its place in ``network.layers``; ``known``: names it could have meant."""

    def __init__(self, message: str, index: int, known: Sequence[str] = ()) -> None:
        self.message = message
        self.index = index
        self.known = tuple(known)
        super().__init__(message)


def _names(entries: Sequence[LayerEntry]) -> list[str]:
    taken = {entry.chosen.name for entry in entries if entry.chosen.name}
    names: list[str] = []
    for i, entry in enumerate(entries):
        name = entry.chosen.name or next(n for n in _numbered(entry.kind) if n not in taken)
        if name in names or name == INPUT:
            raise LayerProblem(f"the name '{name}' is taken", i)
        names.append(name)
        taken.add(name)
    return names


def _numbered(kind: str) -> Iterator[str]:
    n = 1
    while True:
        yield f"{kind}_{n}"
        n += 1


def _spec(entry: LayerEntry, name: str, inputs: tuple[str, ...], line: int | None) -> LayerSpec:
    keys = entry.chosen
    weights = keys if isinstance(keys, WeightKeys) else None
    common: dict[str, Any] = {
        "name": name,
        "kind": _kind(entry.kind),
        "inputs": inputs,
        "line": line,
        "activation": keys.activation,
        "trainable": weights.trainable if weights else True,
        "initializer": weights.initializer if weights else None,
    }
    if isinstance(keys, DenseKeys):
        return LayerSpec(**common, units=keys.units)
    if isinstance(keys, Conv2dKeys):
        return LayerSpec(**common, filters=keys.filters, kernel=keys.kernel, stride=keys.stride, padding=keys.padding)
    if isinstance(keys, DepthwiseKeys):
        return LayerSpec(
            **common, kernel=keys.kernel, stride=keys.stride, padding=keys.padding, multiplier=keys.multiplier
        )
    if isinstance(keys, PoolKeys):
        return LayerSpec(**common, kernel=keys.size, stride=keys.stride or keys.size)
    if isinstance(keys, InvertedResidualKeys):
        return LayerSpec(
            **common,
            filters=keys.filters,
            expand=keys.expand,
            kernel=keys.kernel,
            stride=keys.stride,
            batch_norm=keys.batch_norm,
        )
    return LayerSpec(**common)


def _kind(word: str) -> Kind | Composite:
    return Composite(word) if word in [composite.value for composite in Composite] else Kind(word)
