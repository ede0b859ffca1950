# SPDX-License-Identifier: Apache-2.0
"""Which Renode there is, and which pyrenode3: asked of a process of its own, because importing it starts .NET.

pyrenode3 finds Renode by its own environment variables (PYRENODE_BUILD_DIR and PYRENODE_BUILD_OUTPUT, PYRENODE_PKG,
PYRENODE_BIN, PYRENODE_RUNTIME) or as an installed package; whatever it finds is used.
"""

from __future__ import annotations

import functools
import hashlib
import importlib.util
import os
import re
import shutil
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

from trainbed.toolchain.cache import cache_root

TESTED = "1.15.3"
"""The release of Renode this backend was tested with, and the oldest it accepts."""
PYRENODE3 = (
    "pip install 'pyrenode3 @ git+https://github.com/antmicro/pyrenode3@dde4a47660ef1b8874a91ed514a0bd04b33a5add'"
)
RENODE = f"renode_{TESTED}_amd64.deb from https://github.com/renode/renode/releases/tag/v{TESTED} (README: Renode)"
_VARIABLES = ("PYRENODE_BIN", "PYRENODE_BUILD_DIR", "PYRENODE_PKG", "PYRENODE_BUILD_OUTPUT", "PYRENODE_RUNTIME")
_PROBE_S = 120.0
_PROBE = """
import os
import pyrenode3
from System import AppDomain
for assembly in AppDomain.CurrentDomain.GetAssemblies():
    if str(assembly.GetName().Name) == "Renode":
        print("Renode", assembly.GetName().Version.ToString(), flush=True)
os._exit(0)
"""


def find_renode() -> tuple[str, str, str]:
    """(version, install line, reason); the version is empty where there is no Renode this backend can use."""
    found = importlib.util.find_spec("pyrenode3")
    if found is None or found.origin is None:
        return "", f"{PYRENODE3}; and {RENODE}", "the Python package pyrenode3 is not installed"
    return _remembered(_circumstances(Path(found.origin)))


@functools.lru_cache(maxsize=4)
def _remembered(circumstances: str) -> tuple[str, str, str]:
    """Asked once per ``circumstances``: a start of .NET takes seconds. What was not found is looked for again."""
    note = cache_root() / "renode" / hashlib.sha256(circumstances.encode()).hexdigest()[:16]
    try:
        return note.read_text(encoding="ascii"), RENODE, ""
    except (OSError, UnicodeDecodeError):
        version, install, reason = _probe()
    if version:
        with suppress(OSError):
            note.parent.mkdir(parents=True, exist_ok=True)
            part = note.with_suffix(f".{os.getpid()}")
            part.write_text(version, encoding="ascii")
            part.replace(note)
    return version, install, reason


def _circumstances(package: Path) -> str:
    """What decides which Renode is found, and when those files last changed."""
    variables = {name: os.environ.get(name, "") for name in _VARIABLES}
    build = Path(variables["PYRENODE_BUILD_DIR"]) / (variables["PYRENODE_BUILD_OUTPUT"] or "output/bin/Release")
    places = [package, build / "Renode.exe", build / "Renode.dll", Path("/opt/renode/bin/Renode.exe")]
    places += [Path(variables[name]) for name in ("PYRENODE_BIN", "PYRENODE_PKG") if variables[name]]
    installed = shutil.which("renode")
    stamps = [(str(place), place.stat().st_mtime_ns) for place in places if place.is_file()]
    return repr((sys.executable, variables, installed, stamps))


def _probe() -> tuple[str, str, str]:
    try:
        done = subprocess.run(
            [sys.executable, "-c", _PROBE],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_PROBE_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return "", RENODE, f"pyrenode3 does not load Renode: {error}"
    found = re.search(r"^Renode (\d+\.\d+\.\d+)", done.stdout, re.MULTILINE)
    if found is None:
        return "", RENODE, f"pyrenode3 does not load Renode: {_last_words(done.stderr)}"
    if _numbers(found[1]) < _numbers(TESTED):
        return "", RENODE, f"Renode {found[1]} is too old, {TESTED} is needed"
    return found[1], RENODE, ""


def _last_words(messages: str) -> str:
    """The exception's line: what follows it, if anything, is advice."""
    errors: list[str] = re.findall(r"^(?:\w+\.)*(?:\w+Error|\w+Exception): .*", messages, re.MULTILINE)
    if errors:
        return errors[-1].removesuffix(" Please do one of following actions:")
    return (messages.strip().splitlines() or ["no message"])[-1]


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(map(int, version.split(".")))
