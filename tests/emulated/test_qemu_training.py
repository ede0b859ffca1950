# SPDX-License-Identifier: Apache-2.0
"""Training on QEMU's boards: the twin's bits, Unicorn's counts, the same result however busy the host is."""

from __future__ import annotations

from pathlib import Path

import pytest
from qemu_boards import BOARDS, needs_qemu

from trainbed.backends.registry import availability
from trainbed.result import Result, Verdict
from trainbed.run import run_scenario
from trainbed.scenario.loader import load_scenario

pytestmark = needs_qemu

_SCENARIO = """\
schema: 1
name: small network on {board}
board: {board}
network:
  input: [6, 6, 2]
  layers:
    - depthwise_conv2d: {{kernel: 3, padding: same, activation: relu6}}
    - conv2d: {{filters: 4, kernel: 1, activation: tanh}}
    - max_pool: {{size: 2}}
    - flatten
    - dense: {{units: 3, activation: softmax}}
training:
  loss: categorical_crossentropy
  optimizer: {{adam: {{lr: 0.01}}}}
  epochs: {epochs}
  batch_size: 6
  seed: 4
data: {{generate: lines, size: 6, channels: 2, train: 20, test: 7}}
expect: {{matches_reference: exact}}
"""


def run(folder: Path, board: str, *overrides: str, epochs: int = 4) -> Result:
    path = folder / f"{board}.yaml"
    path.write_text(_SCENARIO.format(board=board, epochs=epochs))
    return run_scenario(load_scenario(path, list(overrides)))


@pytest.mark.parametrize("board", BOARDS)
def test_a_board_ends_with_the_weights_of_the_twin(board: str, tmp_path: Path) -> None:
    result = run(tmp_path, board)
    assert result.verdict is Verdict.PASSED, result.expectations
    assert result.backend.name == "qemu"
    assert result.cost.cost_class == ("instructions" if board == "mps2_an385" else "modelled")
    assert result.cost.instructions_per_sample.total is not None
    assert result.memory.stack_bytes is not None and result.memory.stack_bound_bytes is not None
    assert 0 < result.memory.stack_bytes <= result.memory.stack_bound_bytes


@pytest.mark.parametrize("board", ["mps2_an386", "netduinoplus2"])
def test_counts_are_those_of_unicorn(board: str, tmp_path: Path) -> None:
    if not availability("unicorn").usable:
        pytest.skip(availability("unicorn").reason)
    ours, theirs = run(tmp_path, board), run(tmp_path, "arduino_nano_33_ble")
    assert ours.weights == theirs.weights
    assert ours.training == theirs.training
    assert ours.cost.instructions_per_sample == theirs.cost.instructions_per_sample
    for phase in ("forward", "backward", "update", "total"):
        # The same code at other addresses: what remains is how instructions lie in their words.
        cycles = getattr(ours.cost.cycles_per_sample, phase)
        assert cycles == pytest.approx(getattr(theirs.cost.cycles_per_sample, phase), rel=0.005)


def test_streamed_and_resident_data_train_to_the_same_weights(tmp_path: Path) -> None:
    resident = run(tmp_path, "mps2_an386", "link.dataset=resident")
    streamed = run(tmp_path, "mps2_an386", "link.dataset=stream")
    assert resident.weights == streamed.weights
    assert resident.training.loss == streamed.training.loss


def test_a_bad_line_changes_nothing(tmp_path: Path) -> None:
    good = run(tmp_path, "mps2_an386", epochs=2)
    bad = run(
        tmp_path, "mps2_an386", "link.faults={seed: 3, bit_flip: 0.1, drop: 0.1, lose: 0.1, repeat: 0.1}", epochs=2
    )
    assert bad.weights == good.weights
    assert bad.training == good.training
