# SPDX-License-Identifier: Apache-2.0
"""Fronts, hypervolumes, subset selection, zero-cost scores: against plain definitions."""

from __future__ import annotations

import itertools
import math
import random

import numpy as np
import pytest

from trainbed.network.build import NetworkBuilder
from trainbed.network.layers import Network
from trainbed.search.front import Point, choose, dominates, front, hypervolume
from trainbed.search.proxies import naswot, ranks, synflow
from trainbed.search.schema import ObjectiveKeys


def some_points(n: int, d: int, seed: int) -> list[Point]:
    """Points on a coarse grid: many share coordinates."""
    generator = random.Random(seed)
    return [tuple(generator.randrange(0, 9) / 8 for _ in range(d)) for _ in range(n)]


def by_inclusion_and_exclusion(points: list[Point]) -> float:
    """The volume of a union, by its definition."""
    volume = 0.0
    for k in range(1, len(points) + 1):
        for some in itertools.combinations(points, k):
            volume -= (-1) ** k * math.prod(min(values) for values in zip(*some, strict=True))
    return volume


@pytest.mark.parametrize("d", [1, 2, 3, 4, 5])
def test_the_hypervolume_is_that_of_the_union_of_the_boxes(d: int) -> None:
    for seed in range(20):
        points = some_points(9, d, seed)
        assert hypervolume(points) == pytest.approx(by_inclusion_and_exclusion(points), abs=1e-12)
    assert hypervolume([]) == 0.0


def test_the_front_is_what_nothing_dominates_and_carries_the_whole_volume() -> None:
    for seed in range(20):
        points = some_points(30, 3, seed)
        best = front(points)
        for i, point in enumerate(points):
            dominated = any(dominates(other, point) for other in points)
            assert (i in best) == (not dominated and points.index(point) == i)
        assert hypervolume([points[i] for i in best]) == pytest.approx(hypervolume(points), abs=1e-12)
    assert not dominates((0.5, 0.5), (0.5, 0.5))
    assert not dominates((1.0, 0.0), (0.0, 1.0))


def test_the_lazy_selection_takes_what_the_plain_greedy_one_takes() -> None:
    for seed in range(10):
        points = some_points(25, 3, seed)
        plain: list[int] = []
        while len(plain) < 6:
            left = [i for i in range(len(points)) if i not in plain]
            plain.append(max(left, key=lambda i: (hypervolume([points[j] for j in (*plain, i)]), -i)))
        assert hypervolume([points[i] for i in choose(points, 6)]) == pytest.approx(
            hypervolume([points[i] for i in plain]), abs=1e-12
        )
    assert choose([(0.0, 0.0)] * 4, 2) == [0, 1]
    assert choose([(0.5, 0.5)], 3) == [0]


def test_gains_run_from_worst_to_best() -> None:
    accuracy = ObjectiveKeys.model_validate({"goal": "max", "worst": 0.9})
    assert [accuracy.gain(value) for value in (0.5, 0.9, 1.0)] == [0.0, 0.0, 1.0]
    assert accuracy.gain(0.95) == pytest.approx(0.5)
    ram = ObjectiveKeys.model_validate({"goal": "min", "worst": 64, "best": 14})
    assert [ram.gain(value) for value in (100, 64, 39, 14, 0)] == [0.0, 0.0, 0.5, 1.0, 1.0]


def two_layers(hidden: int) -> Network:
    builder = NetworkBuilder([4])
    builder.dense(hidden, activation="relu")
    builder.dense(2)
    return builder.build()


def test_synflow_is_the_sum_over_all_paths() -> None:
    from trainbed.reference.twin import initial_weights

    network = two_layers(3)
    (w1, b1), (w2, b2) = ((np.abs(w).astype(float), np.abs(b)) for w, b in initial_weights(network, 7))
    assert not b1.any()
    assert not b2.any()
    # R = 1' |W2| |W1| 1 is linear in each layer's weights, so each of the two contributes R.
    assert synflow(network, seed=7) == pytest.approx(math.log(2 * (w2 @ w1).sum()), rel=1e-6)
    assert synflow(two_layers(30), seed=7) > synflow(network, seed=7)


def test_naswot_is_the_determinant_of_the_counts_of_agreeing_relus() -> None:
    from trainbed.reference.twin import initial_weights

    network = two_layers(16)
    x = np.random.default_rng(3).standard_normal((5, 4)).astype(np.float32)
    (w1, _), _ = initial_weights(network, 7)
    on = x @ w1.T > 0
    kernel = [[float((on[i] == on[j]).sum()) for j in range(5)] for i in range(5)]
    assert naswot(network, x, seed=7) == pytest.approx(np.linalg.slogdet(np.array(kernel))[1], rel=1e-9)
    assert naswot(network, np.repeat(x[:1], 5, axis=0), seed=7) == -math.inf


def test_a_network_without_relus_scores_nothing() -> None:
    builder = NetworkBuilder([4])
    builder.dense(2)
    assert naswot(builder.build(), np.ones((2, 4), np.float32), seed=1) == -math.inf


def test_ranks_average_over_the_scores_and_share_ties() -> None:
    assert ranks([[1.0, 2.0, 3.0], [5.0, -math.inf, 5.0]]) == [0.375, 0.25, 0.875]
    assert ranks([[4.0]]) == [0.0]
