# SPDX-License-Identifier: Apache-2.0
"""Steps of an int8_pow2 plan as calls of the kernels in firmware/include/trn/pow2: operands are arguments of the
generated functions, shapes and numbers constants inside them.
"""

from __future__ import annotations

from trainbed.codegen.call import Call
from trainbed.codegen.literals import c_activation, c_window
from trainbed.codegen.pow2.places import Pow2Places
from trainbed.codegen.pow2.tables import Tables
from trainbed.network.layers import Activation, Kind, Layer
from trainbed.planner.graph import Step
from trainbed.planner.pow2.design import Pow2Design
from trainbed.planner.pow2.plan import Pow2Plan, list_of, noise_of
from trainbed.reference.pow2.layers import window_inverse

_PASSED = {Activation.RELU, Activation.RELU6, Activation.SIGMOID, Activation.TANH}
"""Activations whose derivative is not 1."""


class Pow2Calls:
    """Makes the calls of a plan."""

    def __init__(self, plan: Pow2Plan, places: Pow2Places, tables: Tables) -> None:
        self._design: Pow2Design = plan.design
        self._lifted = plan.lifted
        self._graph = plan.design.graph
        self._places = places
        self._tables = tables

    def forward(self, step: Step) -> Call:
        """Sums, their codes, an activation by table."""
        layer = step.layer
        call = Call(layer, "forward")
        x = call.take("const int8_t *x", self._places.value(step.sources[0]))
        unsigned = _c_bool(self._design.is_unsigned(step.sources[0]))
        if layer.has_weights:
            self._weighted(call, layer, x)
        elif layer.kind is Kind.ADD:
            self._add(call, step, x)
        elif layer.kind is Kind.FLATTEN:
            y = call.take("int8_t *y", self._places.value(layer.name))
            call.lines.append(f"memmove({y}, {x}, {layer.out_size});")
        elif layer.kind is Kind.GLOBAL_AVG_POOL:
            y = call.take("int8_t *y", self._places.value(layer.name))
            sizes = f"{layer.in_shape[0] * layer.in_shape[1]}, {layer.in_shape[2]}, {window_inverse(layer)}u"
            call.lines.append(f"trn_pow2_global_avg_pool_forward({x}, {y}, {sizes}, {unsigned});")
        else:
            y = call.take("int8_t *y", self._places.value(layer.name))
            inverse = f"{window_inverse(layer)}u, " if layer.kind is Kind.AVG_POOL else ""
            call.lines.append(f"trn_pow2_{layer.kind.value}_forward({x}, {y}, {c_window(layer)}, {inverse}{unsigned});")
        if (activation := self._design.table(layer)) is not None:
            table = self._tables.activation(activation)
            call.lines.append(f"trn_pow2_lookup(y, y, {table}, {layer.out_size});")
        return call

    def _weighted(self, call: Call, layer: Layer, x: str) -> None:
        if layer.kind is Kind.DENSE:
            self._dense(call, layer, x)
            return
        w = call.take("const int8_t *w", self._places.parameter(layer, "weights"))
        b = call.take("const int32_t *b", self._places.parameter(layer, "bias"))
        y = call.take("int8_t *y", self._places.value(layer.name))
        numbers = f"{c_window(layer)}, {self._range(layer)}, {self._kind(layer)}"
        call.lines.append(f"trn_pow2_{layer.kind.value}_forward({x}, {w}, {b}, {y}, {numbers});")

    def _dense(self, call: Call, layer: Layer, x: str) -> None:
        pieces = self._places.pieces(layer)
        names = [call.take(f"const int8_t *w{i or ''}", address) for i, (_, _, address) in enumerate(pieces)]
        b = call.take("const int32_t *b", self._places.parameter(layer, "bias"))
        y = call.take("int8_t *y", self._places.value(layer.name))
        listed = "NULL, 0"
        if layer.name in self._design.sparse:
            scratch = call.take("uint8_t *list", self._places.slot(list_of(layer)))
            call.lines.append(f"const trn_size_t n_listed = trn_pow2_list({x}, {scratch}, {layer.in_size});")
            listed = f"{scratch}, n_listed"
        numbers = f"{self._range(layer)}, {self._kind(layer)}"
        for w, (first, count, _) in zip(names, pieces, strict=True):
            places = f"{w}, {b} + {first}, {y} + {first}" if first else f"{w}, {b}, {y}"
            call.lines.append(f"trn_pow2_dense_blocks({x}, {listed}, {places}, {layer.in_size}, {count}, {numbers});")

    def _add(self, call: Call, step: Step, x: str) -> None:
        other = call.take("const int8_t *other", self._places.value(step.sources[1]))
        y = call.take("int8_t *y", self._places.value(step.layer.name))
        finest = self._design.sum_fraction(step.layer)
        shifts = ", ".join(str(finest - self._design.fraction(tensor)) for tensor in step.sources)
        call.lines.append(
            f"trn_pow2_add_forward({x}, {other}, {y}, {step.layer.out_size}, {shifts}, {self._range(step.layer)});"
        )

    def backward_input(self, step: Step) -> Call:
        """Errors of what a dense layer reads, times the derivative of the activation they pass."""
        layer = step.layer
        call = Call(layer, "backward_input")
        w = call.take("const int8_t *w", self._places.parameter(layer, "weights"))
        e = call.take("const int16_t *e", self._places.error(layer.name))
        dx = call.take("int16_t *dx", self._places.error(step.target))
        shift = self._design.weights[layer.name]
        call.lines.append(f"trn_pow2_dense_backward_input({w}, {e}, {dx}, {layer.in_size}, {layer.out_size}, {shift});")
        producer = self._graph.producer[step.target]
        if producer.activation in _PASSED:
            y = call.take("const int8_t *y", self._places.value(step.target))
            call.lines.append(self.derivative(producer, dx, y))
        return call

    def derivative(self, layer: Layer, e: str, y: str) -> str:
        """Statement: errors of a layer's output become errors of its sums."""
        hi = self._design.range_of(layer).hi
        return f"trn_pow2_derivative({e}, {y}, {layer.out_size}, {c_activation(layer.activation)}, {hi});"

    def update(self, step: Step, rate: str) -> Call:
        """The step of a dense layer; ``rate``: its learning rate on the device."""
        layer, source = step.layer, step.sources[0]
        call = Call(layer, "update")
        x = call.take("const int8_t *x", self._places.value(source))
        e = call.take("const int16_t *e", self._places.error(layer.name))
        w = call.take("int8_t *w", self._places.parameter(layer, "weights"))
        b = call.take("int32_t *b", self._places.parameter(layer, "bias"))
        noise = call.take("uint8_t *noise", self._places.slot(noise_of(layer)))
        rate = call.take("uint16_t rate", rate)
        sizes = f"{layer.in_size}, {layer.out_size}"
        numbers = f"{self._design.fraction(source)}, {_c_bool(self._design.is_unsigned(source))}"
        call.lines.append(
            f"trn_pow2_dense_update({x}, {e}, {w}, {b}, {noise}, &trn_stream, {sizes}, {rate}, {numbers});"
        )
        return call

    def _range(self, layer: Layer) -> str:
        of = self._design.range_of(layer)
        return f"(trn_pow2_range_t){{{of.shift}, {of.lo}, {of.hi}}}"

    def _kind(self, layer: Layer) -> str:
        flags = (
            not self._design.is_trained(layer),
            self._design.is_unsigned(self._graph.inputs(layer)[0]),
            layer.name in self._design.narrow,
            layer.name in self._lifted,
        )
        return f"(trn_pow2_kind_t){{{', '.join(map(_c_bool, flags))}}}"


def _c_bool(value: bool) -> str:
    return "true" if value else "false"
