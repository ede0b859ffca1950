# SPDX-License-Identifier: Apache-2.0
"""Training with the twin: gradients against float64, branches, frozen layers, divergence, real digits."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import twin_loops as loops
from twin_networks import Stack, random_batch

from trainbed.errors import DataError, NetworkError
from trainbed.network.layers import Network
from trainbed.network.training import Adam, Loss, Sgd
from trainbed.reference import Twin, initial_weights, shuffle

MSE, BINARY, CATEGORICAL = Loss.MSE, Loss.BINARY_CROSSENTROPY, Loss.CATEGORICAL_CROSSENTROPY
SMOOTH = "tanh"  # finite differences need derivatives without kinks


def mobile() -> Stack:
    """Depthwise separable block, pools, odd shapes."""
    stack = (
        Stack(9, 7, 2).conv(4, 3, SMOOTH, stride=2, padding="same").depthwise(3, SMOOTH, multiplier=2, padding="same")
    )
    return stack.conv(5, 1, SMOOTH).pool("avg", 2).flatten().dense(3, "softmax")


def residual() -> Stack:
    """A tensor with three consumers, one of them the addition, which has an activation itself."""
    stack = Stack(5, 5, 2).conv(3, 3, SMOOTH, padding="same", name="stem")
    stack.conv(3, 3, SMOOTH, padding="same", name="left", inputs=("stem",)).conv(
        3, 1, "none", name="right", inputs=("stem",)
    )
    stack.add("left", "right", "sigmoid", name="join").add("join", "stem", name="skip")
    return stack.global_avg_pool().dense(2, "softmax")


NETWORKS = {
    "mobile": (mobile(), CATEGORICAL),
    "residual": (residual(), CATEGORICAL),
    "residual mse": (residual(), MSE),
    "max pool": (Stack(6, 6, 1).conv(4, 3, "sigmoid").pool("max", 3, stride=1).dense(2, "sigmoid"), BINARY),
    "one output": (Stack(1, 1, 5).dense(4, "sigmoid").dense(1, "sigmoid"), BINARY),
    "softmax mse": (Stack(1, 1, 5).dense(4, "tanh").dense(3, "softmax"), MSE),
    "strided": (Stack(11, 8, 1).conv(3, (5, 3), "tanh", stride=(3, 2), padding="same").dense(2, "none"), MSE),
    "pool with activation": (Stack(6, 6, 2).conv(3, 3).pool("avg", 2, "tanh").global_avg_pool("sigmoid").dense(2), MSE),
}


def gradients(twin: Twin, x: Any, t: Any) -> list[tuple[Any, Any]]:
    """Gradients of the batch's mean loss, from the step of a plain descent with lr 2**-10; changes nothing."""
    before = [(w.copy(), b.copy()) for w, b in twin.weights]
    twin.train_batch(x, t)
    lr = float(np.float32(2.0**-10))
    after = twin.weights
    twin.set_weights(before)
    return [((w - u) / lr, (b - c) / lr) for (w, b), (u, c) in zip(before, after, strict=True)]


def mean_loss(twin: Twin, x: Any, t: Any) -> float:
    return float(twin.evaluate(x, t).losses.astype(float).mean())


# a maximum that changes its place bends the loss, so max pooling is left to the comparison with PyTorch
@pytest.mark.parametrize("name", [name for name in NETWORKS if name != "max pool"])
def test_the_gradients_are_the_slopes_of_the_loss(name: str) -> None:
    stack, loss = NETWORKS[name]
    network = stack.network()
    twin = Twin(network, loss=loss, optimizer=Sgd(lr=2.0**-10), seed=3)
    x, t = random_batch(network, 4)
    rng = np.random.default_rng(0)
    for layer, grads in enumerate(gradients(twin, x, t)):
        for which in (0, 1):
            direction = rng.choice([-1.0, 1.0], grads[which].shape).astype(np.float32)
            step = np.float32(2.0**-7)
            values = []
            for sign in (1, -1):
                weights = [[w.copy(), b.copy()] for w, b in twin.weights]
                original = [(w.copy(), b.copy()) for w, b in twin.weights]
                weights[layer][which] += np.float32(sign) * step * direction
                twin.set_weights([(w, b) for w, b in weights])
                values.append(mean_loss(twin, x, t))
                twin.set_weights(original)
            slope = (values[0] - values[1]) / (2 * float(step))
            # the difference is good to about (rounding of the loss) / step and step**2
            assert float((grads[which] * direction).sum()) == pytest.approx(slope, rel=3e-2, abs=6e-4)


