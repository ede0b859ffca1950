# SPDX-License-Identifier: Apache-2.0
"""Where everything lies, as C: a macro for each slot, weight, bias and gradient of a plan."""

from __future__ import annotations

from trainbed.codegen.names import NameTable
from trainbed.network.layers import INPUT, Layer
from trainbed.planner.graph import Role, Slot
from trainbed.planner.plan import Plan


class Places:
    """C expressions for the addresses of a plan."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._names = NameTable()

    def name(self, layer: Layer) -> str:
        """C identifier of a layer."""
        return self._names.of(layer.name)

    def value(self, tensor: str) -> str:
        """Address of a tensor's values; the network's input is the argument x."""
        return "x" if tensor == INPUT else self.slot(Slot(Role.VALUE, tensor))

    def slot(self, slot: Slot) -> str:
        """Address of a slot."""
        return f"{slot.role.value}_{self._names.of(slot.tensor)}"

    def weights(self, layer: Layer) -> str:
        """Address of a layer's weights."""
        return f"weights_{self.name(layer)}"

    def biases(self, layer: Layer) -> str:
        """Address of a layer's biases."""
        return f"biases_{self.name(layer)}"

    def gradient(self, layer: Layer) -> str:
        """Address of the gradient of a layer's weights; that of its biases follows."""
        return self.slot(Slot(Role.GRADIENT, layer.name))

    def share(self, one: Slot, other: Slot) -> bool:
        """True when two slots use the same storage."""
        return self._plan.storage_of(one) is self._plan.storage_of(other)

    def macros(self) -> str:
        """The macros that the other methods name."""
        lines = ["/* The arena; lives are counted in operations of one sample. */"]
        for storage in self._plan.storages:
            for slot in storage.slots:
                cast = "(uint8_t *)" if slot.role in (Role.BITS, Role.INDEX) else ""
                life = f"{storage.n_bytes} bytes, operations {storage.first} to {storage.last}"
                lines.append(f"#define {self.slot(slot)} ({cast}(trn_arena + {storage.offset // 4})) /* {life} */")
        lines += ["", "/* Parameters that are trained, and their gradients; the frozen ones are constants. */"]
        for layer in self._plan.trainable:
            at = self._plan.parameter_offset(layer)
            lines.append(f"#define {self.weights(layer)} (trn_parameters + {at})")
            lines.append(f"#define {self.biases(layer)} (trn_parameters + {at + layer.n_weights})")
            if not self._plan.immediate:
                lines.append(f"#define {self.gradient(layer)} (trn_gradients + {at})")
        return "\n".join(lines) + "\n"
