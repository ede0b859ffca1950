# SPDX-License-Identifier: Apache-2.0
"""The thesis's test framework: trainbed measure on the AVR boards, and its own bench against the raw protocol."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from avr_boards import each_core, needs_avr

from trainbed.cli import main
from trainbed.errors import DataError, ExitCode, InputError
from trainbed.measure import measure
from trainbed.prepare import prepare
from trainbed.raw import RawPort, build_raw
from trainbed.replay import make_twin
from trainbed.scenario import load_scenario
from trainbed.session import Session

pytestmark = needs_avr

Write = Callable[..., Path]
START, END, REFUSED = 0xAA, 0xAB, 0xEE
N_PIXELS = 784
TICK_S = 1024 / 20e6
RAW = """\
schema: 1
name: digits behind the raw protocol
board: atmega4809_xplained
network:
  input: [784]
  layers:
    - dense: {units: 3, activation: relu, trainable: false}
    - dense: {units: 10, activation: softmax, trainable: false}
training:
  loss: categorical_crossentropy
  optimizer: {sgd: {lr: 0.1}}
  epochs: 0
  batch_size: 1
  seed: 3
data: {npz: images.npz, scale: 1}
expect: {}
"""


@each_core
def test_a_network_on_a_board_is_measured_beside_the_same_on_the_host(board: str) -> None:
    scenario = load_scenario(Path("scenarios/avr_sensor.yaml"), ["data.test=42"])
    told: list[tuple[int, int]] = []
    found = measure(scenario, board=board, images=21, on_image=lambda *at: told.append(at))
    assert told == [(i + 1, 21) for i in range(21)]
    assert (found.images, found.same_class, found.same_outputs) == (21, 21, 21)
    assert (found.accuracy, found.host_accuracy, found.relative_accuracy) == (1.0, 1.0, 1.0)
    assert found.emulator_cycles is not None
    assert found.timer_cycles is not None
    assert found.timer_cycles.median % 512 == 0
    assert found.largest_difference is not None
    assert 0 < found.largest_difference <= 1024
    assert 8_000 < found.emulator_cycles.median <= found.emulator_cycles.highest < 20_000
    assert found.milliseconds == pytest.approx(
        found.emulator_cycles.median / {"atmega4809_xplained": 2e4}.get(board, 1.6e4)
    )
    assert found.stack_bytes is not None
    assert found.stack_bytes < found.ram_bytes < 3000
    assert 10_000 < found.flash_bytes < 20_000


def test_the_command_prints_the_same_figures(capsys: pytest.CaptureFixture[str]) -> None:
    command = [
        "measure",
        "scenarios/avr_sensor.yaml",
        "--board",
        "arduino_uno",
        "--images",
        "5",
        "--set",
        "data.test=42",
    ]
    assert main(command) == ExitCode.PASSED
    assert "5; outputs equal to the bit on 5" in capsys.readouterr().out
    assert main([*command, "--json"]) == ExitCode.PASSED
    found = json.loads(capsys.readouterr().out)
    assert (found["board"], found["images"], found["relative_accuracy"]) == ("arduino_uno", 5, 1.0)
    with pytest.raises(DataError, match="43 images are to be measured, the test set has 42"):
        measure(load_scenario(Path("scenarios/avr_sensor.yaml"), ["data.test=42"]), images=43)


class Bench:
    """What the thesis's program on the PC does with a serial port."""

    def __init__(self, port: RawPort) -> None:
        self.port = port
        self.prediction, self.seconds = 255, 0.0

    def transfer(self, image: bytes, kind: int) -> None:
        self.port.write(bytes([START, kind]) + image + bytes([END]))
        package = self.port.read(5)
        if package[:1] != bytes([START]) or package[-1:] != bytes([END]):
            raise ValueError(package.hex())
        self.prediction = package[1]
        self.seconds = (package[2] << 8 | package[3]) * TICK_S


