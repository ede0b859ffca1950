# SPDX-License-Identifier: Apache-2.0
"""The command line: exit codes, messages, what goes to which stream. Runs are real ones."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from trainbed import __version__, cli
from trainbed.errors import (
    BuildError,
    DoesNotFit,
    EmulatorCrash,
    ExitCode,
    GuestFault,
    LinkLost,
    MissingTool,
    ScenarioError,
    TrainbedError,
)
from trainbed.result import Result
from trainbed.scenario.scenario import Scenario

Capture = pytest.CaptureFixture[str]
Write = Callable[..., Path]
SMALL = ["--backend", "native", "--board", "native", "--set", "training.epochs=2"]


def test_a_run_that_passes_exits_0_and_keeps_its_result(tmp_path: Path, capsys: Capture) -> None:
    code = cli.main(["run", "tiny", "--backend", "native", "--board", "native", "--out", str(tmp_path / "out")])
    printed = capsys.readouterr()
    assert code == ExitCode.PASSED
    assert printed.err == ""
    assert re.search(r"epoch 20/20  loss 0\.\d+  accuracy 100\.0%", printed.out)
    assert "matches_reference" in printed.out
    assert "equal to the bit" in printed.out
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "firmware.elf",
        "plan.json",
        "profile.json",
        "result.json",
        "weights.npz",
    ]


def test_a_contract_that_fails_exits_1(tmp_path: Path, capsys: Capture) -> None:
    contract = ["--set", "expect={loss_decreases: {by: 1}, test_accuracy: {min: 0}}"]
    assert cli.main(["run", "tiny", *SMALL, *contract, "--out", str(tmp_path)]) == ExitCode.FAILED
    assert "failed: loss_decreases" in capsys.readouterr().out
    assert json.loads((tmp_path / "result.json").read_text())["verdict"] == "failed"


def test_json_prints_the_result_alone(tmp_path: Path, capsys: Capture) -> None:
    assert cli.main(["run", "tiny", *SMALL, "--set", "expect={}", "--json", "--out", str(tmp_path)]) == ExitCode.PASSED
    printed = capsys.readouterr()
    assert printed.out == (tmp_path / "result.json").read_text()
    assert printed.err == ""
    assert Result.from_json(printed.out).board == "native"


def test_a_run_is_equal_to_the_byte_when_repeated(tmp_path: Path) -> None:
    results = []
    for name in ("a", "b"):
        assert (
            cli.main(
                [
                    "run",
                    "tiny",
                    "--set",
                    "training.epochs=2",
                    "--set",
                    "expect={}",
                    "--json",
                    "--out",
                    str(tmp_path / name),
                ]
            )
            == 0
        )
        results.append(Result.from_json((tmp_path / name / "result.json").read_text()))
    assert results[0].deterministic_json() == results[1].deterministic_json()
    assert (tmp_path / "a" / "weights.npz").read_bytes() == (tmp_path / "b" / "weights.npz").read_bytes()


def test_a_mistake_in_a_scenario_exits_2_with_its_line(scenario_file: Write, tmp_path: Path, capsys: Capture) -> None:
    path = scenario_file(("epochs: 5", "epoch: 5"))
    assert cli.main(["run", str(path), "--out", str(tmp_path / "out")]) == ExitCode.BAD_INPUT
    printed = capsys.readouterr()
    assert printed.err == f"error: {path}:13: unknown key 'epoch' in training; did you mean 'epochs'?\n"
    assert printed.out == ""
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", "depthcon"], "did you mean 'depthconv'?"),
        (["run", "no/such.yaml"], "no such file"),
        (["run", "tiny", "--board", "nano"], "no board named 'nano'"),
        (["run", "tiny", "--backend", "nope"], "nope"),
        (["run", "tiny", "--set", "training.epochs=x"], "--set training.epochs=x"),
        (["run", "tiny", "--frob"], "No such option"),
        (["frob"], "No such command"),
        (["run"], "Missing argument"),
    ],
)
def test_wrong_arguments_exit_2_without_a_traceback(
    arguments: list[str], message: str, capsys: Capture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert cli.main(arguments) == ExitCode.BAD_INPUT
    printed = capsys.readouterr()
    assert message in printed.err
    assert printed.out == ""
    assert "Traceback" not in printed.err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ScenarioError("x"), 2),
        (DoesNotFit("needs 9 B"), 2),
        (GuestFault("undefined_instruction", pc=0x100, where="main:3"), 3),
        (LinkLost("gone"), 3),
        (EmulatorCrash("died"), 3),
        (MissingTool("renode", install="get renode"), 4),
        (BuildError("main.c:3: error"), 4),
    ],
)
def test_every_kind_of_error_has_its_exit_code(
    error: TrainbedError, code: int, capsys: Capture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr("trainbed.run.run_scenario", broken)
    assert cli.main(["run", "tiny", "--out", str(tmp_path)]) == code
    assert capsys.readouterr().err == f"error: {error}\n"


def test_an_interrupt_exits_130(capsys: Capture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(scenario: Scenario, **_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("trainbed.run.run_scenario", interrupted)
    assert cli.main(["run", "tiny", "--out", str(tmp_path)]) == ExitCode.INTERRUPTED
    assert "interrupted" in capsys.readouterr().err


def test_ctrl_c_in_the_middle_of_a_run_leaves_no_result(tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "trainbed.cli",
        "run",
        "tiny",
        "--set",
        "training.epochs=1000000",
        "--out",
        str(tmp_path / "out"),
    ]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment, cwd=tmp_path
    ) as run:
        assert run.stdout is not None
        for line in run.stdout:
            if line.startswith("epoch"):
                break
        run.send_signal(signal.SIGINT)
        _, errors = run.communicate(timeout=60)
    assert run.returncode == ExitCode.INTERRUPTED
    assert errors == "interrupted\n"
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == []


def test_build_prints_where_the_firmware_is(capsys: Capture) -> None:
    assert cli.main(["build", "tiny"]) == ExitCode.PASSED
    elf = Path(capsys.readouterr().out.strip())
    assert elf.read_bytes()[:4] == b"\x7fELF"


def test_build_explains_plan_and_memory(capsys: Capture) -> None:
    assert cli.main(["build", "tiny", "--explain"]) == ExitCode.PASSED
    printed = capsys.readouterr().out
    for part in ("dense_1", "optimizer state", "stack (bound)", "flash"):
        assert part in printed


def test_boards_lists_every_board(capsys: Capture) -> None:
    from trainbed.boards import board_names

    assert cli.main(["boards"]) == ExitCode.PASSED
    printed = capsys.readouterr().out
    for name in board_names():
        assert name in printed


def test_doctor_finds_what_is_there_and_tells_how_to_install_the_rest(capsys: Capture) -> None:
    assert cli.main(["doctor"]) == ExitCode.PASSED
    printed = capsys.readouterr().out
    assert re.search(r"ok +arm-none-eabi-gcc .*\d+\.\d+", printed)
    assert re.search(r"pyrenode3 .*(\d+\.\d+|git\+https://)", printed)


def test_doctor_exits_4_with_the_install_line_when_the_compiler_is_missing(
    capsys: Capture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert cli.main(["doctor"]) == ExitCode.MISSING_TOOL
    assert (
        "error: arm-none-eabi-gcc is missing; install it with: sudo apt-get install gcc-arm-none-eabi"
        in capsys.readouterr().err
    )


def test_help_and_version(capsys: Capture) -> None:
    assert cli.main(["--version"]) == ExitCode.PASSED
    assert capsys.readouterr().out == f"{__version__}\n"
    assert cli.main(["run", "--help"]) == ExitCode.PASSED
    assert "--set" in capsys.readouterr().out


def test_the_command_line_starts_without_the_heavy_packages() -> None:
    heavy = ("numpy", "pydantic", "unicorn", "elftools", "sklearn")
    code = f"import sys, trainbed.cli; print([name for name in {heavy} if name in sys.modules])"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    assert done.stdout == "[]\n"
