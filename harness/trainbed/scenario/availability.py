# SPDX-License-Identifier: Apache-2.0
"""What schema 1 defines and this version does not do yet. Such keys are refused at their line, never ignored."""

from __future__ import annotations

from collections.abc import Iterator

from trainbed.boards import Board
from trainbed.errors import InputError
from trainbed.scenario.document import KeyPath
from trainbed.scenario.schema import ScenarioKeys

_FUSES = ("cortex-m7", "native")
"""Cores on which a fused multiply-add is the faster choice, and the host, which follows any."""
_PLANNED_IN_8_BITS = ("uint8", "mixed", "int8_qas")
_LATER = "is not available in this version"


def check_fused(board: Board) -> None:
    """Raises InputError for a core that has no fused multiply-add, or is slower with it."""
    if board.core in _FUSES:
        return
    reason = "takes 3 cycles for it and 2 for a multiplication and an addition"
    if board.core != "cortex-m4f":
        reason = "has none"
    raise InputError(
        f"fused multiply-add is for {', '.join(_FUSES)}; the {board.core} of {board.name} {reason}: leave 'fused' out"
    )


def unavailable(keys: ScenarioKeys) -> Iterator[tuple[KeyPath, str]]:
    """Path and message of everything asked for that this version does not do."""
    training = keys.training
    if training.fused and training.precision != "float32":
        yield ("training", "fused"), "fused multiply-add belongs to precision float32; leave 'fused' out"
    if keys.update != "all" and training.precision not in ("uint8", "int8_qas"):
        yield (
            ("update",),
            "a part of the network is trained in uint8 and int8_qas; set training.precision, or freeze layers",
        )
    if keys.update != "all" and len(keys.update.model_fields_set) != 1:
        yield ("update",), "expected one of dynamic, sparse, budget_bytes"
    if keys.build.techniques is not None and training.precision not in _PLANNED_IN_8_BITS:
        yield (
            ("build", "techniques"),
            f"techniques belong to {', '.join(_PLANNED_IN_8_BITS)}; {training.precision} has no choice of them",
        )
    if keys.quantisation is not None and training.precision == "float32":
        yield ("quantisation",), "there is nothing to quantise in float32; set training.precision"
    if keys.quantisation is not None:
        pow2 = training.precision == "int8_pow2"
        known = {"calibration_samples", "skip_zeros"} if pow2 else set(type(keys.quantisation).model_fields)
        known -= {"skip_zeros"} if training.precision == "int8_qas" else set()
        for name in sorted(keys.quantisation.model_fields_set - known):
            has = ", ".join(sorted(known))
            yield ("quantisation", name), f"{training.precision} has no '{name}'; it has {has}"
    if keys.quantisation is not None and keys.quantisation.centre_head and training.head != "float32":
        yield ("quantisation", "centre_head"), "only a float32 head reads centred inputs; set training.head"
    if keys.pretrain is not None:
        if keys.pretrain.precision != "float32":
            yield ("pretrain", "precision"), f"the host trains in float32, not in '{keys.pretrain.precision}'"
        if keys.pretrain.fused:
            yield ("pretrain", "fused"), f"fused multiply-add on the host {_LATER}; leave 'fused' out"
