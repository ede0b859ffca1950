# SPDX-License-Identifier: Apache-2.0
"""Other sparse updates of the same training, planned without being built: what each would need, which would fit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from trainbed.network.precision import SparseUpdate
from trainbed.planner.int8.plan import Int8Plan, make_int8_plan


@dataclass(frozen=True)
class Fitting:
    """An update and the RAM its firmware would need."""

    update: SparseUpdate
    ram_bytes: int


def with_update(plan: Int8Plan, update: SparseUpdate) -> Int8Plan:
    """The plan of the same training with another part of the network updated. Raises NetworkError."""
    return make_int8_plan(
        plan.original,
        loss=plan.loss,
        optimizer=plan.optimizer,
        batch_size=plan.batch_size,
        precision=replace(plan.precision, update=update),
        input_numbers=plan.input_numbers,
        techniques=plan.techniques,
        receive_bytes=plan.receive_bytes,
    )


def most_biases(plan: Int8Plan, ram_of: Callable[[Int8Plan], int], *, room: int) -> Fitting | None:
    """The update of the most last layers' biases that fits in ``room`` bytes; None: not even that of the last layer.

    ``ram_of``: RAM of the firmware of a plan, such as planner.memory.estimated_ram for a board.
    """
    found, low, high = None, 1, len(plan.original.parametric)
    while low <= high:  # more biases never need less: their errors reach further back
        middle = (low + high) // 2
        update = SparseUpdate(biases_of_last=middle)
        need = ram_of(with_update(plan, update))
        if need <= room:
            found, low = Fitting(update, need), middle + 1
        else:
            high = middle - 1
    return found
