# SPDX-License-Identifier: Apache-2.0
"""Elementary functions, losses, optimizers and random numbers against the twin, bit by bit."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from kernels.shim import F32, SIGMOID, SOFTMAX, TANH, AdamArgument, assert_same_bits, call

from trainbed.network.layers import Activation
from trainbed.network.training import Adam, Loss, Sgd
from trainbed.reference import ops

examples = settings(max_examples=100, deadline=None, derandomize=True)
any_float = st.floats(width=32, allow_nan=True, allow_infinity=True)


def vectors(elements: st.SearchStrategy[float]) -> st.SearchStrategy[np.ndarray]:
    return hnp.arrays(np.float32, st.integers(1, 40), elements=elements)


BATCH = 5


def many(sample: F32) -> F32:
    """A batch of that sample."""
    return np.repeat(sample[None], BATCH, 0)


sums = vectors(st.floats(-90, 90, width=32))


@examples
@given(vectors(any_float))
def test_activations_of_any_number_give_the_bits_of_the_twin(z: np.ndarray) -> None:
    for act, name in (
        (SIGMOID, Activation.SIGMOID),
        (TANH, Activation.TANH),
        (1, Activation.RELU),
        (2, Activation.RELU6),
        (3, Activation.LEAKY_RELU),
    ):
        y = z.copy()
        call("activation_forward", y, len(y), act)
        with np.errstate(all="ignore"):
            assert_same_bits(y, np.asarray(ops.activation_forward(z[None], name))[0])


@examples
@given(vectors(any_float))
def test_elementary_functions_give_the_bits_of_the_twin(x: np.ndarray) -> None:
    negative = np.where(np.isnan(x), x, -np.abs(x)).astype(np.float32)
    with np.errstate(all="ignore"):
        assert_same_bits([call("exp_neg", v) for v in negative], ops.exp_neg(negative))
        normal = np.abs(x)[np.abs(x) >= np.finfo(np.float32).tiny]
        assert_same_bits([call("log", v) for v in normal], ops.log(normal))
        assert_same_bits([call("sqrt", v) for v in np.abs(x)], np.sqrt(np.abs(x)))


@examples
@given(sums)
def test_softmax_gives_the_bits_of_the_twin(z: np.ndarray) -> None:
    p = z.copy()
    call("activation_forward", p, len(p), SOFTMAX)
    assert_same_bits(p, ops.softmax(z[None])[0])


@examples
@given(sums, st.integers(0, 2**32 - 1))
def test_losses_and_their_gradients_give_the_bits_of_the_twin(z: np.ndarray, seed: int) -> None:
    n = len(z)
    t = np.random.default_rng(seed).random(n).astype(np.float32)
    inv_n = np.float32(1.0 / n)
    scale = np.float32(1.0) / np.float32(BATCH)

    p = z.copy()
    value, want_p = ops.categorical_crossentropy(z[None], t[None])
    assert_same_bits(call("categorical_crossentropy", p, t, n), value[0])
    assert_same_bits(p, want_p[0])
    e = np.empty_like(p)
    call("crossentropy_gradient", p, t, e, n, scale)
    assert_same_bits(e, ops.loss_gradient(many(p), many(t), Loss.CATEGORICAL_CROSSENTROPY, Activation.SOFTMAX)[0])

    p = z.copy()
    value, want_p = ops.binary_crossentropy(z[None], t[None])
    assert_same_bits(call("binary_crossentropy", p, t, n, inv_n), value[0])
    assert_same_bits(p, want_p[0])
    call("crossentropy_gradient", p, t, e, n, scale * inv_n)
    assert_same_bits(e, ops.loss_gradient(many(p), many(t), Loss.BINARY_CROSSENTROPY, Activation.SIGMOID)[0])


@pytest.mark.parametrize(
    ("act", "name"),
    [
        (0, Activation.NONE),
        (1, Activation.RELU),
        (SIGMOID, Activation.SIGMOID),
        (TANH, Activation.TANH),
        (SOFTMAX, Activation.SOFTMAX),
    ],
)
def test_mse_goes_back_through_every_activation(act: int, name: Activation) -> None:
    rng = np.random.default_rng(act)
    z, t = rng.standard_normal(7).astype(np.float32), rng.random(7).astype(np.float32)
    p = np.asarray(ops.activation_forward(z[None], name))[0].copy()
    inv_n, scale = np.float32(1.0 / 7), np.float32(1.0) / np.float32(BATCH)
    assert_same_bits(call("mse", p, t, 7, inv_n), ops.mse(p[None], t[None])[0])
    want = ops.loss_gradient(many(p), many(t), Loss.MSE, name)[0]
    call("mse_gradient", p, t, p, 7, inv_n, scale, act)  # e may be p
    assert_same_bits(p, want)


@pytest.mark.parametrize("n", [1, 3, 4, 8, 9, 37])
@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_sgd_gives_the_bits_of_the_twin_and_clears_the_gradient(n: int, momentum: float) -> None:
    rng = np.random.default_rng(n)
    w, v = rng.standard_normal(n).astype(np.float32), np.zeros(n, np.float32)
    stepper, want = ops.SgdStepper(Sgd(lr=0.05, momentum=momentum)), [w.copy()]
    for _ in range(3):
        g = rng.standard_normal(n).astype(np.float32)
        stepper.step(want, [g.copy()])
        if momentum:
            call("sgd_momentum_step", w, g, v, n, np.float32(0.05), np.float32(momentum))
        else:
            call("sgd_step", w, g, n, np.float32(0.05))
        assert_same_bits(w, want[0])
        assert_same_bits(g, np.zeros(n))


@pytest.mark.parametrize("n", [1, 3, 4, 8, 9, 37])
def test_adam_gives_the_bits_of_the_twin_and_clears_the_gradient(n: int) -> None:
    rng = np.random.default_rng(n)
    w, m, v = rng.standard_normal(n).astype(np.float32), np.zeros(n, np.float32), np.zeros(n, np.float32)
    config = Adam(lr=0.01)
    stepper, want = ops.AdamStepper(config), [w.copy()]
    adam = AdamArgument(config.lr, config.beta1, config.beta2, config.eps, 1.0, 1.0)
    for step in range(4):
        g = rng.standard_normal(n).astype(np.float32) * np.float32(
            10.0 ** -(12 * step)
        )  # down to squares that underflow
        stepper.step(want, [g.copy()])
        lr_t = np.float32(call("adam_begin_step", adam))
        call("adam_step", adam, lr_t, w, g, m, v, n)
        assert_same_bits(w, want[0])
        assert_same_bits(m, stepper.m[0])
        assert_same_bits(v, stepper.v[0])
        assert_same_bits(g, np.zeros(n))


@pytest.mark.parametrize("key", [0, 1, 0xDEADBEEF])
@pytest.mark.parametrize("limit", [0.37, 0.0])
def test_initial_weights_give_the_bits_of_the_twin(key: int, limit: float) -> None:
    w = np.empty(100, np.float32)
    call("init_uniform", w, 100, key, limit)
    assert_same_bits(w, ops.uniform_weights(key, 100, limit=limit))
