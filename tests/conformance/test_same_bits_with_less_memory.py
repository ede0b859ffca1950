# SPDX-License-Identifier: Apache-2.0
"""What the 8-bit planner does for less memory changes no bit: with and without each technique, on the host and on a
Cortex-M7, training ends where the twin's does.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from trainbed.planner.graph import Op
from trainbed.planner.int8.plan import Int8Plan
from trainbed.planner.int8.techniques import TECHNIQUES
from trainbed.prepare import prepare
from trainbed.result import Result, Verdict
from trainbed.run import run_scenario
from trainbed.scenario.loader import load_scenario

_NETWORKS = {
    # 13 x 11 and 9, 10 or 5 channels divide by nothing; chains of every kind of layer, with a stem and without.
    "residual": """\
  input: [13, 11, 3]
  layers:
    - conv2d: {filters: 5, kernel: [3, 2], stride: 2, padding: same, activation: relu6, name: stem}
    - inverted_residual: {filters: 5, expand: 6, kernel: 3, name: first}
    - inverted_residual: {filters: 9, expand: 4, kernel: 5, stride: 2, name: second}
    - inverted_residual: {filters: 9, expand: 3, kernel: 3, name: third}
    - global_avg_pool
    - dense: {units: 3, activation: softmax}
""",
    "spread": """\
  input: [10, 9, 2]
  layers:
    - depthwise_conv2d: {kernel: [4, 3], padding: same, multiplier: 3, activation: relu, name: spread}
    - conv2d: {filters: 10, kernel: 1, name: linear}
    - depthwise_conv2d: {kernel: 3, stride: [3, 2], activation: relu6, name: apart}
    - conv2d: {filters: 4, kernel: 2, activation: relu, name: dense_again}
    - conv2d: {filters: 5, kernel: 1, activation: relu}
    - conv2d: {filters: 3, kernel: 1, activation: relu}
    - dense: {units: 3, activation: softmax}
""",
    "wide": """\
  input: [6, 5, 3]
  layers:
    - conv2d: {filters: 6, kernel: 3, padding: same, activation: relu, name: stem}
    - max_pool: {size: [2, 1]}
    - inverted_residual: {filters: 6, expand: 5, kernel: 3, name: block}
    - conv2d: {filters: 33, kernel: 1, activation: relu6, name: last}
    - global_avg_pool
    - dense: {units: 3, activation: softmax}
""",
    "streamed": """\
  input: [50, 45, 1]
  layers:
    - conv2d: {filters: 6, kernel: 3, stride: 3, padding: same, activation: relu6, name: stem}
    - inverted_residual: {filters: 6, expand: 4, kernel: 3, stride: 2, name: block}
    - global_avg_pool
    - dense: {units: 3, activation: softmax}
