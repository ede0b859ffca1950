# SPDX-License-Identifier: Apache-2.0
"""The plan of a training step in int8_pow2."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace

from trainbed.errors import NetworkError
from trainbed.network.layers import INPUT, Kind, Layer
from trainbed.network.precision import Precision
from trainbed.network.training import Optimizer
from trainbed.planner.graph import Op, Role, Slot, Step, inference_steps, training_steps
from trainbed.planner.parameters import Field, lay_out
from trainbed.planner.plan import Plan
from trainbed.planner.pow2.design import Pow2Design
from trainbed.planner.storage import check, place
from trainbed.reference.pow2.numbers import ROWS

_ERROR_BYTES = 2
_LARGEST_RATE = 65_535


@dataclass(frozen=True)
class Pow2Plan(Plan):
    """A plan in int8_pow2 with its design. Steps are taken at once: there are no gradients and no optimizer state."""

    chosen: Pow2Design | None = None
    lifted: frozenset[str] = frozenset()
    """Frozen dense layers whose weights lie lifted in flash, as the kernels of AVR want them."""

    @property
    def design(self) -> Pow2Design:
        """The numbers of each layer."""
        assert self.chosen is not None
        return self.chosen

    @property
    def trainable(self) -> tuple[Layer, ...]:
        """No layer is updated by the float32 optimizers."""
        return ()

    @property
    def updated(self) -> tuple[Layer, ...]:
        """Layers that are trained, in forward order."""
        return tuple(layer for layer in self.network.parametric if self.design.is_trained(layer))

    @property
    def state_floats(self) -> int:
        """None: 8-bit weights have no optimizer state."""
        return 0

    @property
    def fingerprint(self) -> int:
        """32 bits that identify network, training method and numbers."""
        design = self.design
        numbers = (
            design.input_fraction,
            design.unsigned_input,
            sorted(design.sums.items()),
            sorted(design.weights.items()),
            sorted(design.sparse),
        )
        text = repr((self.network, self.loss, self.optimizer, self.precision, self.inference, numbers))
        return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "little")


def make_pow2_plan(design: Pow2Design, *, optimizer: Optimizer, precision: Precision, packs: bool = False) -> Pow2Plan:
    """Plan a network in int8_pow2. ``packs``: frozen layers get weights as the kernels of AVR want them.

    Raises NetworkError when a learning rate has no code.
    """
    graph = design.graph
    scratch = {list_of(layer): 2 * layer.in_size for layer in design.network.parametric}
    scratch |= {noise_of(layer): layer.in_size for layer in design.network.parametric}

    def slot_bytes(slot: Slot) -> int:
        if slot.role is Role.SCRATCH:
            return scratch[slot]
        layer = design.network.layer(slot.tensor)
        return layer.out_size * (_ERROR_BYTES if slot.role is Role.ERROR else 1)

    if design.inference:
        steps = tuple(_step(step, design) for step in inference_steps(graph))
    else:
        _check_rates(design, optimizer)
        plain = training_steps(graph, bits=frozenset(), immediate=True)
        steps = tuple(_step(step, design) for step in plain if step.op is not Op.BACKWARD_WEIGHTS)
    storages = place(steps, slot_bytes)
    check(steps, storages, slot_bytes)
    return Pow2Plan(
        network=design.network,
        loss=design.loss,
        optimizer=optimizer,
        batch_size=1,
        steps=steps,
        storages=storages,
        immediate=True,
        parameters=lay_out(field for layer in design.network.parametric for field in _fields(layer, design)),
        precision=precision,
        inference=design.inference,
        chosen=design,
        lifted=frozenset(_lifted(design)) if packs else frozenset(),
    )


def list_of(layer: Layer) -> Slot:
    """Where a sparse layer lists the inputs that are not zero."""
    return Slot(Role.SCRATCH, f"list of {layer.name}")


def noise_of(layer: Layer) -> Slot:
    """Where a layer's step keeps one random byte for each input."""
    return Slot(Role.SCRATCH, f"noise of {layer.name}")


def _step(step: Step, design: Pow2Design) -> Step:
    """A step with what the kernels read and write: errors are wider than codes, steps are taken at once."""
    layer = step.layer
    if step.op is Op.FORWARD:
        writes = [slot for slot in step.writes if slot.role is Role.VALUE]
        return replace(step, writes=(*writes, list_of(layer)) if layer.name in design.sparse else tuple(writes))
    if step.op is Op.UPDATE:
        sources = design.graph.inputs(layer)
        values = tuple(Slot(Role.VALUE, name) for name in sources if name != INPUT)
        return replace(step, reads=(*values, Slot(Role.ERROR, layer.name)), writes=(noise_of(layer),), sources=sources)
    if step.op is Op.LOSS:
        return replace(step, writes=(), in_place=())
    return replace(step, in_place=())


def _lifted(design: Pow2Design) -> Iterator[str]:
    for layer in design.network.parametric:
        # Codes with a sign are raised with their weights lifted; a list of them has no zeros to raise.
        takes = layer.name not in design.sparse or design.is_unsigned(design.graph.inputs(layer)[0])
        if layer.kind is Kind.DENSE and not design.is_trained(layer) and takes:
            yield layer.name


def _fields(layer: Layer, design: Pow2Design) -> Iterator[Field]:
    in_flash = not design.is_trained(layer)
    rows = 1 if layer.kind is Kind.DEPTHWISE_CONV2D else ROWS
    yield Field(layer.name, "weights", "int8", layer.weight_shape, in_flash, rows=rows)
    yield Field(layer.name, "bias", "int32", (layer.n_biases,), in_flash)


def _check_rates(design: Pow2Design, optimizer: Optimizer) -> None:
    for layer in design.network.parametric:
        if not design.is_trained(layer):
            continue
        exponent = design.rate_exponent(layer)
        if not 0 <= exponent <= 30 or not 1 <= optimizer.lr * 2.0**exponent <= _LARGEST_RATE:
            least, most = 2.0**-exponent, _LARGEST_RATE * 2.0**-exponent
            raise NetworkError(
                f"learning rate {optimizer.lr:g} has no code in int8_pow2; {least:.3g} .. {most:.3g} have",
                layer=layer.name,
            )
