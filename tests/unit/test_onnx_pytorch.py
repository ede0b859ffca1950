# SPDX-License-Identifier: Apache-2.0
"""What PyTorch exports, against PyTorch; only where it is installed."""

from __future__ import annotations

import inspect
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from trainbed.network.layers import Kind
from trainbed.network.onnx_import import Imported, import_onnx
from trainbed.network.training import Loss, Sgd
from trainbed.reference.twin import Twin

torch = pytest.importorskip("torch", reason="PyTorch is not installed")
pytest.importorskip("onnx", reason="the extra 'onnx' is not installed")
nn = torch.nn


def _agree(model: Any, shape: tuple[int, ...], folder: Path, *, to_hwc: tuple[int, ...]) -> Imported:
    """Export, import, and compare on random samples. ``to_hwc``: PyTorch's axes in the twin's order."""
    torch.manual_seed(3)
    for module in model.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            nn.init.uniform_(module.running_mean, -0.5, 0.5)
            nn.init.uniform_(module.running_var, 0.5, 2.0)
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.uniform_(module.bias, -0.5, 0.5)
    model.eval()
    path, x = folder / "network.onnx", torch.randn(4, *shape)
    classic = {"dynamo": False} if "dynamo" in inspect.signature(torch.onnx.export).parameters else {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter announces its successor
        torch.onnx.export(model, x[:1], str(path), input_names=["x"], dynamic_axes={"x": {0: "n"}}, **classic)
    imported = import_onnx(path)
    twin = Twin(imported.network, loss=Loss.MSE, optimizer=Sgd(0.1), seed=1)
    twin.set_weights(imported.weights)
    with torch.no_grad():
        expected = model(x).numpy()
    ours = np.ascontiguousarray(x.numpy().transpose(to_hwc)).reshape(4, *imported.network.input_shape)
    np.testing.assert_allclose(twin.predict(ours), expected, rtol=2e-4, atol=2e-5)
    return imported


def test_a_convolutional_network(tmp_path: Path) -> None:
    model = nn.Sequential(
        nn.Conv2d(3, 8, 3, stride=2, padding=1, bias=False),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(8, 12, (3, 1), padding=(1, 0)),
        nn.LeakyReLU(0.2),
        nn.Flatten(),
        nn.Dropout(0.5),
        nn.Linear(12 * 4 * 3, 10),
        nn.Tanh(),
        nn.Linear(10, 4),
        nn.Softmax(dim=1),
    )
    imported = _agree(model, (3, 16, 12), tmp_path, to_hwc=(0, 2, 3, 1))
    assert imported.network.n_parameters == 3 * 8 * 9 + 8 + 8 * 12 * 3 + 12 + 144 * 10 + 10 + 10 * 4 + 4


class _InvertedResidual(nn.Module):
    def __init__(self, channels: int, expand: int, out: int, stride: int) -> None:
        super().__init__()
        hidden = channels * expand
        self.same = stride == 1 and channels == out
        self.parts = nn.Sequential(
            nn.Conv2d(channels, hidden, 1, bias=False),
            nn.BatchNorm2d(hidden),
            nn.ReLU6(),
            nn.Conv2d(hidden, hidden, 3, stride=stride, padding=1, groups=hidden, bias=False),
            nn.BatchNorm2d(hidden),
            nn.ReLU6(),
            nn.Conv2d(hidden, out, 1, bias=False),
            nn.BatchNorm2d(out),
        )

    def forward(self, x: Any) -> Any:
        return x + self.parts(x) if self.same else self.parts(x)


class _MobileNet(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.blocks = nn.Sequential(_InvertedResidual(3, 4, 8, 2), _InvertedResidual(8, 4, 8, 1))
        self.head = nn.Linear(8, 5)

    def forward(self, x: Any) -> Any:
        y = self.blocks(x).mean([2, 3])
        return self.head(y.view(y.size(0), -1))


def test_a_mobilenet(tmp_path: Path) -> None:
    kinds = [layer.kind for layer in _agree(_MobileNet(), (3, 12, 12), tmp_path, to_hwc=(0, 2, 3, 1)).network.layers]
    assert kinds == [
        *(Kind.CONV2D, Kind.DEPTHWISE_CONV2D, Kind.CONV2D) * 2,
        Kind.ADD,
        Kind.GLOBAL_AVG_POOL,
        Kind.DENSE,
    ]


def test_a_network_of_series(tmp_path: Path) -> None:
    model = nn.Sequential(
        nn.Conv1d(2, 6, 5, stride=2, padding=2),
        nn.BatchNorm1d(6),
        nn.ReLU(),
        nn.AvgPool1d(2),
        nn.Conv1d(6, 6, 3, groups=6),
        nn.Sigmoid(),
        nn.AdaptiveAvgPool1d(1),
        nn.Flatten(),
        nn.Linear(6, 3),
    )
    assert _agree(model, (2, 40), tmp_path, to_hwc=(0, 2, 1)).network.input_shape == (1, 40, 2)