""",
}
_UPDATES = {
    "streamed": "{biases_of_last: 3, weights: {}}",
    "residual": "{biases_of_last: 4, weights: {third_depthwise: 1, third_project: 0.5}}",
    "spread": "{biases_of_last: 1, weights: {}}",
    "wide": "{biases_of_last: 6, weights: {block_expand: 0.5}}",
}


def write_case(name: str, folder: Path, *, precision: str = "int8_qas", batch_size: int = 1) -> Path:
    """Write a scenario and its data; its path."""
    shape = {"residual": (13, 11, 3), "spread": (10, 9, 2), "wide": (6, 5, 3), "streamed": (50, 45, 1)}[name]
    rng = np.random.default_rng(5)
    x, y = rng.integers(0, 256, (12, *shape)).astype(np.uint8), rng.integers(0, 3, 12)
    np.savez(folder / "small.npz", x_train=x[:8], y_train=y[:8], x_test=x[8:], y_test=y[8:])
    path = folder / f"{name}.yaml"
    link = "link: {dataset: stream}\n" if name == "streamed" else ""
    path.write_text(
        f"schema: 1\nname: {name}\nboard: stm32f746g_disco\nnetwork:\n{_NETWORKS[name]}"
        f"training: {{precision: {precision}, loss: categorical_crossentropy, optimizer: {{sgd: {{lr: 0.05}}}},"
        f" epochs: 1, batch_size: {batch_size}, seed: 3}}\ndata: {{npz: small.npz}}\n"
        f"update: {{sparse: {_UPDATES[name]}}}\nexpect: {{matches_reference: exact}}\n{link}"
    )
    return path


def run(path: Path, *, board: str, techniques: list[str] | None = None) -> Result:
    overrides = [] if techniques is None else [f"build.techniques=[{', '.join(techniques)}]"]
    result = run_scenario(load_scenario(path, overrides), board=board, sanitize=board == "native")
    assert result.verdict is Verdict.PASSED, result.expectations
    return result


def plan_of(path: Path, techniques: list[str] | None = None) -> Int8Plan:
    overrides = [] if techniques is None else [f"build.techniques=[{', '.join(techniques)}]"]
    plan = prepare(load_scenario(path, overrides)).plan
    assert isinstance(plan, Int8Plan)
    return plan


@pytest.mark.parametrize("name", list(_NETWORKS))
def test_all_techniques_and_none_end_with_the_same_codes(name: str, tmp_path: Path) -> None:
    path = write_case(name, tmp_path)
    small, plain = (run(path, board="stm32f746g_disco", techniques=names) for names in (None, []))
    assert small.training == plain.training and small.test == plain.test
    assert small.weights.sha256 == plain.weights.sha256
    assert small.memory.ram_bytes < plain.memory.ram_bytes
    assert run(path, board="native").weights.sha256 == small.weights.sha256


@pytest.mark.slow
@pytest.mark.parametrize("technique", TECHNIQUES)
@pytest.mark.parametrize("name", list(_NETWORKS))
@pytest.mark.parametrize("precision", ["uint8", "int8_qas"])
def test_each_technique_alone_keeps_every_bit(name: str, technique: str, precision: str, tmp_path: Path) -> None:
    path = write_case(name, tmp_path, precision=precision, batch_size=3)
    assert run(path, board="native", techniques=[technique]).weights.sha256 == run(path, board="native").weights.sha256


@pytest.mark.parametrize("name", ["residual", "wide"])
def test_gradients_nobody_uses_are_worked_out_only_if_asked_for_and_change_nothing(name: str, tmp_path: Path) -> None:
    path = write_case(name, tmp_path, batch_size=3)
    path.write_text(path.read_text() + "quantisation: {accumulators: int16}\n")
    others = [technique for technique in TECHNIQUES if technique != "pruned"]
    plans = {what: plan_of(path, techniques) for what, techniques in (("pruned", None), ("whole", others))}
    backward = {
        what: {step.layer.name for step in plan.steps if step.op is Op.BACKWARD_WEIGHTS} for what, plan in plans.items()
    }
    assert backward["whole"] == {layer.name for layer in plans["whole"].network.parametric}
    assert backward["pruned"] == {layer.name for layer in plans["pruned"].quantised}
    assert plans["pruned"].training_bytes < plans["whole"].training_bytes
    whole = run(path, board="native", techniques=others)
    assert whole.weights.sha256 == run(path, board="native").weights.sha256


@pytest.mark.parametrize("board", ["stm32f746g_disco", "native"])
def test_a_float32_head_that_reads_centred_inputs_has_the_twins_bits(board: str, tmp_path: Path) -> None:
    path = write_case("wide", tmp_path)
    path.write_text(path.read_text() + "quantisation: {centre_head: true}\n")
    path.write_text(path.read_text().replace("precision: int8_qas", "precision: int8_qas, head: float32"))
    means = {name: array for name, array in prepare(load_scenario(path)).initial.items() if name.endswith(".mean")}
    assert {name: array.shape for name, array in means.items()} == {"global_avg_pool_1_float32.mean": (33,)}
    assert all(array.any() for array in means.values())
    run(path, board=board)


def test_chains_are_as_long_as_they_need_to_be(tmp_path: Path) -> None:
    chains = [[layer.name for layer in step.chain] for step in plan_of(write_case("residual", tmp_path)).steps]
    assert [chain for chain in chains if chain] == [
        ["first_expand", "first_depthwise", "first_project", "first_add"],
        ["second_expand", "second_depthwise", "second_project"],
    ]


def test_a_large_streamed_sample_is_received_in_the_arena(tmp_path: Path) -> None:
    path = write_case("streamed", tmp_path)
    assert plan_of(path).receive_offset is not None
    assert plan_of(path, techniques=["patches"]).receive_offset is None


@pytest.mark.slow
def test_the_frame_stays_while_the_stems_weights_are_trained(tmp_path: Path) -> None:
    path = write_case("streamed", tmp_path)
    path.write_text(path.read_text().replace("weights: {}", "weights: {stem: 1}"))
    assert plan_of(path).receive_offset is not None
    board, host = run(path, board="stm32f746g_disco"), run(path, board="native")
    assert board.weights.sha256 == host.weights.sha256


@pytest.mark.slow
def test_an_image_network_trains_in_110_kilobytes_on_the_board(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    x = rng.integers(0, 256, (3, 16, 16, 3)).astype(np.uint8).repeat(8, axis=1).repeat(8, axis=2)
    np.savez(tmp_path / "images.npz", x_train=x[:2], y_train=[0, 9], x_test=x[2:], y_test=[4])
    path = tmp_path / "image.yaml"
    path.write_text(
        "schema: 1\nname: MobileNetV2\nboard: stm32f746g_disco\n"
        "network: {mobilenet_v2: {input: [128, 128, 3], width: 0.35, classes: 10}}\n"
        "training: {precision: int8_qas, loss: categorical_crossentropy, optimizer: {sgd: {lr: 0.01}}, epochs: 1,"
        " batch_size: 1, seed: 1}\nquantisation: {calibration_samples: 2}\ndata: {npz: images.npz}\n"
        "link: {dataset: stream}\nupdate: {sparse: {biases_of_last: 12, weights: {block_16_expand: 0.25}}}\n"
        "expect: {matches_reference: exact, ram_bytes: {max: 112640}, flash_bytes: {max: 1048576}}\n"
    )
    result = run(path, board="stm32f746g_disco")
    assert 0 < result.memory.training_bytes < result.memory.ram_bytes