def torch_forward(network: Network, weights: list[tuple[Any, Any]], x: Any, torch: Any) -> Any:
    """Outputs of the last layer's sum in float64 by PyTorch, an implementation that shares nothing with the twin."""
    functional = torch.nn.functional
    tensors = {"input": torch.tensor(x.astype(np.float64)).permute(0, 3, 1, 2)}
    parameters = iter(weights)
    for layer in network.layers:
        y = tensors[layer.inputs[0]]
        kind = layer.kind.value
        window = layer.window
        if window is not None and layer.has_weights:
            w, b = next(parameters)
            bottom = (layer.out_shape[0] - 1) * window.stride_h + window.kernel_h - layer.in_shape[0] - window.pad_top
            right = (layer.out_shape[1] - 1) * window.stride_w + window.kernel_w - layer.in_shape[1] - window.pad_left
            y = functional.pad(y, (window.pad_left, max(right, 0), window.pad_top, max(bottom, 0)))
            stride = (window.stride_h, window.stride_w)
            if kind == "conv2d":
                y = functional.conv2d(y, w.permute(0, 3, 1, 2), b, stride)
            else:
                y = functional.conv2d(y, w.permute(2, 0, 1)[:, None], b, stride, groups=layer.in_shape[2])
        elif kind == "dense":
            w, b = next(parameters)
            y = (y.permute(0, 2, 3, 1).flatten(1) @ w.T + b)[:, :, None, None]
        elif window is not None:
            pool = functional.max_pool2d if kind == "max_pool" else functional.avg_pool2d
            y = pool(y, (window.kernel_h, window.kernel_w), (window.stride_h, window.stride_w))
        elif kind == "global_avg_pool":
            y = y.mean((2, 3), keepdim=True)
        elif kind == "flatten":
            y = y.permute(0, 2, 3, 1).flatten(1)[:, :, None, None]
        else:
            y = y + tensors[layer.inputs[1]]
        if layer is not network.layers[-1]:
            act: dict[str, Any] = {"none": lambda v: v, "leaky_relu": lambda v: functional.leaky_relu(v, 0.2)}
            y = act.get(layer.activation.value, getattr(functional, layer.activation.value, torch.clone))(y)
        tensors[layer.name] = y
    return y.flatten(1)


def torch_losses(z: Any, t: Any, loss: Loss, activation: str, torch: Any) -> Any:
    """Loss of each sample in float64."""
    t = torch.tensor(t.astype(np.float64))
    if loss is CATEGORICAL:
        return -(t * torch.log_softmax(z, 1)).sum(1)
    if loss is BINARY:
        return torch.nn.functional.binary_cross_entropy_with_logits(z, t, reduction="none").mean(1)
    special: dict[str, Any] = {"softmax": lambda v: v.softmax(1), "none": lambda v: v}
    p = special.get(activation, getattr(torch, activation, torch.clone))(z)
    return ((p - t) ** 2).mean(1)


ACTIVATIONS = ["relu", "relu6", "leaky_relu", "sigmoid", "tanh", "none"]
KINDS: dict[str, Any] = {
    "conv": lambda a: Stack(7, 6, 2).conv(4, 3, a, stride=2, padding="same").conv(3, 3, a, padding="same"),
    "depthwise": lambda a: Stack(6, 7, 3).depthwise(3, a, stride=2, padding="same").depthwise((2, 3), a, multiplier=2),
    "pointwise": lambda a: Stack(4, 5, 3).conv(6, 1, a).conv(4, 1, a),
    "max_pool": lambda a: Stack(7, 7, 2).conv(3, 2, a).pool("max", 3, stride=2),
    "avg_pool": lambda a: Stack(7, 7, 2).conv(3, 2, a).pool("avg", 3, stride=2),
    "global_avg_pool": lambda a: Stack(5, 4, 2).conv(3, 2, a).global_avg_pool(),
    "dense": lambda a: Stack(3, 2, 2).dense(7, a).dense(6, a),
    "residual": lambda a: (
        Stack(5, 5, 2).conv(2, 3, a, padding="same", name="a").conv(2, 3, a, padding="same", name="b").add("a", "b", a)
    ),
}


