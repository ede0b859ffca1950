# SPDX-License-Identifier: Apache-2.0
"""Small scenarios that together use every layer and way of the 8-bit precisions, in shapes that divide by nothing."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

_CHAIN = """\
network:
  input: [7, 5, 3]
  layers:
    - conv2d: {filters: 5, kernel: [3, 2], stride: [2, 1], padding: same, activation: relu, name: stem}
    - depthwise_conv2d: {kernel: 3, padding: same, multiplier: 2, activation: relu6, name: spread}
    - conv2d: {filters: 7, kernel: 1, name: linear}
    - max_pool: {size: 2}
    - dense: {units: 6, activation: relu}
    - dense: {units: 3, activation: softmax}
data: {npz: odd.npz}
"""
_RESIDUAL = """\
network:
  input: [6, 6, 3]
  layers:
    - conv2d: {filters: 6, kernel: 3, padding: same, activation: relu, name: stem}
    - conv2d: {filters: 6, kernel: 3, padding: same, activation: relu, name: inner}
    - depthwise_conv2d: {kernel: 3, padding: same, name: linear}
    - add: {input: [stem, linear], activation: relu, name: joined}
    - avg_pool: {size: [2, 1], stride: [1, 2]}
    - conv2d: {filters: 5, kernel: 1, activation: relu}
    - global_avg_pool
    - dense: {units: 3, activation: softmax}
data: {generate: lines, size: 6, channels: 3, train: 20, test: 5}
"""
_POOLED = """\
network:
  input: [8, 6, 2]
  layers:
    - conv2d: {filters: 5, kernel: 3, padding: same, activation: relu, name: stem}
    - max_pool: {size: 2}
    - conv2d: {filters: 4, kernel: 3, padding: same, activation: relu}
    - max_pool: {size: [2, 3]}
    - dense: {units: 1, activation: sigmoid}
data: {npz: pooled.npz}
"""


@dataclass(frozen=True)
class Case:
    """A network, what goes into ``training``, and further keys."""

    network: str
    training: str
    keys: str = ""
    loss: str = "categorical_crossentropy"
    batch_size: int = 4
    quick: bool = False
    optimizer: str = "sgd: {lr: 0.02, decay: 0.9}"


CASES: dict[str, Case] = {
    "uint8": Case(_CHAIN, "precision: uint8", quick=True),
    "uint8_batch_1": Case(_CHAIN, "precision: uint8", batch_size=1),
    "uint8_residual": Case(_RESIDUAL, "precision: uint8", quick=True),
    "uint8_residual_batch_1": Case(_RESIDUAL, "precision: uint8", batch_size=1),
    "uint8_pooled_mse": Case(_POOLED, "precision: uint8", loss="mse", quick=True),
    "uint8_pooled_narrow": Case(_POOLED, "precision: uint8", "quantisation: {accumulators: int16}\n", loss="mse"),
    "uint8_pooled_bce": Case(_POOLED, "precision: uint8", loss="binary_crossentropy", batch_size=3),
    "uint8_fixed": Case(
        _CHAIN, "precision: uint8", "quantisation: {error_range: fixed, rounding: nearest, ranges: static}\n"
    ),
    "uint8_plain_narrow": Case(
        _RESIDUAL, "precision: uint8", "quantisation: {standardise: false, accumulators: int16}\n"
    ),
    "uint8_dynamic": Case(
        _CHAIN, "precision: uint8", "update: {dynamic: {lambda_min: 0.1, lambda_max: 0.8}}\n", quick=True
    ),
    "uint8_dynamic_head": Case(
        _RESIDUAL, "precision: uint8", "update: {dynamic: {lambda_min: 0.3, exempt_head: false}}\n"
    ),
    "uint8_sparse": Case(_CHAIN, "precision: uint8", "update: {sparse: {biases_of_last: 2, weights: {stem: 0.5}}}\n"),
    "uint8_float_head": Case(_CHAIN, "precision: uint8, head: float32"),
    "mixed": Case(
        _RESIDUAL.replace("relu, name: stem", "relu, name: stem, trainable: false"), "precision: mixed", quick=True
    ),
    "mixed_all": Case(_CHAIN, "precision: mixed", batch_size=1),
    "mixed_adam": Case(
        _CHAIN.replace("relu, name: stem", "relu, name: stem, trainable: false"),
        "precision: mixed",
        quick=True,
        optimizer="adam: {lr: 0.01, decay: 0.9}",
    ),
    "qas": Case(_RESIDUAL, "precision: int8_qas"),
    "qas_narrow": Case(_CHAIN, "precision: int8_qas", "quantisation: {accumulators: int16}\n", batch_size=1),
    "qas_sparse": Case(
        _RESIDUAL,
        "precision: int8_qas, head: float32",
        "update: {sparse: {biases_of_last: 3, weights: {inner: 0.5, linear: 1}}}\n",
        batch_size=1,
        quick=True,
    ),
}


def write_int8_case(name: str, folder: Path) -> Path:
    """Write a case, and the data it names, into a folder; the path of its scenario."""
    case = CASES[name]
    rng = np.random.default_rng(17)
    x, y = rng.standard_normal((30, 7, 5, 3)).astype(np.float32), rng.integers(0, 3, 30)
    np.savez(folder / "odd.npz", x_train=x[:23], y_train=y[:23], x_test=x[23:], y_test=y[23:])
    x = rng.integers(-900, 900, (21, 8, 6, 2)).astype(np.int16)
    y = rng.integers(0, 2, 21)
    np.savez(folder / "pooled.npz", x_train=x[:16], y_train=y[:16], x_test=x[16:], y_test=y[16:])
    path = folder / f"{name}.yaml"
    path.write_text(
        f"schema: 1\nname: {name}\nboard: arduino_nano_33_ble\n{case.network}"
        f"training: {{{case.training}, loss: {case.loss}, optimizer: {{{case.optimizer}}}, epochs: 2,"
        f" batch_size: {case.batch_size}, seed: 3}}\nexpect: {{matches_reference: exact}}\n{case.keys}"
    )
    return path
