# SPDX-License-Identifier: Apache-2.0
"""The dense MNIST networks of the thesis (784-W-10, relu, softmax), trained on the host and kept as npz.

Trained on the thesis's 50,000 images with Adam, in fewer and larger batches than its 64 by 10 epochs: minutes for all
widths. ``scaling``: ``zero`` has the background at 0 (pixel / 255); ``thesis`` is its own ((pixel - 127) / 8), where no
input is 0.
"""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

F32 = NDArray[np.float32]

BATCH = 128

ROOT = Path(__file__).resolve().parents[2]
MNIST = ROOT.parent / "shared/data/mnist.npz"
SCALINGS = {"zero": (1 / 255, 0.0), "thesis": (1 / 8, -127 / 8)}
"""Value of a pixel: pixel * scale + offset."""


def mnist(part: str, scaling: str) -> tuple[F32, NDArray[np.int64]]:
    """Images [n, 784] as the networks see them, and labels."""
    scale, offset = SCALINGS[scaling]
    with np.load(MNIST, allow_pickle=False) as archive:
        x, y = archive[f"x_{part}"], archive[f"y_{part}"]
    return (x.reshape(len(x), -1) * np.float32(scale) + np.float32(offset)).astype(np.float32), y.astype(np.int64)


def train(widths: list[int], scaling: str, *, epochs: int = 4, seed: int = 1) -> list[tuple[F32, F32]]:
    """(weights, bias) of each dense layer; ``widths``: of the hidden layers."""
    x, y = mnist("train", scaling)
    x, y = x[:50_000], y[:50_000]
    rng = np.random.default_rng(seed)
    sizes = [784, *widths, 10]
    parameters: list[F32] = []
    for n_in, n_out in itertools.pairwise(sizes):
        limit = np.sqrt(6 / (n_in + n_out))
        parameters += [rng.uniform(-limit, limit, (n_out, n_in)).astype(np.float32), np.zeros(n_out, np.float32)]
    moments = [(np.zeros_like(p), np.zeros_like(p)) for p in parameters]
    step = 0
    for _ in range(epochs):
        order = rng.permutation(len(x))
        for start in range(0, len(x), BATCH):
            batch = order[start : start + BATCH]
            step += 1
            rate = np.float32(0.002 * np.sqrt(1 - 0.999**step) / (1 - 0.9**step))
            for p, g, (m, v) in zip(parameters, _gradients(parameters, x[batch], y[batch]), moments, strict=True):
                m += np.float32(0.1) * (g - m)
                v += np.float32(0.001) * (g * g - v)
                p -= rate * m / (np.sqrt(v) + np.float32(1e-7))
    return list(zip(parameters[::2], parameters[1::2], strict=True))


def _gradients(parameters: list[F32], x: F32, y: NDArray[np.int64]) -> list[F32]:
    values = [x]
    for w, b in zip(parameters[:-2:2], parameters[1:-2:2], strict=True):
        values.append(np.maximum(values[-1] @ w.T + b, 0))
    z = values[-1] @ parameters[-2].T + parameters[-1]
    e = np.exp(z - z.max(axis=1, keepdims=True))
    e /= e.sum(axis=1, keepdims=True)
    e[np.arange(len(y)), y] -= 1
    e /= np.float32(len(y))
    gradients: list[F32] = []
    for layer in range(len(values) - 1, -1, -1):
        gradients[:0] = [e.T @ values[layer], e.sum(axis=0)]
        e = (e @ parameters[2 * layer]) * (values[layer] > 0)
    return gradients


def accuracy(pairs: list[tuple[F32, F32]], x: F32, y: NDArray[np.int64]) -> float:
    """Share of images the float32 network gets right."""
    for w, b in pairs[:-1]:
        x = np.maximum(x @ w.T + b, 0)
    w, b = pairs[-1]
    return float(((x @ w.T + b).argmax(axis=1) == y).mean())


def trained(widths: list[int], scaling: str, folder: Path) -> Path:
    """An npz with the network's weights; trained when it is not there yet."""
    path = folder / f"mnist_{'_'.join(map(str, widths))}_{scaling}.npz"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        arrays = {}
        for number, (w, b) in enumerate(train(widths, scaling), start=1):
            arrays |= {f"dense_{number}.weights": w, f"dense_{number}.bias": b}
        np.savez(path, **arrays)
    return path


def scenario(
    widths: list[int],
    scaling: str,
    weights: Path | None,
    *,
    precision: str = "int8_pow2",
    optimize: str = "O2",
    skip_zeros: bool = False,
    test: int = 1,
) -> str:
    """The scenario that evaluates a network on the ATmega4809. ``weights`` None: seeded ones."""
    scale, offset = SCALINGS[scaling]
    hidden = "".join(f"    - dense: {{units: {width}, activation: relu}}\n" for width in widths)
    return (
        "schema: 1\n"
        f"name: MNIST, {' and '.join(map(str, widths))} hidden\n"
        "board: atmega4809_xplained\n"
        "network:\n  input: [28, 28, 1]\n  layers:\n    - flatten\n"
        f"{hidden}    - dense: {{units: 10, activation: softmax}}\n"
        f"{f'weights: {{npz: {weights}}}' if weights else ''}\n"
        f"training:\n  precision: {precision}\n  loss: categorical_crossentropy\n"
        "  optimizer: {sgd: {lr: 0.01}}\n  epochs: 0\n  batch_size: 1\n"
        f"quantisation: {{skip_zeros: {str(skip_zeros).lower()}, calibration_samples: 1000}}\n"
        f"build: {{optimize: {optimize}}}\n"
        f"data: {{npz: {MNIST}, scale: {scale!r}, offset: {offset!r}, train: 1000, test: {test}}}\n"
        "expect: {}\n"
    )
