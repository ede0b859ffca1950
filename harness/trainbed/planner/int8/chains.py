# SPDX-License-Identifier: Apache-2.0
"""Chains of frozen layers that run together, row by row: between them only the rows at hand exist.

Nothing before the first trained layer is read again by backward, so the inner tensors of an inverted residual (expand,
depthwise, project) need not exist as a whole. A depthwise convolution reads its input from a ring of as many rows as
its kernel is high; every row is computed once, so nothing is spent twice and no bit changes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from trainbed.network.layers import INPUT, Kind, Layer
from trainbed.planner.arena import aligned
from trainbed.planner.graph import Op, Role, Slot, Step
from trainbed.planner.int8.design import Design
from trainbed.planner.storage import SlotBytes, Storage, lives

_RING_ROWS = 16
"""Largest height of a depthwise kernel (TRN_I8_DEPTHWISE_ROWS)."""


@dataclass(frozen=True)
class Line:
    """Rows of a chain's inner tensor that exist at a time: row r lies at ``offset + r % rows * row_bytes``."""

    layer: Layer
    rows: int
    offset: int

    @property
    def row_bytes(self) -> int:
        """One row of the tensor."""
        return self.layer.out_shape[1] * self.layer.out_shape[2]


def lines_of(chain: Sequence[Layer]) -> tuple[Line, ...]:
    """Where the rows of all layers but the last lie in the chain's scratch."""
    lines, at = [], 0
    for layer, reader in pairwise(chain):
        rows = 1
        if reader.kind is Kind.DEPTHWISE_CONV2D:
            assert reader.window is not None
            rows = min(reader.window.kernel_h, layer.out_shape[0])
        lines.append(Line(layer, rows, at))
        at += aligned(rows * lines[-1].row_bytes)
    return tuple(lines)


def lines_bytes(chain: Sequence[Layer]) -> int:
    """Scratch of a chain."""
    return sum(aligned(line.rows * line.row_bytes) for line in lines_of(chain))


def peak_behind(steps: Sequence[Step], storages: Sequence[Storage]) -> int:
    """Bytes alive at most behind the forward pass."""
    behind = next(index for index, step in enumerate(steps) if step.op is Op.LOSS)
    return max(
        sum(storage.n_bytes for storage in storages if storage.first <= index <= storage.last)
        for index in range(behind, len(steps))
    )


def choose_chains(
    steps: Sequence[Step], design: Design, slot_bytes: SlotBytes, *, floor: int
) -> tuple[tuple[Layer, ...], ...]:
    """The chains of fewest layers that bring the forward pass's peak to its least, or to ``floor``."""
    forward = [step for step in steps if step.op is Op.FORWARD]
    last = max((n for n, step in enumerate(forward) if _joins(step.layer, design)), default=-1)
    forward = forward[: last + 1]
    begin = sum(step.op is Op.RECEIVE for step in steps)
    if len(forward) < 2 or forward != list(steps[begin : begin + len(forward)]):
        return ()
    costs = _Costs(steps, design, slot_bytes)
    spans = {
        (first, end): costs.chain(begin + first, begin + end)
        for first in range(len(forward))
        for end in _ends(forward, first, design)
    }
    peaks = [0]
    for end in range(1, len(forward) + 1):
        peaks.append(min(max(peaks[first], cost) for (first, stop), cost in spans.items() if stop == end))
    limit = max(peaks[-1], floor)
    # Within that limit, as few layers in chains as possible: from the back, the cheapest cut before each layer.
    joined: list[tuple[int, tuple[tuple[int, int], ...]]] = [(0, ())]
    for end in range(1, len(forward) + 1):
        options = []
        for (first, stop), cost in spans.items():
            if stop == end and cost <= limit and joined[first][0] < len(forward) + 1:
                alone = stop - first == 1
                taken = joined[first]
                options.append((taken[0] + (0 if alone else stop - first), (*taken[1], (first, stop))))
        joined.append(min(options, default=(len(forward) + 1, ())))
    return tuple(tuple(step.layer for step in forward[first:end]) for first, end in joined[-1][1] if end - first > 1)


def join_chains(steps: Sequence[Step], chains: Sequence[tuple[Layer, ...]]) -> tuple[Step, ...]:
    """The steps with each chain's forward steps made one."""
    chain_of = {layer.name: chain for chain in chains for layer in chain}
    values = {step.layer.name: step for step in steps if step.op is Op.FORWARD}
    done: list[Step] = []
    for step in steps:
        chain = chain_of.get(step.layer.name)
        if step.op is not Op.FORWARD or chain is None:
            done.append(step)
        elif step.layer == chain[-1]:
            done.append(_joint(chain, values))
    return tuple(done)


