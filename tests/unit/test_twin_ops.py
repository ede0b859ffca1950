# SPDX-License-Identifier: Apache-2.0
"""Every product, pool and loss of the twin against plain loops over float32 numbers, to the bit."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import twin_loops as loops
from twin_networks import Stack

from trainbed.errors import NetworkError
from trainbed.network.layers import Activation, Kind, Layer, Window
from trainbed.network.training import Loss
from trainbed.reference import ops

SHAPES = [  # input H, W, C; filters or multiplier; kernel; stride; padding
    ((5, 5, 3), 4, 3, 1, "same"),
    ((7, 6, 2), 3, 3, 2, "same"),
    ((8, 7, 1), 5, (2, 3), (1, 2), "same"),
    ((6, 6, 4), 2, 1, 1, "valid"),
    ((9, 5, 2), 3, (5, 3), (2, 1), "valid"),
    ((7, 7, 2), 2, 2, 3, "valid"),
    ((5, 1, 3), 2, (3, 1), (2, 1), "same"),
    ((4, 4, 2), 17, 4, 1, "valid"),
]
BATCH = 3


def values(*shape: int, seed: int = 0) -> Any:
    """Numbers of very different size, some exactly zero, so that any other order of summation shows."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal(shape) * 10.0 ** rng.uniform(-3, 3, shape)
    return np.where(rng.random(shape) < 0.1, 0.0, x).astype(np.float32)


def layer_of(kind: Kind, case: Any) -> Layer:
    shape, filters, kernel, stride, padding = case
    stack = Stack(*shape)
    if kind is Kind.CONV2D:
        stack.conv(filters, kernel, stride=stride, padding=padding)
    else:
        stack.depthwise(kernel, multiplier=min(filters, 3), stride=stride, padding=padding)
    return stack.layers[0]


@pytest.mark.parametrize("case", SHAPES)
def test_a_convolution_has_the_bits_of_the_plain_loops(case: Any) -> None:
    layer = layer_of(Kind.CONV2D, case)
    assert layer.window is not None
    x, w, b = values(BATCH, *layer.in_shape), values(*layer.weight_shape, seed=1), values(layer.n_biases, seed=2)
    e, geometry = values(BATCH, *layer.out_shape, seed=3), ops.geometry_of(layer)
    z, d = ops.conv2d_forward(x, w, b, geometry), ops.conv2d_backward_input(w, e, geometry)
    gw, gb = ops.conv2d_backward_weights(x, e, geometry)
    for n in range(BATCH):
        assert loops.same_bits(z[n], loops.conv2d_forward(x[n], w, b, layer.window, layer.out_shape[:2]))
        assert loops.same_bits(d[n], loops.conv2d_backward_input(w, e[n], layer.window, layer.in_shape[:2]))
        expected = loops.conv2d_backward_weights(x[n], e[n], layer.window, layer.weight_shape)
        assert loops.same_bits(gw[n], expected[0]) and loops.same_bits(gb[n], expected[1])


@pytest.mark.parametrize("case", SHAPES)
def test_a_depthwise_convolution_has_the_bits_of_the_plain_loops(case: Any) -> None:
    layer = layer_of(Kind.DEPTHWISE_CONV2D, case)
    assert layer.window is not None
    x, w, b = values(BATCH, *layer.in_shape), values(*layer.weight_shape, seed=1), values(layer.n_biases, seed=2)
    e, geometry = values(BATCH, *layer.out_shape, seed=3), ops.geometry_of(layer)
    z = ops.depthwise_conv2d_forward(x, w, b, geometry)
    d = ops.depthwise_conv2d_backward_input(w, e, geometry, multiplier=layer.multiplier)
    gw, gb = ops.depthwise_conv2d_backward_weights(x, e, geometry)
    for n in range(BATCH):
        assert loops.same_bits(z[n], loops.depthwise_forward(x[n], w, b, layer.window, layer.out_shape[:2]))
        assert loops.same_bits(d[n], loops.depthwise_backward_input(w, e[n], layer.window, layer.in_shape))
        expected = loops.depthwise_backward_weights(x[n], e[n], layer.window, layer.weight_shape)
        assert loops.same_bits(gw[n], expected[0]) and loops.same_bits(gb[n], expected[1])


