# SPDX-License-Identifier: Apache-2.0
"""Image networks made of inverted residuals, as tables: MobileNetV2, ProxylessNAS, and any other given by its blocks.

Width multiplies every channel count, which is then rounded to a multiple of 8 as the published code does.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

DIVISOR = 8
"""Channel counts are multiples of it."""


@dataclass(frozen=True)
class Stage:
    """``repeats`` inverted residuals of the same kind; the first has the stride, the others 1."""

    expand: int
    filters: int
    repeats: int
    stride: int
    kernel: int = 3


@dataclass(frozen=True)
class Table:
    """An image network at width 1: a 3x3 stem with stride 2, stages, a last pointwise layer (0: none)."""

    stem: int
    stages: tuple[Stage, ...]
    last: int


@dataclass(frozen=True)
class BlockShape:
    """One inverted residual with its width applied."""

    expand: int
    filters: int
    stride: int
    kernel: int


MOBILENET_V2 = Table(
    # Sandler et al., "MobileNetV2: Inverted Residuals and Linear Bottlenecks" (CVPR 2018), table 2.
    stem=32,
    stages=(
        Stage(1, 16, 1, 1),
        Stage(6, 24, 2, 2),
        Stage(6, 32, 3, 2),
        Stage(6, 64, 4, 2),
        Stage(6, 96, 3, 1),
        Stage(6, 160, 3, 2),
        Stage(6, 320, 1, 1),
    ),
    last=1280,
)

PROXYLESSNAS = Table(
    # Cai et al., "ProxylessNAS: Direct Neural Architecture Search on Target Task and Hardware" (ICLR 2019), the network
    # found for the phone.
    stem=32,
    stages=(
        Stage(1, 16, 1, 1),
        Stage(3, 32, 1, 2, 5),
        Stage(3, 32, 1, 1, 3),
        Stage(3, 40, 1, 2, 7),
        Stage(3, 40, 1, 1, 3),
        Stage(3, 40, 2, 1, 5),
        Stage(6, 80, 1, 2, 7),
        Stage(3, 80, 3, 1, 5),
        Stage(6, 96, 1, 1, 5),
        Stage(3, 96, 3, 1, 5),
        Stage(6, 192, 1, 2, 7),
        Stage(6, 192, 1, 1, 7),
        Stage(3, 192, 2, 1, 7),
        Stage(6, 320, 1, 1, 7),
    ),
    last=1280,
)


def divisible(channels: float, divisor: int = DIVISOR) -> int:
    """The nearest multiple of ``divisor``, at least one of it and never more than a tenth below ``channels``.

    The rounding of the published MobileNet code (tensorflow/models, slim/nets/mobilenet: _make_divisible).
    """
    rounded = max(divisor, int(channels + divisor / 2) // divisor * divisor)
    return rounded + divisor if rounded < 0.9 * channels else rounded


def blocks(stages: Sequence[Stage], *, width: float) -> Iterator[BlockShape]:
    """The inverted residuals of a table, one after the other."""
    for stage in stages:
        for n in range(stage.repeats):
            yield BlockShape(
                stage.expand, divisible(stage.filters * width), stage.stride if n == 0 else 1, stage.kernel
            )


def last_filters(last: int, *, width: float) -> int:
    """Channels of the last pointwise layer, not narrowed below width 1 (Sandler et al., section 6.1); 0: no such."""
    return divisible(last * max(width, 1.0)) if last else 0
