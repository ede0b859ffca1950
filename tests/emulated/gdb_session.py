# SPDX-License-Identifier: Apache-2.0
"""A debug session with the real gdb in batch mode, attached with the very line a user is given."""

from __future__ import annotations

import shlex
import subprocess
from dataclasses import dataclass

from trainbed.debug.session import Attach, debug_scenario
from trainbed.errors import GuestError
from trainbed.scenario.scenario import Scenario


@dataclass(frozen=True)
class Debugged:
    """What gdb printed, and how the run ended."""

    output: str
    weights_sha256: str
    error: GuestError | None

    def has(self, *texts: str) -> bool:
        """gdb printed all of these, in this order."""
        at = 0
        for text in texts:
            at = self.output.find(text, at)
            if at < 0:
                raise AssertionError(f"gdb did not print {text!r} where it should have:\n{self.output}")
        return True


def gdb_command(line: str, commands: tuple[str, ...]) -> list[str]:
    """The printed line, made to run a list of commands and end."""
    program, *rest = shlex.split(line)
    options = [option for command in commands for option in ("-ex", command)]
    elf = rest.pop()
    return [program, "-nx", "-batch", *rest, *options, elf]


def debug(scenario: Scenario, *commands: str, board: str | None = None, backend: str | None = None) -> Debugged:
    """Runs a scenario under gdb, which carries out the commands; the run goes on to its end."""
    started: list[subprocess.Popen[str]] = []

    def attach(line: Attach) -> None:
        started.append(
            subprocess.Popen(
                gdb_command(line.line(), commands),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
        )

    digest, broke = "", None
    try:
        digest = debug_scenario(scenario, board=board, backend=backend, on_attach=attach)
    except GuestError as error:
        broke = error
    finally:
        for process in started:
            try:
                output, _ = process.communicate(timeout=60)
            finally:
                process.kill()
    return Debugged(output, digest, broke)
