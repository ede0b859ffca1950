# SPDX-License-Identifier: Apache-2.0
"""Runs of one scenario at two commits of a git repository, for trainbed compare."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from trainbed.errors import BuildError, ExitCode, GuestError, InputError, MissingTool, TrainbedError
from trainbed.result import RESULT_FILE

WORKING_TREE = "."
"""Stands for the files as they are, committed or not."""


_BROKEN: dict[int, type[TrainbedError]] = {ExitCode.BAD_INPUT: InputError, ExitCode.MISSING_TOOL: BuildError}
"""Error of a run that ended with an exit code; else GuestError."""


@contextmanager
def runs_at(scenario: Path, revisions: tuple[str, str]) -> Iterator[tuple[Path, Path]]:
    """Run a scenario at two commits (``.``: the working tree); folders of the two runs, gone when the context ends.

    Each commit is unpacked into a folder of its own; the repository stays as it is. A repository of trainbed itself
    runs with its own harness, any other with the trainbed that is installed. Raises what the runs ended with.
    """
    top = Path(_git(scenario.resolve().parent, "rev-parse", "--show-toplevel").decode().strip())
    inside = scenario.resolve().relative_to(top)
    with tempfile.TemporaryDirectory(prefix="trainbed-") as name:
        folders = []
        for number, revision in enumerate(revisions):
            tree = top
            if revision != WORKING_TREE:
                tree = Path(name) / f"tree-{number}"
                _unpack(top, revision, tree)
            if not (tree / inside).is_file():
                raise InputError(f"{inside}: there is no such scenario at {revision}")
            folders.append(_run(tree, inside, Path(name) / f"run-{number}", revision))
        yield folders[0], folders[1]


def _unpack(top: Path, revision: str, tree: Path) -> None:
    commit = (
        _git(top, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}").decode().strip()
    )
    with tarfile.open(fileobj=io.BytesIO(_git(top, "archive", "--format=tar", commit))) as archive:
        archive.extractall(tree, filter="data")


def _run(tree: Path, scenario: Path, out: Path, revision: str) -> Path:
    environment = dict(os.environ)
    if (tree / "harness" / "trainbed" / "cli.py").is_file():
        environment["PYTHONPATH"] = str(tree / "harness")
    command = [sys.executable, "-m", "trainbed.cli", "run", str(scenario), "--json", "--out", str(out)]
    done = subprocess.run(command, cwd=tree, env=environment, capture_output=True, text=True, check=False)
    if not (out / RESULT_FILE).is_file():
        error = _BROKEN.get(done.returncode, GuestError)
        raise error(f"{scenario} at {revision}: {done.stderr.strip()[-2000:]}")
    return out


def _git(folder: Path, *arguments: str) -> bytes:
    try:
        done = subprocess.run(["git", "-C", str(folder), *arguments], capture_output=True, check=False)
    except OSError:
        raise MissingTool("git", install="sudo apt-get install git") from None
    if done.returncode != 0:
        reason = done.stderr.decode(errors="replace").strip() or f"no commit is named '{arguments[-1].split('^')[0]}'"
        raise InputError(f"{folder}: {reason}")
    return done.stdout
