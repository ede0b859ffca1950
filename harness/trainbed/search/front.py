# SPDX-License-Identifier: Apache-2.0
"""Pareto fronts and hypervolumes. Points are gains: each coordinate in [0, 1], more is better."""

from __future__ import annotations

from collections.abc import Sequence

Point = tuple[float, ...]


def dominates(a: Point, b: Point) -> bool:
    """Nowhere worse, somewhere better."""
    return a != b and all(x >= y for x, y in zip(a, b, strict=True))


def front(points: Sequence[Point]) -> list[int]:
    """Indices of the points no other dominates; of equal points the first."""
    return [
        i
        for i, point in enumerate(points)
        if not any(dominates(other, point) for other in points) and point not in points[:i]
    ]


def hypervolume(points: Sequence[Point]) -> float:
    """Volume of the union of the boxes between the origin and each point, by slices along the last coordinate."""
    points = [point for point in points if min(point) > 0.0]
    if not points:
        return 0.0
    if len(points[0]) == 1:
        return max(point[0] for point in points)
    if len(points[0]) == 2:
        return _area(points)
    ordered = sorted(points, key=lambda point: -point[-1])
    volume = 0.0
    slice_: list[Point] = []
    for i, point in enumerate(ordered):
        flat = point[:-1]
        if not any(flat == other or dominates(other, flat) for other in slice_):
            slice_ = [other for other in slice_ if not dominates(flat, other)] + [flat]
        below = ordered[i + 1][-1] if i + 1 < len(ordered) else 0.0
        if point[-1] > below:
            volume += (point[-1] - below) * hypervolume(slice_)
    return volume


def choose(points: Sequence[Point], count: int) -> list[int]:
    """Hypervolume subset selection: indices of ``count`` points, each the one that adds most to those before it.

    Where no point adds anything the first ones left are taken. The volume is submodular: what a point added to a
    smaller set bounds what it adds now, so most points need not be looked at again.
    """
    chosen: list[int] = []
    volume = 0.0
    bounds = {i: float("inf") for i in range(len(points))}
    while bounds and len(chosen) < count:
        fresh: set[int] = set()
        while True:
            best = max(bounds, key=lambda i: (bounds[i], -i))
            if best in fresh:
                break
            bounds[best] = hypervolume([points[i] for i in (*chosen, best)]) - volume
            fresh.add(best)
        volume += bounds.pop(best)
        chosen.append(best)
    return sorted(chosen)


def _area(points: Sequence[Point]) -> float:
    area, height = 0.0, 0.0
    for x, y in sorted(points, key=lambda point: (-point[0], -point[1])):
        if y > height:
            area += x * (y - height)
            height = y
    return area