@pytest.fixture
def scenario_of_images(tmp_path: Path) -> Path:
    """Images as the dense kind has them: pixels divided by 8, then lowered by 16."""
    pixels = np.random.default_rng(1).integers(0, 256, (6, N_PIXELS))
    codes = (pixels // 8 - 16).astype(np.int16)
    labels = np.arange(6)
    np.savez(tmp_path / "images.npz", x_train=codes, y_train=labels, x_test=codes, y_test=labels)
    path = tmp_path / "raw.yaml"
    path.write_text(RAW, encoding="utf-8")
    return path


def test_the_thesis_s_bench_works_against_the_emulated_uart(scenario_of_images: Path) -> None:
    scenario = load_scenario(scenario_of_images)
    prepared = prepare(scenario)
    expected = make_twin(prepared).evaluate(
        prepared.inputs(prepared.data.test), prepared.data.targets_of(prepared.data.test)
    )
    classes = expected.outputs.argmax(axis=1)
    codes = prepared.data.test.x
    with RawPort(scenario) as port:
        bench = Bench(port)
        for code, best in zip(codes[:3], classes[:3], strict=True):
            before = port.guest.cost().phases["evaluate"]
            bench.transfer(bytes((code + 16).astype(np.uint8)), 0)
            after = port.guest.cost().phases["evaluate"]
            cycles = after.cycles + after.memory_cycles - before.cycles - before.memory_cycles
            assert bench.prediction == best
            assert abs(bench.seconds * 20e6 - cycles) <= 1024
        bench.transfer(bytes((codes[3] + 32).astype(np.uint8)), 1)  # the convolutional kind is lowered by 32
        assert bench.prediction == classes[3]


def test_a_frame_too_short_or_too_long_is_refused_and_the_next_is_right(scenario_of_images: Path) -> None:
    scenario = load_scenario(scenario_of_images)
    prepared = prepare(scenario)
    image = bytes((prepared.data.test.x[0] + 16).astype(np.uint8))
    with RawPort(scenario) as port:
        bench = Bench(port)
        bench.transfer(image, 0)
        right = bench.prediction
        frames = {
            image[:-1]: bytes([REFUSED, 1, 783 >> 8, 783 & 255, REFUSED]),
            b"": bytes([REFUSED, 1, 0, 0, REFUSED]),
            image + b"\x01": bytes([REFUSED, 2, 785 >> 8, 785 & 255, REFUSED]),
            image * 9: bytes([REFUSED, 2, 785 >> 8, 785 & 255, REFUSED]),  # far beyond all RAM
        }
        for frame, answer in frames.items():
            port.write(bytes([START, 0]) + frame + bytes([END]))
            assert port.read(99) == answer
            with pytest.raises(ValueError, match=r"^ee"):
                bench.transfer(frame, 0)
            bench.transfer(image, 0)
            assert bench.prediction == right
        port.write(b"\x00\x17" + bytes([END, REFUSED]))  # noise between frames
        assert port.read(99) == b""
        bench.transfer(image, 0)
        assert bench.prediction == right


def test_a_host_that_does_not_wait_loses_its_frame_and_is_told(scenario_of_images: Path) -> None:
    scenario = load_scenario(scenario_of_images)
    image = bytes((prepare(scenario).data.test.x[0] + 16).astype(np.uint8))
    frame = bytes([START, 0]) + image + bytes([END])
    with RawPort(scenario) as port:
        port.write(frame + frame)  # the second comes while the part computes
        first = port.read(5)
        port.write(frame)
        assert (first[0], first[4]) == (START, END)
        assert port.read(99)[:2] == bytes([REFUSED, 3])
        port.write(frame)
        assert port.read(99)[1] == first[1]


def test_a_network_with_weights_to_train_gets_no_raw_firmware(scenario_of_images: Path) -> None:
    scenario = load_scenario(scenario_of_images)
    text = RAW.replace("softmax, trainable: false", "softmax").replace("epochs: 0", "epochs: 1")
    scenario_of_images.write_text(text, encoding="utf-8")
    assert build_raw(scenario)[1].flash_bytes > 9_000
    with pytest.raises(InputError, match=r"raw\.yaml:.*dense_2 needs 'trainable: false'"):
        build_raw(load_scenario(scenario_of_images), board="native")


INT8 = """\
schema: 1
name: the same in 8-bit integers
board: atmega4809_xplained
network:
  input: [784]
  layers:
    - dense: {units: 5, activation: relu}
    - dense: {units: 10, activation: softmax}
training:
  precision: int8_pow2
  loss: categorical_crossentropy
  optimizer: {sgd: {lr: 0.1}}
  epochs: 0
  batch_size: 1
  seed: 3
data: {npz: images.npz}
link: {dataset: stream}
expect: {}
"""


def test_a_network_of_integers_takes_the_bytes_of_the_line_as_they_are(tmp_path: Path) -> None:
    """Its inputs are codes from 0 on; the zero of the bench's two kinds is the network's own affair."""
    codes = (np.random.default_rng(2).integers(0, 256, (6, N_PIXELS)) // 8).astype(np.uint8)
    labels = np.arange(6)
    np.savez(tmp_path / "images.npz", x_train=codes, y_train=labels, x_test=codes, y_test=labels)
    (tmp_path / "int8.yaml").write_text(INT8, encoding="utf-8")
    scenario = load_scenario(tmp_path / "int8.yaml")
    with Session(scenario) as session:
        session.inject()
        expected = [int(session.link.predict(code.tobytes()).argmax()) for code in codes]
    found = []
    with RawPort(scenario) as port:
        bench = Bench(port)
        for kind, code in enumerate(codes):
            bench.transfer(code.tobytes(), kind % 2)
            found.append(bench.prediction)
    assert found == expected
