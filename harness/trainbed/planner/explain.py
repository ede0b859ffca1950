# SPDX-License-Identifier: Apache-2.0
"""A plan in words and pictures: layers, operations in order, and the arena over time."""

from __future__ import annotations

from collections.abc import Sequence

from trainbed.planner.graph import Op, Slot, Step
from trainbed.planner.memory import MemoryReport
from trainbed.planner.plan import Plan
from trainbed.planner.storage import Storage


def explain_plan(plan: Plan) -> str:
    """Layers, operations and arena of a plan as text of at most about 120 columns for usual networks."""
    return "\n\n".join((_layers(plan), _operations(plan), _arena(plan)))


def explain_memory(report: MemoryReport, *, ram_bytes: int | None, flash_bytes: int | None) -> str:
    """RAM by purpose, adding up to the ELF, and flash; beside what the board has."""
    rows = [
        ("parameters", report.parameters),
        ("activations and errors (arena)", report.activations),
        ("gradients", report.gradients),
        ("optimizer state", report.optimizer),
        ("samples kept on the device", report.samples),
        ("link buffers", report.link),
        *((f"  {name}", n_bytes) for name, n_bytes in report.rest.items() if n_bytes),
        (".data + .bss", report.static),
        ("stack (bound)", report.stack_bound),
        ("RAM in all", report.ram),
        ("flash", report.flash),
    ]
    lines = [f"{name:34}{_grouped(n_bytes):>12} B" for name, n_bytes in rows]
    lines[-2] += f"  of {_grouped(ram_bytes)}" if ram_bytes else ""
    lines[-1] += f"  of {_grouped(flash_bytes)}" if flash_bytes else ""
    lines.append(
        f"{'training memory':34}{_grouped(report.training):>12} B  (activations + gradients + optimizer state)"
    )
    return "Memory\n" + "\n".join(f"  {line}" for line in lines)


def _grouped(number: int | None) -> str:
    return f"{number:,}".replace(",", " ") if number is not None else "-"


def _shape(shape: Sequence[int]) -> str:
    return "x".join(map(str, shape))


def _layers(plan: Plan) -> str:
    rows = [("layer", "kind", "output", "activation", "parameters", "MACs", "")]
    rows.append(("input", "", _shape(plan.network.input_shape), "", "", "", ""))
    for layer in plan.network.layers:
        kind = "pointwise" if layer.is_pointwise else layer.kind.value
        activation = "" if layer.activation.value == "none" else layer.activation.value
        parameters = str(layer.n_parameters) if layer.has_weights else ""
        macs = str(layer.macs_forward) if layer.has_weights else ""
        frozen = "frozen" if layer.has_weights and not layer.trainable else ""
        rows.append((layer.name, kind, _shape(layer.out_shape), activation, parameters, macs, frozen))
    total = f"{plan.network.n_parameters} parameters, {plan.network.macs_forward} MACs forward"
    return "Network\n" + _table(rows) + f"\n  {total}"


def _operations(plan: Plan) -> str:
    rows = [("", "operation", "layer", "reads", "writes", "in place")]
    for index, step in enumerate(plan.steps):
        shared = [str(read) for read, written in step.in_place if _same_place(plan, read, written) and read != written]
        rows.append((str(index), _verb(step), step.layer.name, _slots(step.reads), _slots(step.writes), _slots(shared)))
    note = (
        "Each layer is updated as soon as its gradient is known."
        if plan.immediate
        else "The update follows the batch's last sample."
    )
    return "Operations of one sample\n" + _table(rows) + f"\n  {note}"


def _verb(step: Step) -> str:
    if step.op is not Op.BACKWARD_INPUT or step.epilogue is None:
        return step.op.value.replace("_", " ")
    extra = "" if step.epilogue.activation.value == "none" else f", {step.epilogue.activation.value}'"
    return f"backward to {step.target}{extra}{', added' if step.epilogue.accumulate else ''}"


def _same_place(plan: Plan, one: Slot, other: Slot) -> bool:
    return plan.storage_of(one) is plan.storage_of(other)


def _slots(slots: Sequence[Slot | str]) -> str:
    return ", ".join(map(str, slots))


def _arena(plan: Plan) -> str:
    """One row per storage; a filled cell where it is alive."""
    width = len(plan.steps)
    step_row = "".join(str(index % 10) for index in range(width))
    lines = [
        f"Arena: {_grouped(plan.arena_bytes)} B; columns are the operations above",
        f"  {'offset':>8} {'bytes':>8}  {step_row}",
    ]
    for storage in plan.storages:
        cells = "".join("█" if storage.first <= index <= storage.last else "·" for index in range(width))
        lines.append(f"  {storage.offset:>8} {storage.n_bytes:>8}  {cells}  {_title(storage)}")
    return "\n".join(lines)


def _title(storage: Storage) -> str:
    return ", then ".join(map(str, storage.slots))


def _table(rows: Sequence[Sequence[str]]) -> str:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join(
        "  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )
