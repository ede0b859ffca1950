# SPDX-License-Identifier: Apache-2.0
"""Steps of a float32 plan as calls of the runtime's kernels (firmware/include/trn): operands, shape and flags apart.

Operands are pointers and always arguments of the generated function. The shape becomes constants inside it (one
function per distinct shape) or further arguments (one function for all shapes, smaller and slower); the bits are the
same.
"""

from __future__ import annotations

from dataclasses import dataclass

from trainbed.codegen.literals import c_activation, c_float, c_window
from trainbed.codegen.places import Places
from trainbed.network.layers import Activation, Kind, Layer
from trainbed.planner.graph import RELU_FAMILY, Op, Role, Slot, Step

_FUSED_ACTIVATIONS = (Activation.NONE, *RELU_FAMILY)


@dataclass(frozen=True)
class Parameter:
    """One parameter of a generated function and the expression passed for it."""

    declaration: str
    name: str
    expression: str


@dataclass(frozen=True)
class ShapedCall:
    """One kernel call: what it is applied to, its shape, its flags."""

    layer: Layer
    verb: str
    kernel: str
    operands: tuple[Parameter, ...]
    shape: tuple[Parameter, ...]
    flags: tuple[str, ...]
    shared: bool = False

    @property
    def key(self) -> tuple[object, ...]:
        """Equal for calls that one generated function can serve."""
        shape = () if self.shared else tuple(parameter.expression for parameter in self.shape)
        return (self.kernel, tuple(operand.declaration for operand in self.operands), shape, self.flags)

    @property
    def arguments(self) -> tuple[str, ...]:
        """Expressions passed to the generated function."""
        return tuple(parameter.expression for parameter in self._parameters)

    @property
    def _parameters(self) -> tuple[Parameter, ...]:
        return (*self.operands, *self.shape) if self.shared else self.operands

    def definition(self, name: str) -> str:
        """The generated function."""
        signature = ", ".join(f"{p.declaration}{p.name}" for p in self._parameters)
        shape = tuple(p.name if self.shared else p.expression for p in self.shape)
        inner = ", ".join(
            (*(operand.name for operand in self.operands if operand.name != "derivative"), *shape, *self.flags)
        )
        return f"static TRN_NOINLINE void {name}({signature})\n{{\n    {self.kernel}({inner});\n}}\n"


def _floats(name: str, expression: str, *, written: bool = False) -> Parameter:
    return Parameter("float *" if written else "const float *", name, expression)


def _shape(layer: Layer) -> tuple[Parameter, ...]:
    def count(name: str, value: int) -> Parameter:
        return Parameter("trn_size_t ", name, str(value))

    if layer.kind is Kind.DENSE:
        return (count("n_in", layer.in_size), count("n_out", layer.out_size))
    if layer.is_pointwise:
        pixels = layer.in_shape[0] * layer.in_shape[1]
        return (count("n_pixels", pixels), count("in_c", layer.in_shape[2]), count("out_c", layer.out_shape[2]))
    if layer.kind is Kind.GLOBAL_AVG_POOL:
        pixels = layer.in_shape[0] * layer.in_shape[1]
        inverse = Parameter("float ", "inv_n", c_float(1 / pixels))
        return (count("n_pixels", pixels), count("n_channels", layer.in_shape[2]), inverse)
    if layer.kind in (Kind.ADD, Kind.FLATTEN):
        return (count("n", layer.out_size),)
    assert layer.window is not None
    window = (Parameter("trn_window_t ", "s", c_window(layer)),)
    if layer.kind is Kind.AVG_POOL:
        return (*window, Parameter("float ", "inv_n", c_float(1 / (layer.window.kernel_h * layer.window.kernel_w))))
    return window


def _family(layer: Layer) -> str:
    return "pointwise" if layer.is_pointwise else layer.kind.value


def separate_activation(layer: Layer) -> bool:
    """True when a layer's activation is a pass of its own instead of being fused into the kernel."""
    if layer.activation is Activation.NONE:
        return False
    return not (layer.has_weights or layer.kind is Kind.ADD) or layer.activation not in _FUSED_ACTIVATIONS


def call_of(step: Step, places: Places, *, shared: bool) -> ShapedCall:
    """The kernel call of a FORWARD, BITS, BACKWARD_WEIGHTS or BACKWARD_INPUT step."""
    if step.op is Op.FORWARD:
        return _forward(step, places, shared=shared)
    if step.op is Op.BITS:
        return _bits(step, places)
    if step.op is Op.BACKWARD_WEIGHTS:
        return _backward_weights(step, places, shared=shared)
    return _backward_input(step, places, shared=shared)


