# SPDX-License-Identifier: Apache-2.0
"""Data sets made from a seed: lines and sensor. Whole-number draws, exact float32 steps: any language makes the same.

Sample ``i`` draws from ``random(key, 0), random(key, 1), ...`` with ``key = mix(mix(seed ^ 0x165667B1) + i)``; test
samples count ``i`` from 0x80000000. So the first samples of a longer set are those of a shorter one.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from trainbed.data.random import bell, random, sample_keys
from trainbed.data.raw import Raw
from trainbed.scenario.schema import GeneratedData

LINES_SIZE = 8
LINES_CHANNELS = 3
SENSOR_PERIOD = 21
"""Both sensors report 1 of 21 samples, each of them alone 1 of 21, none 18 of 21."""


def generate(data: GeneratedData, *, seed: int) -> Raw:
    """The data set ``data`` asks for; its own seed goes before ``seed``."""
    seed = seed if data.seed is None else data.seed
    if data.generate == "sensor":
        x_train, y_train = sensor(data.train, seed=seed, noise=data.noise, test=False)
        x_test, y_test = sensor(data.test, seed=seed, noise=data.noise, test=True)
        return Raw("generated sensor data", x_train, y_train, x_test, y_test, single_output=(0.0, 1.0))
    shape = (data.size or LINES_SIZE, data.channels or LINES_CHANNELS)
    x_train, y_train = lines(data.train, shape, seed=seed, noise=data.noise, test=False)
    x_test, y_test = lines(data.test, shape, seed=seed, noise=data.noise, test=True)
    return Raw("generated lines", x_train, y_train, x_test, y_test, single_output=(0.0, 0.5, 1.0))


def lines(
    n: int, shape: tuple[int, int], *, seed: int, noise: float, test: bool
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Images with one line each: float32 ``[n, size, size, channels]`` and labels, ``shape = (size, channels)``.

    Sample ``i`` has class ``i mod 3``: 0 horizontal, 1 vertical, 2 diagonal. Draw 0 places the line: its row or
    column, or the diagonal's offset from the middle, -(size/2-1) .. size/2-1. Draw 1's top bit mirrors a diagonal.
    Draw 2+c is the line's value in channel c, 0.5 .. 1. With noise, draws 128+12k .. 128+12k+11 make the N(0, noise)
    added to element k.
    """
    size, channels = shape
    keys = sample_keys(seed, n, test=test)
    labels = np.arange(n) % 3
    place = random(keys, 0)
    reach = size // 2 - 1
    position = (place % np.uint32(size)).astype(np.int64)
    offset = (place % np.uint32(2 * reach + 1)).astype(np.int64) - reach
    mirrored = (random(keys, 1) >> np.uint32(31)).astype(bool)
    draws = random(keys[:, None], 2 + np.arange(channels, dtype=np.uint32))
    values = np.float32(0.5) + (draws >> np.uint32(9)).astype(np.float32) * np.float32(2.0**-24)
    row, column = np.mgrid[0:size, 0:size]
    across = np.where(mirrored[:, None, None], size - 1 - column, column)
    on_line = np.choose(
        labels[:, None, None],
        [
            row == position[:, None, None],
            column == position[:, None, None],
            across - row == offset[:, None, None],
        ],
    )
    images = np.where(on_line[..., None], values[:, None, None, :], np.float32(0.0)).astype(np.float32)
    return _with_noise(images, keys, noise), labels


def sensor(n: int, *, seed: int, noise: float, test: bool) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Readings of two movement sensors, -1 or 1: float32 ``[n, 2]``; label 1 where both report.

    The example of H. O. Lofstad, "A Study of Artificial Neural Networks on 8-bit Microcontrollers" (NTNU 2021),
    listing 3.1, in the same proportions (500 : 500 : 500 : 9000) and divided by 64. Sample ``i`` is, by ``i mod 21``:
    0 both, 1 the first alone, 2 the second alone, else none. With noise the readings blur: draws 128 .. 151 make the
    N(0, noise) added to them.
    """
    kind = np.arange(n) % SENSOR_PERIOD
    readings = np.full((n, 2), -1.0, dtype=np.float32)
    readings[(kind == 0) | (kind == 1), 0] = 1.0
    readings[(kind == 0) | (kind == 2), 1] = 1.0
    return _with_noise(readings, sample_keys(seed, n, test=test), noise), (kind == 0).astype(np.int64)


def _with_noise(x: NDArray[np.float32], keys: NDArray[np.uint32], noise: float) -> NDArray[np.float32]:
    if noise == 0.0:
        return x
    n_elements = int(np.prod(x.shape[1:]))
    out: NDArray[Any] = x.reshape(len(x), n_elements).copy()
    for start in range(0, len(x), 256):  # twelve draws per element: keep the draws of a few samples at a time
        some = slice(start, start + 256)
        out[some] += bell(keys[some], 128, n_elements) * np.float32(noise)
    return out.reshape(x.shape)
