# SPDX-License-Identifier: Apache-2.0
"""Small C helpers that run inside an emulator, built once with the host's compiler and cached by content."""

from __future__ import annotations

import hashlib
import os
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from trainbed.backends.timing.cache import cache_directory
from trainbed.errors import BuildError, MissingTool

_FLAGS = (
    "-std=gnu11", "-O2", "-fPIC", "-shared", "-Wall", "-Wextra", "-Wconversion", "-Wdouble-promotion", "-Wshadow",
    "-Wvla", "-Wstrict-prototypes", "-Wmissing-prototypes", "-Werror",
)  # fmt: skip


def build_shared_library(source: Path, *, include: Sequence[Path] = (), stamp: str = "") -> Path:
    """Compiles one C file to a shared library, or finds the one compiled before.

    ``stamp`` names what the result depends on beside the source, such as the version of a library's headers.

    Raises:
        MissingTool: the host has no C compiler.
        BuildError: the compiler refused the source.
    """
    text = source.read_bytes()
    digest = hashlib.sha256(b"\0".join([text, " ".join(_FLAGS).encode(), stamp.encode(), os.uname().machine.encode()]))
    library = cache_directory("native") / f"{source.stem}-{digest.hexdigest()[:20]}.so"
    if library.exists():
        return library
    candidates = (shlex.split(os.environ.get("CC", "")), ["cc"], ["gcc"], ["clang"])
    compiler = next((words for words in candidates if words and shutil.which(words[0])), None)
    if compiler is None:
        raise MissingTool("C compiler (cc)", install="apt-get install gcc libc6-dev")
    with tempfile.TemporaryDirectory(dir=library.parent) as folder:
        built = Path(folder) / library.name
        command = [*compiler, *_FLAGS, *(f"-I{path}" for path in include), str(source), "-o", str(built)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise BuildError(f"{compiler[0]} refused {source.name}:\n{done.stderr.strip()[:2000]}")
        built.replace(library)
    return library
