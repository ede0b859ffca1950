# SPDX-License-Identifier: Apache-2.0
"""The state a guest broke in: kept whole, told readably, and right."""

from __future__ import annotations

import json
import shutil
import struct
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from qemu_boards import needs_qemu

from trainbed.assets import asset_path
from trainbed.cli import main
from trainbed.debug import post_mortem
from trainbed.debug.unwind import stack_trace
from trainbed.errors import ExitCode, GuestError, GuestFault, GuestHang
from trainbed.run import run_scenario
from trainbed.scenario import load_scenario
from trainbed.session import Session
from trainbed.toolchain.elf import facts

SCENARIO = """\
schema: 1
name: one that breaks
board: arduino_nano_33_ble
network:
  input: [4, 4, 3]
  layers:
    - depthwise_conv2d: {kernel: 3, padding: same, activation: relu}
    - flatten
    - dense: {units: 1, activation: sigmoid}
training:
  loss: mse
  optimizer: {sgd: {lr: 0.01}}
  epochs: 1
  batch_size: 4
data: {generate: lines, size: 4, train: 4, test: 2}
expect: {}
"""
WILD_STORE = "*(volatile uint32_t *)0x60000000u = 1u;"
ENDLESS = 'for (;;) { __asm__ volatile(""); }'
BOARDS = (pytest.param("arduino_nano_33_ble", id="unicorn"), pytest.param("mps2_an386", id="qemu", marks=needs_qemu))
Kept = tuple[GuestError, Path]


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(autouse=True)
def own_cache(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """States of these tests push none of the user's out."""
    monkeypatch.setenv("TRAINBED_CACHE", str(cache))


def firmware_that(does: str, tmp_path: Path) -> Path:
    """The runtime's sources, with a statement at the start of every dense layer's backward pass."""
    sources = tmp_path / "sources"
    shutil.copytree(asset_path("firmware"), sources)
    header = sources / "include" / "trn" / "dense.h"
    text = header.read_text(encoding="utf-8")
    body = text.index("{", text.index("void trn_dense_backward_weights(")) + 1
    header.write_text(text[:body] + does + text[body:], encoding="utf-8")
    return sources


def broken_by(
    does: str, scenario: Path, tmp_path: Path, *, board: str | None = None, out: Path | None = None
) -> GuestError:
    loaded = load_scenario(scenario, ["budget.steps=2000000"])
    with Session(loaded, board=board, firmware=firmware_that(does, tmp_path)) as session:
        session.post_mortem = out
        with pytest.raises(GuestError) as caught:
            session.train()
    return caught.value


@pytest.fixture
def scenario(tmp_path: Path) -> Path:
    path = tmp_path / "scenario.yaml"
    path.write_text(SCENARIO, encoding="utf-8")
    return path


@pytest.fixture(scope="module", params=BOARDS)
def kept(request: pytest.FixtureRequest, cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kept]:
    """A wild store in a backward kernel, and the folder its state was kept in."""
    work = tmp_path_factory.mktemp("kept")
    scenario = work / "scenario.yaml"
    scenario.write_text(SCENARIO, encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TRAINBED_CACHE", str(cache))
        yield broken_by(WILD_STORE, scenario, work, board=request.param, out=work / "state"), work / "state"


def test_a_fault_keeps_registers_stack_and_uart(kept: Kept) -> None:
    error, folder = kept
    assert isinstance(error, GuestFault)
    assert error.post_mortem == folder
    assert sorted(path.name for path in folder.iterdir()) == ["firmware.elf", "post_mortem.json", "ram.bin"]
    report = post_mortem.load(folder)
    assert report["error"]["message"] == str(error)
    functions = [frame["where"].split(" ")[0] for frame in report["stack"]]
    at = functions.index("dense_1_backward_weights")
    assert functions[at : at + 2] == ["dense_1_backward_weights", "trn_model_train_sample"]
    assert functions[-2:] == ["main", "trn_start"]
    assert "(dense.h:" in report["stack"][at]["where"]
    assert all(frame["how"] != "scanned" for frame in report["stack"])
    assert report["uart"][-1]["from"] == "host"  # the request it never answered


def test_places_in_memory_hold_what_ram_holds(kept: Kept) -> None:
    _, folder = kept
    report = post_mortem.load(folder)
    (memory,) = report["ram"]
    ram = (folder / memory["file"]).read_bytes()
    assert len(ram) == memory["bytes"]
    titles = [place["holds"] for place in report["memory"]]
    assert "value of depthwise_conv2d_1, then error of depthwise_conv2d_1" in titles
    assert titles[-4:-2] == ["weights of depthwise_conv2d_1", "bias of depthwise_conv2d_1"]
    for place in report["memory"]:
        values = np.frombuffer(ram, np.float32, len(place["first_values"]), place["address"] - memory["address"])
        assert [np.float32(text) for text in place["first_values"]] == list(values)
    weights = next(place for place in report["memory"] if place["holds"] == "weights of dense_1")
    assert any(float(text) != 0 for text in weights["first_values"])


def test_the_command_shows_what_was_kept(kept: Kept, capsys: pytest.CaptureFixture[str]) -> None:
    _, folder = kept
    assert main(["debug", "--post-mortem", str(folder)]) == ExitCode.PASSED
    shown = capsys.readouterr().out
    for text in ("GuestFault: ", " at dense_1_backward_weights (dense.h:", "#1 ", "trn_model_train_sample (model.c:"):
        assert text in shown
    for text in ("Registers", " pc 0x", "Memory", "weights of dense_1", "UART", "ram.bin from byte 0"):
        assert text in shown


@pytest.mark.parametrize(("exc_return", "frame_bytes"), [(0xFFFF_FFF9, 0x20), (0xFFFF_FFE9, 0x68)])
def test_an_exception_on_top_is_unwound_to_what_it_interrupted(kept: Kept, exc_return: int, frame_bytes: int) -> None:
    _, folder = kept
    report = post_mortem.load(folder)
    (memory,) = report["ram"]
    ram = bytearray((folder / memory["file"]).read_bytes())
    then = report["registers"]
    frame = (then["sp"] - frame_bytes) & ~7
    padding = then["sp"] - frame - frame_bytes
    stacked = [*(then[name] for name in ("r0", "r1", "r2", "r3", "r12", "lr", "pc")), padding << 7]
    struct.pack_into("<8I", ram, frame - memory["address"], *stacked)
    handler = next(start for start, _, name in facts(folder / "firmware.elf").functions if name == "trn_fault_hard")
    now = {**then, "sp": frame, "lr": exc_return, "pc": handler}

    def read(address: int, n_bytes: int) -> bytes:
        return bytes(ram[address - memory["address"] :][:n_bytes])

    found = stack_trace(folder / "firmware.elf", now, read)
    assert found[0].where.startswith("trn_fault_hard (")
    assert found[1].how == "exception"
    assert [frame.where for frame in found[1:]] == [frame["where"] for frame in report["stack"]]


def test_a_hang_keeps_where_it_was(scenario: Path, tmp_path: Path) -> None:
    error = broken_by(ENDLESS, scenario, tmp_path, out=tmp_path / "kept")
    assert isinstance(error, GuestHang)
    report = post_mortem.load(tmp_path / "kept")
    assert report["error"]["kind"] is None
    assert report["stack"][0]["where"].startswith("dense_1_backward_weights (")
    assert report["stack"][1]["where"].startswith("trn_model_train_sample (")


def test_a_wild_branch_still_names_its_callers(scenario: Path, tmp_path: Path) -> None:
    wild = '__asm__ volatile("movw r3, #0x0001\\n\\tmovt r3, #0x2001\\n\\tblx r3" ::: "r3", "lr");'
    broken_by(wild, scenario, tmp_path, out=tmp_path / "kept")
    where = [frame["where"].split(" ")[0] for frame in post_mortem.load(tmp_path / "kept")["stack"]]
    assert where[:3] == ["0x20010000", "dense_1_backward_weights", "trn_model_train_sample"]


def test_a_lost_trail_is_scanned_for_and_called_a_guess(scenario: Path, tmp_path: Path) -> None:
    lost = '__asm__ volatile("mov lr, #0\\n\\tmovw r3, #0x0001\\n\\tmovt r3, #0x2001\\n\\tbx r3");'
    broken_by(lost, scenario, tmp_path, out=tmp_path / "kept")
    stack = post_mortem.load(tmp_path / "kept")["stack"]
    assert {frame["how"] for frame in stack[1:]} == {"scanned"}
    found = [frame["where"].split(" ")[0] for frame in stack]
    assert found.index("trn_train_request") < found.index("main") < found.index("trn_start")


@pytest.mark.parametrize("content", [None, "{", "[]", '{"schema": 99}', '{"schema": 1}'])
def test_a_folder_without_a_kept_state_is_bad_input(
    content: str | None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if content is not None:
        (tmp_path / "post_mortem.json").write_text(content, encoding="utf-8")
    assert main(["debug", "--post-mortem", str(tmp_path)]) == ExitCode.BAD_INPUT
    assert "holds no state of a guest that broke" in capsys.readouterr().err


def test_without_a_folder_the_state_goes_to_the_cache_which_keeps_a_few(
    scenario: Path, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(post_mortem, "_KEPT", 1)
    parent = cache / "post_mortem"
    (parent / "older").mkdir(parents=True)
    error = broken_by(WILD_STORE, scenario, tmp_path)
    assert error.post_mortem is not None
    assert list(parent.iterdir()) == [error.post_mortem]


def test_a_new_run_takes_an_older_state_out_of_its_folder(scenario: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    (out / "post_mortem").mkdir(parents=True)
    run_scenario(load_scenario(scenario), out=out)
    assert not (out / "post_mortem").exists()


def test_what_goes_wrong_while_keeping_does_not_hide_the_error_or_leave_half_a_state(
    scenario: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr(post_mortem, "shutil", SimpleNamespace(copyfile=broken, rmtree=shutil.rmtree))
    (tmp_path / "out").mkdir()
    error = broken_by(WILD_STORE, scenario, tmp_path, out=tmp_path / "out" / "kept")
    assert isinstance(error, GuestFault)
    assert error.post_mortem is None
    assert list((tmp_path / "out").iterdir()) == []


def test_nothing_is_kept_of_a_backend_that_cannot_tell(scenario: Path, tmp_path: Path) -> None:
    error = broken_by("__builtin_trap();", scenario, tmp_path, board="native", out=tmp_path / "kept")
    assert error.post_mortem is None
    assert not (tmp_path / "kept").exists()


def test_the_report_is_json_for_a_diverged_network_too(scenario: Path, tmp_path: Path) -> None:
    nan = '*(volatile float *)(uintptr_t)x = __builtin_nanf("");' + WILD_STORE
    broken_by(nan, scenario, tmp_path, out=tmp_path / "kept")

    def refuse(name: str) -> None:
        raise AssertionError(f"{name} is not JSON")

    report = json.loads((tmp_path / "kept" / "post_mortem.json").read_text(), parse_constant=refuse)
    assert "nan" in [value for place in report["memory"] for value in place["first_values"]]
