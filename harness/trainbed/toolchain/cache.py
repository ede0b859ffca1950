# SPDX-License-Identifier: Apache-2.0
"""A cache of folders by content: an entry appears whole, by one rename, or not at all."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from trainbed.errors import InputError

_NEW = "new-"
_LOCK = "lock-"
_LEFT_BEHIND_S = 24 * 3600


def cache_root() -> Path:
    """$TRAINBED_CACHE, else trainbed below the XDG cache folder."""
    chosen = os.environ.get("TRAINBED_CACHE")
    if chosen:
        return Path(chosen).absolute()
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "trainbed"


def entry_path(kind: str, key: str) -> Path:
    """Where the entry of a key lives, whether it exists or not."""
    return cache_root() / kind / key[:2] / key


@contextmanager
def new_entry(kind: str) -> Iterator[Path]:
    """An empty private folder to fill; gone at the end unless publish() moved it into place.

    Folders that killed processes left behind go a day later.

    Raises InputError when the cache cannot be written.
    """
    parent = cache_root() / kind
    try:
        parent.mkdir(parents=True, exist_ok=True)
        _sweep(parent)
        folder = Path(tempfile.mkdtemp(prefix=_NEW, dir=parent))
    except OSError as error:
        raise InputError(f"cannot write the cache {cache_root()} ({error.strerror}); set TRAINBED_CACHE") from error
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _sweep(parent: Path) -> None:
    for left in (*parent.glob(f"{_NEW}*"), *parent.glob(f"{_LOCK}*")):
        with suppress(FileNotFoundError):  # another process sweeps, too
            if time.time() - left.stat().st_mtime <= _LEFT_BEHIND_S:
                continue
            if left.is_dir():
                shutil.rmtree(left, ignore_errors=True)
            else:
                left.unlink()


@contextmanager
def only_one(kind: str, key: str) -> Iterator[None]:
    """Hold the right to make an entry; others that want the same one wait, and then find it made.

    The lock is the kernel's: it is free as soon as the process that held it is gone. Raises InputError when the cache
    cannot be written.
    """
    path = cache_root() / kind / f"{_LOCK}{key}"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = _locked(path)
    except OSError as error:
        raise InputError(f"cannot write the cache {cache_root()} ({error.strerror}); set TRAINBED_CACHE") from error
    try:
        yield
    finally:
        path.unlink(missing_ok=True)
        os.close(descriptor)


def _locked(path: Path) -> int:
    """A descriptor of the file at ``path``, locked: whoever held it before removed the file it waited for."""
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            with suppress(FileNotFoundError):
                if os.path.samestat(os.fstat(descriptor), path.stat()):
                    return descriptor
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)


def publish(folder: Path, kind: str, key: str) -> Path:
    """Move a filled folder into place under its key. If another process was first, its entry stands: the same."""
    entry = entry_path(kind, key)
    entry.parent.mkdir(parents=True, exist_ok=True)
    try:
        folder.rename(entry)
    except OSError:
        if not entry.is_dir():
            raise
    return entry


def discard(entry: Path) -> None:
    """Remove a damaged entry. Moved away first: no other process sees it half gone."""
    with new_entry(entry.parent.parent.name) as trash, suppress(FileNotFoundError):
        entry.rename(trash / "damaged")
