# SPDX-License-Identifier: Apache-2.0
"""Kernels with run-time shapes against the twin, bit by bit, over odd shapes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kernels.shim import F32, LEAKY_RELU, NONE, RELU, RELU6, SIGMOID, TANH, assert_same_bits, call, epilogue
from kernels.windows import Shape, backward_input, backward_weights, forward, numbers, shape_of, shapes

from trainbed.network.layers import Activation
from trainbed.reference import ops

ACTIVATIONS = {
    NONE: Activation.NONE,
    RELU: Activation.RELU,
    RELU6: Activation.RELU6,
    LEAKY_RELU: Activation.LEAKY_RELU,
    SIGMOID: Activation.SIGMOID,
    TANH: Activation.TANH,
}
seeds = st.integers(0, 2**32 - 1)
activations = st.sampled_from(sorted(ACTIVATIONS))
examples = settings(max_examples=60, deadline=None, derandomize=True)


def activated(z: F32, act: int) -> F32:
    return np.asarray(ops.activation_forward(z.reshape(1, -1), ACTIVATIONS[act])).reshape(z.shape)


def gated(d: F32, y: F32, act: int) -> F32:
    return np.asarray(ops.activation_gradient(d.reshape(1, -1), y.reshape(1, -1), ACTIVATIONS[act])).reshape(d.shape)


def check_convolution(name: str, shape: Shape, act: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    x, w, e = numbers(rng, *shape.in_hwc), numbers(rng, *shape.weights), numbers(rng, *shape.out_hwc)
    b = numbers(rng, shape.out_c) + np.float32(0.0)
    y = np.full(shape.out_hwc, np.nan, np.float32)
    call(f"{name}_forward", x, w, b, y, shape.argument, act)
    assert_same_bits(y, activated(forward(shape, x, w, b), act))

    gw, gb = numbers(rng, *shape.weights) + np.float32(0.0), numbers(rng, shape.out_c) + np.float32(0.0)
    one_gw, one_gb = backward_weights(shape, x, e)
    expected = gw + one_gw, gb + one_gb
    call(f"{name}_backward_weights", x, e, gw, gb, shape.argument)
    assert_same_bits(gw, expected[0])
    assert_same_bits(gb, expected[1])

    dx, before = numbers(rng, *shape.in_hwc), activated(numbers(rng, *shape.in_hwc) * 4, act)
    accumulate = bool(rng.integers(2))
    d = backward_input(shape, w, e)
    want = gated(dx + d if accumulate else d, before, act)
    call(f"{name}_backward_input", w, e, dx, shape.argument, epilogue(act, before, accumulate=accumulate))
    assert_same_bits(dx, want)


@examples
@given(shapes(), activations, seeds)
def test_conv2d_gives_the_bits_of_the_twin(shape: Shape, act: int, seed: int) -> None:
    check_convolution("conv2d", shape, act, seed)


@examples
@given(shapes(depthwise=True), activations, seeds)
def test_depthwise_conv2d_gives_the_bits_of_the_twin(shape: Shape, act: int, seed: int) -> None:
    check_convolution("depthwise_conv2d", shape, act, seed)


@examples
@given(st.integers(1, 9), st.integers(1, 17), st.integers(1, 19), activations, seeds)
def test_pointwise_and_dense_give_the_bits_of_the_twin(pixels: int, in_c: int, out_c: int, act: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    x, w, e = numbers(rng, pixels, in_c), numbers(rng, out_c, in_c), numbers(rng, pixels, out_c)
    b, before = numbers(rng, out_c) + np.float32(0.0), activated(numbers(rng, pixels, in_c) * 4, act)
    z = ops.dense_forward(x, w, b)  # a pixel of the one is a sample of the other
    d = ops.dense_backward_input(w, e)
    for name, n in (("pointwise", pixels), ("dense", 1)):
        sizes = (n, in_c, out_c) if name == "pointwise" else (in_c, out_c)
        y, dx = np.full((n, out_c), np.nan, np.float32), np.full((n, in_c), np.nan, np.float32)
        call(f"{name}_forward", x, w, b, y, *sizes, act)
        assert_same_bits(y, activated(np.ascontiguousarray(z[:n]), act))
        call(f"{name}_backward_input", w, e, dx, *sizes, epilogue(act, before))
        assert_same_bits(dx, gated(np.ascontiguousarray(d[:n]), before[:n], act))
        gw, gb = np.zeros((out_c, in_c), np.float32), np.zeros(out_c, np.float32)
        total = np.zeros((out_c, in_c), np.float32), np.zeros(out_c, np.float32)
        for p in range(n):
            total = total[0] + e[p][:, None] * x[p], total[1] + e[p]
        call(f"{name}_backward_weights", x, e, gw, gb, *sizes)
        assert_same_bits(gw, total[0])
        assert_same_bits(gb, total[1])


@pytest.mark.parametrize("kernel", [(1, 1), (2, 2), (3, 2), (2, 4)])
@pytest.mark.parametrize("act", [NONE, RELU, TANH])
def test_pools_whose_windows_tile_the_input_give_the_bits_of_the_twin(kernel: tuple[int, int], act: int) -> None:
    for channels in (1, 3, 8):
        in_hwc = (3 * kernel[0], 2 * kernel[1], channels)
        check_pools(shape_of(in_hwc, kernel, kernel, same=False, multiplier=1), act, channels)


@examples
@given(shapes(pool=True), activations, seeds)
def test_pools_give_the_bits_of_the_twin(shape: Shape, act: int, seed: int) -> None:
    check_pools(shape, act, seed)


def check_pools(shape: Shape, act: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    x, e = np.round(numbers(rng, *shape.in_hwc) * 2), numbers(rng, *shape.out_hwc)  # rounded: many equal maxima
    y, index = np.empty(shape.out_hwc, np.float32), np.empty(shape.out_hwc, np.uint8)
    call("max_pool_forward", x, y, index, shape.argument)
    want, want_index = ops.max_pool_forward(x[None], shape.geometry)
    assert_same_bits(y, want[0])
    assert np.array_equal(index, want_index[0])
    call("max_pool_forward", x, y, None, shape.argument)
    assert_same_bits(y, want[0])

    dx, before = np.empty(shape.in_hwc, np.float32), activated(numbers(rng, *shape.in_hwc) * 4, act)
    call("max_pool_backward", index, e, dx, shape.argument, epilogue(act, before))
    assert_same_bits(
        dx, gated(np.ascontiguousarray(ops.max_pool_backward(want_index, e[None], shape.geometry)[0]), before, act)
    )

    inv_n = np.float32(1.0 / shape.geometry.n_taps)
    call("avg_pool_forward", x, y, shape.argument, inv_n)
    assert_same_bits(y, ops.avg_pool_forward(x[None], shape.geometry)[0])
    call("avg_pool_backward", e, dx, shape.argument, inv_n, epilogue(act, before))
    assert_same_bits(dx, gated(np.ascontiguousarray(ops.avg_pool_backward(e[None], shape.geometry)[0]), before, act))


@examples
@given(st.integers(1, 5), st.integers(1, 5), st.integers(1, 9), seeds)
def test_global_avg_pool_gives_the_bits_of_the_twin(height: int, width: int, channels: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    x, e = numbers(rng, height, width, channels), numbers(rng, channels)
    y, dx = np.empty(channels, np.float32), np.empty_like(x)
    inv_n = np.float32(1.0 / (height * width))
    call("global_avg_pool_forward", x, y, height * width, channels, inv_n)
    assert_same_bits(y, np.asarray(ops.global_avg_pool_forward(x[None])).reshape(channels))
    call("global_avg_pool_backward", e, dx, height * width, channels, inv_n, epilogue(NONE))
    assert_same_bits(dx, ops.global_avg_pool_backward(e.reshape(1, 1, 1, channels), (height, width))[0])


@examples
@given(shapes(), seeds)
def test_the_gradient_may_be_written_over_the_activation_it_is_gated_by(shape: Shape, seed: int) -> None:
    rng = np.random.default_rng(seed)
    w, e, y = numbers(rng, *shape.weights), numbers(rng, *shape.out_hwc), numbers(rng, *shape.in_hwc)
    want = gated(backward_input(shape, w, e), y, SIGMOID)
    call("conv2d_backward_input", w, e, y, shape.argument, epilogue(SIGMOID, y))
    assert_same_bits(y, want)


@pytest.mark.parametrize("act", [RELU, RELU6, LEAKY_RELU])
@pytest.mark.parametrize("n", [1, 7, 8, 9, 64])
def test_gating_by_bits_equals_gating_by_the_activation(act: int, n: int) -> None:
    rng = np.random.default_rng(n)
    y, e = activated(numbers(rng, n) * 4, act), numbers(rng, n)
    bits = np.zeros((n + 7) // 8, np.uint8)
    call("activation_bits", y, bits, n, act)
    assert np.array_equal(np.unpackbits(bits, bitorder="little")[:n] == 1, (y > 0) & ((y < 6) | (act != RELU6)))
    dx = np.empty(n, np.float32)
    call("pass_gradient", e, dx, n, epilogue(act, bits=bits))
    assert_same_bits(dx, gated(e, y, act))
    call("pass_gradient", e, e, n, epilogue(act, y))
    assert_same_bits(e, dx)


@pytest.mark.parametrize("act", sorted(ACTIVATIONS))
def test_addition_in_place_applies_the_activation(act: int) -> None:
    rng = np.random.default_rng(act)
    a, b = numbers(rng, 33), numbers(rng, 33)
    want = activated(a + b, act)
    call("add_forward", a, b, a, 33, act)
    assert_same_bits(a, want)
