# SPDX-License-Identifier: Apache-2.0
"""int8_pow2: host process, Cortex-M and AVR boards and the NumPy twin give the same bits, training and inferring."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from trainbed.replay import make_twin
from trainbed.result import Verdict
from trainbed.run import run_scenario
from trainbed.scenario.loader import load_scenario
from trainbed.session import Session

_HEAD = "schema: 1\nname: {name}\nboard: native\n"

TRAINED: dict[str, str] = {
    # Every kind of layer, frozen, before two that are trained; 13 and 6 divide by nothing.
    "layers": """\
network:
  input: [8, 8, 3]
  layers:
    - conv2d: {filters: 5, kernel: 3, padding: same, activation: relu, trainable: false, name: stem}
    - depthwise_conv2d: {kernel: 3, padding: same, activation: relu6, trainable: false, name: inner}
    - add: {input: [stem, inner], activation: relu}
    - depthwise_conv2d: {kernel: 2, stride: 2, multiplier: 2, activation: none, trainable: false}
    - avg_pool: {size: [2, 1], stride: [1, 1]}
    - conv2d: {filters: 6, kernel: 1, activation: sigmoid, trainable: false}
    - max_pool: {size: 2, stride: 1}
    - flatten
    - dense: {units: 13, activation: tanh, trainable: false}
    - dense: {units: 6, activation: relu6}
    - dense: {units: 3, activation: softmax}
training:
  precision: int8_pow2
  loss: categorical_crossentropy
  optimizer: {sgd: {lr: 0.05, decay: 0.8}}
  epochs: 2
  batch_size: 1
  seed: 3
data: {generate: lines, size: 8, channels: 3, train: 20, test: 9}
""",
    "sensor": """\
network:
  input: [2]
  layers:
    - dense: {units: 4, activation: sigmoid}
    - dense: {units: 5, activation: tanh}
    - dense: {units: 1, activation: sigmoid}
training:
  precision: int8_pow2
  loss: binary_crossentropy
  optimizer: {sgd: {lr: 0.1}}
  epochs: 2
  batch_size: 1
  seed: 5
data: {generate: sensor, train: 42, test: 21, noise: 0.2}
""",
    "regression": """\
network:
  input: [8, 8, 3]
  layers:
    - max_pool: {size: 2}
    - flatten
    - dense: {units: 7, activation: relu}
    - dense: {units: 1, activation: tanh}
training:
  precision: int8_pow2
  loss: mse
  optimizer: {sgd: {lr: 0.02}}
  epochs: 2
  batch_size: 1
  seed: 7
quantisation: {skip_zeros: true}
data: {generate: lines, size: 8, channels: 3, train: 20, test: 9}
""",
    "first_layer_skips": """\
network:
  input: [5, 5, 2]
  layers:
    - dense: {units: 6, activation: relu}
    - dense: {units: 3, activation: softmax}
training:
  precision: int8_pow2
  loss: categorical_crossentropy
  optimizer: {sgd: {lr: 0.05}}
  epochs: 2
  batch_size: 1
  seed: 2
quantisation: {skip_zeros: true}
data: {generate: lines, size: 5, channels: 2, train: 20, test: 9}
""",
}
_BOARDS = ["arduino_nano_33_ble", "arduino_mega", "atmega4809_xplained"]


def _written(name: str, folder: Path, *, expect: str = "expect: {matches_reference: exact}\n") -> Path:
    path = folder / f"{name}.yaml"
    path.write_text(_HEAD.format(name=name) + TRAINED[name] + expect)
    return path


@pytest.mark.parametrize("name", TRAINED)
def test_host_and_twin_train_to_the_same_codes(name: str, tmp_path: Path) -> None:
    path = _written(name, tmp_path)
    with Session(load_scenario(path), sanitize=True) as session:
        result = session.result()
        prepared = session.prepared
        assert result.verdict is Verdict.PASSED, result.expectations
        before, after = prepared.initial, session.parameters()
    moved = [n for n in after if not np.array_equal(before[n], after[n])]
    trained = {layer.name for layer in prepared.network.parametric if layer.trainable}
    assert {n.split(".")[0] for n in moved} == trained


@pytest.mark.parametrize("board", _BOARDS)
@pytest.mark.parametrize("name", ["layers", pytest.param("sensor", marks=pytest.mark.slow), "first_layer_skips"])
def test_boards_train_to_the_hosts_codes(name: str, board: str, tmp_path: Path) -> None:
    path = _written(name, tmp_path)
    native, emulated = run_scenario(load_scenario(path)), run_scenario(load_scenario(path), board=board)
    assert emulated.verdict is Verdict.PASSED, emulated.expectations
    assert emulated.weights == native.weights
    assert emulated.training == native.training
    assert emulated.test == native.test


@pytest.mark.parametrize("board", ["native", "arduino_mega", "atmega4809_xplained"])
@pytest.mark.parametrize("name", ["layers", "first_layer_skips"])
def test_a_network_in_flash_answers_as_the_twin_does(name: str, board: str, tmp_path: Path) -> None:
    path = _written(name, tmp_path, expect="expect: {}\n")
    with Session(load_scenario(path, ["training.epochs=0"]), board=board) as session:
        session.boot()
        session.inject()
        prepared = session.prepared
        assert prepared.plan.parameters.ram_bytes == 0
        data = prepared.data
        expected = make_twin(prepared).evaluate(prepared.inputs(data.test), data.targets_of(data.test))
        observed = np.array([session.link.predict(data.test.x[i].tobytes()) for i in range(len(data.test))])
        assert observed.tobytes() == expected.outputs.tobytes()
        session.train()
        tested = session.result().test
    right = expected.outputs.argmax(axis=1) == data.test.labels
    assert tested.accuracy == right.mean()


def test_skipping_zeros_changes_no_bit(tmp_path: Path) -> None:
    path = _written("first_layer_skips", tmp_path)
    skipping = run_scenario(load_scenario(path))
    plain = run_scenario(load_scenario(path, ["quantisation.skip_zeros=false"]))
    assert skipping.weights == plain.weights
    assert skipping.training == plain.training
    assert (skipping.memory.training_bytes or 0) > (plain.memory.training_bytes or 0)
