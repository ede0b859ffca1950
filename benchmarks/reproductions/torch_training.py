# SPDX-License-Identifier: Apache-2.0
"""The same training in PyTorch: same initial weights, same samples in the same order, Adam in Keras's form."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from trainbed.network.layers import Activation, Kind, Layer
from trainbed.network.training import Adam, Loss
from trainbed.prepare import Prepared
from trainbed.reference.random import shuffle


@dataclass(frozen=True)
class TorchTraining:
    """Mean loss of each epoch while training, and the accuracy on the test set."""

    loss: list[float]
    test_accuracy: float
    version: str


def train_in_torch(prepared: Prepared) -> TorchTraining | None:
    """Train a chain of dense, conv2d, depthwise_conv2d and flatten layers with MSE and Adam; None without PyTorch."""
    try:
        import torch
    except ImportError:
        return None
    torch.set_num_threads(1)
    training, data = prepared.scenario.training, prepared.data
    optimizer = training.optimizer
    assert isinstance(optimizer, Adam) and training.loss is Loss.MSE
    weights = {
        layer.name: [
            _to_torch(layer, prepared.initial[f"{layer.name}.weights"]),
            prepared.initial[f"{layer.name}.bias"],
        ]
        for layer in prepared.network.parametric
    }
    parameters = {
        name: [torch.tensor(np.array(array), requires_grad=True) for array in pair] for name, pair in weights.items()
    }
    x = torch.tensor(np.moveaxis(prepared.inputs(data.train), -1, 1).copy())
    t = torch.tensor(data.targets_of(data.train))
    step = _KerasAdam([array for pair in parameters.values() for array in pair], optimizer)
    losses = []
    for epoch in range(training.epochs):
        order = np.asarray(shuffle(training.seed, epoch, len(x))) if training.shuffle else np.arange(len(x))
        total = 0.0
        for start in range(0, len(x), training.batch_size):
            batch = torch.tensor(order[start : start + training.batch_size])
            each = ((_forward(prepared, parameters, x[batch]) - t[batch]) ** 2).mean(dim=1)
            each.mean().backward()
            step()
            total += float(each.detach().sum())
        losses.append(total / len(x))
    with torch.no_grad():
        outputs = _forward(prepared, parameters, torch.tensor(np.moveaxis(prepared.inputs(data.test), -1, 1).copy()))
    return TorchTraining(losses, _accuracy(outputs.numpy(), data.targets_of(data.test)), torch.__version__)


def _accuracy(outputs: Any, targets: Any) -> float:
    """Share of samples whose output is nearest to their own target."""
    values = np.unique(targets)
    nearest = values[np.abs(outputs - values[None, :]).argmin(axis=1)]
    return float((nearest == targets[:, 0]).mean())


def _to_torch(layer: Layer, weights: Any) -> Any:
    """conv2d [O, kh, kw, I] -> [O, I, kh, kw]; depthwise [kh, kw, C] -> [C, 1, kh, kw]; dense as it is."""
    if layer.kind is Kind.CONV2D:
        return np.moveaxis(weights, -1, 1)
    if layer.kind is Kind.DEPTHWISE_CONV2D:
        return np.moveaxis(weights, -1, 0)[:, None]
    return weights


def _forward(prepared: Prepared, parameters: Any, x: Any) -> Any:
    import torch
    from torch.nn import functional

    for layer in prepared.network.layers:
        if layer.kind is Kind.FLATTEN:
            x = x.permute(0, 2, 3, 1).flatten(1)
            continue
        w, b = parameters[layer.name]
        if layer.kind is Kind.DENSE:
            x = functional.linear(x, w, b)
        else:
            assert layer.kind in (Kind.CONV2D, Kind.DEPTHWISE_CONV2D) and layer.window is not None
            assert layer.in_shape[:2] == layer.out_shape[:2] and layer.window.kernel_h % 2 == 1
            groups = x.shape[1] if layer.kind is Kind.DEPTHWISE_CONV2D else 1
            x = functional.conv2d(x, w, b, padding=layer.window.kernel_h // 2, groups=groups)
        if layer.activation is Activation.RELU:
            x = torch.relu(x)
        elif layer.activation is Activation.SIGMOID:
            x = torch.sigmoid(x)
        else:
            assert layer.activation is Activation.NONE
    return x


class _KerasAdam:
    """lr_t = lr sqrt(1 - beta2^t) / (1 - beta1^t); w -= lr_t m / (sqrt(v) + eps): as Keras and AIfES write it."""

    def __init__(self, parameters: list[Any], keys: Adam) -> None:
        import torch

        self._parameters = parameters
        self._keys = keys
        self._moments = [(torch.zeros_like(p), torch.zeros_like(p)) for p in parameters]
        self._t = 0

    def __call__(self) -> None:
        import torch

        self._t += 1
        keys = self._keys
        lr = keys.lr * (1.0 - keys.beta2**self._t) ** 0.5 / (1.0 - keys.beta1**self._t)
        with torch.no_grad():
            for parameter, (m, v) in zip(self._parameters, self._moments, strict=True):
                m.mul_(keys.beta1).add_(parameter.grad, alpha=1.0 - keys.beta1)
                v.mul_(keys.beta2).addcmul_(parameter.grad, parameter.grad, value=1.0 - keys.beta2)
                parameter.sub_(lr * m / (v.sqrt() + keys.eps))
                parameter.grad = None
