# SPDX-License-Identifier: Apache-2.0
"""Random small networks for property tests: odd sizes, strides, paddings, branches, frozen layers."""

from __future__ import annotations

import random

from trainbed.network.build import NetworkBuilder
from trainbed.network.layers import Activation, Kind, Network
from trainbed.network.training import Adam, Loss, Optimizer, Sgd

_HIDDEN = ("none", "relu", "relu6", "leaky_relu", "sigmoid", "tanh")


def random_network(seed: int, *, loss: Loss) -> Network:
    """A network that is different for every seed and always has something to train."""
    rng = random.Random(seed)
    builder = NetworkBuilder([rng.randint(1, 9), rng.randint(1, 9), rng.randint(1, 5)])
    for _ in range(rng.randint(1, 4)):
        _random_block(rng, builder)
    if rng.random() < 0.5:
        builder.flatten()
    outputs = rng.choice((1, 2, 3, 5))
    if loss is Loss.CATEGORICAL_CROSSENTROPY:
        outputs = max(outputs, 2)
    last = {
        Loss.BINARY_CROSSENTROPY: Activation.SIGMOID,
        Loss.CATEGORICAL_CROSSENTROPY: Activation.SOFTMAX,
        Loss.MSE: rng.choice(list(Activation)),
    }[loss]
    builder.dense(outputs, activation=last)
    return builder.build()


def _random_block(rng: random.Random, builder: NetworkBuilder) -> None:
    height, width, channels = builder.shape_of(builder.last)
    common = {"activation": rng.choice(_HIDDEN), "trainable": rng.random() < 0.8}
    kernel = [rng.randint(1, min(4, height)), rng.randint(1, min(4, width))]
    stride = [rng.randint(1, 3), rng.randint(1, 3)]
    padding = rng.choice(("same", "valid"))
    kind = rng.choice(
        (
            "conv2d",
            "conv2d",
            "pointwise",
            "depthwise",
            "max_pool",
            "avg_pool",
            "global",
            "residual",
            "residual",
            "dense",
        )
    )
    if kind == "conv2d":
        builder.conv2d(rng.randint(1, 9), kernel, stride, padding, **common)
    elif kind == "pointwise":
        builder.conv2d(rng.randint(1, 9), 1, **common)
    elif kind == "depthwise" and channels <= 9:
        builder.depthwise_conv2d(kernel, stride, padding, rng.randint(1, 3), **common)
    elif kind in ("max_pool", "avg_pool"):
        activation = rng.choice(("none", "none", "relu", "tanh"))
        builder.pool(Kind(kind), kernel, rng.choice((None, stride)), activation=activation)
    elif kind == "global":
        builder.global_avg_pool()
    elif kind == "dense":
        builder.dense(rng.randint(1, 17), **common)
    else:
        source = builder.last
        if source == "input":
            source = builder.conv2d(channels, 1, activation=common["activation"])
            channels = builder.shape_of(source)[2]
        inner = builder.conv2d(channels, 3, 1, "same", **common)
        if rng.random() < 0.5:
            inner = builder.depthwise_conv2d(3, 1, "same", **common)
        builder.add(rng.choice(([source, inner], [inner, source])), activation=rng.choice(("none", "relu", "sigmoid")))


def random_optimizer(seed: int) -> Optimizer:
    """SGD, SGD with momentum or Adam."""
    rng = random.Random(seed * 7919 + 1)
    return rng.choice((Sgd(0.05), Sgd(0.02, 0.9), Adam(0.01), Adam(0.003, 0.8, 0.99, 1e-6)))
