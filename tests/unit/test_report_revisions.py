# SPDX-License-Identifier: Apache-2.0
"""trainbed compare of two commits."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from small_scenario import SCENARIO
from trainbed.cli import main


def git(folder: Path, *arguments: str) -> None:
    who = {"GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@b", "GIT_COMMITTER_NAME": "a", "GIT_COMMITTER_EMAIL": "a@b"}
    subprocess.run(["git", "-C", str(folder), *arguments], env={**os.environ, **who}, check=True, capture_output=True)


@pytest.fixture
def scenario(tmp_path: Path) -> Path:
    """A repository of two commits: one output channel a colour, then two; and a third, not committed."""
    git(tmp_path, "init", "--quiet")
    (tmp_path / "runs").mkdir()
    path = tmp_path / "runs" / "net.yaml"
    text = SCENARIO.replace("arduino_nano_33_ble", "native").replace("epochs: 5", "epochs: 1")
    for multiplier in (1, 2, 3):
        path.write_text(text.replace("kernel: 3,", f"kernel: 3, multiplier: {multiplier},"), encoding="utf-8")
        if multiplier < 3:
            git(tmp_path, "add", "-A")
            git(tmp_path, "commit", "--quiet", "-m", f"multiplier {multiplier}")
    return path


def test_a_commit_and_the_files_as_they_are_are_run_and_compared_and_stay_as_they_are(
    scenario: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = scenario.read_bytes()
    arguments = ["compare", "HEAD~1", ".", "--scenario", str(scenario), "--json", "--max", "model.parameters=+0"]
    assert main(arguments) == 1
    plain = json.loads(capsys.readouterr().out)
    figures = {figure["key"]: figure for figure in plain["runs"][0]["figures"]}
    assert (plain["before"], plain["after"]) == ("HEAD~1", ".")
    # depthwise (9 + 1) * 3 m, dense 64 * 3 m + 1
    assert (figures["model.parameters"]["before"], figures["model.parameters"]["after"]) == (223, 667)
    assert scenario.read_bytes() == before


@pytest.mark.parametrize(
    ("revisions", "code", "message"),
    [
        (("HEAD", "nowhere"), 2, "no commit is named 'nowhere'"),
        (("HEAD", "--output=x"), 2, "no commit is named '--output=x'"),
    ],
)
def test_what_is_no_commit_is_refused(
    scenario: Path, revisions: tuple[str, str], code: int, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["compare", "--scenario", str(scenario), "--", *revisions]) == code
    assert message in capsys.readouterr().err


def test_a_scenario_that_breaks_at_a_commit_gives_its_exit_code(
    scenario: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    scenario.write_text("schema: 1\nname: nothing\n", encoding="utf-8")
    assert main(["compare", ".", "HEAD", "--scenario", str(scenario)]) == 2
    assert "runs/net.yaml at .: error: " in capsys.readouterr().err


def test_a_folder_without_a_repository_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "net.yaml").write_text(SCENARIO, encoding="utf-8")
    assert main(["compare", "a", "b", "--scenario", str(tmp_path / "net.yaml")]) == 2
    assert "not a git repository" in capsys.readouterr().err
