# SPDX-License-Identifier: Apache-2.0
"""Frozen layers of uint8 on AVR: which get its kernels, what is proven of their sums, what is refused."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from trainbed.codegen.model import write_model
from trainbed.errors import ScenarioError
from trainbed.network.layers import Activation, Kind, Layer
from trainbed.planner.int8.packed import PackedSums, packed_sums
from trainbed.planner.int8.plan import Int8Plan
from trainbed.prepare import Prepared, prepare
from trainbed.reference.int8.tabled import tabled
from trainbed.reference.pow2.numbers import pack_rows
from trainbed.scenario.loader import load_scenario

_TEXT = """\
schema: 1
name: packed
board: arduino_mega
network:
  input: [6, 6, 3]
  layers:
    - conv2d: {filters: 5, kernel: 3, padding: same, activation: sigmoid, trainable: false}
    - conv2d: {filters: 6, kernel: 3, activation: relu, trainable: false}
    - flatten
    - dense: {units: 7, activation: relu, trainable: false}
    - dense: {units: 3, activation: softmax}
training:
  precision: uint8
  loss: categorical_crossentropy
  optimizer: {sgd: {lr: 0.05}}
  epochs: 1
  batch_size: 1
data: {generate: lines, size: 6, channels: 3, train: 12, test: 6}
expect: {}
"""


def _prepared(tmp_path: Path, *overrides: str, board: str | None = None) -> Prepared:
    path = tmp_path / "packed.yaml"
    path.write_text(_TEXT)
    return prepare(load_scenario(path, overrides), board=board)


def _plan(prepared: Prepared) -> Int8Plan:
    assert isinstance(prepared.plan, Int8Plan)
    return prepared.plan


def test_frozen_layers_are_packed_on_avr_alone(tmp_path: Path) -> None:
    assert _plan(_prepared(tmp_path)).packed == {"conv2d_1", "conv2d_2", "dense_1"}
    assert _plan(_prepared(tmp_path, "training.epochs=0")).packed == {"conv2d_1", "conv2d_2", "dense_1", "dense_2"}
    assert not _plan(_prepared(tmp_path, board="arduino_nano_33_ble")).packed
    assert not _plan(_prepared(tmp_path, "build.techniques=[in_place, pruned]")).packed
    everything = [f"network.layers.{n}.{kind}.trainable=true" for n, kind in ((1, "conv2d"), (3, "dense"))]
    assert _plan(_prepared(tmp_path, *everything)).packed == {"conv2d_1"}


def test_dense_weights_are_lifted(tmp_path: Path) -> None:
    prepared = _prepared(tmp_path)
    text = write_model(prepared.plan, constants=prepared.initial)
    found = re.search(r"static TRN_FLASH int8_t weights_dense_1\[672\] = \{([^}]*)\}", text)
    assert found is not None
    stored = np.array([int(code) for code in found[1].split(",") if code.strip()])
    expected = pack_rows(np.asarray(prepared.initial["dense_1.weights"]).astype(int))
    assert np.array_equal(stored % 256, expected + 128)
    assert re.findall(r"trn_i8_packed_(\w+)\([^;]*\(trn_pow2_kind_t\)\{[^}]*true\}\);", text) == ["dense"]


def test_weights_lie_in_blocks_in_flash_and_biases_without_the_zero_point(tmp_path: Path) -> None:
    prepared = _prepared(tmp_path)
    w, b = (np.asarray(prepared.initial[f"conv2d_2.{what}"]) for what in ("weights", "bias"))
    text = write_model(prepared.plan, constants=prepared.initial)
    found = re.search(r"static TRN_FLASH int8_t weights_conv2d_2\[270\] = \{([^}]*)\}", text)
    assert found is not None
    assert [int(code) for code in found[1].split(",") if code.strip()] == pack_rows(w).tolist()
    found = re.search(r"static TRN_FLASH int32_t biases_conv2d_2\[6\] = \{([^}]*)\}", text)
    assert found is not None
    zero = tabled(Activation.SIGMOID).after.zero  # type: ignore[union-attr]
    expected = b - zero * w.astype(np.int64).sum(axis=(1, 2, 3))
    assert [int(code) for code in found[1].split(",") if code.strip()] == expected.tolist()


@pytest.mark.parametrize(("weight", "narrow"), [(16, True), (17, False)])
def test_24_bits_are_used_where_the_weights_prove_them_enough(weight: int, narrow: bool) -> None:
    n_in = ((1 << 23) - 1) // (255 * 16)
    layer = Layer("dense", Kind.DENSE, ("input",), (1, 1, n_in), (1, 1, 2), Activation.NONE, None)
    w = np.full((2, n_in), -weight, np.int8)
    w[1] = 0
    assert packed_sums(layer, w, np.zeros(2, np.int32), zero=0).narrow is narrow
    # With a zero point of 255 the bias alone is as far on the other side.
    sums = packed_sums(layer, w, np.zeros(2, np.int32), zero=255)
    assert sums.bound == 255 * weight * n_in
    assert sums.bias.tolist() == [255 * weight * n_in, 0]


def test_a_multiplier_is_near_where_24_bits_hold_it_and_the_sums() -> None:
    def near(bound: int, multiplier: int, shift: int = 0) -> int:
        return PackedSums(np.zeros(1, np.int32), bound).near(multiplier, shift)

    assert near(1 << 15, (1 << 24) - 1) == 1
    assert near(1 << 15, ((1 << 24) - 1) << 3) == 4
    assert near(1 << 20, ((1 << 24) - 1) << 2) == 3
    assert near(1 << 20, ((1 << 24) - 1) << 3) == 0  # the sum would need 24 bits and a sign
    assert near(1 << 15, (1 << 25) + 1) == 0  # bits would be lost
    assert near(1 << 23, 1000) == 0
    assert near((1 << 23) - 1, (1 << 24) - 1) == 0  # the result needs more than 16 bits
    assert near(100, 1 << 30, 1) == 0


def test_a_table_reaches_as_far_as_its_function_has_codes() -> None:
    for activation, ends in ((Activation.SIGMOID, (0, 255)), (Activation.TANH, (0, 255))):
        table = tabled(activation)
        assert table is not None
        assert np.all(np.diff(table.codes.astype(int)) >= 0)
        assert table.codes[0] <= ends[0] + 1
        assert table.codes[255] >= ends[1]
    assert tabled(Activation.RELU) is None


def test_sigmoid_before_the_last_layer_is_refused_where_it_would_be_trained(tmp_path: Path) -> None:
    with pytest.raises(ScenarioError, match=r"packed\.yaml:7: .*sigmoid in frozen layers only"):
        _prepared(tmp_path, "network.layers.0.conv2d.trainable=true")
    with pytest.raises(ScenarioError, match="not leaky_relu"):
        _prepared(tmp_path, "network.layers.1.conv2d.activation=leaky_relu")


def test_zeros_are_left_out_only_where_zero_is_the_code_0(tmp_path: Path) -> None:
    hidden, head = '{"dense": {"units": 4, "activation": "relu"}}', '{"dense": {"units": 3, "activation": "softmax"}}'
    layers = f'[{{"flatten": null}}, {hidden}, {head}]'
    overrides = (f"network.layers={layers}", "training.epochs=0", "quantisation.skip_zeros=true")
    assert _plan(_prepared(tmp_path, *overrides)).sparse == {"dense_1"}
    x, y = np.linspace(-1, 1, 12 * 108).reshape(12, 108).astype(np.float32), np.arange(12) % 3
    np.savez(tmp_path / "signed.npz", x_train=x, y_train=y, x_test=x[:3], y_test=y[:3])
    with pytest.raises(ScenarioError, match=r"packed\.yaml:4: .*the input's zero is the code 127"):
        _prepared(tmp_path, *overrides, "data={npz: signed.npz}")
