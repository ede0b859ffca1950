# SPDX-License-Identifier: Apache-2.0
"""A case of the integer kernels of AVR: a C function with literal shapes on one block of bytes, inputs, then outputs.

The same source runs on the host and on an emulated AVR, and one comparison with the twin serves both.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trainbed.network.layers import Activation, Kind, Layer, Window
from trainbed.reference.pow2.numbers import Range

Arrays = dict[str, NDArray[Any]]
Rng = np.random.Generator

TYPES = {
    "int8": "int8_t",
    "uint8": "uint8_t",
    "int16": "int16_t",
    "uint16": "uint16_t",
    "int32": "int32_t",
    "float32": "float",
}
HEADERS = ("pow2/activation", "pow2/loss", "pow2/pool", "pow2/update", "int8/packed")


@dataclass(frozen=True)
class Case:
    """``make`` draws the arrays before, ``after`` says which of them the kernel changes and to what."""

    name: str
    statement: str
    make: Callable[[Rng], Arrays]
    after: Callable[[Arrays], Arrays]
    constants: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    """Tables in flash."""

    def sample(self, seed: int) -> tuple[Arrays, Arrays]:
        """Arrays before and after."""
        before = self.make(np.random.default_rng(seed))
        return before, before | self.after({name: array.copy() for name, array in before.items()})


def to_bytes(arrays: Arrays) -> bytes:
    """The block: each array at a multiple of 4."""
    return b"".join(array.tobytes() + bytes(-array.nbytes % 4) for array in arrays.values())


def function(index: int, case: Case) -> str:
    """The C function of a case."""
    lines, at = [], 0
    for name, array in case.make(np.random.default_rng(0)).items():
        kind = TYPES[array.dtype.name]
        lines.append(f"    {kind} *const {name} = ({kind} *)(void *)(block + {at});\n    (void){name};\n")
        at += -(-array.nbytes // 4) * 4
    flash = "".join(
        f"static TRN_FLASH {TYPES[table.dtype.name]} {name}_{index}[] = {{{_list(table)}}};\n"
        for name, table in case.constants.items()
    )
    statement = case.statement.replace("@", f"_{index}")
    signature = f"TRN_NOINLINE void case_{index}(uint8_t *block)"
    return f"{flash}{signature};\n{signature}\n{{\n{''.join(lines)}    {statement}\n}}\n"


def _list(table: NDArray[Any]) -> str:
    return ", ".join(map(str, table.reshape(-1).tolist()))


def source(cases: Sequence[Case]) -> str:
    """All of them."""
    head = "".join(f'#include "trn/{name}.h"\n' for name in HEADERS)
    return head + "\n" + "\n".join(function(i, case) for i, case in enumerate(cases))


# --- how arrays are drawn: small, full-scale and extreme codes -------------------------------------------------------


def codes(rng: Rng, *shape: int, unsigned: bool = False, zeros: float = 0.3) -> NDArray[Any]:
    """Codes of all sizes, some of them 0, some at the end of the range."""
    top = 255 if unsigned else 127
    values = rng.integers(0 if unsigned else -top, top + 1, shape)
    values = np.where(rng.random(shape) < 0.1, rng.choice([top, 1 if unsigned else -top], shape), values)
    return np.where(rng.random(shape) < zeros, 0, values).astype(np.uint8 if unsigned else np.int8)


def errors(rng: Rng, n: int) -> NDArray[np.int16]:
    """Errors of all sizes."""
    values = rng.integers(-32767, 32768, n) >> rng.integers(0, 14, n)
    return np.where(rng.random(n) < 0.1, rng.choice([-32767, 32767, 0], n), values).astype(np.int16)


def biases(rng: Rng, n: int) -> NDArray[np.int32]:
    """Biases at the scale of the sums."""
    return (rng.integers(-(1 << 22), (1 << 22) + 1, n) >> rng.integers(0, 20, n)).astype(np.int32)


# --- as C ------------------------------------------------------------------------------------------------------------


def c_range(range_: Range) -> str:
    """A layer's trn_pow2_range_t."""
    return f"(trn_pow2_range_t){{{range_.shift}, {range_.lo}, {range_.hi}}}"


def c_kind(*, flash: bool, unsigned: bool, narrow: bool, lifted: bool = False) -> str:
    """A layer's trn_pow2_kind_t."""
    flags = ", ".join("true" if flag else "false" for flag in (flash, unsigned, narrow, lifted))
    return f"(trn_pow2_kind_t){{{flags}}}"


def layer_of(kind: Kind, in_shape: tuple[int, int, int], out_c: int, kernel: int, stride: int, *, same: bool) -> Layer:
    """A layer with a window, padded as TensorFlow does."""
    height, width, _ = in_shape
    if same:
        rows, columns = -(-height // stride), -(-width // stride)
        top = max((rows - 1) * stride + kernel - height, 0) // 2
        left = max((columns - 1) * stride + kernel - width, 0) // 2
    else:
        rows, columns, top, left = (height - kernel) // stride + 1, (width - kernel) // stride + 1, 0, 0
    window = Window(kernel, kernel, stride, stride, top, left)
    return Layer("layer", kind, ("input",), in_shape, (rows, columns, out_c), Activation.NONE, window)
