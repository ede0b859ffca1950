# SPDX-License-Identifier: Apache-2.0
"""Sweeps and searches as a user runs them: processes of their own, killed at will."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from trainbed.sweep.journal import JOURNAL_FILE

WAIT_S = 240
"""A sweep that takes longer hangs."""


def command(verb: str, file: Path, out: Path, *options: str) -> list[str]:
    """The command line."""
    return [sys.executable, "-m", "trainbed.cli", verb, str(file), "--out", str(out), *options]


def run(verb: str, file: Path, out: Path, *options: str, env: dict[str, str] | None = None) -> tuple[int, str]:
    """Exit code and what was printed."""
    done = subprocess.run(
        command(verb, file, out, *options),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=WAIT_S,
        check=False,
        env={**os.environ, **(env or {})},
    )
    return done.returncode, done.stdout


def start(verb: str, file: Path, out: Path, *options: str) -> subprocess.Popen[str]:
    """Started in a process group of its own."""
    return subprocess.Popen(
        command(verb, file, out, *options),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def stop_after(process: subprocess.Popen[str], out: Path, lines: int, how: signal.Signals) -> str:
    """Signal the whole process group once its journal has so many lines; what it had printed."""
    journal = out / JOURNAL_FILE
    deadline = time.monotonic() + WAIT_S
    while process.poll() is None and time.monotonic() < deadline:
        if journal.exists() and journal.read_bytes().count(b"\n") >= lines:
            os.killpg(process.pid, how)
            break
        time.sleep(0.002)  # a poll, not a wait for something to be true
    printed, _ = process.communicate(timeout=WAIT_S)
    return printed


def living(group: int) -> list[str]:
    """Command lines of the processes of a group that still run; those that wait to be reaped are dead."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            state, _, pgrp = (folder / "stat").read_text().rpartition(")")[2].split()[:3]
            if int(pgrp) == group and state != "Z":
                found.append((folder / "cmdline").read_text().replace("\0", " "))
        except OSError:  # gone meanwhile
            continue
    return found


def ends(group: int) -> bool:
    """True when nothing of a process group is left; helpers of Python's end a moment after their parent."""
    deadline = time.monotonic() + WAIT_S
    while living(group):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


def entries(out: Path) -> list[dict[str, Any]]:
    """The journal's finished runs."""
    lines = (out / JOURNAL_FILE).read_bytes().split(b"\n")[:-1]
    return [json.loads(line) for line in lines[1:]]


def rows(out: Path) -> list[dict[str, str]]:
    """results.csv."""
    with (out / "results.csv").open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))
