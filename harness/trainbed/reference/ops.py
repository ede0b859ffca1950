# SPDX-License-Identifier: Apache-2.0
"""Every function of the twin under one name: ``from trainbed.reference import ops``."""

from __future__ import annotations

from trainbed.reference.activations import activation_forward, activation_gradient
from trainbed.reference.conv2d import conv2d_backward_input, conv2d_backward_weights, conv2d_forward
from trainbed.reference.dense import dense_backward_input, dense_backward_weights, dense_forward
from trainbed.reference.depthwise_conv2d import (
    depthwise_conv2d_backward_input,
    depthwise_conv2d_backward_weights,
    depthwise_conv2d_forward,
)
from trainbed.reference.elementary import exp_neg, log, sigmoid, softmax, tanh
from trainbed.reference.geometry import Geometry, geometry_of, make_geometry
from trainbed.reference.loss import (
    CompensatedSum,
    binary_crossentropy,
    categorical_crossentropy,
    loss_forward,
    loss_gradient,
    mse,
)
from trainbed.reference.optimizer import AdamStepper, SgdStepper, make_stepper
from trainbed.reference.pool import (
    avg_pool_backward,
    avg_pool_forward,
    global_avg_pool_backward,
    global_avg_pool_forward,
    max_pool_backward,
    max_pool_forward,
)
from trainbed.reference.random import (
    initial_weights,
    random_at,
    random_mix,
    random_stream,
    shuffle,
    uniform,
    uniform_weights,
    weight_key,
)

__all__ = [
    "AdamStepper",
    "CompensatedSum",
    "Geometry",
    "SgdStepper",
    "activation_forward",
    "activation_gradient",
    "avg_pool_backward",
    "avg_pool_forward",
    "binary_crossentropy",
    "categorical_crossentropy",
    "conv2d_backward_input",
    "conv2d_backward_weights",
    "conv2d_forward",
    "dense_backward_input",
    "dense_backward_weights",
    "dense_forward",
    "depthwise_conv2d_backward_input",
    "depthwise_conv2d_backward_weights",
    "depthwise_conv2d_forward",
    "exp_neg",
    "geometry_of",
    "global_avg_pool_backward",
    "global_avg_pool_forward",
    "initial_weights",
    "log",
    "loss_forward",
    "loss_gradient",
    "make_geometry",
    "make_stepper",
    "max_pool_backward",
    "max_pool_forward",
    "mse",
    "random_at",
    "random_mix",
    "random_stream",
    "shuffle",
    "sigmoid",
    "softmax",
    "tanh",
    "uniform",
    "uniform_weights",
    "weight_key",
]
