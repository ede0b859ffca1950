# SPDX-License-Identifier: Apache-2.0
"""The optimizer's part of model.c: its state, its step with the constants folded in, for all parameters at once
or layer by layer.
"""

from __future__ import annotations

from trainbed.codegen.literals import c_float
from trainbed.codegen.places import Places
from trainbed.network.layers import Layer
from trainbed.network.training import Adam
from trainbed.planner.plan import Plan


class OptimizerWriter:
    """Writes what the optimizer of a plan needs."""

    def __init__(self, plan: Plan, places: Places) -> None:
        self._plan = plan
        self._places = places
        self._adam = isinstance(plan.optimizer, Adam)
        if self._adam:
            self._arrays: tuple[str, ...] = ("trn_moment1", "trn_moment2")
        else:
            self._arrays = ("trn_velocity",) if plan.state_floats else ()

    def state(self) -> str:
        """Definitions of gradients and state."""
        if self._plan.inference:
            return ""
        arrays = (() if self._plan.immediate else ("trn_gradients",)) + self._arrays
        lines = [f"static float {name}[{self._plan.n_trainable}];" for name in arrays]
        return "\n".join([*lines, "static trn_adam_t trn_adam;" if self._adam else "static float trn_lr;"]) + "\n"

    def set_lr(self) -> list[str]:
        """Body that takes a new learning rate."""
        if self._plan.inference:
            return ["(void)lr;"]
        return ["trn_adam.lr = lr;" if self._adam else "trn_lr = lr;"]

    def _constants(self) -> str:
        optimizer = self._plan.optimizer
        assert isinstance(optimizer, Adam)
        values = (optimizer.lr, optimizer.beta1, optimizer.beta2, optimizer.eps)
        return ", ".join((*map(c_float, values), "1.0f", "1.0f"))

    def instance(self) -> list[str]:
        """One function that steps a run of parameters; none where nothing is trained."""
        if self._plan.inference:
            return []
        optimizer = self._plan.optimizer
        states = "".join(f", float *{name.removeprefix('trn_')}" for name in self._arrays)
        extra = "float lr_t, " if self._adam else "float lr, "
        signature = f"static TRN_NOINLINE void update({extra}float *w, float *g{states}, trn_size_t n)"
        if isinstance(optimizer, Adam):
            constants = f"const trn_adam_t constants = {{{self._constants()}}};"
            call = f"{constants}\n    trn_adam_step(&constants, lr_t, w, g, moment1, moment2, n);"
        elif self._plan.state_floats:
            call = f"trn_sgd_momentum_step(w, g, velocity, n, lr, {c_float(optimizer.momentum)});"
        else:
            call = "trn_sgd_step(w, g, n, lr);"
        return [f"{signature}\n{{\n    {call}\n}}\n"]

    def reset(self) -> list[str]:
        """Body that zeroes state and gradients."""
        if self._plan.inference:
            return []
        lines = [f"memset({name}, 0, sizeof({name}));" for name in self._arrays]
        if self._adam:
            lines.append(f"trn_adam = (trn_adam_t){{{self._constants()}}};")
        else:
            lines.append(f"trn_lr = {c_float(self._plan.optimizer.lr)};")
        return lines + self.clear_gradients()

    def clear_gradients(self) -> list[str]:
        """Body that drops what the batch has accumulated; in immediate mode nothing outlives a sample."""
        return (
            [] if self._plan.immediate or self._plan.inference else ["memset(trn_gradients, 0, sizeof(trn_gradients));"]
        )

    def clear_layer(self, layer: Layer) -> str:
        """Statement that zeroes one layer's gradient in the arena."""
        return f"memset({self._places.gradient(layer)}, 0, {layer.n_parameters} * sizeof(float));"

    def begin_step(self) -> list[str]:
        """Statements before the first update of a step."""
        return ["const float lr_t = trn_adam_begin_step(&trn_adam);"] if self._adam else []

    def step(self) -> list[str]:
        """Body that updates all trainable parameters of a batch."""
        if self._plan.immediate or self._plan.inference:
            return []
        update = self._update("trn_parameters", "trn_gradients", 0, self._plan.n_trainable)
        return [*self.begin_step(), update]

    def step_layer(self, layer: Layer) -> str:
        """Statement that updates one layer."""
        state = self._plan.parameter_offset(layer)
        return self._update(self._places.weights(layer), self._places.gradient(layer), state, layer.n_parameters)

    def _update(self, w: str, g: str, state: int, count: int) -> str:
        arrays = "".join(f", {name} + {state}" if state else f", {name}" for name in self._arrays)
        return f"update({'lr_t' if self._adam else 'trn_lr'}, {w}, {g}{arrays}, {count});"
