# SPDX-License-Identifier: Apache-2.0
"""The host's own trainer against the twin, batch normalisation against its definition, pruning against its schedule."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from random_networks import random_network, random_optimizer
from twin_networks import Stack, random_batch

from trainbed.network.layers import Network
from trainbed.network.training import Adam, Loss, Sgd
from trainbed.pretrain.batch_norm import EPSILON, BatchNorm
from trainbed.pretrain.prune import Pruner, Schedule, sparsity_of
from trainbed.pretrain.trainer import HostTrainer
from trainbed.reference.random import initial_weights
from trainbed.reference.twin import Twin


def _all_trainable(network: Network) -> Network:
    return replace(network, layers=tuple(replace(layer, trainable=True) for layer in network.layers))


@pytest.mark.parametrize("seed", range(24))
def test_it_trains_like_the_twin_but_for_rounding(seed: int) -> None:
    loss = list(Loss)[seed % 3]
    network, optimizer = _all_trainable(random_network(seed, loss=loss)), random_optimizer(seed)
    if isinstance(optimizer, Adam):
        optimizer = Sgd(0.05, momentum=0.5)  # Adam turns the rounding of a tiny gradient into a whole step
    twin = Twin(network, loss=loss, optimizer=optimizer, seed=seed)
    host = HostTrainer(network, initial_weights(network, seed), loss=loss, optimizer=optimizer)
    for step in range(3):
        x, t = random_batch(network, 5, seed=step)
        theirs = twin.train_batch(x, t)
        losses, outputs = host.train_batch(x, t)
        np.testing.assert_allclose(losses, theirs.losses, rtol=2e-4, atol=2e-5)
        np.testing.assert_allclose(outputs, theirs.outputs, rtol=2e-4, atol=2e-5)
    for (w, b), (tw, tb) in zip(host.folded_weights(), twin.weights, strict=True):
        np.testing.assert_allclose(w, tw, rtol=1e-3, atol=2e-5)
        np.testing.assert_allclose(b, tb, rtol=1e-3, atol=2e-5)


def test_batch_norm_gives_each_channel_mean_beta_and_deviation_gamma() -> None:
    norm = BatchNorm(3)
    norm.parameters[0][...] = (1, 2, 3)
    norm.parameters[1][...] = (0, -1, 5)
    x = (np.random.default_rng(1).normal(4.0, 3.0, (16, 5, 5, 3))).astype(np.float32)
    y = norm.train(x)
    np.testing.assert_allclose(y.mean(axis=(0, 1, 2)), (0, -1, 5), atol=1e-4)
    np.testing.assert_allclose(y.std(axis=(0, 1, 2)), (1, 2, 3), rtol=1e-3)
    np.testing.assert_allclose(norm.mean, x.mean(axis=(0, 1, 2)), rtol=1e-5)


def test_the_gradient_of_batch_norm_is_the_slope_of_its_output() -> None:
    rng = np.random.default_rng(2)
    x, upstream = (rng.normal(size=(4, 2, 2, 2)).astype(np.float32) for _ in range(2))
    norm = BatchNorm(2)
    norm.parameters[0][...] = (0.5, 1.5)

    def total(values: np.ndarray) -> float:
        centred = values - values.mean(axis=(0, 1, 2))
        normal = centred / np.sqrt(np.square(centred).mean(axis=(0, 1, 2)) + float(EPSILON))
        return float((normal * norm.parameters[0] * upstream).sum())

    norm.train(x)
    d = norm.backward(upstream)
    for index in ((0, 0, 0, 0), (1, 1, 0, 1), (3, 0, 1, 1)):
        up, down = x.astype(np.float64), x.astype(np.float64)
        up[index] += 1e-5
        down[index] -= 1e-5
        assert d[index] == pytest.approx((total(up) - total(down)) / 2e-5, rel=1e-3, abs=1e-4)


@pytest.mark.parametrize("kind", ["conv", "depthwise", "dense"])
def test_folded_weights_compute_what_the_normalised_network_computed(kind: str) -> None:
    stack = Stack(6, 6, 3)
    if kind == "conv":
        stack.conv(5, 3, "relu", name="a")
    elif kind == "depthwise":
        stack.depthwise(3, "relu6", multiplier=2, name="a")
    else:
        stack.dense(7, "tanh", name="a")
    network = stack.dense(4, "softmax").network()
    host = HostTrainer(
        network,
        initial_weights(network, 3),
        loss=Loss.CATEGORICAL_CROSSENTROPY,
        optimizer=Adam(0.02),
        normalised=frozenset({"a"}),
    )
    x, t = random_batch(network, 32, seed=5)
    first = host.train_batch(x, t)[0].mean()
    for _ in range(30):
        last = host.train_batch(x, t)[0].mean()
    assert last < 0.7 * first
    folded = HostTrainer(network, host.folded_weights(), loss=Loss.CATEGORICAL_CROSSENTROPY, optimizer=Sgd(0.1))
    np.testing.assert_allclose(folded.evaluate(x, t)[1], host.evaluate(x, t)[1], atol=2e-5)


def test_a_loss_that_is_not_finite_makes_no_step() -> None:
    network = Stack(1, 1, 4).dense(2).network()
    host = HostTrainer(network, initial_weights(network, 1), loss=Loss.MSE, optimizer=Sgd(0.1))
    x, t = random_batch(network, 3)
    x[1, 0, 0, 0] = np.inf
    before = host.folded_weights()
    with np.errstate(all="ignore"):
        losses, _ = host.train_batch(x, t)
    assert not np.isfinite(losses).all()
    for (w, b), (old_w, old_b) in zip(host.folded_weights(), before, strict=True):
        assert (w == old_w).all() and (b == old_b).all()


def test_sparsity_follows_the_cubic_schedule() -> None:
    schedule = Schedule(initial=0.2, final=0.8, steps=100)
    # s = 0.8 + (0.2 - 0.8) * (1 - t/100)**3, Zhu and Gupta, equation 1.
    assert [round(schedule.sparsity(step), 6) for step in (0, 50, 90, 100, 250)] == [0.2, 0.725, 0.7994, 0.8, 0.8]


def test_pruning_takes_the_smallest_weights_and_keeps_them_at_zero() -> None:
    w = np.array([[0.5, -0.1, 0.3, 0.02], [-0.7, 0.2, 0.05, 0.9]], np.float32)
    pruner = Pruner(Schedule(0.0, 0.5, 2), [w])
    assert sparsity_of([w]) == 0.0
    pruner.after_step()  # 0.5 - 0.5 / 8: 3.5 of 8, to the even 4
    assert sorted(np.abs(w[w != 0]).tolist()) == pytest.approx([0.3, 0.5, 0.7, 0.9])
    gradient = np.ones_like(w)
    pruner.mask_gradients([gradient])
    assert ((gradient == 0) == (w == 0)).all()
    w += 5.0  # what momentum would still move
    pruner.after_step()
    assert np.count_nonzero(w) == 4


def test_a_pruned_training_ends_at_its_sparsity_and_still_learns() -> None:
    network = Stack(1, 1, 8).dense(24, "relu").dense(3, "softmax").network()
    host = HostTrainer(
        network,
        initial_weights(network, 1),
        loss=Loss.CATEGORICAL_CROSSENTROPY,
        optimizer=Adam(0.01),
        prune=Schedule(0.0, 0.75, 40),
    )
    x, t = random_batch(network, 24, seed=1)
    losses = [float(host.train_batch(x, t)[0].mean()) for _ in range(120)]
    assert losses[-1] < 0.5 * losses[0]
    for w, _ in host.folded_weights():
        assert sparsity_of([w]) == pytest.approx(0.75, abs=0.5 / w.size)
