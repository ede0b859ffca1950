# SPDX-License-Identifier: Apache-2.0
"""Slots become storage: which slots share memory in place, how long each storage lives, and a proof that
nothing is overwritten.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from trainbed.network.layers import Network
from trainbed.planner.arena import Interval, arena_bytes, assign_offsets, live_bytes
from trainbed.planner.graph import Role, Slot, Step

SlotBytes = Callable[[Slot], int]
"""Size of a slot, by the precision of the plan."""


@dataclass(frozen=True)
class Storage:
    """A piece of the arena: the slots that use it one after the other, its size, life and place."""

    slots: tuple[Slot, ...]
    n_bytes: int
    first: int
    last: int
    offset: int


def float32_bytes(network: Network, slot: Slot) -> int:
    """Size of a slot: float32 per element, one byte per pooling index, one bit per element for bits."""
    layer = network.layer(slot.tensor)
    if slot.role is Role.BITS:
        return (layer.out_size + 7) // 8
    if slot.role is Role.INDEX:
        return layer.out_size
    if slot.role is Role.GRADIENT:
        return 4 * layer.n_parameters
    return 4 * layer.out_size


def lives(steps: Sequence[Step]) -> dict[Slot, tuple[int, int]]:
    """First and last step at which each slot is written or read."""
    spans: dict[Slot, tuple[int, int]] = {}
    for index, step in enumerate(steps):
        for slot in (*step.reads, *step.writes):
            first, _ = spans.get(slot, (index, index))
            spans[slot] = (first, index)
    return spans


def merge_in_place(steps: Sequence[Step]) -> dict[Slot, Slot]:
    """Representative of each slot: two slots share storage where an operation may work in place and its source
    dies there.
    """
    spans = lives(steps)
    parent: dict[Slot, Slot] = {slot: slot for slot in spans}
    ends = {slot: last for slot, (_, last) in spans.items()}
    """Last step of everything in a representative's storage."""

    def find(slot: Slot) -> Slot:
        while parent[slot] != slot:
            slot = parent[slot]
        return slot

    for index, step in enumerate(steps):
        merged: set[Slot] = set()
        for source, target in step.in_place:
            if source == target or target in merged or spans[target][0] != index:
                continue
            root, joined = find(source), find(target)
            if ends[root] == index:
                parent[joined] = root
                ends[root] = max(index, ends[joined])
                merged.add(target)
    return {slot: find(slot) for slot in spans}


def place(steps: Sequence[Step], slot_bytes: SlotBytes) -> tuple[Storage, ...]:
    """Storage of all slots with offsets in the arena, in order of offset."""
    groups, intervals = _intervals(steps, slot_bytes)
    offsets = assign_offsets(intervals)
    placed = [
        Storage(tuple(slots), interval.n_bytes, interval.first, interval.last, offset)
        for slots, interval, offset in zip(groups, intervals, offsets, strict=True)
    ]
    return tuple(sorted(placed, key=lambda storage: (storage.offset, storage.first)))


def least_bytes(steps: Sequence[Step], slot_bytes: SlotBytes) -> int:
    """What no arena for the steps can be shorter than."""
    return live_bytes(_intervals(steps, slot_bytes)[1])


def _intervals(steps: Sequence[Step], slot_bytes: SlotBytes) -> tuple[list[list[Slot]], list[Interval]]:
    """The slots that share storage, and how long and large each storage is."""
    spans = lives(steps)
    groups: dict[Slot, list[Slot]] = {}
    for slot, root in merge_in_place(steps).items():
        groups.setdefault(root, []).append(slot)
    intervals = [
        Interval(
            n_bytes=max(slot_bytes(slot) for slot in slots),
            first=min(spans[slot][0] for slot in slots),
            last=max(spans[slot][1] for slot in slots),
        )
        for slots in groups.values()
    ]
    return list(groups.values()), intervals


def total_bytes(storages: Sequence[Storage]) -> int:
    """Length of the arena."""
    intervals = [Interval(storage.n_bytes, storage.first, storage.last) for storage in storages]
    return arena_bytes(intervals, [storage.offset for storage in storages])


def check(steps: Sequence[Step], storages: Sequence[Storage], slot_bytes: SlotBytes) -> None:
    """Replay the steps byte by byte; raises AssertionError where a step would read what another has overwritten.

    The planner runs it on every plan: a wrong plan would be a silently wrong training run.
    """
    where: Mapping[Slot, Storage] = {slot: storage for storage in storages for slot in storage.slots}
    number = {slot: n for n, slot in enumerate(where, 1)}
    holds = [0] * (total_bytes(storages) or 1)
    for step in steps:
        allowed = set(step.in_place)
        for slot in step.reads:
            start = where[slot].offset
            span = holds[start : start + slot_bytes(slot)]
            assert span.count(number[slot]) == len(span), (
                f"{step.op.value} of {step.layer.name} reads {slot}, overwritten before"
            )
        for slot in step.writes:
            start = where[slot].offset
            end = start + slot_bytes(slot)
            for source in step.reads:
                low = where[source].offset
                overlap = start < low + slot_bytes(source) and low < end
                same_place = (source, slot) in allowed and low == start
                assert not overlap or same_place, (
                    f"{step.op.value} of {step.layer.name} overwrites {source} while reading it"
                )
            holds[start:end] = [number[slot]] * (end - start)
