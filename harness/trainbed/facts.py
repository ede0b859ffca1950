# SPDX-License-Identifier: Apache-2.0
"""A finished run as a Result: costs per sample, energy, memory, versions."""

from __future__ import annotations

import math
import platform
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trainbed import __version__
from trainbed.backends.base import Cost, Counts
from trainbed.boards import Board
from trainbed.prepare import Built
from trainbed.result import (
    FIRMWARE_FILE,
    NOT_COUNTED,
    WEIGHTS_FILE,
    BackendFacts,
    CostFacts,
    FirmwareFacts,
    MemoryFacts,
    ModelFacts,
    PerSample,
    Result,
    ScenarioFacts,
    StopReason,
    TestFacts,
    TrainingFacts,
    Verdict,
    WeightsFacts,
    weights_sha256,
)
from trainbed.trainer import Diverged, EpochDone, Evaluated


@dataclass(frozen=True, eq=False)
class Training:
    """What the trainer saw, in order, and all parameters at the end, in the order of the plan's fields."""

    epochs: tuple[EpochDone, ...]
    tested: Evaluated | None
    diverged: Diverged | None
    weights: tuple[NDArray[np.generic], ...]
    n_train: int
    n_evaluated: int = 0
    """Samples that went through an evaluation."""
    update_share: tuple[float, ...] | None = None
    """Of each epoch, the share of structures that dynamic updates trained."""

    @property
    def samples_trained(self) -> int:
        """Samples that went through forward and backward."""
        partial = self.diverged.position if self.diverged else 0
        return sum(epoch.samples_trained for epoch in self.epochs) + partial


@dataclass(frozen=True, eq=False)
class Finished:
    """Everything make_result needs of a run."""

    built: Built
    training: Training
    backend: str
    backend_version: str
    cost: Cost
    stack_bytes: int
    wall_s: float


def make_result(finished: Finished) -> Result:
    """The result of a run, not yet judged."""
    built, training = finished.built, finished.training
    prepared = built.prepared
    plan, network = prepared.plan, prepared.network
    diverged = training.diverged
    return Result(
        verdict=Verdict.FAILED,
        # A last step may leave weights that no loss has seen any more.
        stop_reason=StopReason.COMPLETED
        if not diverged and all(np.isfinite(array).all() for array in training.weights)
        else StopReason.DIVERGED,
        scenario=ScenarioFacts(name=prepared.scenario.name),
        board=prepared.board.name,
        backend=BackendFacts(name=finished.backend, version=finished.backend_version),
        model=ModelFacts(
            parameters=network.n_parameters, parameter_bytes=plan.parameter_bytes, macs_forward=network.macs_forward
        ),
        memory=_memory(finished),
        training=TrainingFacts(
            loss=tuple(epoch.loss for epoch in training.epochs),
            accuracy=_accuracies(training),
            diverged_at=diverged.epoch * training.n_train + diverged.position if diverged else None,
            update_share=training.update_share,
        ),
        test=TestFacts(
            accuracy=training.tested.accuracy if training.tested else None,
            loss=training.tested.loss if training.tested else None,
            balanced_accuracy=training.tested.balanced_accuracy if training.tested else None,
        ),
        cost=_cost(finished),
        weights=WeightsFacts(file=WEIGHTS_FILE, sha256=weights_sha256(training.weights)),
        firmware=FirmwareFacts(elf=FIRMWARE_FILE, sha256=built.firmware.image.sha256),
        versions={
            "trainbed": __version__,
            "compiler": built.firmware.compiler,
            finished.backend: finished.backend_version,
            "numpy": np.__version__,
        },
        host={
            "machine": platform.machine(),
            "system": platform.platform(),
            "python": platform.python_version(),
        },
    )


def _accuracies(training: Training) -> tuple[float, ...] | None:
    accuracies = tuple(epoch.accuracy for epoch in training.epochs if epoch.accuracy is not None)
    return accuracies if accuracies and len(accuracies) == len(training.epochs) else None


def _memory(finished: Finished) -> MemoryFacts:
    report = finished.built.memory
    on_board = finished.built.prepared.board.ram_bytes is not None
    return MemoryFacts(
        training_bytes=report.training,
        flash_bytes=report.flash if on_board else None,
        ram_bytes=report.ram if on_board else None,
        stack_bytes=finished.stack_bytes if finished.stack_bytes >= 0 else None,
        stack_bound_bytes=finished.built.firmware.stack_bound_bytes,
    )


def _cost(finished: Finished) -> CostFacts:
    cost, n = finished.cost, finished.training.samples_trained
    timed = cost.cost_class in ("exact", "modelled")
    counted = timed or cost.cost_class == "instructions"
    return CostFacts(
        cost_class=cost.cost_class,
        model=cost.model,
        cycles_per_sample=_per_sample(cost, n, "cycles") if timed else NOT_COUNTED,
        memory_cycles_per_sample=_per_sample(cost, n, "memory_cycles") if timed else NOT_COUNTED,
        instructions_per_sample=_per_sample(cost, n, "instructions") if counted else NOT_COUNTED,
        energy_uj_per_sample=_energy_uj(cost, n, finished.built.prepared.board) if timed else None,
        emulated_mips=cost.instructions / cost.busy_s / 1e6 if cost.busy_s > 0 and counted else None,
        wall_s=finished.wall_s,
        cycles_per_inference=_per_inference(finished) if timed else None,
    )


def _per_inference(finished: Finished) -> float | None:
    n = finished.training.n_evaluated
    return finished.cost.phases.get("evaluate", Counts()).cycles / n if n else None


def _per_sample(cost: Cost, n: int, what: str) -> PerSample:
    if n == 0:
        return NOT_COUNTED
    counts = [getattr(cost.phases.get(phase, Counts()), what) / n for phase in ("forward", "backward", "update")]
    return PerSample(forward=counts[0], backward=counts[1], update=counts[2], total=math.fsum(counts))


def _energy_uj(cost: Cost, n: int, board: Board) -> float | None:
    """Microjoules: modelled time (core and memory) times the data sheet's active power."""
    if board.energy is None or n == 0 or board.clock_hz == 0:
        return None
    phases = [cost.phases.get(phase, Counts()) for phase in ("forward", "backward", "update")]
    seconds = sum(counts.cycles + counts.memory_cycles for counts in phases) / n / board.clock_hz
    return seconds * board.energy.active_ma * 1e-3 * board.energy.volts * 1e6
