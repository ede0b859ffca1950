# SPDX-License-Identifier: Apache-2.0
"""Where everything of an 8-bit plan lies, as C: slots, parameters and gradients with their types, and the names of the
statics that hold scales.
"""

from __future__ import annotations

from trainbed.codegen.constants import c_type
from trainbed.codegen.places import Places
from trainbed.network.layers import INPUT, Layer
from trainbed.planner.graph import Role, Slot
from trainbed.planner.int8.plan import Int8Plan
from trainbed.planner.parameters import Field


class Int8Places(Places):
    """C expressions for the addresses of an 8-bit plan."""

    def __init__(self, plan: Int8Plan) -> None:
        super().__init__(plan)
        self._int8 = plan
        self._design = plan.design

    def field(self, layer: str, what: str) -> str:
        """Address of a field of the parameters."""
        name = self._names.of(layer)
        return {"weights": f"weights_{name}", "bias": f"biases_{name}", "mean": f"means_{name}"}.get(
            what, f"{what}_{name}"
        )

    def sums(self, layer: Layer, what: str) -> str:
        """Address of accumulators of an 8-bit layer: weights, shift, bias."""
        return f"sums_{what}_{self.name(layer)}"

    def selection(self, layer: Layer) -> str:
        """Address of the scratch in which a layer's structures are chosen."""
        return self.scratch(f"selection of {layer.name}")

    def scratch(self, operation: str) -> str:
        """Address of an operation's scratch."""
        return self.slot(Slot(Role.SCRATCH, operation))

    def macros(self) -> str:
        """The macros that the other methods name."""
        lines = ["/* The arena; lives are counted in operations of one sample. */"]
        for storage in self._plan.storages:
            for slot in storage.slots:
                life = f"{storage.n_bytes} bytes, operations {storage.first} to {storage.last}"
                place = self._typed(self._slot_type(slot), "trn_arena", storage.offset)
                lines.append(f"#define {self.slot(slot)} {place} /* {life} */")
        lines += ["", "/* Parameters that are trained or whose scale moves; the frozen ones are constants. */"]
        lines += [self._define(field) for field in self._plan.parameters.fields if not field.in_flash]
        lines += ["", "/* Gradients. */"]
        for layer in self._plan.trainable:
            if not self._plan.immediate:
                lines.append(f"#define {self.gradient(layer)} (trn_gradients + {self._plan.parameter_offset(layer)})")
        lines += self._gradient_macros()
        return "\n".join(lines) + "\n"

    def _define(self, field: Field) -> str:
        place = self._typed(c_type(field.dtype), "trn_parameters", field.offset)
        return f"#define {self.field(field.layer, field.what)} {place}"

    def _gradient_macros(self) -> list[str]:
        lines = []
        for layer in self._int8.differentiated:
            if self._int8.immediate:
                base = self.gradient(layer)
                fields = self._int8.gradient_layout_of(layer).fields
            else:
                base = "trn_gradients_8bit"
                fields = tuple(field for field in self._int8.gradients.fields if field.layer == layer.name)
            for field in fields:
                place = self._typed(c_type(field.dtype), base, field.offset)
                lines.append(f"#define {self.sums(layer, field.what)} {place}")
        return lines

    def _slot_type(self, slot: Slot) -> str:
        if slot.role in (Role.BITS, Role.INDEX, Role.SCRATCH):
            return "uint8_t"
        if slot.role is Role.GRADIENT:
            return "float" if self._design.is_float(self._plan.network.layer(slot.tensor)) else "uint8_t"
        if slot.role is Role.VALUE:
            return "uint8_t" if self._design.holds_codes(slot.tensor) else "float"
        return "int8_t" if self._design.errors_are_codes(slot.tensor) else "float"

    def _typed(self, kind: str, base: str, offset: int) -> str:
        """An address of a type; alignment is the planner's: every offset is a multiple of four."""
        return f"(({kind} *)(void *)((uint8_t *){base} + {offset}))" if offset else f"(({kind} *)(void *){base})"

    # --- statics that hold scales ------------------------------------------------------------------------------------

    def numbers(self, owner: str) -> str:
        """The trn_i8_numbers_t of an owner of a range."""
        return "numbers_input" if owner == INPUT else f"numbers_{self._names.of(owner)}"

    def forward_scale(self, layer: Layer) -> str:
        """The trn_i8_scale_t, or one for each channel, of a layer's sums."""
        return f"scale_forward_{self.name(layer)}"

    def error_scale(self, layer: Layer, target: str) -> str:
        """The trn_i8_scale_t with which a layer's input gradient becomes the error of a tensor."""
        return f"scale_error_{self.name(layer)}_{self._names.of(target)}"

    def channel_scale(self, layer: Layer) -> str:
        """The trn_i8_scale_t of each channel by which errors are made comparable."""
        return f"scale_channels_{self.name(layer)}"

    def seen(self, owner: str) -> str:
        """The trn_i8_range_t of the sums of an owner's layer."""
        return f"seen_{self._names.of(owner)}"

    def seen_error(self, tensor: str) -> str:
        """The trn_i8_range_t of the sums that make a tensor's errors."""
        return f"seen_error_{self._names.of(tensor)}"
