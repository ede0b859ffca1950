# SPDX-License-Identifier: Apache-2.0
"""Renode's side as far as it shows without Renode: platform files, the guard, what is said where it is missing."""

from __future__ import annotations

import importlib.util
import re
import struct
import subprocess
import sys
from pathlib import Path

import pytest

from trainbed.assets import asset_path
from trainbed.backends.ported import read_code, stored_at
from trainbed.backends.registry import available, choose_backend
from trainbed.backends.renode import tool
from trainbed.backends.renode.guard import CTRL, RASR, RBAR, RNR, guard
from trainbed.boards import Memory, board_names, load_board
from trainbed.cli import main
from trainbed.errors import MissingTool

BOARDS = [name for name in board_names() if "renode" in load_board(name).backends]


@pytest.mark.parametrize("name", BOARDS)
def test_a_board_of_renode_has_its_platform_and_its_script(name: str) -> None:
    board = load_board(name)
    platform = (asset_path("platforms") / f"{name}.repl").read_text(encoding="utf-8")
    script = (asset_path("platforms") / f"{name}.resc").read_text(encoding="utf-8")
    while base := re.search(r'^using "\./(.+)"$', platform, re.MULTILINE):
        platform = (asset_path("platforms") / base[1]).read_text(encoding="utf-8")
    assert f"PerformanceInMips: {board.clock_hz // 1_000_000}\n" in platform
    assert f"systickFrequency: {board.clock_hz}\n" in platform
    flash = board.memory("flash")
    assert flash is not None
    vectors = flash.origin + (board.boot.vectors if board.boot else 0)
    assert f"VectorTableOffset 0x{vectors:X}\n" in script
    assert f"{name}.repl" in script


@pytest.mark.parametrize("path", sorted(asset_path("platforms").glob("*.re*")), ids=lambda path: path.name)
def test_nothing_is_fetched_from_the_network(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert "://" not in text and "ApplySVD" not in text
    if using := re.search(r'^using "platforms/cpus/', text, re.MULTILINE):
        # Renode's own files fetch register names as an initial step; ours replace the list.
        assert re.search(r"^sysbus:\n    init:\n", text[using.end() :], re.MULTILINE)


def _regions(*memories: Memory) -> list[tuple[int, int, int, int]]:
    """(base, size, permissions, subregions left out) by number."""
    found: list[tuple[int, int, int, int]] = []
    base = 0
    for register, value in guard(memories):
        if register == RNR:
            assert value == len(found)
        elif register == RBAR:
            base = value
        elif register == RASR:
            assert value & 1
            found.append((base, 1 << ((value >> 1 & 31) + 1), value >> 24 & 7, value >> 8 & 255))
        else:
            assert (register, value) == (CTRL, 1)
    return found


def test_the_guard_lets_through_memories_and_peripherals_alone() -> None:
    flash = Memory("flash", 0x0800_0000, 0x10_0000, "flash")
    ram = Memory("ram", 0x2000_0000, 0x5_0000, "ram")
    nothing, code, data, *others = _regions(flash, ram)
    assert nothing == (0, 1 << 32, 0, 0)
    assert code == (0x0800_0000, 0x10_0000, 6, 0)
    assert data == (0x2000_0000, 0x8_0000, 3, 0b1110_0000)  # 320 KB of 512
    assert [base for base, *_ in others] == [0x4000_0000, 0xE000_0000]


@pytest.mark.parametrize("name", BOARDS)
def test_regions_are_such_as_the_unit_accepts(name: str) -> None:
    regions = _regions(*load_board(name).memories)
    assert len(regions) <= 8
    assert all(base % size == 0 for base, size, *_ in regions)


def test_code_that_start_up_copies_is_found_where_it_is_loaded(tmp_path: Path) -> None:
    header = struct.pack("<28xI10xHH", 52, 32, 1).ljust(52, b"\0")
    segment = struct.pack("<8I", 1, 84, 0x2000_0000, 0x1000_0200, 4, 4, 5, 4)
    elf = tmp_path / "firmware.elf"
    elf.write_bytes(header + segment + b"code")
    assert stored_at(elf, [0x2000_0002, 0x1000_0000]) == [0x1000_0202, 0x1000_0000]
    assert read_code(elf, (Memory("flash", 0x1000_0000, 0x1000, "flash"),)) == [(0x1000_0200, b"code")]


def test_without_pyrenode3_the_reason_and_the_line_are_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "pyrenode3" else find(name))
    usable, _, install = available("renode")
    assert not usable
    assert "git+https://github.com/antmicro/pyrenode3@" in install and tool.RENODE in install
    with pytest.raises(MissingTool, match="pyrenode3 is not installed"):
        choose_backend(load_board("arduino_nano_33_ble"), "renode")
    scenario = asset_path("scenarios") / "tiny.yaml"
    assert main(["run", str(scenario), "--backend", "renode", "--out", str(tmp_path / "out")]) == 4
    assert "pip install 'pyrenode3" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("module", "reason"),
    [
        ("raise ImportError('Renode not found. Please do one of following actions:\\n  - this')", "Renode not found."),
        ("import logging, sys; logging.critical('no such folder'); sys.exit(1)", "no such folder"),
    ],
)
def test_a_pyrenode3_that_finds_no_renode_gives_its_reason(
    module: str, reason: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "pyrenode3.py").write_text(module)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setenv("TRAINBED_CACHE", str(tmp_path / "cache"))
    tool._remembered.cache_clear()
    version, install, found = tool.find_renode()
    assert (version, install) == ("", tool.RENODE)
    assert found.startswith("pyrenode3 does not load Renode: ") and found.endswith(reason)
    assert not (tmp_path / "cache").exists()


_FAKE = """
import sys, types
system = types.ModuleType("System")
class Name:
    Name = "Renode"
    class Version:
        @staticmethod
        def ToString(): return "{version}.1234"
class Assembly:
    @staticmethod
    def GetName(): return Name
class Domain:
    @staticmethod
    def GetAssemblies(): return [Assembly]
class AppDomain:
    CurrentDomain = Domain
system.AppDomain = AppDomain
sys.modules["System"] = system
"""


@pytest.mark.parametrize(("version", "usable"), [("1.15.3", True), ("1.16.0", True), ("1.14.0", False)])
def test_the_version_is_asked_once_and_remembered_until_something_changes(
    version: str, usable: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    module = tmp_path / "pyrenode3.py"
    module.write_text(_FAKE.format(version=version))
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setenv("TRAINBED_CACHE", str(tmp_path / "cache"))
    tool._remembered.cache_clear()
    found, _, reason = tool.find_renode()
    assert (found == version) == usable
    assert usable or reason == f"Renode {version} is too old, {tool.TESTED} is needed"

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("asked again")

    tool._remembered.cache_clear()
    monkeypatch.setattr(subprocess, "run", refuse)
    if usable:
        assert tool.find_renode()[0] == version
        monkeypatch.setenv("PYRENODE_BIN", sys.executable)  # another Renode
    with pytest.raises(AssertionError, match="asked again"):
        tool.find_renode()
