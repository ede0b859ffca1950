# SPDX-License-Identifier: Apache-2.0
"""Inverted residuals and the image networks made of them: layers, published figures, refusals."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from trainbed.errors import ScenarioError
from trainbed.network.image_networks import divisible
from trainbed.network.layers import Activation, Kind, Network
from trainbed.scenario import load_scenario
from trainbed.scenario.network import Resolved, resolve

Write = Callable[..., Path]
LAYERS = """\
  input: [8, 8, 3]
  layers:
    - depthwise_conv2d: {kernel: 3, padding: same, activation: relu}
    - flatten
    - dense: {units: 1, activation: sigmoid}
"""
PRETRAIN = """\
pretrain:
  data: {generate: lines, train: 12, test: 6}
  loss: mse
  optimizer: adam
  epochs: 1
  batch_size: 4
expect: {}
"""


def _layers(scenario_file: Write, text: str) -> Network:
    return resolve(load_scenario(scenario_file(("    - flatten\n", text)))).network


def _image_network(scenario_file: Write, text: str, *, trained: bool = False) -> Resolved:
    replaced = [(LAYERS, f"  {text}\n"), ("loss: mse", "loss: categorical_crossentropy")]
    if trained:
        replaced.append(("expect: {}\n", PRETRAIN.replace("mse", "categorical_crossentropy")))
    return resolve(load_scenario(scenario_file(*replaced)))


def test_an_inverted_residual_becomes_the_published_layers(scenario_file: Write) -> None:
    network = _layers(scenario_file, "    - inverted_residual: {filters: 3, expand: 2, kernel: 5, name: a}\n")
    parts = network.layers[1:5]
    assert [layer.name for layer in parts] == ["a_expand", "a_depthwise", "a_project", "a_add"]
    assert [layer.kind for layer in parts] == [Kind.CONV2D, Kind.DEPTHWISE_CONV2D, Kind.CONV2D, Kind.ADD]
    assert [layer.activation for layer in parts] == [Activation.RELU6] * 2 + [Activation.NONE] * 2
    assert [layer.out_shape for layer in parts] == [(8, 8, 6), (8, 8, 6), (8, 8, 3), (8, 8, 3)]
    assert parts[3].inputs == ("depthwise_conv2d_1", "a_project")
    assert network.layers[5].inputs == ("a_add",)


@pytest.mark.parametrize(
    ("keys", "names"),
    [
        ("filters: 3, expand: 1", ["_depthwise", "_project", "_add"]),
        ("filters: 4", ["_expand", "_depthwise", "_project"]),
        ("filters: 3, stride: 2", ["_expand", "_depthwise", "_project"]),
        ("filters: 3, stride: [1, 2]", ["_expand", "_depthwise", "_project"]),
    ],
)
def test_a_block_has_only_the_layers_it_needs(scenario_file: Write, keys: str, names: list[str]) -> None:
    network = _layers(scenario_file, f"    - inverted_residual: {{{keys}}}\n")
    assert [layer.name for layer in network.layers[1:-1]] == [f"inverted_residual_1{name}" for name in names]


def test_a_block_is_read_by_its_own_name(scenario_file: Write) -> None:
    text = """\
    - inverted_residual: {filters: 3, name: one}
    - inverted_residual: {filters: 3, expand: 1, trainable: false, name: two}
    - add: [one, two]
