# SPDX-License-Identifier: Apache-2.0
"""Generated firmware models on the host against the NumPy twin, bit for bit, over random networks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from host_model import HostModel
from numpy.typing import NDArray
from random_networks import random_network, random_optimizer

from trainbed.errors import NetworkError
from trainbed.network.build import NetworkBuilder
from trainbed.network.layers import Kind
from trainbed.network.training import Loss, Sgd
from trainbed.planner.plan import Plan, make_plan
from trainbed.reference.twin import Twin
from trainbed.weights import named


def trained(plan: Plan, twin: Twin) -> NDArray[np.float32]:
    """What the twin trains, as the device holds it."""
    return plan.parameters.pack(named(twin.network, twin.weights))


def targets(rng: np.random.Generator, loss: Loss, n: int, n_outputs: int) -> NDArray[np.float32]:
    if loss is Loss.CATEGORICAL_CROSSENTROPY:
        return np.eye(n_outputs, dtype=np.float32)[rng.integers(n_outputs, size=n)]
    return rng.random((n, n_outputs), dtype=np.float32)


def same_bits(one: NDArray[np.float32], other: NDArray[np.float32]) -> bool:
    return bool(np.array_equal(one.view(np.uint32), other.view(np.uint32)))


_QUICK = 5
_SEEDS = [seed if seed < _QUICK else pytest.param(seed, marks=pytest.mark.slow) for seed in range(40)]


@pytest.mark.parametrize("loss", list(Loss))
@pytest.mark.parametrize("seed", _SEEDS)
@pytest.mark.parametrize("batch_size", [1, 3])
def test_a_generated_model_trains_to_the_same_bits_as_the_twin(
    tmp_path: Path, seed: int, loss: Loss, batch_size: int
) -> None:
    seed = seed * 3 + list(Loss).index(loss)
    network, optimizer = random_network(seed, loss=loss), random_optimizer(seed)
    plan = make_plan(network, loss=loss, optimizer=optimizer, batch_size=batch_size)
    twin = Twin(network, loss=loss, optimizer=optimizer, seed=seed)
    constants, level = named(network, twin.weights), ("O2", "O1", "O3")[seed // 3 % 3]
    model = HostModel(plan, tmp_path, constants=constants, shared_shapes=seed % 4 == 0, optimize=level)
    model.init(seed)
    assert same_bits(model.parameters, trained(plan, twin))
    rng = np.random.default_rng(seed)
    for _ in range(6):
        x = rng.standard_normal((batch_size, *network.input_shape), dtype=np.float32)
        t = targets(rng, loss, batch_size, network.output_size)
        losses, outputs = model.train_batch(x, t)
        expected = twin.train_batch(x, t)
        assert same_bits(losses, expected.losses)
        assert same_bits(outputs, expected.outputs)
        assert same_bits(model.parameters, trained(plan, twin))
    losses, outputs = model.evaluate(x, t)
    expected = twin.evaluate(x, t)
    assert same_bits(losses, expected.losses)
    assert same_bits(outputs, expected.outputs)
    assert same_bits(model.predict(x, network.output_size), twin.predict(x))


@pytest.mark.parametrize("optimize", ["O1", "O2", "O3", "Os"])
def test_a_pool_behind_a_convolution_is_compiled_right_at_every_level(tmp_path: Path, optimize: str) -> None:
    builder = NetworkBuilder([8, 8, 1])
    builder.conv2d(8, 3, padding="same", activation="relu")
    builder.pool(Kind.MAX_POOL, 2)
    builder.dense(3, activation="softmax")
    network, loss = builder.build(), Loss.CATEGORICAL_CROSSENTROPY
    plan = make_plan(network, loss=loss, optimizer=Sgd(0.1), batch_size=4)
    model = HostModel(plan, tmp_path, optimize=optimize)
    twin = Twin(network, loss=loss, optimizer=Sgd(0.1), seed=1)
    model.init(1)
    rng = np.random.default_rng(1)
    x, t = rng.random((4, 8, 8, 1), dtype=np.float32), targets(rng, loss, 4, 3)
    losses, _ = model.train_batch(x, t)
    assert same_bits(losses, twin.train_batch(x, t).losses)
    assert same_bits(model.parameters, trained(plan, twin))


def test_a_network_without_trainable_layers_is_refused() -> None:
    builder = NetworkBuilder([4, 4, 1])
    builder.dense(1, trainable=False)
    with pytest.raises(NetworkError, match="trainable"):
        make_plan(builder.build(), loss=Loss.MSE, optimizer=random_optimizer(0), batch_size=1)
