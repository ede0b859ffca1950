# SPDX-License-Identifier: Apache-2.0
"""Plan -> model.c, by the writer of the plan's precision."""

from __future__ import annotations

from trainbed.codegen.float32.writer import Float32Writer
from trainbed.codegen.int8.writer import Int8Writer
from trainbed.codegen.pow2.writer import Pow2Writer
from trainbed.planner.int8.plan import Int8Plan
from trainbed.planner.parameters import Arrays
from trainbed.planner.plan import Plan
from trainbed.planner.pow2.plan import Pow2Plan


def write_model(plan: Plan, *, constants: Arrays | None = None, shared_shapes: bool = False) -> str:
    """The text of model.c.

    ``constants``: arrays of the fields that lie in flash, by name. ``shared_shapes``: one function serves all shapes
    of a kernel, for small flash; same bits.
    """
    return _writer(plan, constants or {}, shared_shapes=shared_shapes).write()


def operations_of(
    plan: Plan, *, constants: Arrays | None = None, shared_shapes: bool = False
) -> dict[str, tuple[str, tuple[str, ...]]]:
    """Each kernel function of model.c by its name: (verb, names of the layers it serves, in order)."""
    writer = _writer(plan, constants or {}, shared_shapes=shared_shapes)
    writer.write()
    return {name: (verb, tuple(dict.fromkeys(layers))) for name, (verb, layers) in writer.functions.users.items()}


def _writer(plan: Plan, constants: Arrays, *, shared_shapes: bool) -> Float32Writer | Pow2Writer:
    if isinstance(plan, Int8Plan):
        return Int8Writer(plan, constants=constants, shared_shapes=shared_shapes)
    if isinstance(plan, Pow2Plan):
        return Pow2Writer(plan, constants=constants)
    return Float32Writer(plan, constants=constants, shared_shapes=shared_shapes)
