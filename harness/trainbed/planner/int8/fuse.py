# SPDX-License-Identifier: Apache-2.0
"""A convolution and the max-pool that alone reads it, run together a few rows at a time: neither the convolution's
output nor its error ever exists as a whole.
"""

from __future__ import annotations

from dataclasses import replace

from trainbed.network.layers import Activation, Kind, Layer
from trainbed.planner.graph import Fused, Graph, Op, Role, Slot, Step, windows_overlap

_CONVOLUTIONS = (Kind.CONV2D, Kind.DEPTHWISE_CONV2D)


def fusable(graph: Graph) -> dict[str, Layer]:
    """Name of each convolution -> the pool that can take its rows as they come.

    Windows must not overlap and must use every row: the sums of all rows count for the range.
    """
    found = {}
    for pool in graph.layers:
        if pool.kind is not Kind.MAX_POOL or pool.activation is not Activation.NONE or windows_overlap(pool):
            continue
        source = graph.inputs(pool)[0]
        layer = graph.producer.get(source)
        if layer is None or layer.kind not in _CONVOLUTIONS or len(graph.consumers[source]) > 1:
            continue
        assert pool.window is not None
        if pool.window.stride_h == pool.window.kernel_h and pool.in_shape[0] % pool.window.kernel_h == 0:
            found[source] = pool
    return found


def rows_of(pool: Layer, turns: int) -> int:
    """Rows of a pool at a time, so that it takes at least so many turns, all alike."""
    height = pool.out_shape[0]
    return max(rows for rows in range(1, height + 1) if height % rows == 0 and (rows == 1 or height // rows >= turns))


def fuse_pools(
    steps: tuple[Step, ...], pools: dict[str, Layer], *, turns: int, choosing: frozenset[str]
) -> tuple[Step, ...]:
    """The steps with convolutions and pools joined. ``choosing``: layers that rank their errors, so need them whole.

    Backward they are joined where the convolution sends no error on; else its error has to exist.
    """
    sends = {step.layer.name for step in steps if step.op is Op.BACKWARD_INPUT}
    joined = {name for name in pools if name not in sends and name not in choosing}
    of_pool = {pool.name: name for name, pool in pools.items()}
    fused: list[Step] = []
    held: dict[str, Step] = {}
    for step in steps:
        name = step.layer.name
        if step.op is Op.FORWARD and name in pools:
            held[name] = step
        elif step.op is Op.FORWARD and name in of_pool:
            first = held[of_pool[name]]
            joint = Fused(step.layer, rows_of(step.layer, turns))
            fused.append(replace(first, writes=step.writes, in_place=(), fused=joint))
        elif step.op is Op.BACKWARD_INPUT and name in of_pool and of_pool[name] in joined:
            continue
        elif step.op is Op.BACKWARD_WEIGHTS and name in joined:
            error, pool = Slot(Role.ERROR, name), pools[name]
            reads = tuple(slot for slot in step.reads if slot != error)
            reads += (Slot(Role.ERROR, pool.name), Slot(Role.INDEX, pool.name))
            fused.append(replace(step, reads=reads, fused=Fused(pool, rows_of(pool, turns))))
        else:
            fused.append(step)
    return tuple(fused)
