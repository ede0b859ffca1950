# SPDX-License-Identifier: Apache-2.0
"""Scripts of benchmarks/ as modules: what a page says is held against what its script writes."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from types import ModuleType

import pytest

BENCHMARKS = Path(__file__).resolve().parents[1] / "benchmarks"


def benchmark_script(folder: str, name: str) -> ModuleType:
    """``benchmarks/<folder>/<name>.py``, imported by the bare name its neighbours know it by.

    Several folders have a run.py: ``run`` is the one asked for last. Skips, at a module's level too, where benchmarks/
    is not part of the installation.
    """
    place = BENCHMARKS / folder
    if not place.is_dir():
        pytest.skip("benchmarks/ is not part of this installation", allow_module_level=True)
    known = sys.modules.get(name)
    if known is not None and Path(str(known.__file__)).parent != place:
        del sys.modules[name]
    sys.path[:] = [str(place), *(entry for entry in sys.path if entry != str(place))]
    try:
        return importlib.import_module(name)
    finally:
        # Last from now on: for what the script imports when it is called, and in nobody's way.
        sys.path.append(sys.path.pop(0))
