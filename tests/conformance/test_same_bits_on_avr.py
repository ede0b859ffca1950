# SPDX-License-Identifier: Apache-2.0
"""8-bit boards train to the twin's bits: float in software, `int` of 16 bits, what fits into 2, 6 and 8 KB."""

from __future__ import annotations

from pathlib import Path

import pytest
from conformance_cases import write_case

from trainbed.backends.registry import availability
from trainbed.errors import InputError
from trainbed.prepare import build_firmware, prepare
from trainbed.result import Result, Verdict
from trainbed.run import run_scenario
from trainbed.scenario.loader import load_scenario

_MISSING = [found.reason for found in map(availability, ("simavr", "yasimavr")) if not found.usable]
pytestmark = pytest.mark.skipif(bool(_MISSING), reason="; ".join(_MISSING) or "no AVR emulator")

SENSOR = Path("scenarios/avr_sensor.yaml")


def assert_sound(result: Result) -> None:
    """The contract holds, and the stack stayed within the bound read from the code."""
    assert result.verdict is Verdict.PASSED, result.expectations
    memory = result.memory
    assert memory.stack_bytes is not None
    assert memory.stack_bound_bytes is not None
    assert 0.8 * memory.stack_bound_bytes <= memory.stack_bytes <= memory.stack_bound_bytes
    assert all(count is not None and count > 0 for count in vars(result.cost.cycles_per_sample).values())


@pytest.mark.parametrize("board", ["arduino_uno", "arduino_mega", "atmega4809_xplained"])
def test_the_movement_detector_learns_on_the_chip_to_100_percent(board: str) -> None:
    result = run_scenario(load_scenario(SENSOR, ["training.epochs=20", "data.test=42"]), board=board)
    assert_sound(result)
    assert result.test.accuracy == 1.0


@pytest.mark.parametrize(
    ("name", "board"),
    [
        ("regression", "atmega4809_xplained"),
        ("regression", "arduino_mega"),
        pytest.param("conv_odd", "arduino_mega", marks=pytest.mark.slow),
        pytest.param("separable", "arduino_mega", marks=pytest.mark.slow),
        pytest.param("frozen", "arduino_mega", marks=pytest.mark.slow),
    ],
)
def test_an_8_bit_board_ends_with_the_weights_of_the_twin(name: str, board: str, tmp_path: Path) -> None:
    path = write_case(name, tmp_path, expect="expect: {matches_reference: exact}\n")
    assert_sound(run_scenario(load_scenario(path), board=board))


@pytest.mark.slow
def test_digits_are_learned_in_8_kb() -> None:
    result = run_scenario(load_scenario(Path("scenarios/avr_digits.yaml")))
    assert_sound(result)
    assert result.test.accuracy is not None
    assert result.test.accuracy >= 0.85


def test_the_same_run_costs_the_same_again() -> None:
    scenario = load_scenario(SENSOR, ["training.epochs=1", "data.test=21"])
    for board in ("arduino_uno", "atmega4809_xplained"):
        first, second = (run_scenario(scenario, board=board) for _ in range(2))
        assert first.cost.cycles_per_sample == second.cost.cycles_per_sample
        assert first.weights.sha256 == second.weights.sha256


def test_a_network_too_large_for_a_part_is_refused_before_anything_is_built(tmp_path: Path) -> None:
    path = write_case("residual", tmp_path)
    for board, have in (("arduino_uno", "2 048"), ("atmega4809_xplained", "6 144"), ("arduino_mega", "8 192")):
        with pytest.raises(InputError, match=f"B of RAM, {board} has {have}; largest: parameters of inner"):
            prepare(load_scenario(path), board=board)


@pytest.mark.parametrize("board", ["arduino_uno", "arduino_mega", "atmega4809_xplained"])
def test_the_memory_report_adds_up_to_the_elf(board: str) -> None:
    built = build_firmware(prepare(load_scenario(SENSOR, ["data.test=21"]), board=board))
    assert built.memory.static == built.firmware.ram_static_bytes
    assert built.memory.ram <= (built.prepared.board.ram_bytes or 0)
    assert built.memory.rest["alignment"] == 0  # bytes need none
    copied = built.memory.rest.get("nameless constants", 0)
    assert (copied == 0) == (board == "atmega4809_xplained")  # the others read constants from RAM
    assert copied < 64