def _joint(chain: tuple[Layer, ...], values: dict[str, Step]) -> Step:
    last, inner = chain[-1], {layer.name for layer in chain[:-1]}
    sources = tuple(dict.fromkeys(name for layer in chain for name in values[layer.name].sources if name not in inner))
    reads = tuple(Slot(Role.VALUE, name) for name in sources if name != INPUT)
    value = Slot(Role.VALUE, last.name)
    pairs: tuple[tuple[Slot, Slot], ...] = ()
    if last.kind is Kind.ADD:
        pairs = tuple((slot, value) for slot in reads if _may_write_over(slot.tensor, chain, values))
    return Step(Op.FORWARD, last, reads=reads, writes=(value,), in_place=pairs, sources=sources, chain=chain)


def _may_write_over(tensor: str, chain: tuple[Layer, ...], values: dict[str, Step]) -> bool:
    """Row r of the tensor is read for the last time when row r of the chain's sum is written."""
    readers = [layer for layer in chain if tensor in values[layer.name].sources]
    return tensor in values[chain[-1].name].sources and all(
        layer.is_pointwise or layer.kind is Kind.ADD for layer in readers
    )


def _joins(layer: Layer, design: Design) -> bool:
    """The layer may be part of a chain: frozen, in 8 bits, of a kind that works by rows."""
    if design.is_float(layer) or design.graph.needs_gradient(layer.name) or layer.name == design.graph.output:
        return False
    if design.table(layer.name) is not None:
        return False
    if layer.kind is Kind.DEPTHWISE_CONV2D:
        assert layer.window is not None
        return layer.window.kernel_h <= _RING_ROWS
    return layer.kind in (Kind.CONV2D, Kind.ADD)


def _ends(forward: Sequence[Step], first: int, design: Design) -> list[int]:
    """Where a chain that begins with step ``first`` may end: the step after its last; alone it always may."""
    ends = [first + 1]
    layer = forward[first].layer
    if not _joins(layer, design) or layer.kind is Kind.ADD:
        return ends
    inner: set[str] = set()
    for n in range(first + 1, len(forward)):
        before, layer = layer, forward[n].layer
        inner.add(before.name)
        by_rows = layer.is_pointwise or layer.kind in (Kind.DEPTHWISE_CONV2D, Kind.ADD)
        reads = forward[n].sources
        follows = reads.count(before.name) == 1 and not inner - {before.name} & set(reads) and INPUT not in reads
        alone = design.graph.consumers[before.name] == [layer]
        if not (_joins(layer, design) and by_rows and follows and alone):
            break
        ends.append(n + 1)
    return ends


class _Costs:
    """Bytes alive while a step, or a chain of them, runs."""

    def __init__(self, steps: Sequence[Step], design: Design, slot_bytes: SlotBytes) -> None:
        self._steps = steps
        self._slot_bytes = slot_bytes
        self._spans = lives(steps)
        self._design = design

    def live(self, index: int) -> int:
        """Of one step as it is."""
        merged = self._merged(self._steps[index])
        return sum(
            aligned(self._slot_bytes(slot))
            for slot, (first, last) in self._spans.items()
            if first <= index <= last and slot not in merged
        )

    def chain(self, first: int, end: int) -> int:
        """Of steps first .. end-1 run together; one alone is as it is."""
        if end - first == 1:
            return self.live(first)
        steps = self._steps[first:end]
        chain = tuple(step.layer for step in steps)
        joint = _joint(chain, {step.layer.name: step for step in steps})
        merged = self._merged(joint, until=end - 1)
        inner = {slot for step in steps[:-1] for slot in step.writes}
        return lines_bytes(chain) + sum(
            aligned(self._slot_bytes(slot))
            for slot, (begin, last) in self._spans.items()
            if begin < end and last >= first and slot not in inner and slot not in merged
        )

    def _merged(self, step: Step, until: int | None = None) -> set[Slot]:
        """What a step writes in the place of something that dies there."""
        index = until if until is not None else self._steps.index(step)
        return {
            target
            for source, target in step.in_place
            if source != target and self._spans[source][1] == index and self._spans[target][0] == index
        }
