# SPDX-License-Identifier: Apache-2.0
"""Where everything of an int8_pow2 plan lies, as C."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from trainbed.codegen.constants import c_type, define_pieces, pieces_of
from trainbed.codegen.names import NameTable
from trainbed.network.layers import INPUT, Layer
from trainbed.planner.graph import Role, Slot
from trainbed.planner.parameters import Arrays, Field
from trainbed.planner.pow2.plan import Pow2Plan
from trainbed.reference.pow2.numbers import lift, raise_inputs

_TYPES = {Role.VALUE: "int8_t", Role.ERROR: "int16_t", Role.SCRATCH: "uint8_t"}


class Pow2Places:
    """C expressions for the addresses of a plan."""

    def __init__(self, plan: Pow2Plan) -> None:
        self._plan = plan
        self._names = NameTable()

    def name(self, layer: Layer) -> str:
        """C identifier of a layer."""
        return self._names.of(layer.name)

    def value(self, tensor: str) -> str:
        """Address of a tensor's codes; the network's input is the argument x."""
        return "(const int8_t *)x" if tensor == INPUT else self.slot(Slot(Role.VALUE, tensor))

    def error(self, tensor: str) -> str:
        """Address of a tensor's errors."""
        return self.slot(Slot(Role.ERROR, tensor))

    def slot(self, slot: Slot) -> str:
        """Address of a slot."""
        return f"{slot.role.value}_{self._names.of(slot.tensor)}"

    def pieces(self, layer: Layer) -> list[tuple[int, int, str]]:
        """A dense layer's weights as (first output, outputs, address): one piece, or several where flash arrays of more
        than 32 KB have to be split, which avr-gcc does not take.
        """
        field = self._plan.parameters.of(layer.name, "weights")
        name = self._field_name(field)
        return [
            (first, count, f"(const {c_type(field.dtype)} *)(uintptr_t){name}{suffix}" if field.in_flash else name)
            for first, count, suffix in pieces_of(field)
        ]

    def parameter(self, layer: Layer, what: str) -> str:
        """Address of a layer's weights or biases, in RAM or flash: C has one kind of pointer for both."""
        field = self._plan.parameters.of(layer.name, what)
        name = self._field_name(field)
        return f"(const {c_type(field.dtype)} *)(uintptr_t){name}" if field.in_flash else name

    def constants(self, arrays: Arrays) -> list[str]:
        """Definitions of the frozen parameters."""
        definitions: list[str] = []
        for field in self._plan.parameters.fields:
            if field.in_flash:
                array = self._stored(field, arrays)
                definitions += define_pieces(self._field_name(field), field, array, qualifier="TRN_FLASH")
        return definitions

    def _stored(self, field: Field, arrays: Arrays) -> NDArray[np.generic]:
        """A field as the kernels want it."""
        array = arrays[field.name]
        if field.layer not in self._plan.lifted:
            return array
        if field.what == "weights":
            return lift(array)
        design = self._plan.design
        weights, layer = arrays[f"{field.layer}.weights"], self._plan.network.layer(field.layer)
        return array if design.is_unsigned(design.graph.inputs(layer)[0]) else raise_inputs(weights, array)

    def macros(self) -> str:
        """The macros that the other methods name."""
        lines = ["/* The arena; lives are counted in operations of one sample. */"]
        for storage in self._plan.storages:
            for slot in storage.slots:
                life = f"{storage.n_bytes} bytes, operations {storage.first} to {storage.last}"
                address = f"({_TYPES[slot.role]} *)(trn_arena + {storage.offset // 2})"
                lines.append(f"#define {self.slot(slot)} ({address}) /* {life} */")
        lines += ["", "/* Parameters that are trained; the frozen ones are constants. */"]
        for field in self._plan.parameters.fields:
            if not field.in_flash:
                address = f"({c_type(field.dtype)} *)(void *)(trn_parameters + {field.offset // 4})"
                lines.append(f"#define {self._field_name(field)} ({address})")
        return "\n".join(lines) + "\n"

    def _field_name(self, field: Field) -> str:
        return f"{field.what}_{self._names.of(field.layer)}"