def compare_with_torch(network: Network, loss: Loss, torch: Any) -> None:
    twin = Twin(network, loss=loss, optimizer=Sgd(lr=2.0**-10), seed=5)
    x, t = random_batch(network, 5, seed=1)
    weights = [tuple(torch.tensor(a.astype(np.float64), requires_grad=True) for a in pair) for pair in twin.weights]
    losses = torch_losses(
        torch_forward(network, weights, x, torch), t, loss, network.layers[-1].activation.value, torch
    )
    losses.mean().backward()
    assert np.allclose(twin.evaluate(x, t).losses, losses.detach().numpy(), rtol=2e-6, atol=1e-6)
    for found, expected in zip(gradients(twin, x, t), weights, strict=True):
        for a, b in zip(found, expected, strict=True):
            assert np.allclose(a, b.grad.numpy(), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("kind", list(KINDS))
def test_every_layer_and_activation_has_the_gradients_of_pytorch(kind: str, activation: str) -> None:
    torch = pytest.importorskip("torch", reason="PyTorch (dev extra) is not installed")
    compare_with_torch(KINDS[kind](activation).dense(3, "softmax").network(), CATEGORICAL, torch)


@pytest.mark.parametrize("name", list(NETWORKS))
def test_every_loss_has_the_gradients_of_pytorch(name: str) -> None:
    torch = pytest.importorskip("torch", reason="PyTorch (dev extra) is not installed")
    stack, loss = NETWORKS[name]
    compare_with_torch(stack.network(), loss, torch)


def reference_step(optimizer: Any, state: dict[str, Any], w: Any, g: Any) -> Any:
    """One step of the textbook formula in float64."""
    if isinstance(optimizer, Sgd):
        state["v"] = optimizer.momentum * state.get("v", 0.0) + g
        return w - optimizer.lr * state["v"]
    state["t"] = state.get("t", 0) + 1
    b1, b2 = optimizer.beta1, optimizer.beta2
    state["m"] = b1 * state.get("m", 0.0) + (1 - b1) * g
    state["v"] = b2 * state.get("v", 0.0) + (1 - b2) * g * g
    rate = optimizer.lr * np.sqrt(1 - b2 ** state["t"]) / (1 - b1 ** state["t"])
    return w - rate * state["m"] / (np.sqrt(state["v"]) + optimizer.eps)


@pytest.mark.parametrize(
    "optimizer", [Sgd(lr=0.05), Sgd(lr=0.02, momentum=0.9), Adam(lr=0.01), Adam(0.003, 0.8, 0.99, 1e-3)]
)
def test_twenty_steps_follow_the_textbook_formula(optimizer: Any) -> None:
    network = Stack(1, 1, 6).dense(3).network()
    twin = Twin(network, loss=MSE, optimizer=optimizer, seed=1)
    x, t = random_batch(network, 8)
    xs = x.reshape(8, 6).astype(float)
    w, b = (a.astype(float) for a in twin.weights[0])
    states: tuple[dict[str, Any], dict[str, Any]] = ({}, {})
    for _ in range(20):
        e = 2 * (xs @ w.T + b - t) / 24
        w, b = reference_step(optimizer, states[0], w, e.T @ xs), reference_step(optimizer, states[1], b, e.sum(0))
        twin.train_batch(x, t)
    assert np.allclose(twin.weights[0][0], w, rtol=1e-5, atol=2e-6)
    assert np.allclose(twin.weights[0][1], b, rtol=1e-5, atol=2e-6)


@pytest.mark.parametrize("optimizer", [Sgd(lr=0.05), Sgd(lr=0.02, momentum=0.9), Adam(lr=0.01)])
def test_three_steps_of_a_perceptron_have_the_bits_of_the_plain_loops(optimizer: Any) -> None:
    f = np.float32
    network = Stack(1, 1, 5).dense(4, "relu").dense(3, "softmax").network()
    twin = Twin(network, loss=CATEGORICAL, optimizer=optimizer, seed=2)
    x, t = random_batch(network, 3)
    w = [a.copy() for pair in twin.weights for a in pair]
    states = [[np.zeros_like(a), np.zeros_like(a)] for a in w]
    power1 = power2 = f(1)
    for _ in range(3):
        grads = [np.zeros_like(a) for a in w]
        for n in range(3):
            xs = x[n].reshape(-1)
            z = loops.dense_forward(xs, w[0], w[1])
            h = np.array([v if v > 0 else f(0) for v in z], f)
            _, p = loops.categorical_crossentropy(loops.dense_forward(h, w[2], w[3]), t[n])
            e = (p - t[n]) * (f(1) / f(3))
            d = loops.dense_backward_input(w[2], e)
            d = np.array([a if b > 0 else f(0) for a, b in zip(d, h, strict=True)], f)
            for g, sample in zip(grads, (np.outer(d, xs), d, np.outer(e, h), e), strict=True):
                g += sample
        twin.train_batch(x, t)
        if isinstance(optimizer, Adam):
            b1, b2 = f(optimizer.beta1), f(optimizer.beta2)
            power1, power2 = power1 * b1, power2 * b2
            rate = (f(optimizer.lr) * np.sqrt(f(1) - power2)) / (f(1) - power1)
            for a, g, (m, v) in zip(w, grads, states, strict=True):
                m[...] = b1 * m + (f(1) - b1) * g
                v[...] = b2 * v + (f(1) - b2) * (g * g)
                a[...] = a - (rate * m) / (np.sqrt(v) + f(optimizer.eps))
        else:
            for a, g, (v, _) in zip(w, grads, states, strict=True):
                v[...] = f(optimizer.momentum) * v + g
                a[...] = a - f(optimizer.lr) * v
        for mine, theirs in zip(w, [a for pair in twin.weights for a in pair], strict=True):
            assert loops.same_bits(mine, theirs)


def test_contributions_of_several_consumers_are_added_from_the_last_to_the_first() -> None:
    f = np.float32
    stack = Stack(1, 1, 1).dense(1, name="a").dense(1, name="b", inputs=("a",)).dense(1, name="c", inputs=("a",))
    stack.dense(1, name="d", inputs=("a",)).add("b", "c", name="bc").add("bc", "d", name="sum")
    network = stack.network()
    twin = Twin(network, loss=MSE, optimizer=Sgd(lr=1.0), seed=1)
    one, zero, half = np.ones((1, 1), f), np.zeros(1, f), np.full(1, 0.5, f)
    big = np.full((1, 1), 2.0**24, f)
    x, t = np.ones((1, 1, 1, 1), f), np.zeros((1, 1), f)

    def gradient_of_a(b: Any, c: Any, d: Any) -> Any:
        # "a" gives 0, so the output is the half that "d" adds, and the error 2 * 0.5
        twin.set_weights([(one * f(0), zero), (b, zero), (c, zero), (d, half)])
        twin.train_batch(x, t)
        return -twin.weights[0][0][0, 0]

    # d first, then c, then b: (1 + 2**24) - 2**24 loses the 1, (2**24 - 2**24) + 1 keeps it
    assert gradient_of_a(-big, big, one) == 0
    assert gradient_of_a(one, -big, big) == 1


def test_samples_of_a_batch_are_added_in_the_order_given() -> None:
    network = Stack(1, 1, 1).dense(1).network()
    x = np.array([1.0, 2.0**24, -(2.0**24)], np.float32).reshape(3, 1, 1, 1)
    t = np.full((3, 1), -1.5, np.float32)
    results = []
    for order in ([0, 1, 2], [1, 2, 0]):
        twin = Twin(network, loss=MSE, optimizer=Sgd(lr=1.0), seed=1)
        twin.set_weights([(np.zeros((1, 1), np.float32), np.zeros(1, np.float32))])
        twin.train_batch(x[order], t[order])
        results.append(float(twin.weights[0][0][0, 0]))
    assert results[0] != results[1]


def test_a_frozen_layer_keeps_its_weights_and_lets_the_gradient_through() -> None:
    stack = (
        Stack(6, 6, 1)
        .conv(3, 3, "tanh", name="first")
        .conv(4, 3, "tanh", name="middle")
        .dense(2, "softmax", name="head")
    )
    free, held = stack.network(), stack.network(frozen=("middle",))
    x, t = random_batch(free, 4)
    a, b = (Twin(n, loss=CATEGORICAL, optimizer=Adam(0.01), seed=1) for n in (free, held))
    start = initial_weights(free, 1)
    a.train_batch(x, t)
    b.train_batch(x, t)
    assert loops.same_bits(b.weights[1][0], start[1][0])
    assert not loops.same_bits(a.weights[1][0], start[1][0])
    assert loops.same_bits(a.weights[0][0], b.weights[0][0]) and loops.same_bits(a.weights[2][0], b.weights[2][0])


def test_the_backward_pass_stops_where_nothing_before_is_trained(monkeypatch: pytest.MonkeyPatch) -> None:
    stack = (
        Stack(6, 6, 1)
        .conv(3, 3, "tanh", name="first")
        .conv(4, 3, "tanh", name="middle")
        .dense(2, "softmax", name="head")
    )
    x, t = random_batch(stack.network(), 4)
    asked = []
    for frozen in ((), ("first",), ("first", "middle"), ("first", "middle", "head")):
        twin = Twin(stack.network(frozen=frozen), loss=CATEGORICAL, optimizer=Sgd(0.1), seed=1)
        calls: list[str] = []
        asked.append(calls)
        for name, operator in twin._operators.items():
            original = operator.backward_input

            def spy(*args: Any, _calls: Any = calls, _name: str = name, _original: Any = original) -> Any:
                _calls.append(_name)
                return _original(*args)

            monkeypatch.setattr(operator, "backward_input", spy)
        assert np.isfinite(twin.train_batch(x, t).losses).all()
    assert asked == [["head", "middle"], ["head"], [], []]


def test_a_loss_that_is_not_finite_is_reported_and_nothing_is_changed() -> None:
    network = Stack(1, 1, 3).dense(2, "relu").dense(2).network()
    twin = Twin(network, loss=MSE, optimizer=Adam(0.1), seed=1)
    x, t = random_batch(network, 6)
    twin.train_batch(x, t)
    before = [(w.copy(), b.copy()) for w, b in twin.weights]
    t[3, 0], t[5, 1] = 1e30, np.nan
    result = twin.train_batch(x, t)
    assert result.diverged_at == 3
    assert np.isfinite(result.losses[:3]).all() and not np.isfinite(result.losses[3])
    for old, new in zip(before, twin.weights, strict=True):
        assert loops.same_bits(old[0], new[0]) and loops.same_bits(old[1], new[1])


def test_evaluation_and_prediction_change_nothing_and_do_not_depend_on_the_batch() -> None:
    network = mobile().network()
    twin = Twin(network, loss=CATEGORICAL, optimizer=Adam(), seed=1)
    x, t = random_batch(network, 70)
    whole = twin.evaluate(x, t)
    single = [twin.evaluate(x[n : n + 1], t[n : n + 1]) for n in range(70)]
    assert loops.same_bits(whole.losses, np.concatenate([r.losses for r in single]))
    assert loops.same_bits(whole.outputs, np.concatenate([r.outputs for r in single]))
    assert loops.same_bits(whole.outputs, twin.predict(x))
    assert loops.same_bits(twin.train_batch(x, t).outputs, whole.outputs)


def test_given_weights_are_copied_and_minus_zero_becomes_plus_zero() -> None:
    network = Stack(1, 1, 2).dense(2).network()
    twin = Twin(network, loss=MSE, optimizer=Sgd(0.1), seed=1)
    w, b = np.array([[-0.0, 1.0], [2.0, -0.0]], np.float32), np.array([-0.0, 1.0], np.float32)
    twin.set_weights([(w, b)])
    assert not np.signbit(twin.weights[0][0]).any() and not np.signbit(twin.weights[0][1]).any()
    twin.train_batch(*random_batch(network, 2))
    assert np.signbit(w[0, 0]) and w[0, 1] == 1.0


@pytest.mark.parametrize(
    "pair",
    [
        (np.zeros((2, 3), np.float32), np.zeros(2, np.float32)),
        (np.zeros((2, 2)), np.zeros(2, np.float32)),
        (np.zeros((2, 2), np.float32), np.zeros((2, 1), np.float32)),
    ],
    ids=["shape", "type", "bias shape"],
)
def test_weights_that_do_not_match_are_refused_by_name(pair: Any) -> None:
    twin = Twin(Stack(1, 1, 2).dense(2, name="head").network(), loss=MSE, optimizer=Sgd(0.1), seed=1)
    with pytest.raises(DataError, match="head"):
        twin.set_weights([pair])
    with pytest.raises(DataError, match="2 pairs"):
        twin.set_weights([pair, pair])


def test_samples_and_targets_of_the_wrong_shape_or_type_are_refused() -> None:
    network = Stack(2, 2, 1).dense(2).network()
    twin = Twin(network, loss=MSE, optimizer=Sgd(0.1), seed=1)
    x, t = random_batch(network, 2)
    for bad_x, bad_t in ((x.astype(float), t), (x[:, :1], t), (x, t[:, :1]), (x, t[:1]), (x[:0], t[:0])):
        with pytest.raises(DataError):
            twin.train_batch(bad_x, bad_t)


def test_a_cross_entropy_needs_its_activation_at_the_last_layer() -> None:
    with pytest.raises(NetworkError, match="softmax"):
        Twin(Stack(1, 1, 2).dense(2).network(), loss=CATEGORICAL, optimizer=Sgd(0.1), seed=1)
    with pytest.raises(NetworkError, match="only the last"):
        Twin(Stack(1, 1, 2).dense(2, "softmax").dense(1).network(), loss=MSE, optimizer=Sgd(0.1), seed=1)


def digits(seed: int) -> tuple[Any, Any, Any, Any]:
    """scikit-learn's digits scaled to 0..1, a stratified fifth held back for the test."""
    datasets = pytest.importorskip("sklearn.datasets", reason="scikit-learn (dev extra) is not installed")
    split = pytest.importorskip("sklearn.model_selection").train_test_split
    x, y = datasets.load_digits(return_X_y=True)
    x = (x / 16).astype(np.float32)
    parts: tuple[Any, Any, Any, Any] = tuple(split(x, y, test_size=0.2, stratify=y, random_state=seed))
    return parts


def train_on_digits(network: Network, seed: int, *, epochs: int, batch: int, lr: float) -> float:
    """Test accuracy after training."""
    x, x_test, y, y_test = digits(seed)
    x, x_test = (a.reshape(-1, *network.input_shape) for a in (x, x_test))
    t = np.eye(10, dtype=np.float32)
    twin = Twin(network, loss=CATEGORICAL, optimizer=Adam(lr=lr), seed=seed)
    for epoch in range(epochs):
        order = shuffle(seed, epoch, len(x))
        for first in range(0, len(x), batch):
            part = order[first : first + batch]
            assert twin.train_batch(x[part], t[y[part]]).diverged_at is None
    return float((twin.predict(x_test).argmax(axis=1) == y_test).mean())


def test_a_perceptron_learns_the_digits() -> None:
    network = Stack(1, 1, 64).dense(32, "relu").dense(10, "softmax").network()
    assert train_on_digits(network, 1, epochs=20, batch=16, lr=0.005) >= 0.95


@pytest.mark.slow
def test_a_perceptron_reaches_its_accuracy_on_the_digits_with_every_seed() -> None:
    network = Stack(1, 1, 64).dense(32, "relu").dense(10, "softmax").network()
    accuracy = [train_on_digits(network, seed, epochs=40, batch=16, lr=0.003) for seed in range(1, 6)]
    assert np.mean(accuracy) >= 0.96
    assert min(accuracy) >= 0.95


@pytest.mark.slow
def test_a_small_convolutional_network_reaches_its_accuracy_on_the_digits() -> None:
    stack = Stack(8, 8, 1).conv(8, 3, "relu", padding="same").conv(16, 3, "relu", stride=2, padding="same")
    network = stack.flatten().dense(10, "softmax").network()
    accuracy = [train_on_digits(network, seed, epochs=15, batch=16, lr=0.003) for seed in range(1, 6)]
    assert np.mean(accuracy) >= 0.975
