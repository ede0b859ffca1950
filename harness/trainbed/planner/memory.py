# SPDX-License-Identifier: Apache-2.0
"""The memory report: what a firmware keeps in RAM and why, adding up to the ELF to the byte; and the check that
it fits.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from trainbed.boards import Board
from trainbed.errors import DoesNotFit
from trainbed.network.layers import INPUT
from trainbed.planner.graph import Role, Slot
from trainbed.planner.int8.plan import Int8Plan
from trainbed.planner.int8.schemes import most_biases
from trainbed.planner.plan import Plan

_REST_ESTIMATE, _REST_SHARE = 512, 12
"""Bytes of small variables (link state, counters) assumed before the build, or a share of a small RAM; the report after
it is exact."""

_KNOWN = {
    "trn_parameters": "parameters",
    "trn_arena": "activations",
    "trn_gradients": "gradients",
    "trn_gradients_8bit": "gradients",
    "trn_moment1": "optimizer",
    "trn_moment2": "optimizer",
    "trn_velocity": "optimizer",
    "trn_resident": "samples",
    "trn_sample": "samples",
    "trn_link_rx": "link",
    "trn_link_tx": "link",
}


@dataclass(frozen=True)
class MemoryReport:
    """RAM of a firmware in bytes, by what it is for. The parts add up to .data + .bss of the ELF."""

    parameters: int
    activations: int
    gradients: int
    optimizer: int
    samples: int
    link: int
    rest: Mapping[str, int]
    """Small variables by name, and alignment."""
    stack_bound: int
    flash: int

    @property
    def training(self) -> int:
        """Activations, gradients, optimizer state and scratch: without parameters and samples."""
        return self.activations + self.gradients + self.optimizer

    @property
    def static(self) -> int:
        """.data + .bss."""
        return self.parameters + self.training + self.samples + self.link + sum(self.rest.values())

    @property
    def ram(self) -> int:
        """Everything: static memory and the bound of the stack."""
        return self.static + self.stack_bound


def memory_report(
    plan: Plan, *, symbols: Mapping[str, int], static_bytes: int, stack_bound: int, flash_bytes: int
) -> MemoryReport:
    """Sort the ELF's objects (name -> bytes) by purpose.

    Raises AssertionError when the ELF holds other sizes than the plan: the report would be wrong.
    """
    parts: dict[str, int] = {}
    rest: dict[str, int] = {}
    for name, n_bytes in sorted(symbols.items()):
        part = _KNOWN.get(name)
        if part is None:
            rest[name] = n_bytes
        else:
            parts[part] = parts.get(part, 0) + n_bytes
    rest["alignment"] = static_bytes - sum(symbols.values())
    planned = {
        "parameters": max(plan.parameters.ram_bytes, 4),
        "activations": max(plan.arena_bytes, 4),
        "gradients": plan.gradient_bytes,
        "optimizer": plan.optimizer_bytes,
    }
    for part, n_bytes in planned.items():
        assert parts.get(part, 0) == n_bytes, (
            f"{part}: the plan says {n_bytes} bytes, the ELF holds {parts.get(part, 0)}"
        )
    return MemoryReport(
        **planned,
        samples=parts.get("samples", 0),
        link=parts.get("link", 0),
        rest=rest,
        stack_bound=stack_bound,
        flash=flash_bytes,
    )


def estimated_ram(plan: Plan, board: Board, *, sample_bytes: int, link_bytes: int) -> int:
    """RAM the firmware will need, before it is built; ``sample_bytes``: all sample buffers, ``link_bytes``:
    both frame buffers.
    """
    return (
        plan.parameters.ram_bytes + plan.training_bytes + sample_bytes + link_bytes + _REST_ESTIMATE + board.stack_bytes
    )


def check_fit(plan: Plan, board: Board, *, sample_bytes: int, link_bytes: int) -> None:
    """Refuse a network that cannot fit the board's RAM.

    Raises DoesNotFit naming the largest parts and, in 8 bits, the update of most biases that would fit.
    """
    have = board.ram_bytes
    need = estimated_ram(plan, board, sample_bytes=sample_bytes, link_bytes=link_bytes)
    if have is None or need <= have:
        return
    parts = sorted(_parts(plan, sample_bytes, link_bytes), key=lambda part: -part[1])[:3]
    largest = ", ".join(f"{what} ({_grouped(n_bytes)} B)" for what, n_bytes in parts if n_bytes)
    hint = ""
    if isinstance(plan, Int8Plan) and not plan.inference:

        def ram_of(other: Int8Plan) -> int:
            return estimated_ram(other, board, sample_bytes=sample_bytes, link_bytes=link_bytes)

        fitting = most_biases(plan, ram_of, room=have)
        if fitting is not None:
            last = fitting.update.biases_of_last
            hint = f"; update: {{sparse: {{biases_of_last: {last}}}}} would fit: {_grouped(fitting.ram_bytes)} B"
    raise DoesNotFit(f"needs {_grouped(need)} B of RAM, {board.name} has {_grouped(have)}; largest: {largest}{hint}")


def _grouped(number: int) -> str:
    return f"{number:,}".replace(",", " ")


def _parts(plan: Plan, sample_bytes: int, link_bytes: int) -> list[tuple[str, int]]:
    peak = _peak_step(plan)
    live = [storage for storage in plan.storages if storage.first <= peak <= storage.last]
    parts = []
    for storage in live:
        slot = storage.slots[0]
        what = {Role.VALUE: "activations", Role.ERROR: "errors", Role.GRADIENT: "gradients"}.get(
            slot.role, slot.role.value
        )
        title = f"{what} of {slot.tensor}" if slot != Slot(Role.VALUE, INPUT) else "the frame that brings a sample"
        parts.append((title, storage.n_bytes))
    for layer in plan.trainable:
        copies = 1 + plan.state_floats + (0 if plan.immediate else 1)
        parts.append(
            (f"parameters of {layer.name} with gradients and optimizer state", 4 * layer.n_parameters * copies)
        )
    for layer in plan.network.parametric:
        fields = (field for field in plan.parameters.fields if field.layer == layer.name and not field.in_flash)
        if layer not in plan.trainable:
            parts.append((f"parameters of {layer.name}", sum(field.n_bytes for field in fields)))
    if isinstance(plan, Int8Plan):
        parts.append(("gradients of the batch in 8-bit layers", plan.gradients.ram_bytes))
    parts.append(("samples kept on the device", sample_bytes))
    parts.append(("frame buffers of the link", link_bytes))
    return parts


def _peak_step(plan: Plan) -> int:
    def live(step: int) -> int:
        return sum(storage.n_bytes for storage in plan.storages if storage.first <= step <= storage.last)

    return max(range(len(plan.steps)), key=live)
