# SPDX-License-Identifier: Apache-2.0
"""Real-valued scales on AVR: frozen layers on its kernels, trained ones as everywhere; all to the twin's bits."""

from __future__ import annotations

from pathlib import Path

import pytest
from int8_cases import CASES, write_int8_case

from trainbed.backends.registry import availability
from trainbed.codegen.model import write_model
from trainbed.measure import measure
from trainbed.prepare import prepare
from trainbed.result import Verdict
from trainbed.run import run_scenario
from trainbed.scenario.loader import load_scenario

_MISSING = [found.reason for found in map(availability, ("simavr", "yasimavr")) if not found.usable]
needs_avr = pytest.mark.skipif(bool(_MISSING), reason="; ".join(_MISSING) or "no AVR emulator")

_REST = """\
training:
  precision: uint8
  loss: categorical_crossentropy
  optimizer: {sgd: {lr: 0.1}}
  epochs: 0
  batch_size: 1
  seed: 3
data: {generate: lines, size: 8, channels: 3, train: 40, test: 12}
expect: {}
"""

NETWORKS = {
    # Zero points at the edge, outputs that leave every remainder of four; with patches, rows from a ring.
    "windows": """\
    - conv2d: {filters: 6, kernel: 3, padding: same, activation: relu}
    - depthwise_conv2d: {kernel: 3, padding: same, activation: relu6}
    - conv2d: {filters: 5, kernel: 1, activation: none}
    - conv2d: {filters: 7, kernel: 3, stride: 2, padding: same, activation: tanh}
    - depthwise_conv2d: {kernel: 2, multiplier: 2, activation: none}
    - max_pool: {size: 2, stride: 1}
    - avg_pool: {size: 2, stride: 1}
    - flatten
    - dense: {units: 13, activation: sigmoid}
    - dense: {units: 3, activation: softmax}
""",
    "pools": """\
    - avg_pool: {size: 2}
    - conv2d: {filters: 9, kernel: 3, padding: same, activation: sigmoid, name: stem}
    - conv2d: {filters: 9, kernel: 3, padding: same, activation: relu, name: inner}
    - depthwise_conv2d: {kernel: 3, padding: same, name: linear}
    - add: {input: [inner, linear], activation: relu}
    - global_avg_pool
    - dense: {units: 3, activation: softmax}
""",
    "in place": """\
    - conv2d: {filters: 4, kernel: 3, padding: same, activation: relu}
    - max_pool: {size: 2}
    - depthwise_conv2d: {kernel: 3, padding: same, activation: relu}
    - flatten
    - dense: {units: 3, activation: softmax}
""",
}

_KERNELS = [
    ("windows", [], "trn_i8_packed_depthwise_conv2d("),
    ("windows", ["build.techniques=[flash, patches]"], "trn_i8_packed_depthwise_conv2d_row("),
    ("pools", [], "trn_i8_packed_global_avg_pool("),
    ("in place", [], "trn_i8_packed_depthwise_conv2d_inplace("),
    ("in place", [], "trn_i8_rows_from("),
]
"""Network, overrides, and what is there for them."""


def _write(folder: Path, layers: str, board: str) -> Path:
    path = folder / "affine.yaml"
    head = f"schema: 1\nname: affine\nboard: {board}\nnetwork:\n  input: [8, 8, 3]\n  layers:\n"
    path.write_text(head + layers + _REST)
    return path


@needs_avr
@pytest.mark.parametrize("board", ["atmega4809_xplained", "arduino_mega"])
@pytest.mark.parametrize(("name", "overrides", "kernel"), _KERNELS)
def test_frozen_layers_give_the_twins_outputs(
    name: str, overrides: list[str], kernel: str, board: str, tmp_path: Path
) -> None:
    scenario = load_scenario(_write(tmp_path, NETWORKS[name], board), overrides)
    prepared = prepare(scenario)
    text = write_model(prepared.plan, constants=prepared.initial)
    assert kernel in text
    found = measure(scenario, images=6)
    assert found.same_outputs == found.images == 6


@needs_avr
def test_leaving_zeros_out_changes_no_output_and_costs_less(tmp_path: Path) -> None:
    layers = "    - flatten\n    - dense: {units: 9, activation: relu}\n    - dense: {units: 3, activation: softmax}\n"
    path = _write(tmp_path, layers, "atmega4809_xplained")
    found = [measure(load_scenario(path, [f"quantisation.skip_zeros={skip}"]), images=6) for skip in ("false", "true")]
    assert [one.same_outputs for one in found] == [6, 6]
    every, listed = (one.emulator_cycles for one in found)
    assert every is not None
    assert listed is not None
    assert listed.median < every.median


@pytest.mark.parametrize("board", ["native", "arduino_nano_33_ble"])
def test_sigmoid_and_tanh_behind_frozen_layers_are_the_twins_elsewhere_too(board: str, tmp_path: Path) -> None:
    found = measure(load_scenario(_write(tmp_path, NETWORKS["windows"], board)), images=6)
    assert found.same_outputs == 6


@needs_avr
def test_what_is_trained_behind_frozen_layers_ends_as_in_the_twin(tmp_path: Path) -> None:
    layers = """\
    - conv2d: {filters: 6, kernel: 3, padding: same, activation: tanh, trainable: false}
    - conv2d: {filters: 6, kernel: 3, stride: 2, padding: same, activation: relu, trainable: false}
    - avg_pool: {size: 2}
    - flatten
    - dense: {units: 8, activation: relu}
    - dense: {units: 3, activation: softmax}
"""
    path = _write(tmp_path, layers, "arduino_mega")
    scenario = load_scenario(path, ["training.epochs=1", "expect={matches_reference: exact}"])
    assert sorted(prepare(scenario).plan.packed) == ["avg_pool_1", "conv2d_1", "conv2d_2"]  # type: ignore[attr-defined]
    assert run_scenario(scenario).verdict is Verdict.PASSED


# All but the one whose optimizer state needs more than the board's 8 KB.
_TRAINED = [name for name in CASES if name != "mixed_adam"]


@needs_avr
@pytest.mark.parametrize(
    "name",
    [name if name in ("uint8", "qas_sparse") else pytest.param(name, marks=pytest.mark.slow) for name in _TRAINED],
)
def test_8_bit_training_ends_with_the_weights_of_the_twin(name: str, tmp_path: Path) -> None:
    path = write_int8_case(name, tmp_path)
    assert run_scenario(load_scenario(path), board="arduino_mega").verdict is Verdict.PASSED
