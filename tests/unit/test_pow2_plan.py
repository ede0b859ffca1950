# SPDX-License-Identifier: Apache-2.0
"""Plans in int8_pow2: where the points stand, what is refused, what lies where."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from trainbed.codegen.model import write_model
from trainbed.errors import ScenarioError
from trainbed.planner.graph import Op, Role
from trainbed.planner.pow2.design import Pow2Design
from trainbed.planner.pow2.plan import Pow2Plan
from trainbed.planner.pow2.quantise import choose, fraction_for, quantise_weights, to_codes
from trainbed.prepare import Prepared, prepare
from trainbed.reference.pow2.numbers import pack_rows
from trainbed.reference.twin import Twin
from trainbed.scenario.loader import load_scenario

_TEXT = """\
schema: 1
name: plan
board: native
network:
  input: [8, 8, 3]
  layers:
    - conv2d: {filters: 5, kernel: 3, padding: same, activation: relu, trainable: false}
    - flatten
    - dense: {units: 6, activation: relu}
    - dense: {units: 3, activation: softmax}
training:
  precision: int8_pow2
  loss: categorical_crossentropy
  optimizer: {sgd: {lr: 0.05}}
  epochs: 1
  batch_size: 1
data: {generate: lines, size: 8, channels: 3, train: 12, test: 6}
expect: {}
"""


def _prepared(tmp_path: Path, *overrides: str, text: str = _TEXT) -> Prepared:
    path = tmp_path / "plan.yaml"
    path.write_text(text)
    return prepare(load_scenario(path, overrides))


def _plan(prepared: Prepared) -> Pow2Plan:
    assert isinstance(prepared.plan, Pow2Plan)
    return prepared.plan


@pytest.mark.parametrize(
    ("peak", "unsigned", "fraction"),
    [
        (1.0, False, 7),
        (1.01, False, 6),
        (0.5, False, 8),
        (3.9, False, 5),
        (1.0, True, 8),
        (255.0, True, 0),
        (300.0, False, -2),
        (0.0, False, 7),
    ],
)
def test_the_point_leaves_room_for_the_peak_but_one_part_in_256(peak: float, unsigned: bool, fraction: int) -> None:
    assert fraction_for(peak, unsigned=unsigned) == fraction


def test_codes_are_rounded_half_up_and_clipped() -> None:
    values = np.array([0.0, 0.5 / 128, -0.5 / 128, 1.0, -1.0, 0.25], np.float32)
    assert to_codes(values, 7).tolist() == [0, 1, 0, 127, -127, 32]
    assert to_codes(values, 8, unsigned=True).tolist() == [0, 1, 0, 255, 0, 64]


def test_errors_have_two_bytes_codes_one_and_gradients_none(tmp_path: Path) -> None:
    plan = _plan(_prepared(tmp_path))
    sizes = {slot: storage.n_bytes for storage in plan.storages for slot in storage.slots}
    of = {(slot.role, slot.tensor): n for slot, n in sizes.items()}
    assert of[Role.VALUE, "conv2d_1"] == 8 * 8 * 5
    assert of[Role.ERROR, "dense_1"] == 12
    assert of[Role.SCRATCH, "noise of dense_1"] == 320
    assert not any(slot.role is Role.GRADIENT for slot in sizes)
    assert plan.gradient_bytes == plan.optimizer_bytes == 0
    updates = [step.layer.name for step in plan.steps if step.op is Op.UPDATE]
    assert updates == ["dense_2", "dense_1"]


def test_frozen_dense_layers_are_lifted_on_avr_alone(tmp_path: Path) -> None:
    conv = "    - conv2d: {filters: 5, kernel: 3, padding: same, activation: relu, trainable: false}\n"
    dense = _TEXT.replace(conv, "")
    assert not _plan(_prepared(tmp_path, "training.epochs=0", text=dense)).lifted
    assert not _plan(_prepared(tmp_path, text=dense.replace("native", "arduino_mega"))).lifted  # trained: in RAM
    prepared = _prepared(tmp_path, "training.epochs=0", text=dense.replace("native", "arduino_mega"))
    plan = _plan(prepared)
    assert plan.lifted == {"dense_1", "dense_2"}
    text = write_model(plan, constants=prepared.initial)
    # The network's input has no sign, the second layer's has one.
    for name, raised in (("dense_1", 0), ("dense_2", 128)):
        w, b = (np.asarray(prepared.initial[f"{name}.{what}"]).astype(int) for what in ("weights", "bias"))
        weights, biases = (
            [int(code) for code in found.split(",") if code.strip()]
            for what in ("weights", "bias")
            for found in re.findall(rf" {what}_{name}\[\d+\] = \{{([^}}]*)\}}", text)
        )
        assert [code % 256 for code in weights] == (pack_rows(w) + 128).tolist()
        assert biases == (b - raised * w.sum(axis=1)).tolist()


def test_frozen_layers_are_in_flash_in_blocks_of_four_outputs(tmp_path: Path) -> None:
    prepared = _prepared(tmp_path)
    plan = _plan(prepared)
    assert {field.layer for field in plan.parameters.fields if field.in_flash} == {"conv2d_1"}
    assert plan.parameters.ram_bytes == 6 * 320 + 4 * 6 + 20 + 4 * 3  # 18 weights in whole words
    packed = ", ".join(map(str, pack_rows(prepared.initial["conv2d_1.weights"]).tolist()))
    model = " ".join(write_model(plan, constants=prepared.initial).split())
    assert f"static TRN_FLASH int8_t weights_conv2d_1[135] = {{ {packed}, }};" in model


def test_parameters_come_back_from_the_device_in_the_usual_order(tmp_path: Path) -> None:
    prepared = _prepared(tmp_path)
    layout = prepared.plan.parameters
    again = layout.unpack(layout.pack(prepared.initial), prepared.initial)
    assert list(again) == [field.name for field in layout.fields]
    assert all(np.array_equal(again[name], prepared.initial[name]) for name in again)


def test_other_numbers_are_another_firmware(tmp_path: Path) -> None:
    plan = _plan(_prepared(tmp_path))
    moved = replace(plan.design, weights={**plan.design.weights, "dense_2": plan.design.weights["dense_2"] - 1})
    assert replace(plan, chosen=moved).fingerprint != plan.fingerprint


def _dense_only(n_in: int, weight: float, *, epochs: int, tmp_path: Path) -> Pow2Design:
    text = _TEXT.replace("  input: [8, 8, 3]", f"  input: [1, 1, {n_in}]").split("    - conv2d")[0]
    text += "    - dense: {units: 3, activation: softmax}\n" + _TEXT[_TEXT.index("training:") :]
    path = tmp_path / "plan.yaml"
    path.write_text(
        text.replace("data: {generate: lines, size: 8, channels: 3", "data: {generate: lines, size: 8, channels: 1")
    )
    from trainbed.scenario.network import resolve_network

    scenario = load_scenario(path)
    network = resolve_network(scenario)
    weights = {"dense_1.weights": np.full((3, n_in), weight, np.float32), "dense_1.bias": np.zeros(3, np.float32)}
    x = np.full((4, 1, 1, n_in), -1.0, np.float32)
    return choose(network, weights, x, loss=scenario.training.loss, inference=epochs == 0, pretrained=True)


def test_24_bits_are_proven_from_the_weights_or_not_used(tmp_path: Path) -> None:
    # 127 * 127 * 520 is the last below 2^23 where all weights have the code 127.
    assert _dense_only(520, 0.9999, epochs=0, tmp_path=tmp_path).narrow == {"dense_1"}
    assert _dense_only(521, 0.9999, epochs=0, tmp_path=tmp_path).narrow == frozenset()
    # A trained layer's weights may become anything.
    assert _dense_only(260, 0.001, epochs=1, tmp_path=tmp_path).narrow == {"dense_1"}
    assert _dense_only(261, 0.001, epochs=1, tmp_path=tmp_path).narrow == frozenset()


def test_quantised_weights_are_within_half_a_step_of_the_float_ones(tmp_path: Path) -> None:
    prepared = _prepared(tmp_path, "training.epochs=0")
    design = _plan(prepared).design
    twin = Twin(prepared.network, loss=prepared.plan.loss, optimizer=prepared.plan.optimizer, seed=1)
    named: dict[str, Any] = {}
    for layer, (w, b) in zip(prepared.network.parametric, twin.weights, strict=True):
        named |= {f"{layer.name}.weights": w, f"{layer.name}.bias": b}
    codes = quantise_weights(design, named)
    for layer in prepared.network.parametric:
        step = 2.0 ** -design.weights[layer.name]
        error = np.abs(codes[f"{layer.name}.weights"] * step - named[f"{layer.name}.weights"])
        assert error.max() <= max(0.5, 128 / 256) * step
        assert np.abs(codes[f"{layer.name}.weights"]).max() > 63  # no bit is given away


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["training.batch_size=4"], "set training.batch_size to 1"),
        (["training.optimizer={adam: {lr: 0.01}}"], "sgd without momentum"),
        (["training.optimizer={sgd: {lr: 0.01, momentum: 0.9}}"], "sgd without momentum"),
        (["training.optimizer={sgd: {lr: 1.0e-5}}"], "has no code in int8_pow2"),
    ],
)
def test_what_8_bits_cannot_train_is_refused_with_its_reason(
    overrides: list[str], message: str, tmp_path: Path
) -> None:
    with pytest.raises(ScenarioError, match=message):
        _prepared(tmp_path, *overrides)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (", trainable: false", "", "no error passes a conv2d"),
        ("units: 6, activation: relu", "units: 6, activation: leaky_relu", "not leaky_relu"),
        ("padding: same, activation: relu", "padding: same, activation: leaky_relu", "not leaky_relu"),
    ],
)
def test_layers_8_bits_cannot_do_are_refused_at_their_line(old: str, new: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(ScenarioError, match=message) as caught:
        _prepared(tmp_path, text=_TEXT.replace(old, new))
    assert "plan.yaml:" in str(caught.value)
