# SPDX-License-Identifier: Apache-2.0
"""Where each piece of storage lies in the arena: offsets such that what lives at the same time does not overlap."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

ALIGNMENT = 4
"""Bytes; every kernel works on float32."""

_SEARCH_NODES = 20_000
"""Bound on the exact search, so that planning is quick and its result does not depend on the machine."""


@dataclass(frozen=True)
class Interval:
    """Storage of ``n_bytes`` that is needed from step ``first`` to step ``last``, both included."""

    n_bytes: int
    first: int
    last: int

    def overlaps(self, other: Interval) -> bool:
        """True when both are alive at some step."""
        return self.first <= other.last and other.first <= self.last


Neighbours = Sequence[Sequence[tuple[int, int]]]
"""Of each interval: numbers and aligned bytes of those that live at the same time, itself among them."""


def aligned(n_bytes: int) -> int:
    """Bytes rounded up to the arena's alignment."""
    return (n_bytes + ALIGNMENT - 1) // ALIGNMENT * ALIGNMENT


def live_bytes(intervals: Sequence[Interval]) -> int:
    """The most bytes alive at one step: no arena can be smaller."""
    steps = {interval.first for interval in intervals}
    return max((sum(aligned(i.n_bytes) for i in intervals if i.first <= step <= i.last) for step in steps), default=0)


def assign_offsets(intervals: Sequence[Interval]) -> tuple[int, ...]:
    """Offset of each interval; the arena is as long as the largest offset plus size.

    Greedy fits in several orders, then, while that is above the lower bound, a bounded search over orders.
    """
    neighbours = [
        [(n, aligned(other.n_bytes)) for n, other in enumerate(intervals) if interval.overlaps(other)]
        for interval in intervals
    ]
    orders: tuple[Callable[[Interval], tuple[int, ...]], ...] = (
        lambda i: (-i.n_bytes, i.first),
        lambda i: (-(i.last - i.first), -i.n_bytes),
        lambda i: (-i.n_bytes * (i.last - i.first + 1), i.first),
        lambda i: (i.first, -i.n_bytes),
    )
    candidates = []
    for key in orders:
        order = sorted(range(len(intervals)), key=lambda n: (*key(intervals[n]), n))
        candidates.append(_first_fit(intervals, neighbours, order))
        candidates.append(_two_ended(intervals, neighbours, order))
    best = min(candidates, key=lambda offsets: arena_bytes(intervals, offsets))
    if arena_bytes(intervals, best) > live_bytes(intervals):
        best = _search(intervals, neighbours, best)
    return best


def arena_bytes(intervals: Sequence[Interval], offsets: Sequence[int]) -> int:
    """Length of the arena these offsets need."""
    return max((offset + aligned(i.n_bytes) for i, offset in zip(intervals, offsets, strict=True)), default=0)


def _lowest_gap(interval: Interval, neighbours: Sequence[tuple[int, int]], placed: dict[int, int]) -> int:
    size = aligned(interval.n_bytes)
    offset = 0
    for start, n_bytes in sorted((placed[n], n_bytes) for n, n_bytes in neighbours if n in placed):
        if offset + size <= start:
            break
        offset = max(offset, start + n_bytes)
    return offset


def _first_fit(intervals: Sequence[Interval], neighbours: Neighbours, order: Sequence[int]) -> tuple[int, ...]:
    placed: dict[int, int] = {}
    for index in order:
        placed[index] = _lowest_gap(intervals[index], neighbours[index], placed)
    return tuple(placed[n] for n in range(len(intervals)))


def _two_ended(intervals: Sequence[Interval], neighbours: Neighbours, order: Sequence[int]) -> tuple[int, ...]:
    """By turns from the bottom and from the top of the smallest possible arena: a chain of neighbours fits
    without a gap.
    """
    top = live_bytes(intervals)
    placed: dict[int, int] = {}
    for turn, index in enumerate(order):
        size = aligned(intervals[index].n_bytes)
        others = [(placed[n], n_bytes) for n, n_bytes in neighbours[index] if n in placed]
        highest = top - size
        clear = all(highest >= start + n_bytes or highest + size <= start for start, n_bytes in others)
        placed[index] = highest if turn % 2 and clear else _lowest_gap(intervals[index], neighbours[index], placed)
    return tuple(placed[n] for n in range(len(intervals)))


def _search(intervals: Sequence[Interval], neighbours: Neighbours, start: tuple[int, ...]) -> tuple[int, ...]:
    """Depth-first search over placing orders, largest first, cut where the best known length is reached."""
    bound = live_bytes(intervals)
    best, best_length = start, arena_bytes(intervals, start)
    by_size = sorted(range(len(intervals)), key=lambda n: (-intervals[n].n_bytes, n))
    nodes = 0

    def visit(placed: dict[int, int], length: int) -> None:
        nonlocal best, best_length, nodes
        nodes += 1
        if length >= best_length or best_length == bound or nodes > _SEARCH_NODES:
            return
        if len(placed) == len(intervals):
            best, best_length = tuple(placed[n] for n in range(len(intervals))), length
            return
        tried: set[tuple[Interval, int]] = set()
        for index in by_size:
            if index in placed:
                continue
            offset = _lowest_gap(intervals[index], neighbours[index], placed)
            if (intervals[index], offset) in tried:
                continue
            tried.add((intervals[index], offset))
            placed[index] = offset
            visit(placed, max(length, offset + aligned(intervals[index].n_bytes)))
            del placed[index]

    visit({}, 0)
    return best
