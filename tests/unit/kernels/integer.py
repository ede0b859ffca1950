# SPDX-License-Identifier: Apache-2.0
"""8-bit kernels as generated code calls them, with literal shapes, and what the twin says they leave behind.

A `Case` is one C function over one block of memory: its arrays lie one behind the other, each on a word, and its
body calls kernels on them. The same source runs on the host through ctypes and on emulated cores, and one comparison
serves all.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from kernels.literal import run_image
from kernels.shim import SANITIZERS, compile_c, scratch
from numpy.typing import NDArray

Array = NDArray[Any]
_C_TYPES = {"uint8": "uint8_t", "int8": "int8_t", "uint16": "uint16_t", "int16": "int16_t", "int32": "int32_t"}
_C_TYPES |= {"float32": "float", "uint32": "uint32_t"}
_GUARD = 8
"""Bytes behind each array that no kernel may touch."""


@dataclass
class Case:
    """A C function. ``add`` gives it an array, its content before and (None: the same) after; ``body`` uses them."""

    name: str
    body: list[str] = field(default_factory=list)
    arrays: dict[str, tuple[Array, Array | None]] = field(default_factory=dict)

    def add(self, name: str, before: Array, after: Array | None = None) -> None:
        """One array; an ``after`` of None means that it is only read."""
        if after is not None:
            assert before.shape == after.shape and before.dtype == after.dtype, name
        self.arrays[name] = (np.ascontiguousarray(before), after)

    def scratch(self, name: str, n_bytes: int) -> None:
        """Memory the kernel may leave as it likes; n_bytes is what its size macro says."""
        self.arrays[name] = (np.full(max(n_bytes, 1), 0xA5, np.uint8), np.zeros(0, np.uint8))

    def places(self) -> dict[str, int]:
        """Offset of each array."""
        at, places = 0, {}
        for name, (before, _) in self.arrays.items():
            places[name] = at
            at += (before.nbytes + _GUARD + 7) // 8 * 8
        return places

    def memory(self) -> tuple[Array, Array, Array]:
        """The block before and after, and a mask of the bytes that are specified."""
        places = self.places()
        size = max(at + self.arrays[name][0].nbytes + _GUARD + 8 for name, at in places.items())
        before = np.full(size, 0x5A, np.uint8)
        after, known = before.copy(), np.ones(size, np.bool_)
        for name, at in places.items():
            given, left = self.arrays[name]
            place = slice(at, at + given.nbytes)
            before[place] = given.reshape(-1).view(np.uint8)
            if left is not None and left.size == 0:
                known[place] = False
            else:
                after[place] = (given if left is None else np.ascontiguousarray(left)).reshape(-1).view(np.uint8)
        return before, after, known

    def source(self, symbol: str) -> str:
        """The C function."""
        lines = []
        for name, at in self.places().items():
            given, left = self.arrays[name]
            kind = _C_TYPES[given.dtype.name] if left is None or left.size else "void"
            constant = "const " if left is None else ""
            lines.append(f"    {constant}{kind} *{name} = ({constant}void *)(block + {at});")
        body = "\n".join("    " + line for line in self.body)
        return (
            f"void {symbol}(uint8_t *block);\nvoid {symbol}(uint8_t *block)\n{{\n"
            + "\n".join(lines)
            + f"\n{body}\n}}\n"
        )

    def check(self, memory: Array) -> None:
        """Names the first array that is not what the twin says."""
        _, want, known = self.memory()
        wrong = np.flatnonzero((memory != want) & known)
        if not len(wrong):
            return
        at = int(wrong[0])
        places = self.places()
        name = [n for n, place in places.items() if place <= at][-1]
        given, left = self.arrays[name]
        if at >= places[name] + given.nbytes:
            raise AssertionError(f"{self.name}: wrote {at - places[name] - given.nbytes + 1} bytes behind {name}")
        assert left is not None, f"{self.name}: wrote to {name}, which it may only read"
        got = memory[places[name] : places[name] + given.nbytes].view(given.dtype).reshape(given.shape)
        places_of = np.argwhere(got != left)
        first = tuple(places_of[0])
        raise AssertionError(
            f"{self.name}: {name} differs in {len(places_of)} of {got.size}, "
            f"first at {first}: {got[first]}, want {left[first]}"
        )


_HEAD = "".join(
    f'#include "trn/int8/{name}.h"\n'
    for name in ["add", "conv2d", "dense", "depthwise", "pointwise", "pool", "standardise", "table"]
)


@dataclass
class Program:
    """Cases compiled together."""

    name: str
    cases: Sequence[Case]

    @cache  # noqa: B019 - programs live as long as the tests
    def source(self) -> Path:
        """The C file."""
        path = scratch() / f"{self.name}.c"
        path.write_text(_HEAD + "\n" + "\n".join(case.source(f"case_{i}") for i, case in enumerate(self.cases)))
        return path

    __hash__ = object.__hash__

    @cache  # noqa: B019
    def host(self, flags: tuple[str, ...] = ("-O2",)) -> ctypes.CDLL:
        """The library for the host."""
        if os.environ.get("TRN_KERNELS_SANITIZE"):
            flags = ("-O0", *SANITIZERS)
        target = scratch() / f"{self.name}{flags[0]}.so"
        return ctypes.CDLL(str(compile_c([self.source()], target, flags=[*flags, "-shared", "-fPIC"])))

    def check_on_host(self, index: int, flags: tuple[str, ...] = ("-O2",)) -> None:
        """Runs a case and compares."""
        memory = _aligned(self.cases[index].memory()[0])
        getattr(self.host(flags), f"case_{index}")(ctypes.c_void_p(memory.ctypes.data))
        self.cases[index].check(memory)

    def check_on_core(self, core: str, index: int, *, optimize: str = "O2") -> None:
        """The same on an emulated core."""
        before = self.cases[index].memory()[0]
        self.cases[index].check(run_image(self.source(), core, optimize, f"case_{index}", before))


def _aligned(block: Array) -> Array:
    room = np.empty(block.size + 16, np.uint8)
    start = -room.ctypes.data % 16
    room[start : start + block.size] = block
    return room[start : start + block.size]
