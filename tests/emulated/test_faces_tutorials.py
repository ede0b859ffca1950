# SPDX-License-Identifier: Apache-2.0
"""The tutorials of the documentation, followed to the letter in an empty folder."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import trainbed

DOCS = Path(__file__).resolve().parents[2] / "docs"
WALL_S = 280

_BLOCK = re.compile(r"^(?:\*\*(?P<file>[\w.]+)\*\*\n\n)?```(?P<kind>\w+)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)


def follow(page: str, folder: Path) -> int:
    """Write the files and run the commands of a page, in order; returns the number of commands."""
    n_commands = 0
    for block in _BLOCK.finditer((DOCS / page).read_text(encoding="utf-8")):
        if block["file"]:
            (folder / block["file"]).write_text(block["text"], encoding="utf-8")
        elif block["kind"] == "console":
            for part in re.split(r"^\$ ", block["text"], flags=re.MULTILINE)[1:]:
                command, *expected = part.splitlines()
                assert_prints(command, expected, folder)
                n_commands += 1
    return n_commands


def assert_prints(command: str, expected: list[str], folder: Path) -> None:
    """Each expected line is found in the output, in order; runs of blanks count as one."""
    environment = {
        **os.environ,
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
        "PYTHONPATH": str(Path(trainbed.__file__).parents[1]),
        "PYTEST_ADDOPTS": "-p trainbed.pytest_plugin -p no:cacheprovider",
        "PYTHONDONTWRITEBYTECODE": "1",
        "COLUMNS": "100",
    }
    done = subprocess.run(
        ["bash", "-c", command], cwd=folder, env=environment, capture_output=True, text=True, timeout=WALL_S
    )
    printed = " ".join((done.stdout + done.stderr).split())
    at = 0
    for line in expected:
        wanted = " ".join(line.split())
        found = printed.find(wanted, at)
        assert found >= 0, f"$ {command}\ndoes not print: {wanted}\n\n{done.stdout}{done.stderr}"
        at = found + len(wanted)


@pytest.mark.timeout(1800)
@pytest.mark.parametrize(
    ("page", "commands"),
    [
        ("robot.md", 4),
        ("pytest.md", 7),
        ("adding-a-board.md", 3),
        pytest.param("tutorial.md", 9, marks=pytest.mark.slow),
    ],
)
def test_a_tutorial_does_what_it_says(page: str, commands: int, tmp_path: Path) -> None:
    assert follow(page, tmp_path) == commands


def test_both_faces_train_the_same_scenario() -> None:
    texts = set()
    for page in ("robot.md", "pytest.md"):
        for block in _BLOCK.finditer((DOCS / page).read_text(encoding="utf-8")):
            if block["file"] == "iris.scenario.yaml":
                texts.add(block["text"])
    assert len(texts) == 1
