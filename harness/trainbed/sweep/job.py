# SPDX-License-Identifier: Apache-2.0
"""One run of many: a scenario on its way to a worker, and what became of it on the way back. Plain values both."""

from __future__ import annotations

import hashlib
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from trainbed.errors import ExitCode, GuestError, TrainbedError
from trainbed.run import run_scenario
from trainbed.scenario.document import Document
from trainbed.scenario.loader import check_document
from trainbed.sweep.axes import canonical

KEY_DIGITS = 16

_FILE_KEYS = ("npz", "onnx")

_STATUS = {
    ExitCode.BAD_INPUT: "refused",
    ExitCode.GUEST_BROKE: "broke",
    ExitCode.MISSING_TOOL: "missing",
}


def once(document: Document, keep: Path | None) -> dict[str, Any]:
    """The plain values of result.json of one run of a scenario; ``keep``: folder for its files."""
    return run_scenario(check_document(document), out=keep).to_dict()


@dataclass(frozen=True)
class Job:
    """A run to be done. ``axes``: what makes it differ from the others; ``keep``: folder for its files, if any.

    ``run``: how a scenario becomes the values of a result; called in a worker, so it is to be pickled.
    """

    index: int
    key: str
    axes: Mapping[str, Any]
    document: Document
    keep: Path | None = None
    run: Callable[[Document, Path | None], dict[str, Any]] = once


@dataclass(frozen=True)
class Outcome:
    """What became of a run. ``result``: the plain values of result.json, None without a verdict."""

    status: str
    exit_code: int
    error: str = ""
    result: Mapping[str, Any] | None = None
    post_mortem: str | None = None
    wall_s: float = 0.0


def run_key(document: Document) -> str:
    """Digest of a resolved scenario and of the files it names: equal keys, equal runs."""
    digest = hashlib.sha256(canonical(document.root).encode())
    base = document.file.parent if document.file is not None else Path()
    for name in sorted(_files(document.root)):
        path = base / name
        if path.is_file():
            state = path.stat()
            digest.update(f"\0{name}\0{_file_digest(path, state.st_size, state.st_mtime_ns)}".encode())
    return digest.hexdigest()[:KEY_DIGITS]


def execute(job: Job) -> Outcome:
    """Run one scenario; called in a worker. Whatever goes wrong in it is its outcome, not the sweep's."""
    began = time.monotonic()
    try:
        result = job.run(job.document, job.keep)
    except TrainbedError as error:
        kept = error.post_mortem if isinstance(error, GuestError) else None
        return Outcome(
            status=_STATUS[error.exit_code],
            exit_code=int(error.exit_code),
            error=f"{type(error).__name__}: {error}",
            post_mortem=str(kept) if kept is not None else None,
            wall_s=time.monotonic() - began,
        )
    except Exception as error:
        place = traceback.extract_tb(error.__traceback__)[-1]
        return Outcome(
            status="broke",
            exit_code=int(ExitCode.GUEST_BROKE),
            error=f"{type(error).__name__}: {error} ({Path(place.filename).name}:{place.lineno})",
            wall_s=time.monotonic() - began,
        )
    code = ExitCode.PASSED if result["verdict"] == "passed" else ExitCode.FAILED
    return Outcome(result["verdict"], int(code), result=result, wall_s=time.monotonic() - began)


def died(reason: str) -> Outcome:
    """The outcome of a run that took its worker with it."""
    return Outcome("broke", int(ExitCode.GUEST_BROKE), error=f"EmulatorCrash: {reason}")


def _files(tree: Any) -> Iterator[str]:
    """The files a scenario names, anywhere in it."""
    if isinstance(tree, dict):
        for key, value in tree.items():
            if key in _FILE_KEYS and isinstance(value, str):
                yield value
            else:
                yield from _files(value)


@lru_cache(maxsize=256)
def _file_digest(path: Path, size: int, stamp: int) -> str:
    """Read once per state of the file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()
