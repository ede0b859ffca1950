# SPDX-License-Identifier: Apache-2.0
"""Layers that stand for several: the inverted residual of MobileNetV2."""

from __future__ import annotations

from dataclasses import dataclass

from trainbed.network.build import Common, NetworkBuilder, Pair
from trainbed.network.layers import Activation, Initializer


@dataclass(frozen=True)
class InvertedResidual:
    """Expand, filter each channel, project, and add the input where stride and channels allow it."""

    name: str
    source: str
    filters: int
    expand: int
    kernel: Pair
    stride: Pair
    activation: Activation = Activation.NONE
    """Of the block's output; the published one has none."""
    trainable: bool = True
    initializer: Initializer | None = None

    def add_to(self, builder: NetworkBuilder) -> tuple[str, ...]:
        """Append the block's layers; their names, the output last. Raises NetworkError.

        ``<name>_expand`` (pointwise, relu6; absent when expand is 1), ``_depthwise`` (relu6), ``_project`` (pointwise),
        and ``_add`` where the stride is 1 and the channels are equal.
        """
        channels = builder.shape_of(self.source)[2]
        residual = self.stride == (1, 1) and channels == self.filters
        names, tensor = [], self.source
        if self.expand > 1:
            tensor = builder.conv2d(channels * self.expand, 1, **self._common("expand", tensor, Activation.RELU6))
            names.append(tensor)
        common = self._common("depthwise", tensor, Activation.RELU6)
        tensor = builder.depthwise_conv2d(self.kernel, self.stride, "same", **common)
        names.append(tensor)
        last = Activation.NONE if residual else self.activation
        tensor = builder.conv2d(self.filters, 1, **self._common("project", tensor, last))
        names.append(tensor)
        if residual:
            name = f"{self.name}_add"
            names.append(builder.add([self.source, tensor], name=name, activation=self.activation))
        return tuple(names)

    def _common(self, part: str, source: str, activation: Activation) -> Common:
        return {
            "name": f"{self.name}_{part}",
            "input": source,
            "activation": activation,
            "trainable": self.trainable,
            "initializer": self.initializer,
        }
