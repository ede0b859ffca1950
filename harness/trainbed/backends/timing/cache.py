# SPDX-License-Identifier: Apache-2.0
"""Where trainbed keeps what it can rebuild: compiled helpers and block costs."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path


def cache_directory(kind: str) -> Path:
    """The folder for one kind of cached file, made if missing.

    $TRAINBED_CACHE, else $XDG_CACHE_HOME/trainbed, else ~/.cache/trainbed. Where none can be written (a read-only home
    in a container), a folder of this user in the system's temporary directory.
    """
    chosen = os.environ.get("TRAINBED_CACHE")
    if chosen:
        root = Path(chosen)
    else:
        root = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "trainbed"
    try:
        return _made(root / kind)
    except OSError:
        user = os.getuid() if hasattr(os, "getuid") else "user"
        return _made(Path(tempfile.gettempdir()) / f"trainbed-{user}" / kind)


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    if not os.access(folder, os.W_OK):
        raise PermissionError(f"{folder} cannot be written")
    return folder


def write_atomically(path: Path, content: bytes) -> None:
    """Writes a file that other processes see whole or not at all."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=path.name, suffix=".tmp")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
