# SPDX-License-Identifier: Apache-2.0
"""The property tests of the kernels once more, under the address and undefined-behaviour sanitizers."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent


@pytest.mark.slow
@pytest.mark.parametrize("names", [("shapes", "numbers"), ("int8", "int8_shapes")])
def test_no_kernel_reads_or_writes_outside_its_arguments(names: tuple[str, ...]) -> None:
    runtime = subprocess.run(
        ["gcc", "-print-file-name=libasan.so"], capture_output=True, text=True, check=True
    ).stdout.strip()
    environment = os.environ | {
        "LD_PRELOAD": runtime,
        "ASAN_OPTIONS": "detect_leaks=0",
        "TRN_KERNELS_SANITIZE": "1",
        "PYTHONMALLOC": "malloc",  # Python's own pools would hide the edges of an array
    }
    tests = [str(HERE / f"test_kernels_{name}.py") for name in names]
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-s", "-p", "no:cacheprovider", "-k", "not core", *tests]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
