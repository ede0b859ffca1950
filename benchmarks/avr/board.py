# SPDX-License-Identifier: Apache-2.0
"""One network on one board, image by image: cycles, loss and answer of each, beside the twin's."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import networks
import numpy as np
from numpy.typing import NDArray

from trainbed.replay import make_twin
from trainbed.scenario.loader import load_scenario
from trainbed.session import Session


@dataclass(frozen=True)
class Measured:
    """What a board did with n images."""

    flash_bytes: int
    ram_bytes: int
    cycles: NDArray[np.int64]
    """Of each image: forward pass, softmax and loss; the link is not in it."""
    wait_cycles: NDArray[np.int64]
    """Of each image, on top: waits for mapped flash, as modelled."""
    correct: NDArray[np.bool_]
    same: NDArray[np.bool_]
    """Loss and answer of the image are the twin's."""


@contextmanager
def _session(text: str) -> Iterator[Session]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "scenario.yaml"
        path.write_text(text)
        with Session(load_scenario(path)) as session:
            yield session


def measure(
    widths: list[int],
    scaling: str,
    *,
    folder: Path,
    optimize: str,
    skip_zeros: bool,
    images: int,
    precision: str = "int8_pow2",
) -> Measured:
    """Run the first test images on the ATmega4809. Raises DoesNotFit when the network does not."""
    weights = networks.trained(widths, scaling, folder)
    text = networks.scenario(
        widths, scaling, weights, precision=precision, optimize=optimize, skip_zeros=skip_zeros, test=images
    )
    with _session(text) as session:
        built = session.build()
        session.boot()
        session.inject()
        prepared = session.prepared
        data = prepared.data
        expected = make_twin(prepared).evaluate(prepared.inputs(data.test), data.targets_of(data.test))
        labels = data.test.labels
        assert labels is not None
        right = expected.outputs.argmax(axis=1) == labels
        before = session.cost().phases["evaluate"]
        cycles, waits, correct, same = [], [], [], []
        for i in range(images):
            answer = session.link.evaluate_samples(0, data.test.encode(np.array([i])))
            now = session.cost().phases["evaluate"]
            cycles.append(now.cycles - before.cycles)
            waits.append(now.memory_cycles - before.memory_cycles)
            before = now
            correct.append(bool(answer.n_correct))
            same.append(np.float32(answer.loss_sum) == expected.losses[i] and bool(answer.n_correct) == bool(right[i]))
        return Measured(
            flash_bytes=built.firmware.flash_bytes,
            ram_bytes=built.memory.ram,
            cycles=np.array(cycles),
            wait_cycles=np.array(waits),
            correct=np.array(correct),
            same=np.array(same),
        )
