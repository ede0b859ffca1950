# SPDX-License-Identifier: Apache-2.0
"""The 8-bit twin against loops in Python's own integers, and what its roundings promise."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trainbed.network.layers import Window
from trainbed.reference.int8 import depthwise, gradients, products, update
from trainbed.reference.int8.arithmetic import Output, error_codes, make_scale, requantise, saturate
from trainbed.reference.int8.elementwise import add, make_add_scale

_I64 = np.int64


@given(st.integers(-(2**31) + 1, 2**31 - 1), st.floats(1e-9, 1e6), st.integers(0, 255))
def test_requantisation_is_the_product_rounded_half_up(total: int, factor: float, zero: int) -> None:
    scale = make_scale(factor)
    multiplier, shift = int(scale.multiplier[0]), int(scale.shift[0])
    assert 1 <= multiplier < 2**31
    assert shift == 0 or multiplier >= 2**30  # the smallest shift that allows it
    most = (2**31 - 1) >> shift
    held = max(-most - 1, min(most, total))
    want = zero + ((held * 2**shift * multiplier + 2**31) >> 32)
    assert int(requantise(np.array([total], _I64), scale, zero)[0]) == want
    code = int(Output(scale, zero=zero).codes(np.array([total], _I64))[0])
    unheld = zero + ((total * 2**shift * multiplier + 2**31) >> 32)
    assert code == max(0, min(255, unheld))  # holding the sum never shows in a code


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 3), st.integers(1, 2), st.integers(0, 1), st.integers(0, 255))
def test_convolutions_equal_plain_loops(seed: int, kernel: int, stride: int, pad: int, zero: int) -> None:
    rng = np.random.default_rng(seed)
    pad = min(pad, kernel - 1)
    height, width, in_c, out_c = (int(v) for v in rng.integers(3, 6, 4))
    out = ((height + 2 * pad - kernel) // stride + 1, (width + 2 * pad - kernel) // stride + 1)
    window = Window(kernel, kernel, stride, stride, pad, pad)
    x = rng.integers(0, 256, (2, height, width, in_c)).astype(np.uint8)
    w = rng.integers(-127, 128, (out_c, kernel, kernel, in_c)).astype(np.int8)
    wd = rng.integers(-127, 128, (kernel, kernel, in_c)).astype(np.int8)
    e = rng.integers(-127, 128, (2, *out, out_c)).astype(np.int8)
    ed = rng.integers(-127, 128, (2, *out, in_c)).astype(np.int8)
    y, d, g = np.zeros((2, *out, out_c), _I64), np.zeros(x.shape, _I64), np.zeros((2, *w.shape), _I64)
    yd, dd, gd = np.zeros((2, *out, in_c), _I64), np.zeros(x.shape, _I64), np.zeros((2, *wd.shape), _I64)
    for n, i, j, u, v, c in np.ndindex(2, *out, kernel, kernel, in_c):
        a, b = i * stride + u - pad, j * stride + v - pad
        if 0 <= a < height and 0 <= b < width:
            value = int(x[n, a, b, c]) - zero
            yd[n, i, j, c] += int(wd[u, v, c]) * value
            dd[n, a, b, c] += int(wd[u, v, c]) * int(ed[n, i, j, c])
            gd[n, u, v, c] += int(ed[n, i, j, c]) * value
            for o in range(out_c):
                y[n, i, j, o] += int(w[o, u, v, c]) * value
                d[n, a, b, c] += int(w[o, u, v, c]) * int(e[n, i, j, o])
                g[n, o, u, v, c] += int(e[n, i, j, o]) * value
    assert (products.conv2d_sums(x, w, None, window, out, zero=zero) == y).all()
    assert (products.conv2d_input_sums(w, e, window, (height, width)) == d).all()
    assert (products.conv2d_weight_sums(x, e, window, zero=zero)[0] == g).all()
    assert (depthwise.depthwise_sums(x, wd, None, window, out, zero=zero) == yd).all()
    assert (depthwise.depthwise_input_sums(wd, ed, window, (height, width)) == dd).all()
    assert (depthwise.depthwise_weight_sums(x, ed, window, zero=zero)[0] == gd).all()


def test_saturation_never_wraps() -> None:
    far = np.array([-(2**31), -129, -128, -127, 127, 128, 2**31 - 1], _I64)
    assert saturate(far).tolist() == [-127, -127, -127, -127, 127, 127, 127]
    full = np.full(3, 127, np.int8)
    assert error_codes(np.array([127, 1, -127], _I64), None, before=full).tolist() == [127, 127, 0]
    w = np.array([[127, -127, 126]], np.int8)
    g = np.array([[-(2**30), 2**30, -(2**30)]], _I64)
    index = np.arange(3).reshape(1, 3)
    assert update.update_plain(w, g, index, rates=1.0, stochastic=True, key=1).tolist() == [[127, -127, 127]]


@pytest.mark.parametrize("start", [-50, -1, 0, 5, 100])
def test_steps_below_one_code_are_unbiased_when_rounded_stochastically(start: int) -> None:
    w = np.full((1, 4000), start, np.int8)
    index = np.arange(4000).reshape(1, 4000)
    g = np.full((1, 4000), -5, _I64)
    nearest = w
    for step in range(50):
        w = update.update_plain(w, g, index, rates=0.01, stochastic=True, key=step * 7919 + 1)
        nearest = update.update_plain(nearest, g, index, rates=0.01, stochastic=False, key=0)
    moved = float((w.astype(float) - start).mean())
    assert moved == pytest.approx(2.5, abs=0.1)  # 50 steps of 0.05; the deviation of the mean is 0.024
    assert (nearest == start).all()


def test_zero_mean_steps_do_not_shrink_the_weights() -> None:
    rng = np.random.default_rng(3)
    w = rng.integers(-100, 101, (1, 5000)).astype(np.int8)
    index, before = np.arange(5000).reshape(1, 5000), float(np.abs(w.astype(float)).mean())
    for step in range(50):
        g = rng.choice(np.array([-10, 10]), (1, 5000)).astype(_I64)
        w = update.update_plain(w, g, index, rates=0.01, stochastic=True, key=step + 1)
    assert float(np.abs(w.astype(float)).mean()) == pytest.approx(before, abs=0.3)


def test_a_quantisation_aware_step_times_the_scale_is_the_float_step() -> None:
    rng = np.random.default_rng(4)
    s_w, s_g, lr = rng.uniform(0.001, 0.1, 6), 1e-4, 0.05
    w = rng.integers(-60, 61, (6, 30)).astype(np.int8)
    g = rng.integers(-20000, 20000, (6, 30))
    rates = (lr * s_g / s_w).astype(np.float32)
    t = update.step_of(w, g, update.plain_step(rates)) / 65536.0
    want = w * s_w[:, None] - lr * s_g * g
    assert t * s_w[:, None] == pytest.approx(want, rel=1e-6, abs=float(s_w.max()) * 2.0**-16)


def test_a_standardised_step_is_the_gradient_less_its_mean_by_its_deviation() -> None:
    rng = np.random.default_rng(5)
    g = rng.integers(-(10**8), 10**8, (5, 200))
    w = np.zeros((5, 200), np.int8)
    t = update.step_of(w, g, update.standardised_step(g, 2.0)) / 65536.0
    want = -2.0 * (g - g.mean(axis=1, keepdims=True)) / g.std(axis=1, keepdims=True)
    assert t == pytest.approx(want, abs=1e-3)
    assert (update.step_of(w, np.full((5, 200), 9), update.standardised_step(np.full((5, 200), 9), 2.0)) == 0).all()


def test_a_new_scale_leaves_the_real_weights_where_the_step_put_them() -> None:
    rng = np.random.default_rng(6)
    w = rng.integers(-127, 128, (4, 500)).astype(np.int8)
    g, index = rng.integers(-1000, 1000, (4, 500)), np.arange(2000).reshape(4, 500)
    scale, lr = np.float32(0.01), 0.1
    want = w * 0.01 - lr * (g - g.mean(axis=1, keepdims=True)) / g.std(axis=1, keepdims=True)
    new, following = update.update_standardised(
        w, g, index, scale=scale, lr=lr, scaling=update.FOLLOWS, stochastic=True, key=9
    )
    assert float(following) == pytest.approx(np.abs(want).max() / 127, rel=1e-4)
    assert np.abs(new * float(following) - want).max() < float(following)
    assert float((new * float(following) - want).mean()) == pytest.approx(0, abs=3 * float(following) / 2000**0.5)


def test_16_bit_gradients_keep_the_sum_to_half_a_unit_per_sample() -> None:
    rng = np.random.default_rng(7)
    g, shift, exact = np.zeros((3, 50), np.int16), np.zeros(3, np.uint8), np.zeros((3, 50), _I64)
    for _ in range(8):
        sums = rng.integers(-(2**24), 2**24, (3, 50)) * np.array([[1], [0], [2]]) // np.array([[1], [1], [4096]])
        g, shift = gradients.deposit(g, shift, sums)
        exact += sums
    assert shift[1] == 0 and (g[1] == 0).all()
    error = np.abs(g.astype(_I64) * 2.0 ** shift[:, None].astype(float) - exact)
    assert (error <= 9 * 2.0 ** shift[:, None].astype(float)).all()
    assert int(shift[0]) >= 9 and int(shift[2]) <= 2


@given(st.integers(0, 255), st.integers(0, 255), st.floats(0, 100), st.floats(0.001, 100))
def test_an_addition_is_off_by_at_most_half_a_code(a: int, b: int, factor_a: float, factor_b: float) -> None:
    scale = make_add_scale(factor_a, factor_b)
    assert 1 <= scale.shift <= 22 and max(scale.a, scale.b) < 2**22
    got = int(
        add(
            np.array([a], np.uint8),
            np.array([b], np.uint8),
            scale,
            zero_a=3,
            zero_b=200,
            output=Output(make_scale(1.0), zero=10),
        )[0]
    )
    want = 10 + (a - 3) * factor_a + (b - 200) * factor_b
    assert got == pytest.approx(max(0.0, min(255.0, want)), abs=0.5 + 255 * 2.0 ** (-scale.shift))
