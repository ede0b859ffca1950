# SPDX-License-Identifier: Apache-2.0
"""Small scenarios that together use every layer, activation, loss and optimizer, in shapes that divide by nothing."""

from __future__ import annotations

from pathlib import Path

_HEAD = """\
schema: 1
name: {name}
board: arduino_nano_33_ble
"""

CASES: dict[str, str] = {
    "conv_odd": """\
network:
  input: [7, 5, 3]
  layers:
    - conv2d: {filters: 5, kernel: [3, 2], stride: [2, 1], padding: same, activation: leaky_relu}
    - conv2d: {filters: 3, kernel: 2, padding: valid, activation: tanh}
    - flatten
    - dense: {units: 7, activation: relu6}
    - dense: {units: 1, activation: sigmoid}
training: {loss: mse, optimizer: {sgd: {lr: 0.05, momentum: 0.9, decay: 0.7}}, epochs: 3, batch_size: 5, seed: 3}
data: {npz: odd.npz}
""",
    "separable": """\
network:
  input: [9, 9, 2]
  layers:
    - depthwise_conv2d: {kernel: 3, stride: 2, padding: same, multiplier: 3, activation: relu6}
    - conv2d: {filters: 7, kernel: 1, activation: relu}
    - depthwise_conv2d: {kernel: [1, 3], padding: valid, activation: none}
    - avg_pool: {size: [2, 1], stride: [1, 2]}
    - global_avg_pool
    - dense: {units: 3, activation: softmax}
training: {loss: categorical_crossentropy, optimizer: {adam: {lr: 0.02, decay: 0.5}}, epochs: 3, batch_size: 4, seed: 2}
data: {generate: lines, size: 9, channels: 2, train: 22, test: 7}
""",
    "residual": """\
network:
  input: [6, 6, 3]
  layers:
    - conv2d: {filters: 6, kernel: 3, padding: same, activation: relu, name: stem}
    - conv2d: {filters: 6, kernel: 3, padding: same, activation: relu, name: inner}
    - depthwise_conv2d: {kernel: 3, padding: same, name: linear}
    - add: {input: [stem, linear], activation: relu, name: joined}
    - max_pool: {size: 3, stride: 2}
    - flatten
    - dense: {units: 3, activation: softmax}
training: {loss: categorical_crossentropy, optimizer: {sgd: {lr: 0.1}}, epochs: 3, batch_size: 8, seed: 5}
data: {generate: lines, size: 6, channels: 3, train: 20, test: 5}
""",
    "frozen": """\
network:
  input: [8, 8, 1]
  layers:
    - conv2d: {filters: 4, kernel: 3, activation: relu, trainable: false}
    - max_pool: {size: 2}
    - conv2d: {filters: 5, kernel: 2, activation: sigmoid}
    - conv2d: {filters: 4, kernel: 1, activation: relu, trainable: false}
    - flatten
    - dense: {units: 10, activation: softmax}
training:
  loss: categorical_crossentropy
  optimizer: {adam: {lr: 0.01, beta1: 0.8, beta2: 0.99, eps: 1.0e-6}}
  epochs: 2
  batch_size: 16
  seed: 7
data: {sklearn: digits, train: 75, test: 20}
""",
    "single": """\
network:
  input: [64]
  layers:
    - dense: {units: 13, activation: tanh, initializer: glorot_uniform}
    - dense: {units: 10, activation: sigmoid}
training: {loss: binary_crossentropy, optimizer: {sgd: {lr: 0.05}}, epochs: 2, batch_size: 1, seed: 9, shuffle: false}
data: {sklearn: digits, train: 40, test: 10}
link: {dataset: stream}
""",
    "wide": """\
network:
  input: [17, 17, 3]
  layers:
    - conv2d: {filters: 4, kernel: 3, stride: 2, activation: relu}
    - dense: {units: 3, activation: softmax}
training: {loss: categorical_crossentropy, optimizer: {sgd: {lr: 0.05}}, epochs: 1, batch_size: 4}
data: {generate: lines, size: 17, channels: 3, train: 12, test: 6}
""",
    "regression": """\
network:
  input: [5]
  layers:
    - dense: {units: 9, activation: relu}
    - dense: {units: 2, activation: none}
training: {loss: mse, optimizer: {adam: {lr: 0.01}}, epochs: 4, batch_size: 7, seed: 11}
data: {npz: regression.npz}
""",
}


def write_case(name: str, folder: Path, *, expect: str = "expect: {}\n") -> Path:
    """Write a case, and the data it names, into a folder; the path of its scenario."""
    import numpy as np

    rng = np.random.default_rng(17)
    x = rng.standard_normal((30, 7, 5, 3)).astype(np.float32)
    y = rng.integers(0, 2, 30)
    np.savez(folder / "odd.npz", x_train=x[:23], y_train=y[:23], x_test=x[23:], y_test=y[23:])
    x = rng.integers(-3000, 3000, (40, 5)).astype(np.int16)
    y = rng.standard_normal((40, 2)).astype(np.float32)
    np.savez(
        folder / "regression.npz",
        x_train=x[:30],
        y_train=y[:30],
        x_test=x[30:],
        y_test=y[30:],
        x_scale=np.float32(1 / 1000),
    )
    path = folder / f"{name}.yaml"
    path.write_text(_HEAD.format(name=name) + CASES[name] + expect)
    return path
