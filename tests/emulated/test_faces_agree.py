# SPDX-License-Identifier: Apache-2.0
"""Command line, Robot Framework and pytest tell the same of the same scenario, to the byte."""

from __future__ import annotations

import contextlib
import io
import shutil
from pathlib import Path

import pytest
from robot import run as run_robot

# pytester forgets what was imported inside a run, and numpy cannot be imported twice.
import trainbed.explain
import trainbed.replay
import trainbed.session  # noqa: F401
from trainbed.assets import asset_path
from trainbed.cli import main
from trainbed.result import Result

pytest_plugins = ["pytester"]

SUITE = """\
*** Settings ***
Library    trainbed.robot_library
*** Test Cases ***
Keeps
    Boot Scenario    ${CURDIR}/tiny.scenario.yaml
    Train For Epochs    3
    Save Run    ${CURDIR}/robot
"""


@pytest.fixture
def project(pytester: pytest.Pytester) -> pytest.Pytester:
    """A folder with a scenario for an emulated board."""
    shutil.copy(asset_path("scenarios") / "tiny.yaml", pytester.path / "tiny.scenario.yaml")
    return pytester


def kept(folder: Path) -> str:
    """What does not differ from run to run of a kept result."""
    return Result.from_json((folder / "result.json").read_text(encoding="utf-8")).deterministic_json()


def test_three_faces_keep_the_same_result(project: pytest.Pytester) -> None:
    folder = project.path
    with contextlib.redirect_stdout(io.StringIO()):
        assert main(["run", str(folder / "tiny.scenario.yaml"), "--out", str(folder / "cli")]) == 0
    (folder / "keeps.robot").write_text(SUITE, encoding="utf-8")
    assert run_robot(str(folder / "keeps.robot"), output=None, log=None, report=None, stdout=io.StringIO()) == 0
    project.runpytest("-p", "trainbed.pytest_plugin", "--trainbed-out", "pytest").assert_outcomes(passed=1)
    (pytest_out,) = (folder / "pytest").iterdir()
    assert kept(folder / "cli") == kept(folder / "robot") == kept(pytest_out)
    elves = {(out / "firmware.elf").read_bytes() for out in (folder / "cli", folder / "robot", pytest_out)}
    assert len(elves) == 1


def test_cycles_travel_with_their_class_in_the_junit_report(project: pytest.Pytester) -> None:
    project.runpytest("-p", "trainbed.pytest_plugin", "--junitxml", "report.xml").assert_outcomes(passed=1)
    report = (project.path / "report.xml").read_text(encoding="utf-8")
    assert 'name="trainbed.cost_class" value="modelled"' in report
    assert 'name="trainbed.cycles_per_sample" value="' in report


def test_a_hang_is_reported_with_the_place_and_without_a_traceback(project: pytest.Pytester) -> None:
    path = project.path / "tiny.scenario.yaml"
    path.write_text(path.read_text(encoding="utf-8") + "budget: {cycles: 1_000}\n", encoding="utf-8")
    outcome = project.runpytest("-p", "trainbed.pytest_plugin")
    outcome.assert_outcomes(failed=1)
    outcome.stdout.fnmatch_lines(["GuestHang: *budget of 1,000 cycles*; it was at * (*.c:*) (pc 0x*)"])
    outcome.stdout.no_fnmatch_line("*session.py*")
