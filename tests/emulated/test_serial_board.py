# SPDX-License-Identifier: Apache-2.0
"""The serial backend against emulated boards behind a pseudo-terminal: same ELF, same protocol, same weights."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from serial_bridge import SerialBridge

from trainbed.backends.base import Budget, Guest, GuestImage
from trainbed.backends.registry import available, choose_backend, open_guest
from trainbed.backends.serial import PORT_VARIABLE, Patience, SerialGuest
from trainbed.boards import Board, load_board
from trainbed.errors import GuestHang, InputError, LinkLost, MissingTool
from trainbed.link.faults import FaultRates, Faults
from trainbed.run import run_scenario
from trainbed.scenario import load_scenario
from trainbed.scenario.scenario import Scenario
from trainbed.session import Session

NANO = "arduino_nano_33_ble"
QUICK = Patience(silence_s=0.3, quiet_s=0.005, start_s=10.0, knock_s=0.2)
Write = Callable[..., Path]


@pytest.fixture
def scenario(scenario_file: Write) -> Scenario:
    return load_scenario(scenario_file(("epochs: 5", "epochs: 2")))


def image_of(scenario: Scenario, board: str = NANO) -> GuestImage:
    with Session(scenario, board=board) as session:
        return session.build().firmware.image


def test_a_board_on_a_port_trains_to_the_weights_of_the_emulator(
    scenario: Scenario, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = run_scenario(scenario, backend="unicorn")
    with SerialBridge(open_guest(load_board(NANO), "unicorn", image_of(scenario))) as bridge:
        monkeypatch.setenv(PORT_VARIABLE, bridge.port)
        found = run_scenario(scenario, backend="serial")
    assert found.weights.sha256 == expected.weights.sha256
    assert found.training.loss == expected.training.loss
    assert found.backend.name == "serial"
    assert found.cost.cost_class == "none"


def test_the_native_firmware_on_a_port_trains_to_the_same_weights(scenario: Scenario) -> None:
    expected = run_scenario(scenario, board="native")
    bridges: list[SerialBridge] = []

    def behind_a_port(board: Board, backend: str, image: GuestImage) -> Guest:
        bridges.append(SerialBridge(open_guest(board, backend, image)))
        bridges[0].__enter__()
        return SerialGuest(image, port=bridges[0].port, baud=115200, patience=QUICK)

    try:
        with Session(scenario, board="native", guest=behind_a_port) as session:
            assert session.result().weights.sha256 == expected.weights.sha256
    finally:
        bridges[0].unplug()


def test_a_bad_cable_changes_no_weight(scenario: Scenario) -> None:
    image = image_of(scenario)
    expected = run_scenario(scenario, backend="unicorn").weights.sha256
    board = Faults(open_guest(load_board(NANO), "unicorn", image), seed=3, rates=FaultRates(bit_flip=0.3, lose=0.1))
    patience = Patience(silence_s=0.05, quiet_s=0.005, start_s=5.0, knock_s=0.2)
    with SerialBridge(board) as bridge:
        guest = SerialGuest(image, port=bridge.port, baud=1_000_000, patience=patience)
        with Session(scenario, guest=lambda *_: guest) as session:
            found = session.result()
            counters = session.link_counters
    assert found.weights.sha256 == expected
    assert counters.repeats > 0  # the cable was bad


def test_a_silent_board_is_a_hang_with_the_firmware_it_should_run(scenario: Scenario) -> None:
    image = image_of(scenario)
    patience = Patience(silence_s=0.1, quiet_s=0.005, start_s=3.0, knock_s=0.1)
    with SerialBridge(open_guest(load_board(NANO), "unicorn", image), deaf=True) as bridge:
        guest = SerialGuest(image, port=bridge.port, baud=1_000_000, patience=patience)
        guest.start()  # its READY is the only thing the host ever hears
        assert guest.exchange(b"\x00", budget=Budget()) == b""
        with pytest.raises(GuestHang, match=r"did not answer within 0\.05 s"):
            guest.exchange(b"\x00", budget=Budget(wall_s=0.05))
        with pytest.raises(GuestHang, match=r"said nothing within 3 s at 1000000 baud; is it running .*firmware\.elf"):
            guest.start()


def test_a_pulled_cable_is_a_lost_link(scenario: Scenario) -> None:
    image = image_of(scenario)
    with SerialBridge(open_guest(load_board(NANO), "unicorn", image)) as bridge:
        guest = SerialGuest(image, port=bridge.port, baud=1_000_000, patience=QUICK)
        guest.start()
        bridge.unplug()
        with pytest.raises(LinkLost, match=f"{bridge.port} is gone"):
            guest.exchange(b"\x00", budget=Budget())
        with pytest.raises(LinkLost, match="is not open"):
            guest.exchange(b"\x00", budget=Budget())
        guest.close()


def test_a_port_that_is_not_there_is_bad_input(scenario: Scenario, tmp_path: Path) -> None:
    guest = SerialGuest(image_of(scenario), port=str(tmp_path / "ttyX"), baud=1_000_000)
    with pytest.raises(InputError, match=r"cannot open the serial port .*ttyX"):
        guest.start()


def test_two_runs_cannot_share_a_port(scenario: Scenario) -> None:
    image = image_of(scenario)
    with SerialBridge(open_guest(load_board(NANO), "unicorn", image)) as bridge:
        first, second = (SerialGuest(image, port=bridge.port, baud=1_000_000, patience=QUICK) for _ in range(2))
        first.start()
        with pytest.raises(InputError, match="cannot open the serial port"):
            second.start()
        first.close()


@pytest.mark.parametrize("times", [20, pytest.param(500, marks=pytest.mark.slow)])
def test_starts_leave_no_descriptor_behind(times: int, scenario: Scenario) -> None:
    image = image_of(scenario)
    with SerialBridge(open_guest(load_board(NANO), "unicorn", image)) as bridge:
        before = len(list(Path("/proc/self/fd").iterdir()))
        for _ in range(times):
            guest = SerialGuest(image, port=bridge.port, baud=1_000_000, patience=QUICK)
            guest.start()
            guest.close()
        assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_without_a_named_port_the_line_that_names_one_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(PORT_VARIABLE, raising=False)
    assert available("serial") == (False, "", "export TRAINBED_SERIAL_PORT=/dev/ttyACM0")
    with pytest.raises(MissingTool, match=r"no port is named.*export TRAINBED_SERIAL_PORT="):
        choose_backend(load_board(NANO), "serial")


def test_memory_and_stack_of_a_board_are_not_made_up(scenario: Scenario) -> None:
    guest = SerialGuest(image_of(scenario), port="/dev/null", baud=1_000_000)
    assert guest.stack_bytes() == -1
    with pytest.raises(InputError, match="debug probe"):
        guest.read_memory(0x2000_0000, 4)
