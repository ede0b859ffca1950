# SPDX-License-Identifier: Apache-2.0
"""Schema 1: what is accepted, what it means, and what is said at which line when it is not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from trainbed.assets import asset_path
from trainbed.errors import DataError, NetworkError, ScenarioError
from trainbed.network.layers import Activation, Initializer, Kind
from trainbed.network.training import Adam, Loss, Sgd
from trainbed.scenario import load_scenario, with_line
from trainbed.scenario.schema import NpzData, SklearnData, UlpBound

Write = Callable[..., Path]
FLATTEN = "    - flatten\n"


@pytest.mark.parametrize("path", sorted(asset_path("scenarios").glob("*.yaml")), ids=lambda path: path.stem)
def test_every_shipped_scenario_is_valid(path: Path) -> None:
    assert load_scenario(path).training.epochs >= 0


def test_a_scenario_becomes_plain_values(scenario_file: Write) -> None:
    scenario = load_scenario(scenario_file())
    assert scenario.network.input_shape == (8, 8, 3)
    first, second, third = scenario.network.layers
    assert (first.name, first.kind, first.inputs, first.line) == (
        "depthwise_conv2d_1",
        Kind.DEPTHWISE_CONV2D,
        ("input",),
        7,
    )
    assert (first.kernel, first.stride, first.padding, first.multiplier) == ((3, 3), (1, 1), "same", 1)
    assert (second.kind, second.inputs, second.activation) == (Kind.FLATTEN, ("depthwise_conv2d_1",), Activation.NONE)
    assert (third.name, third.units, third.activation, third.initializer) == ("dense_1", 1, Activation.SIGMOID, None)
    assert scenario.training.optimizer == Adam(lr=0.01)
    assert scenario.training.loss is Loss.MSE
    assert (scenario.training.shuffle, scenario.training.seed, scenario.backend) == (True, 1, "auto")
    assert scenario.base_dir == scenario.file.parent if scenario.file else False


def test_an_optimizer_may_be_a_bare_word(scenario_file: Write) -> None:
    assert load_scenario(scenario_file(("{adam: {lr: 0.01}}", "adam"))).training.optimizer == Adam()
    sgd = load_scenario(scenario_file(("{adam: {lr: 0.01}}", "{sgd: {lr: 1, momentum: 0.9}}")))
    assert sgd.training.optimizer == Sgd(lr=1.0, momentum=0.9)


def test_layers_take_pairs_names_inputs_and_initializers(scenario_file: Write) -> None:
    layers = """\
    - conv2d: {filters: 4, kernel: [3, 1], stride: [2, 1], initializer: zeros, trainable: false, name: stem}
    - conv2d: {filters: 4, kernel: 1}
    - add: [stem, conv2d_1]
    - add: {input: [add_1, stem], activation: relu6}
    - max_pool: {size: 2, input: add_1}
    - global_avg_pool
