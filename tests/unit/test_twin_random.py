# SPDX-License-Identifier: Apache-2.0
"""Random numbers, initial weights and the order of samples: equal everywhere, so known values are written down here."""

from __future__ import annotations

import math

import numpy as np
import pytest
from twin_networks import Stack

from trainbed.reference import initial_weights, ops, shuffle


def plain_mix(x: int) -> int:
    """lowbias32 in Python integers."""
    x ^= x >> 16
    x = x * 0x7FEB352D & 0xFFFFFFFF
    x ^= x >> 15
    x = x * 0x846CA68B & 0xFFFFFFFF
    return x ^ (x >> 16)


def test_the_generator_is_the_documented_integer_arithmetic() -> None:
    keys = [0, 1, 2, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 123456789]
    for key in keys:
        assert ops.random_mix(key) == plain_mix(key)
        expected = [plain_mix((key + i * 0x9E3779B9) & 0xFFFFFFFF) for i in range(100)]
        assert ops.random_stream(key, 100).tolist() == expected
        assert ops.random_at(key, 99) == expected[99]


def test_the_generator_gives_its_known_values() -> None:
    assert [ops.random_mix(x) for x in (0, 1, 0xFFFFFFFF)] == [0, 1753845952, 1734902346]
    assert ops.random_stream(1, 3).tolist() == [1753845952, 2672842292, 1136996714]


def test_mixing_is_one_to_one_on_many_inputs() -> None:
    assert len(np.unique(ops.random_stream(7, 200_000))) == 200_000


def test_uniform_numbers_have_the_moments_of_their_distribution() -> None:
    u = ops.uniform(3, 200_000).astype(float)
    assert u.min() >= -1 and u.max() < 1
    assert abs(u.mean()) < 0.005
    assert abs(u.var() - 1 / 3) < 0.005
    assert abs(np.corrcoef(u[:-1], u[1:])[0, 1]) < 0.01
    assert (np.abs(np.histogram(u, 20)[0] - 10_000) < 500).all()


def test_streams_of_neighbouring_seeds_do_not_resemble_each_other() -> None:
    a, b = (ops.uniform(ops.weight_key(seed, 0), 50_000).astype(float) for seed in (1, 2))
    assert abs(np.corrcoef(a, b)[0, 1]) < 0.02


def test_initial_weights_fill_the_range_of_their_initializer_and_biases_are_zero() -> None:
    network = (
        Stack(8, 8, 3).conv(16, 3, "relu").depthwise(3, "tanh", multiplier=2).flatten().dense(10, "softmax").network()
    )
    limits = [math.sqrt(6 / 27), math.sqrt(6 / (9 + 18)), math.sqrt(6 / (512 + 10))]
    weights = initial_weights(network, 1)
    for (w, b), limit, layer in zip(weights, limits, network.parametric, strict=True):
        assert w.shape == layer.weight_shape and w.dtype == b.dtype == np.float32
        assert 0.95 * limit < np.abs(w).max() <= np.float32(limit)
        assert not b.any() and not np.signbit(b).any()
    assert not np.array_equal(weights[0][0], initial_weights(network, 2)[0][0])
    assert np.array_equal(weights[2][0], initial_weights(network, 1)[2][0])


def test_an_initial_weight_is_the_documented_product() -> None:
    network = Stack(1, 1, 6).dense(5, "relu").dense(2).network()
    key = plain_mix((1 + 0x85EBCA6B * 2) & 0xFFFFFFFF)
    draw = plain_mix((key + 7 * 0x9E3779B9) & 0xFFFFFFFF)
    expected = (np.float32(draw >> 8) * np.float32(2.0**-23) - np.float32(1)) * np.float32(math.sqrt(6 / 7))
    assert initial_weights(network, 1)[1][0].reshape(-1)[7] == expected


@pytest.mark.parametrize("n", [1, 2, 3, 48, 1437])
def test_a_shuffle_is_a_permutation(n: int) -> None:
    assert sorted(shuffle(1, 0, n).tolist()) == list(range(n))


def test_every_epoch_and_every_seed_has_its_own_order() -> None:
    orders = [tuple(shuffle(seed, epoch, 48).tolist()) for seed in range(5) for epoch in range(5)]
    assert len(set(orders)) == 25
    assert shuffle(3, 4, 48).tolist() == list(orders[19])


def test_a_shuffle_is_the_documented_exchange_of_samples() -> None:
    order = list(range(10))
    base = plain_mix(5 ^ 0xC2B2AE35) + 2
    for i in range(9, 0, -1):
        j = plain_mix((base + i * 0x9E3779B9) & 0xFFFFFFFF) % (i + 1)
        order[i], order[j] = order[j], order[i]
    assert shuffle(5, 2, 10).tolist() == order


def test_every_position_gets_every_sample_about_equally_often() -> None:
    counts = np.zeros((6, 6))
    for epoch in range(3000):
        counts[np.arange(6), shuffle(1, epoch, 6)] += 1
    assert (np.abs(counts - 500) < 120).all()