def _forward(step: Step, places: Places, *, shared: bool) -> ShapedCall:
    layer = step.layer
    x = _floats("x", places.value(step.sources[0]))
    y = _floats("y", places.value(layer.name), written=True)
    fused = Activation.NONE if separate_activation(layer) else layer.activation
    operands: tuple[Parameter, ...] = (x, y)
    flags: tuple[str, ...] = ()
    kernel = f"trn_{_family(layer)}_forward"
    if layer.has_weights:
        operands = (x, _floats("w", places.weights(layer)), _floats("b", places.biases(layer)), y)
        flags = (c_activation(fused),)
    elif layer.kind is Kind.ADD:
        operands = (_floats("a", x.expression), _floats("b", places.value(step.sources[1])), y)
        flags = (c_activation(fused),)
    elif layer.kind is Kind.MAX_POOL:
        index = Slot(Role.INDEX, layer.name)
        operands = (x, y, Parameter("uint8_t *", "index", places.slot(index) if index in step.writes else "NULL"))
    elif layer.kind is Kind.FLATTEN:
        kernel = "trn_copy"
    return ShapedCall(layer, "forward", kernel, operands, _shape(layer), flags, shared)


def _backward_weights(step: Step, places: Places, *, shared: bool) -> ShapedCall:
    layer, gradient = step.layer, places.gradient(step.layer)
    operands = (
        _floats("x", places.value(step.sources[0])),
        _floats("e", places.slot(Slot(Role.ERROR, layer.name))),
        _floats("gw", gradient, written=True),
        _floats("gb", f"{gradient} + {layer.n_weights}", written=True),
    )
    return ShapedCall(
        layer, "backward_weights", f"trn_{_family(layer)}_backward_weights", operands, _shape(layer), (), shared
    )


def _backward_input(step: Step, places: Places, *, shared: bool) -> ShapedCall:
    layer = step.layer
    e = _floats("e", places.slot(Slot(Role.ERROR, layer.name)))
    dx = _floats("dx", places.slot(Slot(Role.ERROR, step.target)), written=True)
    operands: tuple[Parameter, ...] = (e, dx)
    kernel = f"trn_{_family(layer)}_backward_input"
    if layer.has_weights:
        operands = (_floats("w", places.weights(layer)), e, dx)
    elif layer.kind is Kind.MAX_POOL:
        operands = (Parameter("const uint8_t *", "index", places.slot(Slot(Role.INDEX, layer.name))), e, dx)
    if layer.kind in (Kind.MAX_POOL, Kind.AVG_POOL, Kind.GLOBAL_AVG_POOL):
        kernel = f"trn_{_family(layer)}_backward"
    elif layer.kind in (Kind.ADD, Kind.FLATTEN):
        kernel = "trn_pass_gradient"
    derivative, flag = _epilogue(step, places)
    verb = "backward_input" if len(layer.inputs) == 1 else f"backward_input_{1 + step.sources.index(step.target)}"
    return ShapedCall(layer, verb, kernel, operands + derivative, _shape(layer), (flag,), shared)


def _epilogue(step: Step, places: Places) -> tuple[tuple[Parameter, ...], str]:
    """Further operand, if any, and the trn_epilogue_t of an input gradient."""
    epilogue = step.epilogue
    assert epilogue is not None
    source = epilogue.derivative_from
    operand: tuple[Parameter, ...] = ()
    y, bits = "NULL", "NULL"
    if source is not None and source.role is Role.BITS:
        operand, bits = (Parameter("const uint8_t *", "derivative", places.slot(source)),), "derivative"
    elif source is not None and places.share(source, Slot(Role.ERROR, step.target)):
        y = "dx"
    elif source is not None:
        operand, y = (_floats("derivative", places.slot(source)),), "derivative"
    accumulate = "true" if epilogue.accumulate else "false"
    return operand, f"(trn_epilogue_t){{{c_activation(epilogue.activation)}, {y}, {bits}, {accumulate}}}"


def _bits(step: Step, places: Places) -> ShapedCall:
    layer = step.layer
    operands = (
        _floats("y", places.value(layer.name)),
        Parameter("uint8_t *", "bits", places.slot(Slot(Role.BITS, layer.name))),
    )
    shape = (Parameter("trn_size_t ", "n", str(layer.out_size)),)
    return ShapedCall(layer, "bits", "trn_activation_bits", operands, shape, (c_activation(layer.activation),))
