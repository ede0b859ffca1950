# SPDX-License-Identifier: Apache-2.0
"""``network: {mobilenet_v2: ..}`` and its kin: a few numbers that stand for a whole image network."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from trainbed.network.image_networks import MOBILENET_V2, PROXYLESSNAS, Stage, Table, blocks, divisible, last_filters
from trainbed.network.layers import INPUT, Activation, Kind
from trainbed.scenario.keys import Choice, Keys, wrong
from trainbed.scenario.layers import Composite, Extent, LayerSpec


def _shape(value: Any) -> Any:
    if isinstance(value, list) and 1 <= len(value) <= 3:
        return (*[1] * (3 - len(value)), *value)
    raise wrong("[features], [time, channels] or [height, width, channels]", value)


Shape = Annotated[tuple[Extent, Extent, Extent], BeforeValidator(_shape)]


def _stage(value: Any) -> Any:
    if isinstance(value, list) and len(value) in (4, 5):
        return tuple((*value, 3)[:5])
    raise wrong("[expand, filters, repeats, stride] or [expand, filters, repeats, stride, kernel]", value)


StageEntry = Annotated[tuple[Extent, Extent, Extent, Extent, Extent], BeforeValidator(_stage)]


class ImageNetworkKeys(Keys):
    """``{input, classes, width, blocks, stem, stem_stride, last, activation, batch_norm}``."""

    input: Shape
    classes: Extent
    width: Annotated[float, Field(gt=0, le=8)] = 1.0
    blocks: list[StageEntry] | None = Field(default=None, min_length=1)
    stem: Extent | None = None
    stem_stride: Extent = 2
    last: Annotated[int, Field(ge=0, le=65535)] | None = None
    activation: Choice[Activation] = Activation.SOFTMAX
    batch_norm: bool = False


class InvertedResidualsKeys(ImageNetworkKeys):
    """The same with blocks of one's own: MCUNet and other searched networks."""

    blocks: list[StageEntry] = Field(min_length=1)


_TABLES = {"mobilenet_v2": MOBILENET_V2, "proxylessnas": PROXYLESSNAS, "inverted_residuals": Table(32, (), 0)}


def image_layers(kind: str, keys: ImageNetworkKeys, *, line: int | None) -> tuple[LayerSpec, ...]:
    """The layers a table stands for: ``stem``, ``block_1`` .. ``block_n``, ``last``, ``pool``, ``classifier``."""
    table = _TABLES[kind]
    stages = table.stages if keys.blocks is None else tuple(Stage(*entry) for entry in keys.blocks)
    specs = [_convolution("stem", INPUT, divisible((keys.stem or table.stem) * keys.width), keys, line)]
    for n, block in enumerate(blocks(stages, width=keys.width), 1):
        specs.append(
            LayerSpec(
                name=f"block_{n}",
                kind=Composite.INVERTED_RESIDUAL,
                inputs=(_output(specs),),
                line=line,
                filters=block.filters,
                expand=block.expand,
                kernel=(block.kernel, block.kernel),
                stride=(block.stride, block.stride),
                batch_norm=keys.batch_norm,
            )
        )
    last = last_filters(table.last if keys.last is None else keys.last, width=keys.width)
    if last:
        specs.append(_convolution("last", _output(specs), last, keys, line))
    specs.append(LayerSpec(name="pool", kind=Kind.GLOBAL_AVG_POOL, inputs=(_output(specs),), line=line))
    head = LayerSpec(
        name="classifier",
        kind=Kind.DENSE,
        inputs=("pool",),
        line=line,
        activation=keys.activation,
        units=keys.classes,
    )
    return (*specs, head)


def _output(specs: Sequence[LayerSpec]) -> str:
    return specs[-1].name


def _convolution(name: str, source: str, filters: int, keys: ImageNetworkKeys, line: int | None) -> LayerSpec:
    stem = name == "stem"
    return LayerSpec(
        name=name,
        kind=Kind.CONV2D,
        inputs=(source,),
        line=line,
        activation=Activation.RELU6,
        filters=filters,
        kernel=(3, 3) if stem else (1, 1),
        stride=(keys.stem_stride, keys.stem_stride) if stem else (1, 1),
        padding="same" if stem else "valid",
        batch_norm=keys.batch_norm,
    )
