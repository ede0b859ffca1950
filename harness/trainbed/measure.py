# SPDX-License-Identifier: Apache-2.0
"""A network on a board beside the same network on the host: classes image by image, time by two clocks, memory.

The test framework of the NNoM thesis for any network and any board: accuracy over n images and relative to the host's,
execution time by the part's own timer and by the emulator, program memory, RAM.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trainbed.backends.base import Counts
from trainbed.errors import DataError
from trainbed.prepare import Prepared
from trainbed.scenario.scenario import Scenario
from trainbed.session import Session

_TIMED = ("exact", "modelled")


@dataclass(frozen=True)
class Times:
    """Cycles of one inference over all images."""

    median: float
    highest: int


@dataclass(frozen=True)
class Measurement:
    """What one network does on one board. Sizes in bytes."""

    scenario: str
    board: str
    backend: str
    backend_version: str
    images: int
    accuracy: float | None
    """None where the data have no classes."""
    host_accuracy: float | None
    relative_accuracy: float | None
    """The board's over the host's."""
    same_class: int | None
    """Images both put into the same class."""
    same_outputs: int
    """Images whose outputs are equal to the bit."""
    emulator_cycles: Times | None
    """Inference alone, waits for memory included; None where the backend counts no cycles."""
    timer_cycles: Times | None
    """The same by the on-chip timer, a whole number of its ticks; None where the board has none."""
    largest_difference: int | None
    """Between the two, of one image."""
    milliseconds: float | None
    """Of the median, at the board's clock."""
    cost_class: str
    cost_model: str
    flash_bytes: int
    ram_bytes: int
    stack_bytes: int | None

    def to_json(self) -> str:
        """For scripts."""
        return json.dumps(asdict(self), indent=2) + "\n"


@dataclass(frozen=True, eq=False)
class _Predictions:
    outputs: NDArray[np.float32]
    timer: tuple[int, ...]
    emulator: tuple[int, ...]


def measure(
    scenario: Scenario,
    *,
    images: int | None = None,
    board: str | None = None,
    backend: str | None = None,
    weights: NDArray[np.float32] | None = None,
    on_image: Callable[[int, int], None] | None = None,
) -> Measurement:
    """Run inference over the first ``images`` of the scenario's test set (None: all) on the board and on the host.

    ``weights``: what the board is to hold, as Session.weights() has it; None: the scenario's network is trained on the
    host first. ``on_image``: told how many of how many images the board has done.
    Raises InputError, MissingTool, BuildError, DoesNotFit, GuestError.
    """
    with Session(scenario, board="native", backend="native") as host:
        host.inject()
        if weights is None:
            host.train()
            weights = host.weights()
        else:
            host.link.write_parameters(weights)
        n = _count(host.prepared, images)
        expected = _predict(host, n)
    with Session(scenario, board=board, backend=backend) as session:
        session.inject()
        if len(weights):
            session.link.write_parameters(weights)
        found = _predict(session, n, on_image=on_image)
        return _measurement(session, found, expected, n)


def _count(prepared: Prepared, images: int | None) -> int:
    available = len(prepared.data.test)
    n = available if images is None else images
    if not 1 <= n <= available:
        raise DataError(f"{n} images are to be measured, the test set has {available}")
    return n


def _predict(session: Session, n: int, *, on_image: Callable[[int, int], None] | None = None) -> _Predictions:
    samples = session.prepared.data.test
    outputs, timer, emulator = [], [], []
    before = _evaluated(session)
    for i in range(n):
        x = np.ascontiguousarray(samples.x[i], dtype=samples.x.dtype.newbyteorder("<")).tobytes()
        values, cycles = session.link.predict_timed(x)
        after = _evaluated(session)
        outputs.append(values)
        timer.append(cycles)
        emulator.append(after.cycles + after.memory_cycles - before.cycles - before.memory_cycles)
        before = after
        if on_image is not None:
            on_image(i + 1, n)
    return _Predictions(np.stack(outputs), tuple(timer), tuple(emulator))


def _evaluated(session: Session) -> Counts:
    return session.cost().phases.get("evaluate", Counts())


def _measurement(session: Session, found: _Predictions, expected: _Predictions, n: int) -> Measurement:
    prepared, built = session.prepared, session.build()
    cost, snapshot = session.cost(), session.snapshot()
    has_cycles, has_timer = cost.cost_class in _TIMED, any(found.timer)
    difference = max(abs(a - b) for a, b in zip(found.timer, found.emulator, strict=True))
    ours, theirs = _classes(prepared, found.outputs), _classes(prepared, expected.outputs)
    accuracy, host_accuracy = _accuracy(prepared, ours), _accuracy(prepared, theirs)
    clock = prepared.board.clock_hz
    cycles = found.emulator if has_cycles else found.timer
    return Measurement(
        scenario=session.scenario.name,
        board=prepared.board.name,
        backend=snapshot.backend.name,
        backend_version=snapshot.backend.version,
        images=n,
        accuracy=accuracy,
        host_accuracy=host_accuracy,
        relative_accuracy=accuracy / host_accuracy if accuracy is not None and host_accuracy else None,
        same_class=int((ours == theirs).sum()) if ours is not None and theirs is not None else None,
        same_outputs=int((found.outputs.view(np.uint32) == expected.outputs.view(np.uint32)).all(axis=1).sum()),
        emulator_cycles=_times(found.emulator) if has_cycles else None,
        timer_cycles=_times(found.timer) if has_timer else None,
        largest_difference=difference if has_cycles and has_timer else None,
        milliseconds=median(cycles) / clock * 1e3 if clock and (has_cycles or has_timer) else None,
        cost_class=cost.cost_class,
        cost_model=cost.model,
        flash_bytes=built.firmware.flash_bytes,
        ram_bytes=built.memory.ram,
        stack_bytes=snapshot.memory.stack_bytes,
    )


def _times(cycles: tuple[int, ...]) -> Times:
    return Times(median=median(cycles), highest=max(cycles))


def _classes(prepared: Prepared, outputs: NDArray[np.float32]) -> NDArray[Any] | None:
    """The class each image is put into, as the firmware decides: largest output, or nearest target of a single one."""
    targets = prepared.data.targets
    if targets is None:
        return None
    if outputs.shape[1] > 1:
        return np.asarray(outputs.argmax(axis=1))
    return np.asarray(np.abs(outputs - targets[:, 0]).argmin(axis=1))


def _accuracy(prepared: Prepared, classes: NDArray[Any] | None) -> float | None:
    labels = prepared.data.test.labels
    if classes is None or labels is None:
        return None
    return float((classes == labels[: len(classes)]).mean())
