# SPDX-License-Identifier: Apache-2.0
"""The tables a model looks up, each written once."""

from __future__ import annotations

import textwrap
from typing import Any

from numpy.typing import NDArray

from trainbed.codegen.constants import c_type
from trainbed.network.layers import Activation
from trainbed.planner.pow2.design import TABLES
from trainbed.reference.pow2 import tables

_ACTIVATIONS = {Activation.SIGMOID: tables.sigmoid_codes, Activation.TANH: tables.tanh_codes}


class Tables:
    """Collects the tables that are asked for."""

    def __init__(self) -> None:
        self._arrays: dict[str, NDArray[Any]] = {}

    def activation(self, activation: Activation) -> str:
        """Name of an activation's table of codes."""
        return self.named(f"trn_{activation.value}_codes", _ACTIVATIONS[activation](TABLES[activation]))

    def named(self, name: str, array: NDArray[Any]) -> str:
        """Name of a table with these values."""
        self._arrays[name] = array
        return name

    def definitions(self) -> list[str]:
        """All of them as constants in flash."""
        return [_define(name, array) for name, array in self._arrays.items()]


def _define(name: str, array: NDArray[Any]) -> str:
    values = ", ".join(map(str, array.tolist()))
    rows = textwrap.fill(values, 118, initial_indent="    ", subsequent_indent="    ", break_long_words=False)
    return f"static TRN_FLASH {c_type(array.dtype.name)} {name}[{len(array)}] = {{\n{rows},\n}};\n"
