# SPDX-License-Identifier: Apache-2.0
"""Chains of layers that run row by row, as C: one function for each layer's row, one that drives the chain."""

from __future__ import annotations

from collections.abc import Callable

from trainbed.codegen.call import Call
from trainbed.codegen.int8.calls import Int8Calls
from trainbed.codegen.int8.packed import row_window
from trainbed.codegen.int8.places import Int8Places
from trainbed.codegen.literals import c_window
from trainbed.network.layers import INPUT, Kind, Layer
from trainbed.planner.graph import Step
from trainbed.planner.int8.chains import lines_of

Emit = Callable[[Call], str]
"""Makes the statement that makes a call."""


class RowWriter:
    """Writes the function that runs one chain."""

    def __init__(self, step: Step, calls: Int8Calls, places: Int8Places, emit: Emit) -> None:
        self._step = step
        self._chain = step.chain
        self._calls = calls
        self._places = places
        self._emit = emit
        self._lines = {line.layer.name: line for line in lines_of(step.chain)}

    @property
    def name(self) -> str:
        """Of the function."""
        return f"{self._places.name(self._chain[0])}_to_{self._places.name(self._chain[-1])}_by_rows"

    @property
    def call(self) -> str:
        """Statement that runs the chain."""
        return f"{self.name}({'x' if self._reads_input else ''});"

    def definition(self) -> str:
        """The function: outputs of the last layer row by row, each layer before it as far as that row needs it."""
        last = self._chain[-1]
        counters = [
            name for name, line in self._lines.items() if self._reader(line.layer).kind is Kind.DEPTHWISE_CONV2D
        ]
        body = [f"trn_size_t {self._done(name)} = 0;" for name in counters]
        body.append(f"for (trn_size_t i = 0; i < {last.out_shape[0]}; i++) {{")
        body += ["    " + line for line in self._row(len(self._chain) - 1, "i")]
        body.append("}")
        text = "".join(f"    {line}\n" for line in body)
        argument = "const uint8_t *x" if self._reads_input else "void"
        return f"static TRN_NOINLINE void {self.name}({argument})\n{{\n{text}}}\n"

    @property
    def _reads_input(self) -> bool:
        return INPUT in self._step.sources

    def _row(self, number: int, i: str) -> list[str]:
        """Statements that make row ``i`` of a layer, and of those before it what is not there yet."""
        layer, lines = self._chain[number], []
        if number > 0:
            before = self._chain[number - 1]
            if layer.kind is Kind.DEPTHWISE_CONV2D:
                done = self._done(before.name)
                lines.append(f"for (; {done} < {_rows_needed(layer, i)}; {done}++) {{")
                lines += ["    " + line for line in self._row(number - 1, done)]
                lines.append("}")
            else:
                lines += self._row(number - 1, i)
        return [*lines, self._emit(self._call(layer, i))]

    def _call(self, layer: Layer, i: str) -> Call:
        call = Call(layer, "forward_row")
        sources = self._calls.sources(layer)
        if layer.kind is Kind.ADD:
            xs = [call.take(f"const uint8_t *x{k or ''}", self._from(name, layer, i)) for k, name in enumerate(sources)]
            y = call.take("uint8_t *y", self._to(layer, i))
            zeros = [self._calls.zero(call, f"z_{k}", name) for k, name in enumerate(sources)]
            scale = call.take("const trn_i8_add_scale_t *scale", f"&{self._places.forward_scale(layer)}")
            out = self._calls.output(call, layer, scale="NULL")
            count = layer.out_shape[1] * layer.out_shape[2]
            call.lines.append(
                f"trn_i8_add_forward({xs[0]}, {xs[1]}, {y}, {count}, {zeros[0]}, {zeros[1]}, *{scale}, {out});"
            )
            return call
        x = call.take("const uint8_t *x", self._from(sources[0], layer, i))
        if self._calls.packed.holds(layer):
            return self._packed(call, layer, x, i)
        w = call.take("const int8_t *w", self._places.field(layer.name, "weights"))
        b = call.take("const int32_t *b", self._places.field(layer.name, "bias"))
        y = call.take("uint8_t *y", self._to(layer, i))
        z_x = self._calls.zero(call, "z_x", sources[0])
        out = self._calls.output(call, layer)
        if layer.is_pointwise:
            shape = f"{layer.in_shape[1]}, {layer.in_shape[2]}, {layer.out_shape[2]}"
            call.lines.append(f"trn_i8_pointwise_forward({x}, {w}, {b}, {y}, {shape}, {z_x}, {out});")
            return call
        row = call.take("trn_size_t i", i)
        if layer.kind is Kind.DEPTHWISE_CONV2D:
            shape = f"{c_window(layer)}, {z_x}, {out}, {row}, {self._ring(layer)}"
            call.lines.append(f"trn_i8_depthwise_conv2d_row({x}, {w}, {b}, {y}, {shape});")
            return call
        call.lines += [
            f"const trn_window_t whole = {c_window(layer)};",
            f"const trn_window_t window = trn_i8_rows(whole, {row}, {row} + 1);",
            f"const trn_size_t from = trn_i8_rows_from(whole, {row}) * {layer.in_shape[1] * layer.in_shape[2]};",
            f"trn_i8_conv2d_forward({x} + from, {w}, {b}, {y}, window, {z_x}, {out});",
        ]
        return call

    def _packed(self, call: Call, layer: Layer, x: str, i: str) -> Call:
        """The same of a layer that has the kernels of AVR."""
        packed = self._calls.packed
        y = call.take("uint8_t *y", self._to(layer, i))
        if layer.is_pointwise:
            call.lines.append(packed.window(layer, x, y, window=row_window(layer)))
            return call
        row = call.take("trn_size_t i", i)
        if layer.kind is Kind.DEPTHWISE_CONV2D:
            call.lines.append(packed.window(layer, x, y, row=f"{row}, {self._ring(layer)}"))
            return call
        call.lines += [
            f"const trn_window_t whole = {c_window(layer)};",
            f"const trn_window_t window = trn_i8_rows(whole, {row}, {row} + 1);",
            f"const trn_size_t from = trn_i8_rows_from(whole, {row}) * {layer.in_shape[1] * layer.in_shape[2]};",
            packed.window(layer, f"{x} + from", y, window="window"),
        ]
        return call

    def _ring(self, layer: Layer) -> int:
        """Rows of its input that a depthwise convolution finds, one behind the other."""
        source = self._calls.sources(layer)[0]
        return self._lines[source].rows if source in self._lines else layer.in_shape[0]

    def _from(self, tensor: str, layer: Layer, i: str) -> str:
        """Where a layer finds row ``i`` of what it reads; with a window: all rows there are."""
        by_window = not layer.is_pointwise and layer.kind is not Kind.ADD
        if tensor in self._lines:
            return self._line(tensor)
        row = layer.in_shape[1] * layer.in_shape[2]
        base = self._places.value(tensor)
        return base if by_window else f"{base} + {i} * {row}"

    def _to(self, layer: Layer, i: str) -> str:
        """Where row ``i`` of a layer goes."""
        if layer == self._chain[-1]:
            return f"{self._places.value(layer.name)} + {i} * {layer.out_shape[1] * layer.out_shape[2]}"
        line = self._lines[layer.name]
        return self._line(layer.name) + (f" + {i} % {line.rows} * {line.row_bytes}" if line.rows > 1 else "")

    def _line(self, tensor: str) -> str:
        offset = self._lines[tensor].offset
        base = self._places.scratch(f"forward of {self._chain[-1].name}")
        return f"{base} + {offset}" if offset else base

    def _reader(self, layer: Layer) -> Layer:
        return self._chain[self._chain.index(layer) + 1]

    def _done(self, layer: str) -> str:
        return f"rows_of_{self._places.field(layer, 'weights').removeprefix('weights_')}"


def _rows_needed(layer: Layer, i: str) -> str:
    """Rows of its input that row ``i`` of a depthwise convolution needs."""
    window = layer.window
    assert window is not None
    beyond = window.kernel_h - window.pad_top
    first = i if window.stride_h == 1 else f"{i} * {window.stride_h}"
    return f"trn_min({first} + {beyond}, {layer.in_shape[0]})"
