# SPDX-License-Identifier: Apache-2.0
"""Which tools and packages are there, in which version, and the line that installs what is missing."""

from __future__ import annotations

import importlib.metadata
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from trainbed.backends.registry import availability
from trainbed.backends.renode.tool import PYRENODE3, RENODE, find_renode

if TYPE_CHECKING:
    from rich.table import Table

PROBE_S = 20.0
"""Safety net of one ``--version``."""


@dataclass(frozen=True)
class Tool:
    """Something a run may need. ``required``: the default board cannot do without it."""

    name: str
    purpose: str
    install: str
    probe: Callable[[], str | None]
    required: bool = False


@dataclass(frozen=True)
class Finding:
    """What was found of a tool; ``version`` None: missing."""

    name: str
    purpose: str
    install: str
    required: bool
    version: str | None


def _apt(*packages: str) -> str:
    return f"sudo apt-get install {' '.join(packages)}"


def _pip(extra: str) -> str:
    return f"pip install 'trainbed[{extra}]'"


def command_version(command: str, *arguments: str) -> str | None:
    """First line a program prints when asked for its version; None when it cannot be started."""
    if shutil.which(command) is None:
        return None
    try:
        done = subprocess.run(
            [command, *(arguments or ("--version",))],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=PROBE_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    lines = (done.stdout + done.stderr).strip().splitlines()
    return lines[0][:70] if lines else "found"


def package_version(name: str) -> str | None:
    """Version of an installed Python package; nothing is imported."""
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _newlib() -> str | None:
    """newlib comes in a package of its own: without it the cross compiler finds no libc."""
    path = command_version("arm-none-eabi-gcc", "-print-file-name=libc.a")
    return "found" if path is not None and "/" in path else None


def _program(command: str, *arguments: str) -> Callable[[], str | None]:
    return lambda: command_version(command, *arguments)


def _package(name: str) -> Callable[[], str | None]:
    return lambda: package_version(name)


def _avr_libc() -> str | None:
    path = command_version("avr-gcc", "-print-file-name=libm.a")
    return "found" if path is not None and "/" in path else None


def _backend(name: str) -> Callable[[], str | None]:
    """As the registry finds it: with the helper that drives it."""

    def probe() -> str | None:
        found = availability(name)
        return found.version if found.usable else None

    return probe


TOOLS = (
    Tool("python", "runs trainbed", "", lambda: sys.version.split()[0], required=True),
    Tool(
        "arm-none-eabi-gcc",
        "builds for Cortex-M",
        _apt("gcc-arm-none-eabi"),
        _program("arm-none-eabi-gcc"),
        required=True,
    ),
    Tool("newlib", "libc for Cortex-M", _apt("libnewlib-arm-none-eabi"), _newlib, required=True),
    Tool("cc", "native board, hook of the Unicorn backend", _apt("gcc", "libc6-dev"), _program("cc"), required=True),
    Tool("unicorn", "backend unicorn", _pip("unicorn"), _package("unicorn"), required=True),
    Tool("capstone", "cycle model of the Unicorn backend", _pip("unicorn"), _package("capstone"), required=True),
    Tool("renode", "backend renode", RENODE, lambda: find_renode()[0] or None),
    Tool("pyrenode3", "backend renode", PYRENODE3, _package("pyrenode3")),
    Tool("qemu-system-arm", "backend qemu", _apt("qemu-system-arm"), _program("qemu-system-arm")),
    Tool("avr-gcc", "builds for AVR", _apt("gcc-avr", "avr-libc"), _program("avr-gcc")),
    Tool("avr-libc", "float operations for AVR", _apt("avr-libc"), _avr_libc),
    Tool("libsimavr", "backend simavr", _apt("libsimavr-dev", "libelf-dev"), _backend("simavr")),
    Tool("yasimavr", "backend yasimavr; builds with g++ and libelf-dev", _pip("avr"), _backend("yasimavr")),
    Tool("avr-gdb", "trainbed debug on AVR", _apt("gdb-avr"), _program("avr-gdb")),
    Tool("gdb-multiarch", "trainbed debug", _apt("gdb-multiarch"), _program("gdb-multiarch")),
    Tool("pyserial", "backend serial (real boards)", _pip("hw"), _package("pyserial")),
    Tool("robotframework", "suites in sentences", _pip("robot"), _package("robotframework")),
    Tool(
        "scikit-learn",
        "data sets digits, iris, wine, breast_cancer",
        "pip install scikit-learn",
        _package("scikit-learn"),
    ),
    Tool("matplotlib", "trainbed report", _pip("report"), _package("matplotlib")),
    Tool("jinja2", "trainbed report", _pip("report"), _package("jinja2")),
    Tool("torch", "benchmarks against PyTorch", "pip install torch", _package("torch")),
)


def examine() -> list[Finding]:
    """Look for every tool."""
    return [Finding(tool.name, tool.purpose, tool.install, tool.required, tool.probe()) for tool in TOOLS]


def report(findings: list[Finding]) -> Table:
    """The findings as a table: version, or the line that installs it."""
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False)
    for heading in ("", "tool", "for", "version, or how to install it"):
        table.add_column(heading, overflow="fold")
    for finding in findings:
        if finding.version is not None:
            mark, style, text = "ok", "green", finding.version
        else:
            mark, style, text = (
                ("MISSING", "bold red", finding.install) if finding.required else ("-", "dim", finding.install)
            )
        table.add_row(Text(mark, style=style), finding.name, finding.purpose, Text(text))
    return table
