# SPDX-License-Identifier: Apache-2.0
"""Parameters in flash: arrays as C constants, to the bit."""

from __future__ import annotations

import textwrap
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from trainbed.codegen.literals import c_float
from trainbed.planner.parameters import Field

_C_TYPES = {
    "float32": "float",
    "int8": "int8_t",
    "uint8": "uint8_t",
    "int16": "int16_t",
    "uint16": "uint16_t",
    "int32": "int32_t",
    "uint32": "uint32_t",
}

_LARGEST_ARRAY = 32_767
"""Bytes: a pointer difference has 16 bits on AVR."""


def c_type(dtype: str) -> str:
    """C name of a NumPy type."""
    return _C_TYPES[dtype]


def define_constant(name: str, field: Field, array: NDArray[np.generic], *, qualifier: str = "const") -> str:
    """Definition of a field's constant."""
    flat = field.as_stored(array)
    assert flat.size == field.count, f"{field.name}: {flat.size} values, planned {field.count}"
    values = map(c_float, flat.tolist()) if field.dtype == "float32" else map(str, flat.tolist())
    rows = textwrap.fill(
        ", ".join(values), 118, initial_indent="    ", subsequent_indent="    ", break_long_words=False
    )
    return f"static {qualifier} {c_type(field.dtype)} {name}[{field.count}] = {{\n{rows},\n}};\n"


def pieces_of(field: Field) -> list[tuple[int, int, str]]:
    """First output, outputs and suffix of the name of a field's pieces: one, or several where an array of dense weights
    has more than the 32 KB that avr-gcc takes; they are cut between blocks of outputs.
    """
    row = field.n_bytes // field.shape[0]
    most = _LARGEST_ARRAY // row // max(field.rows, 1) * field.rows
    if field.n_bytes <= _LARGEST_ARRAY or len(field.shape) != 2 or not most:
        return [(0, field.shape[0], "")]
    firsts = range(0, field.shape[0], most)
    return [(first, min(most, field.shape[0] - first), f"_{number}") for number, first in enumerate(firsts)]


def define_pieces(name: str, field: Field, array: NDArray[np.generic], *, qualifier: str) -> list[str]:
    """Definitions of a field's pieces."""
    return [
        define_constant(
            f"{name}{suffix}",
            replace(field, shape=(count, *field.shape[1:])),
            array[first : first + count],
            qualifier=qualifier,
        )
        for first, count, suffix in pieces_of(field)
    ]
