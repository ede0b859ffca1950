# SPDX-License-Identifier: Apache-2.0
"""A board of the user's own, in a file beside the scenario."""

from __future__ import annotations

from pathlib import Path

import pytest

from small_scenario import SCENARIO
from trainbed.backends.registry import availability
from trainbed.boards import board_names, load_board
from trainbed.errors import ScenarioError
from trainbed.own_board import read_own_board
from trainbed.prepare import prepare
from trainbed.run import run_scenario
from trainbed.scenario.loader import load_scenario

BOARD = """\
title: Netduino 2 (STM32F205)
soc: stm32f4
core: cortex-m3
clock_hz: 16_000_000
uart: {baud: 1_000_000}
memories:
  flash: {origin: 0x0800_0000, length: 0x0010_0000}
  ram: {origin: 0x2000_0000, length: 0x0002_0000}
stack_bytes: 4096
backends: [qemu]
options:
  qemu: {machine: netduino2}
"""


@pytest.fixture
def scenario(tmp_path: Path) -> Path:
    (tmp_path / "boards").mkdir()
    (tmp_path / "boards" / "mine.yaml").write_text(BOARD, encoding="utf-8")
    path = tmp_path / "scenario.yaml"
    path.write_text(SCENARIO.replace("arduino_nano_33_ble", "boards/mine.yaml"), encoding="utf-8")
    return path


@pytest.mark.skipif(not availability("qemu").usable, reason="the qemu backend is missing")
def test_an_own_board_trains_to_the_bit_without_a_line_of_code(scenario: Path) -> None:
    result = run_scenario(load_scenario(scenario, ["expect={matches_reference: exact}", "training.epochs=2"]))
    assert (result.board, result.verdict.value, result.cost.cost_class) == ("mine", "passed", "instructions")


def test_its_path_is_relative_to_the_scenario(scenario: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir("/")
    board = prepare(load_scenario(scenario)).board
    assert (board.core, board.ram_bytes, board.options) == ("cortex-m3", 131072, {"qemu": {"machine": "netduino2"}})
    monkeypatch.chdir(tmp_path)
    small = BOARD.replace("length: 0x0002_0000", "length: 0x0001_0000")
    (tmp_path / "boards" / "small.yaml").write_text(small, encoding="utf-8")
    assert prepare(load_scenario(scenario), board="boards/small.yaml").board.ram_bytes == 65536


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("stack_bytes:", "stack_byte:", r"mine\.yaml:9: unknown key 'stack_byte'; did you mean 'stack_bytes'"),
        ("core: cortex-m3\n", "", r"mine\.yaml:1: a board needs the key 'core'"),
        ("soc: stm32f4", "soc: stm32-f4", r"mine\.yaml:2: there is no port for soc 'stm32-f4'; did you mean 'stm32f4'"),
        ("core: cortex-m3", "core: cortex-m9", r"mine\.yaml:3: no toolchain for core 'cortex-m9'"),
        ("[qemu]", "[quemu]", r"mine\.yaml:10: no backend named 'quemu'; did you mean 'qemu'"),
        ("0x0010_0000", "1 MB", r"mine\.yaml:7: origin and length are whole numbers"),
        ("  ram:", "  rom:", r"mine\.yaml:6: a board needs a memory 'ram"),
        ("uart: {baud: 1_000_000}\n", "", r"mine\.yaml:1: a board needs clock_hz, stack_bytes and uart"),
        ("memories:", "memories: 7\nother:", r"mine\.yaml:1: this is no description of a board"),
        (BOARD, "- 1\n", r"mine\.yaml:1: a board is a mapping"),
    ],
)
def test_what_is_wrong_with_it_is_told_with_its_line(scenario: Path, old: str, new: str, message: str) -> None:
    assert BOARD.count(old) == 1
    (scenario.parent / "boards" / "mine.yaml").write_text(BOARD.replace(old, new), encoding="utf-8")
    with pytest.raises(ScenarioError, match=message):
        prepare(load_scenario(scenario))


def test_every_board_that_comes_with_trainbed_is_read_as_strictly() -> None:
    from trainbed.assets import asset_path
    from trainbed.boards import _parse

    for name in board_names():
        assert read_own_board(asset_path("platforms") / f"{name}.yaml", _parse) == load_board(name)
