# SPDX-License-Identifier: Apache-2.0
"""Steps of an 8-bit plan as calls of the kernels in firmware/include/trn/int8.

Addresses, scales that are not known before training, and zero points that move are arguments of the generated
functions; shapes and everything that is fixed are constants inside them.
"""

from __future__ import annotations

import math

import numpy as np

from trainbed.codegen.call import Call
from trainbed.codegen.int8.error_scales import error_scale_expression, needs_error_scale
from trainbed.codegen.int8.packed import PackedCalls
from trainbed.codegen.int8.places import Int8Places
from trainbed.codegen.int8.scales import ScaleWriter
from trainbed.codegen.int8.shapes import family, mask_limits, row_windows, rows_of_turn, shape_of
from trainbed.codegen.literals import c_window
from trainbed.codegen.pow2.tables import Tables
from trainbed.network.layers import Activation, Kind, Layer
from trainbed.planner.graph import Epilogue, Fused, Op, Role, Slot, Step
from trainbed.planner.int8.design import Design
from trainbed.planner.int8.layout import trained_shape
from trainbed.planner.int8.plan import Int8Plan
from trainbed.planner.int8.scratch import TILE, in_tiles, pooled_rows_bytes


class Int8Calls:
    """Makes the calls of a plan's 8-bit layers."""

    def __init__(
        self, plan: Int8Plan, places: Int8Places, scales: ScaleWriter, tables: Tables, packed: PackedCalls
    ) -> None:
        self._plan = plan
        self._places = places
        self._scales = scales
        self._tables = tables
        self.packed = packed
        self._design: Design = plan.design
        self._graph = self._design.graph

    def call_of(self, step: Step) -> Call:
        """The call of a FORWARD, BITS, SELECT, BACKWARD_WEIGHTS or BACKWARD_INPUT step of an 8-bit layer."""
        if step.op is Op.FORWARD:
            return self._forward(step)
        if step.op is Op.BITS:
            return self._bits(step)
        if step.op is Op.SELECT:
            return self._select(step)
        if step.op is Op.BACKWARD_WEIGHTS:
            return self._backward_weights(step)
        return self._backward_input(step)

    # --- forward -----------------------------------------------------------------------------------------------------

    def _forward(self, step: Step) -> Call:
        layer = step.layer
        if step.fused is not None:
            return self._forward_pooled(step, step.fused)
        call = Call(layer, "forward")
        if layer.kind is Kind.DEQUANTISE:
            return self._dequantise(call, step)
        x = call.take("const uint8_t *x", self._places.value(step.sources[0]))
        if layer.has_weights:
            return self._weighted(call, step, x)
        if layer.kind is Kind.ADD:
            other = call.take("const uint8_t *x2", self._places.value(step.sources[1]))
            y = call.take("uint8_t *y", self._places.value(layer.name))
            zeros = (self.zero(call, "z_1", step.sources[0]), self.zero(call, "z_2", step.sources[1]))
            scale = call.take("const trn_i8_add_scale_t *scale", f"&{self._places.forward_scale(layer)}")
            out = self.output(call, layer, scale="NULL")
            call.lines.append(
                f"trn_i8_add_forward({x}, {other}, {y}, {layer.out_size}, {zeros[0]}, {zeros[1]}, *{scale}, {out});"
            )
        elif layer.kind is Kind.MAX_POOL:
            y = call.take("uint8_t *y", self._places.value(layer.name))
            index = Slot(Role.INDEX, layer.name)
            place = call.take("uint8_t *index", self._places.slot(index)) if index in step.writes else "NULL"
            call.lines.append(f"trn_i8_max_pool_forward({x}, {y}, {place}, {shape_of(layer)});")
        elif self.packed.holds(layer):
            call.lines.append(self.packed.average(layer, x, call.take("uint8_t *y", self._places.value(layer.name))))
        else:
            y = call.take("uint8_t *y", self._places.value(layer.name))
            zero = self.zero(call, "z_x", step.sources[0])
            scale = call.take("const trn_i8_scale_t *scale", f"&{self._places.forward_scale(layer)}")
            out = f"(trn_i8_output_t){{{scale}, false, {zero}, 0, 255, NULL}}"
            call.lines.append(f"trn_i8_{family(layer)}_forward({x}, {y}, {shape_of(layer)}, {zero}, {out});")
        return call

    def _weighted(self, call: Call, step: Step, x: str) -> Call:
        """A layer with weights, and the table behind it."""
        layer = step.layer
        if layer.name == self._graph.output:
            return self._head(call, step, x)
        if step.in_place:
            return self._depthwise_in_place(step)
        if not self.packed.holds(layer):
            w = call.take("const int8_t *w", self._places.field(layer.name, "weights"))
            b = call.take("const int32_t *b", self._places.field(layer.name, "bias"))
        y = call.take("uint8_t *y", self._places.value(layer.name))
        if not self.packed.holds(layer):
            z_x = self.zero(call, "z_x", step.sources[0])
            out = self.output(call, layer)
            call.lines.append(f"trn_i8_{family(layer)}_forward({x}, {w}, {b}, {y}, {shape_of(layer)}, {z_x}, {out});")
        elif layer.kind is Kind.DENSE:
            self.packed.dense(call, step, x)
        else:
            call.lines.append(self.packed.window(layer, x, y))
        self._look_up(call, layer)
        return call

    def _look_up(self, call: Call, layer: Layer) -> None:
        """The codes of a sigmoid or tanh out of those of its sums."""
        if (table := self._design.table(layer.name)) is not None:
            name = self._tables.named(f"trn_{layer.activation.value}_codes", table.codes.view(np.int8))
            call.lines.append(f"trn_pow2_lookup((const int8_t *)y, (int8_t *)y, {name}, {layer.out_size});")

    def _depthwise_in_place(self, step: Step) -> Call:
        """A depthwise convolution that writes over its input."""
        layer = step.layer
        call = Call(layer, "forward_in_place")
        x = call.take("uint8_t *x", self._places.value(step.sources[0]))
        if self.packed.holds(layer):
            scratch = call.take("uint8_t *scratch", self._places.scratch(f"forward of {layer.name}"))
            call.lines.append(self.packed.window(layer, x, "", in_place=scratch))
            return call
        w = call.take("const int8_t *w", self._places.field(layer.name, "weights"))
        b = call.take("const int32_t *b", self._places.field(layer.name, "bias"))
        scratch = call.take("uint8_t *scratch", self._places.scratch(f"forward of {layer.name}"))
        z_x = self.zero(call, "z_x", step.sources[0])
        out = self.output(call, layer)
        shape = f"{c_window(layer)}, {z_x}, {out}"
        call.lines.append(f"trn_i8_depthwise_conv2d_inplace({x}, {w}, {b}, {shape}, {scratch});")
        return call

    def _forward_pooled(self, step: Step, fused: Fused) -> Call:
        """Rows of a convolution, and of the pool behind it, by turns."""
        layer, pool = step.layer, fused.pool
        call = Call(layer, "forward_pooled")
        x = call.take("const uint8_t *x", self._places.value(step.sources[0]))
        y = call.take("uint8_t *y", self._places.value(pool.name))
        index = Slot(Role.INDEX, pool.name)
        place = call.take("uint8_t *index", self._places.slot(index)) if index in step.writes else "NULL"
        rows = call.take("uint8_t *rows", self._places.scratch(f"forward of {layer.name}"))
        if self.packed.holds(layer):
            convolution = self.packed.window(layer, f"{x} + from", rows, window="window")
        else:
            w = call.take("const int8_t *w", self._places.field(layer.name, "weights"))
            b = call.take("const int32_t *b", self._places.field(layer.name, "bias"))
            numbers = f"window, {self.zero(call, 'z_x', step.sources[0])}, {self.output(call, layer)}"
            convolution = f"trn_i8_{layer.kind.value}_forward({x} + from, {w}, {b}, {rows}, {numbers});"
        row = fused.rows * pool.out_shape[1] * pool.out_shape[2]
        at_index = f"{place} + i * {row}" if place != "NULL" else place
        call.lines += [
            *row_windows(layer, fused),
            f"for (trn_size_t i = 0; i < {pool.out_shape[0] // fused.rows}; i++) {{",
            *rows_of_turn(layer, fused),
            f"    {convolution}",
            f"    trn_i8_max_pool_forward({rows}, {y} + i * {row}, {at_index}, pool);",
            "}",
        ]
        return call

    def _head(self, call: Call, step: Step, x: str) -> Call:
        """The last layer: its sums as float32."""
        layer, packed = step.layer, self.packed.holds(step.layer)
        if not packed:
            w = call.take("const int8_t *w", self._places.field(layer.name, "weights"))
            b = call.take("const int32_t *b", self._places.field(layer.name, "bias"))
        y = call.take("float *y", self._places.value(layer.name))
        z_x = "" if packed else self.zero(call, "z_x", step.sources[0])
        s = call.take("float s", f"{self._places.forward_scale(layer)}")
        call.lines.append(f"int32_t *const sums = (int32_t *)(void *){y};")
        if packed:
            self.packed.dense(call, step, x)
        else:
            call.lines.append(f"trn_i8_dense_sums({x}, {w}, {b}, sums, {shape_of(layer)}, {z_x});")
        call.lines.append(f"trn_i8_dequantise_sums(sums, {y}, {layer.out_size}, {s});")
        return call

    def _dequantise(self, call: Call, step: Step) -> Call:
        source = step.sources[0]
        x = call.take("const uint8_t *x", self._places.value(source))
        y = call.take("float *y", self._places.value(step.layer.name))
        s = call.take("float s", f"{self._places.numbers(self._design.range_owner(source))}.scale")
        zero = self.zero(call, "zero", source)
        n = step.layer.out_size
        call.lines.append(f"trn_i8_dequantise({x}, {y}, {n}, {s}, {zero});")
        if self._design.is_centred(step.layer):
            mean = call.take("const float *mean", self._places.field(step.layer.name, "mean"))
            call.lines += [f"for (trn_size_t i = 0; i < {n}; i++) {{", f"    {y}[i] -= {mean}[i];", "}"]
        return call

    def sources(self, layer: Layer) -> tuple[str, ...]:
        """Tensors a layer reads."""
        return self._graph.inputs(layer)

    def zero(self, call: Call, name: str, tensor: str) -> str:
        """Zero point of a tensor: 0 where it must be, else an argument."""
        owner = self._design.range_owner(tensor)
        if self._design.starts_at_zero(owner):
            return "0"
        return call.take(f"int32_t {name}", f"{self._places.numbers(owner)}.zero")

    def output(self, call: Call, layer: Layer, scale: str = "") -> str:
        """What becomes of a layer's sums."""
        if not scale:
            address = self._places.forward_scale(layer)
            scale = call.take("const trn_i8_scale_t *scale", address if self._design.per_channel else f"&{address}")
        tabled = self._design.table(layer.name) is not None
        zero = str(self._scales.sums_zero(layer)) if tabled else self.zero(call, "z_y", layer.name)
        seen = "NULL"
        if self._design.moves(layer.name):
            seen = call.take("trn_i8_range_t *seen", f"&{self._places.seen(layer.name)}")
        per_channel = "true" if self._design.per_channel and layer.has_weights else "false"
        lo = "0" if tabled or layer.activation is Activation.NONE else zero
        return f"(trn_i8_output_t){{{scale}, {per_channel}, {zero}, {lo}, 255, {seen}}}"

    def _bits(self, step: Step) -> Call:
        layer = step.layer
        call = Call(layer, "bits")
        y = call.take("const uint8_t *y", self._places.value(layer.name))
        bits = call.take("uint8_t *bits", self._places.slot(Slot(Role.BITS, layer.name)))
        call.lines.append(f"trn_i8_mask_bits({y}, {bits}, {layer.out_size}, {mask_limits(layer.activation)});")
        return call

    # --- backward ----------------------------------------------------------------------------------------------------

    def _select(self, step: Step) -> Call:
        """Norms of the structures, how many take part, which."""
        layer, update = step.layer, self._plan.precision.update
        call = Call(layer, "select")
        e = call.take("const int8_t *e", self._places.slot(Slot(Role.ERROR, layer.name)))
        scratch = call.take("uint8_t *scratch", self._places.selection(layer))
        choice = call.take("trn_i8_choice_t *choice", f"&choice_{self._places.name(layer)}")
        s = call.take("float s_e", self.error_scale_expression(layer.name))
        pixels = layer.out_shape[0] * layer.out_shape[1]
        assert update is not None and not hasattr(update, "weights")
        limits = f"{update.lambda_min!r}f, {update.lambda_max!r}f"
        call.lines.append(f"trn_i8_choose({e}, {pixels}, {layer.n_biases}, {s}, {limits}, {scratch}, {choice});")
        return call

    def _which(self, call: Call, step: Step) -> str:
        """The structures that take part in a backward step."""
        layer = step.layer
        if Slot(Role.SCRATCH, f"selection of {layer.name}") not in step.reads:
            return "TRN_I8_ALL"
        chosen = call.take("const uint8_t *chosen", self._places.selection(layer))
        count = call.take("trn_size_t count", f"choice_{self._places.name(layer)}.count")
        return f"((trn_i8_structures_t){{trn_i8_choice_list({chosen}, {layer.n_biases}), {count}}})"

    def _backward_weights(self, step: Step) -> Call:
        layer, share = step.layer, self._design.gradient(step.layer)
        if step.fused is not None:
            return self._backward_weights_pooled(step, step.fused)
        call = Call(layer, "backward_weights")
        e = call.take("const int8_t *e", self._places.slot(Slot(Role.ERROR, layer.name)))
        which = self._which(call, step)
        bias = call.take("int32_t *gb", self._places.sums(layer, "bias")) if share.bias else "NULL"
        if not share.channels:
            pixels = layer.out_shape[0] * layer.out_shape[1]
            call.lines.append(f"trn_i8_bias_gradient({e}, {bias}, {pixels}, {layer.n_biases}, {which});")
            return call
        x = call.take("const uint8_t *x", self._places.value(step.sources[0]))
        z_x = self.zero(call, "z_x", step.sources[0])
        arguments = [shape_of(layer), z_x, which]
        if layer.kind is not Kind.DEPTHWISE_CONV2D:
            arguments.append(str(share.channels))
        name = f"trn_i8_{family(layer)}_backward_weights"
        if self._plan.narrow:
            w = call.take("int16_t *gw", self._places.sums(layer, "weights"))
            shift = call.take("uint8_t *shift", self._places.sums(layer, "shift"))
            scratch = call.take("uint8_t *scratch", self._places.scratch(f"backward_weights of {layer.name}"))
            tail = ", ".join([*arguments, f"(int32_t *)(void *){scratch}"])
            call.lines.append(f"{name}16({x}, {e}, {w}, {shift}, {bias}, {tail});")
        else:
            w = call.take("int32_t *gw", self._places.sums(layer, "weights"))
            call.lines.append(f"{name}({x}, {e}, {w}, {bias}, {', '.join(arguments)});")
        return call

    def _backward_weights_pooled(self, step: Step, fused: Fused) -> Call:
        """The error of some rows of a convolution out of its pool's, and their share of the gradient, by turns."""
        layer, pool, share = step.layer, fused.pool, self._design.gradient(step.layer)
        call = Call(layer, "backward_weights_pooled")
        e = call.take("const int8_t *e", self._places.slot(Slot(Role.ERROR, pool.name)))
        index = call.take("const uint8_t *index", self._places.slot(Slot(Role.INDEX, pool.name)))
        x = call.take("const uint8_t *x", self._places.value(step.sources[0]))
        z_x = self.zero(call, "z_x", step.sources[0])
        bias = call.take("int32_t *gb", self._places.sums(layer, "bias")) if share.bias else "NULL"
        scratch = call.take("uint8_t *scratch", self._places.scratch(f"backward_weights of {layer.name}"))
        row, n = fused.rows * pool.out_shape[1] * pool.out_shape[2], layer.n_biases
        count = math.prod(trained_shape(layer, share.channels))
        channels = "" if layer.kind is Kind.DEPTHWISE_CONV2D else f", {share.channels}"
        gather: list[str] = []
        if self._plan.narrow:
            gw = call.take("int16_t *gw", self._places.sums(layer, "weights"))
            shift = call.take("uint8_t *shift", self._places.sums(layer, "shift"))
            sums = "sums"
            call.lines.append(
                f"int32_t *const sums = (int32_t *)(void *)({scratch} + {pooled_rows_bytes(layer, fused)});"
            )
            call.lines.append(f"trn_i8_clear(sums, {count});")
            apart, each = (n, 1) if layer.kind is Kind.DEPTHWISE_CONV2D else (1, count // n)
            gather = [
                f"for (trn_size_t o = 0; o < {n}; o++) {{",
                f"    trn_i8_deposit({gw} + o * {each}, {shift} + o, sums + o * {each}, {count // n}, {apart});",
                "}",
            ]
        else:
            sums = call.take("int32_t *gw", self._places.sums(layer, "weights"))
        call.lines += [
            f"int8_t *const rows = (int8_t *){scratch};",
            "const trn_i8_error_t error = {NULL, NULL, 0, 256, NULL, false, NULL};",
            *row_windows(layer, fused),
            f"for (trn_size_t i = 0; i < {pool.out_shape[0] // fused.rows}; i++) {{",
            *rows_of_turn(layer, fused),
            f"    trn_i8_max_pool_backward({index} + i * {row}, {e} + i * {row}, rows, pool, error);",
            f"    trn_i8_{layer.kind.value}_backward_weights({x} + from, rows, {sums}, {bias}, window, {z_x},"
            f" TRN_I8_ALL{channels});",
            "}",
            *gather,
        ]
        return call

    def _backward_input(self, step: Step) -> Call:
        layer = step.layer
        verb = "backward_input" if len(layer.inputs) == 1 else f"backward_input_{1 + step.sources.index(step.target)}"
        call = Call(layer, verb)
        dx = call.take("int8_t *dx", self._places.slot(Slot(Role.ERROR, step.target)))
        if layer.kind is Kind.DEQUANTISE:
            return self._quantise_error(call, step, dx)
        if self._design.per_channel and layer.has_weights:
            e = call.take("int8_t *e", self._places.slot(Slot(Role.ERROR, layer.name)))
            scales = call.take("const trn_i8_scale_t *channels", self._places.channel_scale(layer))
            pixels = layer.out_shape[0] * layer.out_shape[1]
            call.lines.append(f"trn_i8_scale_channels({e}, {e}, {pixels}, {layer.n_biases}, {scales});")
        else:
            e = call.take("const int8_t *e", self._places.slot(Slot(Role.ERROR, layer.name)))
        error = self._error(call, step)
        if layer.has_weights:
            w = call.take("const int8_t *w", self._places.field(layer.name, "weights"))
            which = self._which(call, step)
            tiled = in_tiles(layer, chosen=which != "TRN_I8_ALL", tiles=self._plan.techniques.tiles)
            arguments = [w, e, dx, shape_of(layer), error, str(TILE) if tiled else which]
            if layer.kind is Kind.CONV2D:
                place = self._places.scratch(f"backward_input of {layer.name}")
                arguments.append(f"(int8_t *){call.take('uint8_t *scratch', place)}")
            name = f"trn_i8_{family(layer)}_backward_input{'_tiles' if tiled else ''}"
            if step.parts > 1:
                name, arguments = "trn_i8_conv2d_backward_input_parts", [*arguments, str(step.parts)]
            call.lines.append(f"{name}({', '.join(arguments)});")
        elif layer.kind is Kind.MAX_POOL:
            index = call.take("const uint8_t *index", self._places.slot(Slot(Role.INDEX, layer.name)))
            call.lines.append(f"trn_i8_max_pool_backward({index}, {e}, {dx}, {shape_of(layer)}, {error});")
        elif layer.kind in (Kind.AVG_POOL, Kind.GLOBAL_AVG_POOL):
            call.lines.append(f"trn_i8_{family(layer)}_backward({e}, {dx}, {shape_of(layer)}, {error});")
        else:
            call.lines.append(f"trn_i8_pass_error({e}, {dx}, {layer.out_size}, {error});")
        return call

    def _error(self, call: Call, step: Step) -> str:
        """What becomes of the sums of an input gradient."""
        layer, target = step.layer, step.target
        epilogue = step.epilogue
        assert epilogue is not None
        scale, seen = "NULL", "NULL"
        if needs_error_scale(self._design, layer, target):
            scale = call.take("const trn_i8_scale_t *scale", f"&{self._places.error_scale(layer, target)}")
        if target in self._design.error_owners and layer.has_weights:
            seen = call.take("trn_i8_range_t *seen", f"&{self._places.seen_error(target)}")
        y, bits = self._mask(call, epilogue, target)
        limits = mask_limits(epilogue.activation)
        accumulate = "true" if epilogue.accumulate else "false"
        return f"(trn_i8_error_t){{{scale}, {y}, {limits}, {bits}, {accumulate}, {seen}}}"

    def _mask(self, call: Call, epilogue: Epilogue, target: str) -> tuple[str, str]:
        source = epilogue.derivative_from
        if source is None:
            return "NULL", "NULL"
        if source.role is Role.BITS:
            return "NULL", call.take("const uint8_t *bits", self._places.slot(source))
        if self._places.share(source, Slot(Role.ERROR, target)):
            return "(const uint8_t *)dx", "NULL"
        return call.take("const uint8_t *y_x", self._places.slot(source)), "NULL"

    def _quantise_error(self, call: Call, step: Step, dx: str) -> Call:
        """The error of a float32 layer to codes."""
        layer, target, epilogue = step.layer, step.target, step.epilogue
        assert epilogue is not None
        e = call.take("const float *e", self._places.slot(Slot(Role.ERROR, layer.name)))
        s = call.take("float inv_s", f"trn_batch_size / {self.error_scale_expression(target)}")
        y, bits = self._mask(call, epilogue, target)
        accumulate = "true" if epilogue.accumulate else "false"
        error = f"(trn_i8_error_t){{NULL, {y}, {mask_limits(epilogue.activation)}, {bits}, {accumulate}, NULL}}"
        call.lines.append(f"trn_i8_take_error({e}, {dx}, {layer.out_size}, {s}, {error});")
        return call

    # --- scales ------------------------------------------------------------------------------------------------------

    def error_scale_expression(self, tensor: str) -> str:
        """C expression of the scale of a tensor's errors."""
        return error_scale_expression(self._design, self._places, tensor)
