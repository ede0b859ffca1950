# SPDX-License-Identifier: Apache-2.0
"""The configuration for VS Code does what the command line does: its parts fit each other and attach a gdb."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import trainbed
from trainbed.debug.console import READY

CHECKOUT = Path(__file__).parents[2]


def read(name: str, workspace: Path) -> Any:
    """A file of .vscode, its comments taken out and its variables filled in."""
    text = (CHECKOUT / ".vscode" / name).read_text(encoding="utf-8")
    text = re.sub(r"^\s*//.*$", "", text, flags=re.MULTILINE).replace("${workspaceFolder}", str(workspace))
    return json.loads(text.replace("${input:scenario}", "tiny"))


def test_the_task_starts_what_the_launch_attaches_to(tmp_path: Path) -> None:
    (launch,) = read("launch.json", tmp_path)["configurations"]
    (task,) = read("tasks.json", tmp_path)["tasks"]
    assert launch["preLaunchTask"] == task["label"]
    assert re.match(task["problemMatcher"]["background"]["endsPattern"], f"{READY} on 127.0.0.1:3333")
    arguments = task["args"]
    assert launch["miDebuggerServerAddress"] == f"localhost:{arguments[arguments.index('--port') + 1]}"
    arguments[arguments.index("--port") + 1] = "0"  # no fixed port in a test
    command = [sys.executable, "-m", "trainbed.cli", *arguments]
    environment = {**os.environ, "PYTHONPATH": str(Path(trainbed.__file__).parents[1])}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout is not None
        line, ready = process.stdout.readline(), process.stdout.readline()
        assert re.match(task["problemMatcher"]["background"]["beginsPattern"], line)
        assert ready.startswith(READY)
        port = re.findall(r"127\.0\.0\.1:(\d+)", ready)[0]
        set_up = [setup["text"] for setup in launch["setupCommands"] if not setup["text"].startswith("-")]
        wanted = ["break trn_model_train_sample", "continue", "info source", "detach"]
        commands = [*set_up, f"target remote localhost:{port}", *wanted]
        options = [option for text in commands for option in ("-ex", text)]
        gdb = [launch["miDebuggerPath"], "-nx", "-batch", *options, launch["program"]]
        done = subprocess.run(gdb, capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL)
        process.stdout.read()
    assert "Breakpoint 1, trn_model_train_sample (" in done.stdout
    assert f"Located in {tmp_path}/out/debug/generated/model.c" in done.stdout
    assert process.returncode == 0
