# SPDX-License-Identifier: Apache-2.0
"""A plan in uint8, mixed or int8_qas as model.c: 8-bit layers by the kernels of trn/int8, the others as in float32."""

from __future__ import annotations

from trainbed.codegen.constants import define_constant
from trainbed.codegen.float32.writer import Float32Writer
from trainbed.codegen.functions import function
from trainbed.codegen.int8.calls import Int8Calls
from trainbed.codegen.int8.packed import PackedCalls
from trainbed.codegen.int8.places import Int8Places
from trainbed.codegen.int8.rows import RowWriter
from trainbed.codegen.int8.scales import ScaleWriter
from trainbed.codegen.int8.update import UpdateWriter
from trainbed.codegen.literals import c_activation, c_float
from trainbed.codegen.pow2.tables import Tables
from trainbed.network.layers import Activation, Layer
from trainbed.network.training import Loss
from trainbed.planner.graph import Role, Slot, Step
from trainbed.planner.int8.plan import Int8Plan
from trainbed.planner.parameters import Arrays

_HEADERS = (
    *("add", "boundary", "conv2d", "dense", "depthwise"),
    *("gradient", "numbers", "pointwise", "pool", "standardise"),
)


class Int8Writer(Float32Writer):
    """Writes model.c of one 8-bit plan."""

    def __init__(self, plan: Int8Plan, *, constants: Arrays, shared_shapes: bool) -> None:
        super().__init__(plan, constants=constants, shared_shapes=shared_shapes)
        self._int8 = plan
        self._design = plan.design
        assert isinstance(self._places, Int8Places)
        self._int8_places = self._places
        self._scales = ScaleWriter(plan, self._int8_places, constants)
        self._tables = Tables()
        self._packed = PackedCalls(plan, self._int8_places, self._scales, constants)
        self._calls = Int8Calls(plan, self._int8_places, self._scales, self._tables, self._packed)
        self._updates = UpdateWriter(plan, self._int8_places, self._calls, self._scales)
        self._head_is_codes = not self._design.is_float(self._output)

    # --- pieces of the file ------------------------------------------------------------------------------------------

    def _make_places(self) -> Int8Places:
        assert isinstance(self._plan, Int8Plan)
        return Int8Places(self._plan)

    def _headers(self) -> tuple[str, ...]:
        packed = ("int8/packed",) if self._int8.packed else ()
        return (*super()._headers(), *(f"int8/{name}" for name in _HEADERS), "pow2/activation", *packed)

    def _statics(self) -> str:
        if self._plan.inference:
            return ""
        text = "static float trn_batch_scale;\nstatic float trn_batch_size;\nstatic float trn_batch_mean;\n"
        text += "static uint32_t trn_seed;\nstatic uint32_t trn_step;\nstatic uint32_t trn_step_key;\n"
        if self._int8.gradients.ram_bytes:
            text += f"static int32_t trn_gradients_8bit[{self._int8.gradients.ram_bytes // 4}];\n"
        return text + (self._optimizer.state() if self._plan.trainable else "static float trn_lr;\n")

    def _flash(self) -> list[str]:
        """Constants of the frozen layers that are arrays; scales and ranges are written where they are used."""
        constants = []
        for layer in self._design.quantised:
            if self._packed.holds(layer):
                constants += self._packed.definitions(layer)
        for field in self._plan.parameters.fields:
            if field.layer in self._int8.packed:
                continue
            if field.in_flash and field.what in ("weights", "bias", "mean"):
                name = self._int8_places.field(field.layer, field.what)
                constants.append(define_constant(name, field, self._constants[field.name]))
            elif field.what == "scale" and field.shape and self._trains(field.layer):
                name = f"scales_{self._places.name(self._plan.network.layer(field.layer))}"
                constants.append(define_constant(name, field, self._constants[field.name]))
        return constants

    def _trains(self, layer: str) -> bool:
        return any(trained.name == layer for trained in self._int8.quantised)

    def _update_functions(self) -> list[str]:
        if self._plan.inference:
            return []
        instance = self._optimizer.instance() if self._plan.trainable else []
        return [*instance, *self._updates.functions(), function("static void refresh(void)", self._scales.refresh())]

    def _macros(self) -> str:
        return "\n".join([self._places.macros(), self._scales.definitions(), *self._tables.definitions()])

    # --- operations --------------------------------------------------------------------------------------------------

    def _call(self, step: Step) -> str:
        if self._design.is_float(step.layer) and step.layer.name in self._float_names():
            return super()._call(step)
        if step.chain:
            rows = RowWriter(step, self._calls, self._int8_places, self.functions.emit)
            self.functions.add(rows.name, "forward_by_rows", rows.definition(), step.layer.name)
            return rows.call
        return self.functions.emit(self._calls.call_of(step))

    def _float_names(self) -> set[str]:
        return {layer.name for layer in self._int8.original.layers if self._design.is_float(layer)}

    def _separate_activation(self, layer: Layer) -> bool:
        if self._design.is_float(layer):
            return super()._separate_activation(layer)
        return layer is self._output and layer.activation is not Activation.NONE

    def _loss_gradient(self) -> str:
        if not self._head_is_codes:
            return super()._loss_gradient()
        n, p = self._output.out_size, self._places.value(self._output.name)
        e = self._places.slot(Slot(Role.ERROR, self._output.name))
        if self._plan.loss is Loss.MSE:
            activation = c_activation(self._output.activation)
            first = f"trn_mse_gradient({p}, t, {p}, {n}, {c_float(1 / n)}, {c_float(n / 2)}, {activation});"
        else:
            first = f"trn_crossentropy_gradient({p}, t, {p}, {n}, 1.0f);"
        return f"{first} trn_i8_quantise_error({p}, {e}, {n}, 127.0f);"

    def _clear_gradient(self, layer: Layer) -> str:
        if self._design.is_float(layer):
            return super()._clear_gradient(layer)
        return f"memset({self._places.gradient(layer)}, 0, {self._int8.gradient_layout_of(layer).ram_bytes});"

    def _step_layer(self, layer: Layer) -> str:
        return super()._step_layer(layer) if self._design.is_float(layer) else self._updates.call(layer)

    def _begin_immediate(self) -> list[str]:
        return [*(super()._begin_immediate() if self._plan.trainable else []), *self._next_step()]

    def _end_immediate(self) -> list[str]:
        return ["trn_mark_update();", *self._next_scales()]

    # --- batches -----------------------------------------------------------------------------------------------------

    def _begin_batch(self) -> list[str]:
        if self._plan.inference:
            return ["(void)n_samples;"]
        factor = {Loss.CATEGORICAL_CROSSENTROPY: 1.0, Loss.BINARY_CROSSENTROPY: 1 / self._output.out_size}
        mean = c_float(factor.get(self._plan.loss, 2 / self._output.out_size)) if self._head_is_codes else "1.0f"
        return [
            "trn_batch_size = (float)n_samples;",
            "trn_batch_scale = 1.0f / trn_batch_size;",
            f"trn_batch_mean = trn_batch_scale * {mean};",
        ]

    def _next_step(self) -> list[str]:
        return ["trn_step_key = trn_random_mix(trn_random_mix(trn_seed) + trn_step);", "trn_step++;"]

    def _next_scales(self) -> list[str]:
        return [*self._scales.follow(), *self._scales.rescale_biases(), "refresh();"]

    def _end_batch(self) -> list[str]:
        if self._plan.inference:
            return []
        if self._plan.immediate:
            return []
        steps = [self._updates.call(layer) for layer in self._int8.quantised]
        floats = self._optimizer.step() if self._plan.trainable else []
        unused = [] if self._int8.techniques.pruned else self._clear_sums()  # a step clears what it uses
        steps = [*floats, *steps, *unused]
        return ["trn_mark_update();", *self._next_step(), *steps, *self._next_scales(), "trn_mark_other();"]

    def _discard_batch(self) -> list[str]:
        if self._plan.inference:
            return []
        floats = self._optimizer.clear_gradients() if self._plan.trainable else []
        return [*floats, *self._clear_sums(), *self._scales.forget()]

    def _clear_sums(self) -> list[str]:
        return ["memset(trn_gradients_8bit, 0, sizeof(trn_gradients_8bit));"] if self._int8.gradients.ram_bytes else []

    def _reset(self) -> list[str]:
        if self._plan.inference:
            return []
        floats = self._optimizer.reset() if self._plan.trainable else [f"trn_lr = {c_float(self._plan.optimizer.lr)};"]
        names = [f"choice_{self._places.name(layer)}" for layer in self._scales.choosing]
        choices = [f"memset(&{name}, 0, sizeof {name});" for name in names]
        seed = f"trn_seed = {self._plan.precision.seed}u;"
        return [*floats, *choices, seed, "trn_step = 0;", *self._discard_batch(), "refresh();"]

    def _set_lr(self) -> list[str]:
        if self._plan.inference:
            return ["(void)lr;"]
        return self._optimizer.set_lr() if self._plan.trainable else ["trn_lr = lr;"]

    def _init(self) -> list[str]:
        """The host sends the parameters: quantising needs data."""
        return ["(void)seed;", "memset(trn_parameters, 0, sizeof(trn_parameters));", "trn_model_reset_optimizer();"]
