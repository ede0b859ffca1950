# SPDX-License-Identifier: Apache-2.0
"""The C kernels for tests: compiled by the host's compiler with run-time shapes and called on NumPy arrays.

``TRN_KERNELS_SANITIZE=1`` in the environment adds the address and undefined-behaviour sanitizers (the process must then
have been started with libasan preloaded).
"""

from __future__ import annotations

import ctypes
import os
import subprocess
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trainbed.toolchain.compiler import WARNINGS

F32 = NDArray[np.float32]
HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[2]
INCLUDE = ROOT / "firmware/include"
FLAGS = ["-std=c11", "-ffp-contract=off", "-fno-math-errno", *WARNINGS, "-I", str(INCLUDE), "-I", str(HERE)]
SANITIZERS = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-g"]

NONE, RELU, RELU6, LEAKY_RELU, SIGMOID, TANH, SOFTMAX = range(7)


class WindowArgument(ctypes.Structure):
    """trn_window_t"""

    _fields_ = [
        (name, ctypes.c_int16)
        for name in [
            "in_h",
            "in_w",
            "in_c",
            "out_h",
            "out_w",
            "out_c",
            "kernel_h",
            "kernel_w",
            "stride_h",
            "stride_w",
            "pad_top",
            "pad_left",
        ]
    ]


class EpilogueArgument(ctypes.Structure):
    """trn_epilogue_t"""

    _fields_ = [
        ("activation", ctypes.c_int),
        ("y", ctypes.c_void_p),
        ("bits", ctypes.c_void_p),
        ("accumulate", ctypes.c_bool),
    ]


class AdamArgument(ctypes.Structure):
    """trn_adam_t"""

    _fields_ = [(name, ctypes.c_float) for name in ["lr", "beta1", "beta2", "eps", "p1", "p2"]]


def epilogue(activation: int, y: F32 | None = None, *, bits: Any = None, accumulate: bool = False) -> EpilogueArgument:
    """What is done to an input gradient; keeps no reference to its arrays."""
    return EpilogueArgument(activation, _address(y), _address(bits), accumulate)


def _address(array: Any) -> int | None:
    return None if array is None else array.ctypes.data


def compile_c(sources: list[Path], output: Path, *, compiler: str = "gcc", flags: list[str] | None = None) -> Path:
    """Compiles with the project's warnings, all of them errors."""
    command = [compiler, *FLAGS, *(flags or []), *map(str, sources), "-o", str(output)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-4000:]
    return output


@cache
def scratch() -> Path:
    """A folder that lives as long as the test process."""
    folder = tempfile.TemporaryDirectory(prefix="trn-kernels-")
    _keep.append(folder)
    return Path(folder.name)


_keep: list[Any] = []


@cache
def library() -> ctypes.CDLL:
    """The shim, compiled once per process."""
    flags = ["-O1", "-shared", "-fPIC", *(SANITIZERS if os.environ.get("TRN_KERNELS_SANITIZE") else [])]
    return ctypes.CDLL(str(compile_c([HERE / "shim.c"], scratch() / "shim.so", flags=flags)))


def call(name: str, *arguments: Any) -> float:
    """Calls ``shim_<name>``: arrays as pointers, int as int32, float as float, structures by value."""
    function = getattr(library(), "shim_" + name)
    function.restype = ctypes.c_float
    return float(function(*[_argument(a) for a in arguments]))


def _argument(value: Any) -> Any:
    if value is None:
        return ctypes.c_void_p(None)
    if isinstance(value, np.ndarray):
        assert value.flags.c_contiguous
        return ctypes.c_void_p(value.ctypes.data)
    if isinstance(value, (float, np.floating)):
        return ctypes.c_float(float(value))
    if isinstance(value, (int, np.integer)):
        return ctypes.c_uint32(int(value) & 0xFFFFFFFF)
    if isinstance(value, AdamArgument):
        return ctypes.byref(value)
    return value


def assert_same_bits(observed: Any, expected: Any) -> None:
    """Equal shapes and bits; any NaN equals any other."""
    observed, expected = np.asarray(observed, np.float32), np.asarray(expected, np.float32)
    assert observed.shape == expected.shape
    a, b = (
        np.where(np.isnan(v), np.uint32(0x7FC00000), np.ascontiguousarray(v).view(np.uint32))
        for v in (observed, expected)
    )
    wrong = np.argwhere(a != b)
    if len(wrong):
        first = tuple(wrong[0])
        pair = f"{observed[first]!r} != {expected[first]!r}"
        raise AssertionError(f"{len(wrong)} of {a.size} differ, first at {first}: {pair}")
