# SPDX-License-Identifier: Apache-2.0
"""Where the work of a trained sample goes: by phase, by layer and operation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from trainbed.report.bars import Bar, Part, draw_bars
from trainbed.report.drawing import Drawing, new_drawing
from trainbed.report.sources import Run
from trainbed.result import PerSample

PHASES = ("forward", "backward", "update")
OPERATIONS = ("forward", "backward weights", "backward input", "update", "other")
_COLOURS = {"forward": 0, "backward": 1, "update": 2, "backward weights": 1, "backward input": 4, "other": 7}

OPTIMIZER, RUNTIME = "optimizer", "runtime"
"""Rows of what belongs to no single layer."""


@dataclass(frozen=True)
class LayerCost:
    """What one layer costs per trained sample, by operation."""

    layer: str
    counts: Mapping[str, float]

    @property
    def total(self) -> float:
        """All operations."""
        return sum(self.counts.values())


def unit(run: Run) -> str:
    """What a run's counts are: core and flash cycles, or instructions."""
    timed = run.result.cost.cycles_per_sample.total is not None
    return "cycles" if timed else "instructions"


def phase_counts(run: Run) -> PerSample:
    """Counts by phase in the run's unit."""
    cost = run.result.cost
    return cost.cycles_per_sample if unit(run) == "cycles" else cost.instructions_per_sample


def layer_costs(run: Run) -> list[LayerCost]:
    """Counts per trained sample by layer in network order, then optimizer and runtime; empty without a profile.

    A function that serves several layers is shared out by their multiply-accumulates: layers of one shape alike.
    """
    if run.profile is None or run.plan is None or not run.profile["samples"]:
        return []
    macs = {layer["name"]: layer["macs"] or 1 for layer in run.plan["network"]["layers"]}
    rows: dict[str, dict[str, float]] = {name: {} for name in (*macs, OPTIMIZER, RUNTIME)}
    key, samples = unit(run), run.profile["samples"]
    for function in run.profile["functions"]:
        operation = _operation(function)
        owners = [name for name in function["layers"] if name in macs] or [
            OPTIMIZER if operation == "update" else RUNTIME
        ]
        whole = sum(macs.get(name, 1) for name in owners)
        for name in owners:
            share = function[key] / samples * macs.get(name, 1) / whole
            rows[name][operation] = rows[name].get(operation, 0.0) + share
    return [LayerCost(name, counts) for name, counts in rows.items() if sum(counts.values()) > 0]


def _operation(function: Mapping[str, Any]) -> str:
    verb = str(function["operation"])
    if verb.startswith("backward_input"):
        return "backward input"
    known = verb.replace("_", " ")
    return known if known in OPERATIONS else "other"


def phase_bars(runs: Sequence[Run]) -> Drawing | None:
    """One bar a run, its phases one after the other; runs whose counts are of another unit than the first's are
    left out.
    """
    counted = [run for run in runs if phase_counts(run).total is not None]
    if not counted:
        return None
    what = unit(counted[0])
    counted = [run for run in counted if unit(run) == what]
    drawing = new_drawing(
        "phases",
        f"{what.capitalize()} per trained sample",
        height=1.3 + 0.42 * len(counted),
        note=f"{_class_note(counted)} Zeroing and the optimizer's step are in it; link and evaluation are not.",
    )
    bars = [
        Bar(run.label, {phase: float(getattr(phase_counts(run), phase) or 0.0) for phase in PHASES}) for run in counted
    ]
    draw_bars(drawing, bars, [Part(phase, phase, _COLOURS[phase]) for phase in PHASES], what)
    return drawing


def layer_bars(run: Run, name: str) -> Drawing | None:
    """One bar a layer, its operations one after the other; None without a profile."""
    costs = layer_costs(run)
    if not costs:
        return None
    what = unit(run)
    drawing = new_drawing(
        name,
        f"{what.capitalize()} per trained sample, by layer",
        height=1.3 + 0.4 * len(costs),
        note=f"{_class_note([run])} Self cost of each function in forward, backward and update. {RUNTIME}: glue, loss, "
        "and what is shared between layers.",
    )
    parts = [Part(operation, operation, _COLOURS[operation]) for operation in OPERATIONS]
    draw_bars(drawing, [Bar(cost.layer, cost.counts) for cost in costs], parts, what)
    return drawing


def _class_note(runs: Sequence[Run]) -> str:
    classes = dict.fromkeys(
        f"{run.result.cost.cost_class}{f' ({run.result.cost.model})' if run.result.cost.model else ''}" for run in runs
    )
    return f"Class: {', '.join(classes)}."
