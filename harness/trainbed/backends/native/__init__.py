# SPDX-License-Identifier: Apache-2.0
"""Small C and C++ helpers that run inside an emulator, built once with the host's compiler and cached by content."""

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

_BOTH = ("-O2", "-fPIC", "-shared", "-Wall", "-Wextra", "-Wdouble-promotion", "-Wvla", "-Werror")
_C = ("-std=gnu11", *_BOTH, "-Wconversion", "-Wshadow", "-Wstrict-prototypes", "-Wmissing-prototypes")
_CPP = ("-std=c++20", *_BOTH)


def build_shared_library(
    source: Path,
    *,
    include: Sequence[Path] = (),
    headers: Sequence[Path] = (),
    libraries: Sequence[str] = (),
    stamp: str = "",
) -> Path:
    """Compiles one C or C++ file to a shared library, or finds the one compiled before.

    ``include``: folders of foreign headers. ``headers``: our own ones it includes. ``libraries``: what it is linked
    with. ``stamp`` names what the result depends on beside these, such as the version of a library's headers.

    Raises:
        MissingTool: the host has no C or C++ compiler.
        BuildError: the compiler refused the source.
    """
    cpp = source.suffix == ".cpp"
    flags = _CPP if cpp else _C
    named = (" ".join(flags), " ".join(libraries), stamp, os.uname().machine)
    texts = [path.read_bytes() for path in (source, *headers)]
    digest = hashlib.sha256(b"\0".join([*texts, *(name.encode() for name in named)]))
    library = cache_directory("native") / f"{source.stem}-{digest.hexdigest()[:20]}.so"
    if library.exists():
        return library
    known = (["c++"], ["g++"], ["clang++"]) if cpp else (["cc"], ["gcc"], ["clang"])
    candidates = (shlex.split(os.environ.get("CXX" if cpp else "CC", "")), *known)
    compiler = next((words for words in candidates if words and shutil.which(words[0])), None)
    if compiler is None:
        if cpp:
            raise MissingTool("C++ compiler (c++)", install="apt-get install g++")
        raise MissingTool("C compiler (cc)", install="apt-get install gcc libc6-dev")
    with tempfile.TemporaryDirectory(dir=library.parent) as folder:
        built = Path(folder) / library.name
        foreign = (f"-isystem{path}" for path in include)  # headers not held to our warnings
        command = [*compiler, *flags, *foreign, str(source), "-o", str(built), *libraries]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise BuildError(f"{compiler[0]} refused {source.name}:\n{done.stderr.strip()[:2000]}")
        built.replace(library)
    return library