@pytest.mark.parametrize("kind", [Kind.CONV2D, Kind.DEPTHWISE_CONV2D])
def test_taps_outside_the_input_are_left_out_even_where_weights_are_infinite(kind: Kind) -> None:
    layer = layer_of(kind, SHAPES[1])
    assert layer.window is not None
    x, w, b = values(2, *layer.in_shape), values(*layer.weight_shape, seed=1), values(layer.n_biases, seed=2)
    e, geometry = values(2, *layer.out_shape, seed=3), ops.geometry_of(layer)
    w.reshape(-1)[::5] = np.inf
    e[0, 0, 0] = np.inf
    conv = kind is Kind.CONV2D
    with np.errstate(all="ignore"):
        z = (ops.conv2d_forward if conv else ops.depthwise_conv2d_forward)(x, w, b, geometry)
        gw, _ = (ops.conv2d_backward_weights if conv else ops.depthwise_conv2d_backward_weights)(x, e, geometry)
        if conv:
            d = ops.conv2d_backward_input(w, e, geometry)
            expected_z = loops.conv2d_forward(x[0], w, b, layer.window, layer.out_shape[:2])
            expected_d = loops.conv2d_backward_input(w, e[0], layer.window, layer.in_shape[:2])
            expected_g, _ = loops.conv2d_backward_weights(x[0], e[0], layer.window, layer.weight_shape)
        else:
            d = ops.depthwise_conv2d_backward_input(w, e, geometry, multiplier=layer.multiplier)
            expected_z = loops.depthwise_forward(x[0], w, b, layer.window, layer.out_shape[:2])
            expected_d = loops.depthwise_backward_input(w, e[0], layer.window, layer.in_shape)
            expected_g, _ = loops.depthwise_backward_weights(x[0], e[0], layer.window, layer.weight_shape)
    assert loops.same_bits(z[0], expected_z)
    assert loops.same_bits(d[0], expected_d)
    assert loops.same_bits(gw[0], expected_g)


@pytest.mark.parametrize(("n_in", "n_out", "batch"), [(1, 1, 1), (7, 3, 2), (40, 10, 5), (3, 33, 4), (64, 2, 16)])
def test_a_dense_layer_has_the_bits_of_the_plain_loops(n_in: int, n_out: int, batch: int) -> None:
    x, w, b, e = values(batch, n_in), values(n_out, n_in, seed=1), values(n_out, seed=2), values(batch, n_out, seed=3)
    z, d = ops.dense_forward(x, w, b), ops.dense_backward_input(w, e)
    gw, gb = ops.dense_backward_weights(x, e)
    for n in range(batch):
        assert loops.same_bits(z[n], loops.dense_forward(x[n], w, b))
        assert loops.same_bits(d[n], loops.dense_backward_input(w, e[n]))
        assert loops.same_bits(gw[n], np.outer(e[n], x[n]) + np.float32(0))
        assert loops.same_bits(gb[n], e[n] + np.float32(0))


POOLS = [((6, 6, 3), 2, 2), ((7, 5, 2), 3, 2), ((5, 6, 1), (2, 3), (1, 2)), ((7, 7, 2), 2, 3)]


@pytest.mark.parametrize("case", POOLS)
def test_pools_have_the_bits_of_the_plain_loops(case: Any) -> None:
    shape, size, stride = case
    layer = Stack(*shape).pool("max", size, stride=stride).layers[0]
    assert layer.window is not None
    x, e, geometry = values(2, *shape), values(2, *layer.out_shape, seed=3), ops.geometry_of(layer)
    x[:, 1] = x[:, 0]  # equal values: the first has to win
    y, index = ops.max_pool_forward(x, geometry)
    d, mean, spread = (
        ops.max_pool_backward(index, e, geometry),
        ops.avg_pool_forward(x, geometry),
        ops.avg_pool_backward(e, geometry),
    )
    assert index.dtype == np.uint8
    for n in range(2):
        expected, at = loops.max_pool(x[n], layer.window, layer.out_shape[:2])
        assert loops.same_bits(y[n], expected) and (index[n] == at).all()
        assert loops.same_bits(d[n], loops.max_pool_backward(at, e[n], layer.window, shape))
        assert loops.same_bits(mean[n], loops.avg_pool(x[n], layer.window, layer.out_shape[:2]))
        assert loops.same_bits(spread[n], loops.avg_pool_backward(e[n], layer.window, shape))


def test_a_global_average_is_the_average_over_a_window_as_large_as_the_input() -> None:
    x, e = values(2, 5, 3, 4), values(2, 1, 1, 4, seed=1)
    window = Window(5, 3, 1, 1)
    mean, spread = ops.global_avg_pool_forward(x), ops.global_avg_pool_backward(e, (5, 3))
    for n in range(2):
        assert loops.same_bits(mean[n], loops.avg_pool(x[n], window, (1, 1)))
        assert loops.same_bits(spread[n], loops.avg_pool_backward(e[n], window, (5, 3, 4)))


