# SPDX-License-Identifier: Apache-2.0
"""Which qemu-system-arm there is."""

from __future__ import annotations

import functools
import re
import shutil
import subprocess
from pathlib import Path

from trainbed.errors import MissingTool

PROGRAM = "qemu-system-arm"
INSTALL = "sudo apt-get install qemu-system-arm gcc libc6-dev"


def qemu_version() -> str:
    """Version of the installed QEMU, e.g. ``7.2.22``. Raises MissingTool."""
    path = shutil.which(PROGRAM)
    if path is None:
        raise MissingTool(PROGRAM, install=INSTALL)
    return _version(path, Path(path).stat().st_mtime_ns)


@functools.lru_cache(maxsize=4)
def _version(path: str, stamp: int) -> str:
    """Asked once per process and state of the file (``stamp``)."""
    try:
        done = subprocess.run([path, "--version"], capture_output=True, text=True, check=True, timeout=60)
    except (OSError, subprocess.SubprocessError) as error:
        raise MissingTool(PROGRAM, install=INSTALL, detail=f"it does not start ({error})") from error
    found = re.search(r"version (\d+[.\d]*)", done.stdout)
    return found[1] if found else "unknown"
