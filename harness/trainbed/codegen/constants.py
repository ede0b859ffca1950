# SPDX-License-Identifier: Apache-2.0
"""Parameters in flash: arrays as C constants, to the bit."""

from __future__ import annotations

import textwrap

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