def test_a_pool_that_reaches_outside_its_input_is_refused() -> None:
    with pytest.raises(NetworkError, match="outside"):
        ops.max_pool_forward(values(1, 3, 3, 1), ops.make_geometry(Window(2, 2, 2, 2), (3, 3), (2, 2)))


def sums() -> Any:
    """Sums of a last layer ``[B, 10]``, from harmless to huge, with ties."""
    z = values(12, 10, seed=5)
    z[0] = 0
    z[1, 3:] = z[1, 2]
    return z


def test_the_losses_have_the_bits_of_the_plain_loops() -> None:
    z, t = sums(), np.eye(10, dtype=np.float32)[np.arange(12) % 10]
    soft, p = ops.categorical_crossentropy(z, t)
    binary, q = ops.binary_crossentropy(z, t)
    square = ops.mse(z, t)
    for n in range(12):
        expected, outputs = loops.categorical_crossentropy(z[n], t[n])
        assert loops.same_bits(soft[n], expected) and loops.same_bits(p[n], outputs)
        expected, outputs = loops.binary_crossentropy(z[n], t[n])
        assert loops.same_bits(binary[n], expected) and loops.same_bits(q[n], outputs)
        assert loops.same_bits(square[n], loops.mse(z[n], t[n]))


@pytest.mark.parametrize("loss", list(Loss))
def test_the_error_of_a_loss_follows_the_document_operation_by_operation(loss: Loss) -> None:
    p, t = ops.softmax(values(3, 7) / np.float32(100)), values(3, 7, seed=1)
    f = np.float32
    scale, inv_n = f(1) / f(3), f(1 / 7)
    factor = {
        Loss.MSE: f(2) * (scale * inv_n),
        Loss.BINARY_CROSSENTROPY: scale * inv_n,
        Loss.CATEGORICAL_CROSSENTROPY: scale,
    }[loss]
    assert loops.same_bits(ops.loss_gradient(p, t, loss, Activation.NONE), (p - t) * factor)


def test_the_gradient_of_softmax_is_the_product_with_its_jacobian() -> None:
    p, d = ops.softmax(values(3, 7) / np.float32(100)), values(3, 7, seed=1)
    e = ops.activation_gradient(d, p, Activation.SOFTMAX)
    jacobian = np.einsum("bi,ij->bij", p, np.eye(7)) - np.einsum("bi,bj->bij", p.astype(float), p.astype(float))
    assert np.allclose(e, np.einsum("bij,bj->bi", jacobian, d), rtol=1e-4, atol=1e-2)


@pytest.mark.parametrize("activation", [a for a in Activation if a is not Activation.SOFTMAX])
def test_an_activation_keeps_shape_and_type_and_its_gradient_is_the_derivative(activation: Activation) -> None:
    z = np.linspace(-7.3, 7.3, 200, dtype=np.float32).reshape(2, 5, 5, 4)
    y = ops.activation_forward(z, activation)
    d = ops.activation_gradient(np.ones_like(z), y, activation)
    step = np.float32(2.0**-7)
    up, down = (ops.activation_forward(z + s, activation).astype(float) for s in (step, -step))
    kink = (np.abs(z) < 2 * step) | (np.abs(z - 6) < 2 * step)
    assert y.dtype == d.dtype == np.float32 and y.shape == z.shape
    assert np.allclose(d[~kink], ((up - down) / (2 * step))[~kink], atol=2e-4)


def test_a_nan_passes_through_every_activation_so_that_the_loss_shows_it() -> None:
    nan = np.full(3, np.nan, np.float32)
    hidden = (Activation.RELU, Activation.RELU6, Activation.LEAKY_RELU, Activation.SIGMOID, Activation.TANH)
    for activation in hidden:
        assert np.isnan(ops.activation_forward(nan, activation)).all()


def test_the_compensated_sum_keeps_what_a_plain_float32_sum_loses() -> None:
    losses = np.full(100_000, 0.1, np.float32)
    total, plain = ops.CompensatedSum(), np.float32(0)
    for loss in losses:
        total.add(loss)
        plain = plain + loss
    exact = float(losses.astype(float).sum())
    assert total.sum.dtype == np.float32
    assert abs(float(total.sum) - exact) <= np.spacing(np.float32(exact))
    assert abs(float(plain) - exact) > 1.0