"""
    network = _layers(scenario_file, text)
    by_name = {layer.name: layer for layer in network.layers}
    assert by_name["add_1"].inputs == ("one_add", "two_add")
    assert not by_name["two_project"].trainable and by_name["one_project"].trainable


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("- inverted_residual: {filters: 8, expnd: 2}", 8, "did you mean 'expand'?"),
        ("- inverted_residual", 8, "'filters' is missing"),
        ("- inverted_residual: {filters: 8, input: dense_1}", 8, "layers read earlier ones only"),
        (
            "- {conv2d: {filters: 1, kernel: 1, name: a_project}}\n    - inverted_residual: {filters: 8, name: a}",
            9,
            "taken",
        ),
    ],
)
def test_a_wrong_block_is_refused_at_its_line(scenario_file: Write, text: str, line: int, message: str) -> None:
    with pytest.raises(ScenarioError) as caught:
        _layers(scenario_file, f"    {text}\n")
    assert (caught.value.line, message in str(caught.value)) == (line, True), str(caught.value)


@pytest.mark.parametrize(
    ("text", "parameters", "million_macs"),
    [
        # Keras's MobileNetV2 has 3 504 872 trainable parameters; the paper (table 4) says 3.4 M and 300 M.
        ("mobilenet_v2: {input: [224, 224, 3], classes: 1000, batch_norm: true}", 3_504_872, 300.8),
        # tensorflow/models, slim/nets/mobilenet, README: mobilenet_v2_0.35_128, 1.66 M parameters and 20 M MACs.
        ("mobilenet_v2: {input: [128, 128, 3], width: 0.35, classes: 1000, batch_norm: true}", 1_677_128, 20.2),
        # ProxylessNAS's repository: proxyless_mobile, 4.1 M parameters and 320 M MACs.
        ("proxylessnas: {input: [224, 224, 3], classes: 1000}", 4_063_264, 320.4),
    ],
)
def test_image_networks_have_their_published_size(
    scenario_file: Write, text: str, parameters: int, million_macs: float
) -> None:
    resolved = _image_network(scenario_file, text, trained="batch_norm" in text)
    network = resolved.network
    scales = sum(layer.out_shape[2] for layer in network.layers if layer.name in resolved.normalised)
    # Published networks have gamma and beta where the folded one has a bias.
    assert network.n_parameters + scales == parameters
    assert network.macs_forward / 1e6 == pytest.approx(million_macs, abs=0.05)


def test_mobilenet_v2_at_a_third_width_has_the_published_shapes(scenario_file: Write) -> None:
    network = _image_network(scenario_file, "mobilenet_v2: {input: [128, 128, 3], width: 0.35, classes: 2}").network
    shapes = {layer.name: layer.out_shape for layer in network.layers}
    assert shapes["stem"] == (64, 64, 16)
    blocks = [shapes[f"block_{n}_project"] for n in range(1, 18)]
    sides = [64, 32, 32, 16, 16, 16, 8, 8, 8, 8, 8, 8, 8, 4, 4, 4, 4]
    channels = [8, 8, 8, 16, 16, 16, 24, 24, 24, 24, 32, 32, 32, 56, 56, 56, 112]
    assert blocks == [(side, side, n) for side, n in zip(sides, channels, strict=True)]
    assert shapes["block_2_expand"] == (64, 64, 48)  # 229 376 bytes together with its input of 8 channels, in int8
    assert (shapes["last"], shapes["classifier"]) == ((4, 4, 1280), (1, 1, 2))
    assert sum(name.endswith("_add") for name in shapes) == 10


def test_channels_are_rounded_as_published() -> None:
    assert [divisible(n) for n in (1, 11.2, 12, 5.6, 33.6, 56, 22.4, 91)] == [8, 16, 16, 8, 32, 56, 24, 88]


def test_blocks_of_ones_own_make_a_network(scenario_file: Write) -> None:
    text = "inverted_residuals: {input: [32, 32, 1], classes: 3, stem: 8, blocks: [[1, 8, 1, 1], [3, 16, 2, 2, 7]]}"
    network = _image_network(scenario_file, text).network
    windows = [layer.window for layer in network.layers if layer.kind is Kind.DEPTHWISE_CONV2D]
    assert [(window.kernel_h, window.stride_h) for window in windows if window] == [(3, 1), (7, 2), (7, 1)]
    assert "last" not in [layer.name for layer in network.layers]


def test_only_the_last_layers_may_be_trained(scenario_file: Write) -> None:
    text = "mobilenet_v2: {input: [32, 32, 3], width: 0.35, classes: 2}\n  trainable_last: 2"
    network = _image_network(scenario_file, text).network
    assert [layer.name for layer in network.parametric if layer.trainable] == ["last", "classifier"]


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("mobilenet_v2: {input: [32, 32, 3], clases: 2}", 5, "did you mean 'classes'?"),
        ("mobilenet_v2: {input: [32, 32, 3]}", 5, "'classes' is missing"),
        ("mobilenet_v2: {input: [32, 32, 3], classes: 2, width: 0}", 5, "must be larger than 0"),
        ("mobilnet_v2: {input: [32, 32, 3], classes: 2}", 5, "did you mean 'mobilenet_v2'?"),
        ("inverted_residuals: {input: [32, 32, 3], classes: 2}", 5, "'blocks' is missing"),
        (
            "inverted_residuals: {input: [8, 8, 3], classes: 2, blocks: [[1, 2]]}",
            5,
            "[expand, filters, repeats, stride]",
        ),
        ("mobilenet_v2: {input: [32, 32, 3], classes: 2}\n  input: [3]", 4, "'mobilenet_v2' is a whole network"),
        ("mobilenet_v2: {input: [32, 32, 3], classes: 2}\n  trainable_last: 99", 4, "trainable_last is 99"),
        ("mobilenet_v2: {input: [32, 32, 3], classes: 2, batch_norm: true}", 4, "add 'pretrain'"),
    ],
)
def test_a_wrong_image_network_is_refused_at_its_line(scenario_file: Write, text: str, line: int, message: str) -> None:
    with pytest.raises(ScenarioError) as caught:
        _image_network(scenario_file, text)
    assert message in str(caught.value)
    assert caught.value.line == line


def test_batch_norm_becomes_a_part_of_the_layer_before(scenario_file: Write) -> None:
    text = "    - conv2d: {filters: 4, kernel: 3}\n    - batch_norm: {activation: relu6}\n    - flatten\n"
    resolved = resolve(load_scenario(scenario_file(("    - flatten\n", text), ("expect: {}\n", PRETRAIN))))
    layers = resolved.network.layers
    assert [layer.name for layer in layers] == ["depthwise_conv2d_1", "conv2d_1", "flatten_1", "dense_1"]
    assert layers[1].activation is Activation.RELU6
    assert resolved.normalised == {"conv2d_1"}


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("- batch_norm", 8, "batch_norm comes before the activation: give relu to 'batch_norm_1'"),
        ("- max_pool\n    - batch_norm", 9, "batch_norm follows a dense, conv2d or depthwise_conv2d layer"),
        ("- batch_norm: {trainable: false}", 8, "unknown key 'trainable'"),
        ("- conv2d: {filters: 3, kernel: 1}\n    - batch_norm\n    - add: [conv2d_1, batch_norm_1]", 9, "let it read"),
    ],
)
def test_batch_norm_in_the_wrong_place_is_refused(scenario_file: Write, text: str, line: int, message: str) -> None:
    path = scenario_file(("    - flatten\n", f"    {text}\n    - flatten\n"), ("expect: {}\n", PRETRAIN))
    with pytest.raises(ScenarioError) as caught:
        resolve(load_scenario(path))
    assert message in str(caught.value)
    assert caught.value.line == line