"""
    scenario = load_scenario(scenario_file((FLATTEN, layers)))
    stem, conv, first, second, pool, mean = scenario.network.layers[1:7]
    assert (stem.name, stem.kernel, stem.stride, stem.trainable) == ("stem", (3, 1), (2, 1), False)
    assert stem.initializer is Initializer.ZEROS
    assert conv.inputs == ("stem",)
    assert first.inputs == ("stem", "conv2d_1")
    assert (second.inputs, second.activation) == (("add_1", "stem"), Activation.RELU6)
    assert (pool.inputs, pool.kernel, pool.stride) == (("add_1",), (2, 2), (2, 2))
    assert mean.inputs == (pool.name,)


def test_an_input_may_be_a_vector_or_a_series(scenario_file: Write) -> None:
    assert load_scenario(scenario_file(("[8, 8, 3]", "[7]"))).network.input_shape == (1, 1, 7)
    assert load_scenario(scenario_file(("[8, 8, 3]", "[49, 10]"))).network.input_shape == (1, 49, 10)


def test_data_sources_have_keys_of_their_own(scenario_file: Write) -> None:
    source = "{generate: lines, train: 12, test: 6}"
    sklearn = load_scenario(scenario_file((source, "{sklearn: iris, test_fraction: 0.3}"))).data
    assert isinstance(sklearn, SklearnData)
    assert sklearn.test_fraction == 0.3
    npz = load_scenario(scenario_file((source, "{npz: a/b.npz, train: 7, scale: 1e-2}"))).data
    assert isinstance(npz, NpzData)
    assert (npz.npz, npz.train, npz.scale, npz.offset) == ("a/b.npz", 7, 0.01, None)


def test_a_contract_may_be_empty_or_full(scenario_file: Write) -> None:
    assert load_scenario(scenario_file(("expect: {}", "expect:"))).expect.final_loss is None
    text = "expect: {matches_reference: {ulp: 3}, final_loss: {max: 0.1}, test_accuracy: {min: 0.5, max: 1}}"
    expect = load_scenario(scenario_file(("expect: {}", text))).expect
    assert expect.matches_reference == UlpBound(ulp=3)
    assert expect.final_loss is not None
    assert expect.final_loss.max == 0.1


@pytest.mark.parametrize(
    ("old", "new", "line", "message"),
    [
        ("epochs: 5", "epoch: 5", 13, "unknown key 'epoch' in training; did you mean 'epochs'?"),
        ("  batch_size: 8\n", "", 10, "'batch_size' is missing in training"),
        ("epochs: 5", "epochs: 5.0", 13, "training.epochs: expected a whole number, found 5.0"),
        ("epochs: 5", "epochs: '5'", 13, "expected a whole number, found the text '5'"),
        ("epochs: 5", "epochs: true", 13, "expected a whole number, found true"),
        ("epochs: 5", "epochs: -1", 13, "training.epochs: must be at least 0, found -1"),
        (
            "epochs: 5",
            "epochs: 5\n  shuffle: yes",
            14,
            "training.shuffle: expected true or false, found the text 'yes'",
        ),
        ("lr: 0.01", "lr: 0", 12, "training.optimizer.adam.lr: must be larger than 0, found 0"),
        ("lr: 0.01", "lr: .nan", 12, "training.optimizer.adam.lr"),
        ("lr: 0.01", "lr: 1e999", 12, "training.optimizer.adam.lr"),
        ("lr: 0.01", "lr: 0.01, beta1: 1", 12, "must be smaller than 1, found 1"),
        ("{adam: {lr: 0.01}}", "adm", 12, "unknown optimizer 'adm' in training.optimizer; did you mean 'adam'?"),
        ("{adam: {lr: 0.01}}", "{adam: {}, sgd: {lr: 1}}", 12, "expected one optimizer (sgd, adam), found adam, sgd"),
        ("{adam: {lr: 0.01}}", "sgd", 12, "'lr' is missing in training.optimizer.sgd"),
        ("loss: mse", "loss: mze", 11, "training.loss: 'mze' is not known; did you mean 'mse'?"),
        ("loss: mse", "loss: categorical_crossentropy", 11, "needs softmax at the last layer, 'dense_1' has sigmoid"),
        ("- flatten", "- flaten", 8, "unknown layer 'flaten' in network.layers.1; did you mean 'flatten'?"),
        ("- flatten", "- 5", 8, "network.layers.1: expected a layer"),
        ("- flatten", "- {flatten: , dense: {units: 1}}", 8, "expected one layer"),
        ("- flatten", "- flatten: {units: 3}", 8, "unknown key 'units' in network.layers.1.flatten"),
        ("- flatten", "- add: [input]", 8, "expected a list of 2"),
        ("- flatten", "- add: [input, dens_1]", 8, "no layer before it has that name"),
        ("- flatten", "- flatten: {input: dense_1}", 8, "layers read earlier ones only"),
        ("- flatten", "- flatten: {input: depthwise_conv2d_2}", 8, "did you mean 'depthwise_conv2d_1'?"),
        ("- flatten", "- flatten: {name: input}", 8, "the name 'input' is taken"),
        ("- flatten", "- flatten: {name: a b}", 8, "expected a word of letters, digits and _"),
        ("- flatten", "- flatten: {activation: softmax}", 8, "softmax is for the last layer only"),
        ("kernel: 3", "kernel: [3]", 7, "kernel: expected a whole number or [h, w], found a list of 1"),
        ("kernel: 3", "kernel: 0", 7, "must be at least 1, found 0"),
        ("kernel: 3, ", "", 7, "'kernel' is missing in network.layers.0.depthwise_conv2d"),
        ("padding: same", "padding: sam", 7, "padding: 'sam' is not known; did you mean 'same'?"),
        ("units: 1", "units: 1, activation: relu", 9, "'activation' stands twice"),
        ("[8, 8, 3]", "[8, 8, 3, 1]", 5, "network.input: expected [features], [time, channels] or"),
        ("generate: lines", "generate: line", 15, "data.generate: 'line' is not known; did you mean 'lines'?"),
        ("generate: lines", "generate: sensor, size: 8", 15, "'size' and 'channels' are for lines"),
        ("generate: lines", "npz: a.npz, generate: lines", 15, "unknown key 'npz' in data"),
        ("{generate: lines, train: 12, test: 6}", "7", 15, "data: expected a mapping"),
        ("expect: {}", "expect: {final_loss: 3}", 16, "expected a mapping with the keys min, max, found 3"),
        ("expect: {}", "expect: {final_loss: {}}", 16, "expected {min: x} or {max: x}"),
        ("expect: {}", "expect: {final_loss: {min: 2, max: 1}}", 16, "nothing can pass"),
        ("expect: {}", "expect: {matches_reference: exactly}", 16, "expected exact or {ulp: n}"),
        ("board: arduino_nano_33_ble", "board: arduino_nano_33_bel", 3, "did you mean 'arduino_nano_33_ble'?"),
        ("board: arduino_nano_33_ble", "board: [native]", 3, "board: expected a text, found a list of 1"),
        ("schema: 1", "schema: 2", 1, "schema 2 is not known; this version reads schema 1"),
        ("schema: 1\n", "", 1, "'schema' is missing"),
        ("expect: {}", "expect: {}\nbackend: qemuu", 17, "backend: 'qemuu' is not known; did you mean 'qemu'?"),
    ],
)
def test_a_mistake_is_refused_at_its_line(scenario_file: Write, old: str, new: str, line: int, message: str) -> None:
    path = scenario_file((old, new))
    with pytest.raises(ScenarioError) as caught:
        load_scenario(path)
    assert message in str(caught.value)
    assert caught.value.line == line
    assert str(caught.value).startswith(f"{path}:{line}: ")


@pytest.mark.parametrize(
    ("old", "new", "line", "message"),
    [
        (
            "loss: mse",
            "precision: uint8\n  fused: true\n  loss: mse",
            12,
            "fused multiply-add belongs to precision float32",
        ),
        ("expect: {}", "update: {budget_bytes: 4000}", 16, "a part of the network is trained in uint8 and int8_qas"),
        ("expect: {}", "quantisation: {rounding: stochastic}", 16, "there is nothing to quantise in float32"),
    ],
)
def test_what_does_not_belong_together_is_refused_not_ignored(
    scenario_file: Write, old: str, new: str, line: int, message: str
) -> None:
    with pytest.raises(ScenarioError) as caught:
        load_scenario(scenario_file((old, new)))
    assert message in str(caught.value)
    assert caught.value.line == line


def test_what_this_version_does_by_default_may_be_written_out(scenario_file: Write) -> None:
    written = ("loss: mse", "precision: float32\n  fused: false\n  head: same\n  loss: mse")
    assert load_scenario(scenario_file(written, ("expect: {}", "update: all"))).training.loss is Loss.MSE


def test_all_mistakes_are_told_at_once_in_order_of_their_lines(scenario_file: Write) -> None:
    path = scenario_file(("kernel: 3", "kernel: x"), ("epochs: 5", "epochs: -1"), ("generate: lines", "generate: 7"))
    with pytest.raises(ScenarioError) as caught:
        load_scenario(path)
    assert [line.split(": ")[0] for line in str(caught.value).splitlines()] == [f"{path}:{n}" for n in (7, 13, 15)]


@pytest.mark.parametrize("raw", ["- a\n", "word\n", "5\n"])
def test_a_document_that_is_no_mapping_is_refused(tmp_path: Path, raw: str) -> None:
    path = tmp_path / "s.yaml"
    path.write_text(raw)
    with pytest.raises(ScenarioError, match="a scenario is a mapping"):
        load_scenario(path)


def test_a_file_that_is_missing_or_a_folder_is_refused(tmp_path: Path) -> None:
    for path in (tmp_path / "none.yaml", tmp_path):
        with pytest.raises(ScenarioError, match="cannot be read"):
            load_scenario(path)


def test_later_errors_are_given_the_line_they_belong_to(scenario_file: Write) -> None:
    scenario = load_scenario(scenario_file())
    with pytest.raises(ScenarioError) as data, with_line(scenario, "data"):
        raise DataError("too small")
    assert (data.value.line, data.value.reason) == (15, "too small")
    with pytest.raises(ScenarioError) as network, with_line(scenario, "network"):
        raise NetworkError("too large", layer="dense_1")
    assert network.value.line == 9
    assert scenario.line_of("network.layers.1") == 8
    assert isinstance(network.value.__cause__, NetworkError)
