# SPDX-License-Identifier: Apache-2.0
"""The plan of a training step in an 8-bit precision."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from functools import cached_property

from trainbed.errors import NetworkError
from trainbed.network.layers import INPUT, Kind, Layer, Network
from trainbed.network.precision import DynamicUpdate, Precision
from trainbed.network.training import Adam, Loss, Optimizer
from trainbed.planner.graph import Op, Role, Slot, Step
from trainbed.planner.int8 import scratch
from trainbed.planner.int8.chains import choose_chains, join_chains, lines_bytes, peak_behind
from trainbed.planner.int8.design import Design
from trainbed.planner.int8.fuse import fusable, fuse_pools
from trainbed.planner.int8.layout import gradient_layout, layer_gradient, parameter_layout, trained_shape
from trainbed.planner.int8.packed import packed_layers, sparse_layers
from trainbed.planner.int8.techniques import ALL_TECHNIQUES, Techniques
from trainbed.planner.parameters import ParameterLayout
from trainbed.planner.plan import Arranged, Plan, arrange, plain_steps
from trainbed.planner.storage import merge_in_place, total_bytes

Chains = tuple[tuple[Layer, ...], ...]
_WAYS = ((1, 2), (1, 4), *((turns, parts) for turns in (2, 4, 8, 16, 32) for parts in (1, 2, 4)))
"""Turns in which a convolution and its pool run together, and parts of an input gradient: more of either costs cycles
and is taken only where the arena becomes smaller.
"""
_FRAME = Slot(Role.VALUE, INPUT)
"""The frame that brings a sample; the network's input lies in it."""
_LARGEST_SUM = 2**31 - 1
_LARGEST_PRODUCT = 127 * 255
"""Of an error and the distance of a code from its zero point."""


@dataclass(frozen=True)
class Int8Plan(Plan):
    """A plan in uint8, mixed or int8_qas; what it adds to a float32 plan."""

    gradients: ParameterLayout = field(default_factory=lambda: ParameterLayout(()))
    """Accumulators of the 8-bit layers outside the arena; empty in immediate mode."""
    original: Network = field(default_factory=lambda: Network((1, 1, 1), ()))
    """The network without the conversions that ``network`` has."""
    input_numbers: tuple[float, int] = (1.0, 0)
    """Scale and zero point of the network's input."""
    techniques: Techniques = ALL_TECHNIQUES
    """What was allowed to make it small."""
    receive_bytes: int = 0
    """Frame buffer of the link in the arena, one sample long; 0: the link has a buffer of its own."""
    packed: frozenset[str] = frozenset()
    """Frozen layers whose weights lie as the kernels of AVR want them."""
    sparse: frozenset[str] = frozenset()
    """Packed layers that leave out what is zero in the network's input."""

    @cached_property
    def design(self) -> Design:
        """The numbers of each layer."""
        return Design(self.original, self.precision, inference=self.inference, pruned=self.techniques.pruned)

    @property
    def receive_offset(self) -> int | None:
        """Where in the arena the link receives, in bytes; None: it has a buffer of its own."""
        return self.storage_of(_FRAME).offset if self.receive_bytes else None

    @property
    def arena_bytes(self) -> int:
        """The arena of a sample; between samples the scratch of a step lies there."""
        steps = () if self.immediate else tuple(scratch.update_bytes(layer, self.design) for layer in self.quantised)
        return max(super().arena_bytes, *steps, 0)

    @property
    def trainable(self) -> tuple[Layer, ...]:
        """Float32 layers that are updated by the optimizer, in forward order."""
        design = self.design
        return tuple(
            layer for layer in self.network.parametric if design.is_float(layer) and design.share(layer).anything
        )

    @property
    def quantised(self) -> tuple[Layer, ...]:
        """8-bit layers of which something is updated, in forward order."""
        design = self.design
        return tuple(layer for layer in design.quantised if design.share(layer).anything)

    @property
    def differentiated(self) -> tuple[Layer, ...]:
        """8-bit layers whose gradient is worked out, in forward order."""
        design = self.design
        return () if self.inference else tuple(x for x in design.quantised if design.gradient(x).anything)

    @property
    def narrow(self) -> bool:
        """Gradients of 8-bit layers are accumulated in 16 bits."""
        return self.precision.quantisation.accumulators == "int16"

    @property
    def gradient_bytes(self) -> int:
        """Accumulators outside the arena, of both kinds of layers."""
        return super().gradient_bytes + self.gradients.ram_bytes

    def gradient_layout_of(self, layer: Layer) -> ParameterLayout:
        """Accumulators of one 8-bit layer inside its slot of the arena, in immediate mode."""
        return layer_gradient(layer, self.design, narrow=self.narrow)


def make_int8_plan(
    network: Network,
    *,
    loss: Loss,
    optimizer: Optimizer,
    batch_size: int,
    precision: Precision,
    input_numbers: tuple[float, int],
    inference: bool = False,
    techniques: Techniques = ALL_TECHNIQUES,
    receive_bytes: int = 0,
    packs: bool = False,
) -> Int8Plan:
    """Plan the training of a network in uint8, mixed or int8_qas.

    ``receive_bytes``: a frame with one sample, if the arena is to hold it. ``packs``: frozen layers in uint8 and mixed
    get the kernels of AVR.

    Raises NetworkError for what the precision cannot do, and where sums of a batch could overflow.
    """
    design = Design(network, precision, inference=inference, pruned=techniques.pruned)
    immediate = batch_size == 1
    narrow = precision.quantisation.accumulators == "int16"
    if not inference:
        _check_optimizer(design, optimizer)
        _check_sums(design, batch_size)

    packed = packed_layers(design) if packs and techniques.flash else frozenset()
    sparse = sparse_layers(design, packed, input_numbers[1])
    sizes: dict[Slot, int] = {_FRAME: receive_bytes}
    chooses = isinstance(precision.update, DynamicUpdate)

    def slot_bytes(slot: Slot) -> int:
        if slot in sizes:
            return sizes[slot]
        layer = design.network.layer(slot.tensor)
        if slot.role is Role.BITS:
            return (layer.out_size + 7) // 8
        if slot.role is Role.INDEX:
            return layer.out_size
        if slot.role is Role.GRADIENT:
            if design.is_float(layer):
                return 4 * layer.n_parameters
            return layer_gradient(layer, design, narrow=narrow).ram_bytes
        codes = design.holds_codes(slot.tensor) if slot.role is Role.VALUE else design.errors_are_codes(slot.tensor)
        return layer.out_size if codes else 4 * layer.out_size

    pools = {
        name: pool
        for name, pool in fusable(design.graph).items()
        if not design.is_float(design.network.layer(name)) and design.table(name) is None
    }
    choosing = frozenset(layer.name for layer in design.quantised) if chooses else frozenset()

    seen: dict[object, Arranged] = {}

    def arranged(turns: int, parts: int, chains: Chains) -> Arranged:
        chained = {layer.name for chain in chains for layer in chain}
        alone = {name: pool for name, pool in pools.items() if name not in chained}

        def finish(steps: tuple[Step, ...]) -> tuple[Step, ...]:
            steps = join_chains(steps, chains)
            if turns > 1:
                steps = fuse_pools(steps, alone, turns=turns, choosing=choosing)
            if techniques.in_place:
                steps = _in_place(steps, design)
            steps = tuple(_in_parts(step, parts) for step in steps)
            steps = tuple(_with_list(step, sparse, sizes) for step in steps)
            finished = _with_scratch(steps, design, sizes, chooses=chooses, narrow=narrow, tiles=techniques.tiles)
            return tuple(_with_frame(finished, design) if receive_bytes else finished)

        # Ways that come to the same steps and scratch come to the same arena: it is looked for once.
        steps = finish(plain_steps(design.graph, immediate=immediate))
        key = (steps, tuple(sizes[slot] for step in steps for slot in step.writes if slot.role is Role.SCRATCH))
        if key not in seen:
            seen[key] = arrange(design.graph, slot_bytes, immediate=immediate, finish=finish, bits=techniques.bits)
        return seen[key]

    best = arranged(1, 1, ())
    floor = 0
    if techniques.patches:
        alone = best[0]
        # First as short as can be, which shows what the rest of the step needs; then no more chains than that asks for.
        tried: set[Chains] = {()}
        for _ in range(2):
            chains = choose_chains(alone, design, slot_bytes, floor=floor)
            if chains not in tried:
                tried.add(chains)
                trial = arranged(1, 1, chains)
                best, floor = min(best, trial, key=_total), peak_behind(*trial)
    for turns, parts in _WAYS:
        if (turns == 1 or (pools and techniques.fused_pools)) and (parts == 1 or techniques.tiles):
            chains = tuple(step.chain for step in best[0] if step.chain)
            best = min(best, arranged(turns, parts, chains), key=_total)
    steps, storages = best
    return Int8Plan(
        network=design.network,
        loss=loss,
        optimizer=optimizer,
        batch_size=batch_size,
        steps=steps,
        storages=storages,
        immediate=immediate,
        parameters=parameter_layout(design, flash=techniques.flash, packed=packed),
        precision=precision,
        inference=inference,
        gradients=ParameterLayout(()) if immediate else gradient_layout(design, narrow=narrow),
        original=network,
        input_numbers=input_numbers,
        techniques=techniques,
        receive_bytes=receive_bytes,
        packed=packed,
        sparse=sparse,
    )


def list_of(layer: Layer) -> Slot:
    """Where a sparse layer lists the inputs that are not zero."""
    return Slot(Role.SCRATCH, f"list of {layer.name}")


def _with_list(step: Step, sparse: frozenset[str], sizes: dict[Slot, int]) -> Step:
    if step.op is not Op.FORWARD or step.layer.name not in sparse:
        return step
    slot = list_of(step.layer)
    sizes[slot] = 2 * step.layer.in_size
    return replace(step, writes=(*step.writes, slot))


def _total(arranged: Arranged) -> int:
    return total_bytes(arranged[1])


def _check_optimizer(design: Design, optimizer: Optimizer) -> None:
    stepped = [layer for layer in design.quantised if design.share(layer).anything]
    if stepped and (isinstance(optimizer, Adam) or optimizer.momentum):
        name = design.precision.name
        raise NetworkError(f"{name} trains 8-bit layers by sgd without momentum; their steps have no room for state")


def _check_sums(design: Design, batch_size: int) -> None:
    """No sum of a batch leaves 32 bits: |e| <= 127, |x - z| <= 255, as many terms as pixels and samples."""
    for layer in design.quantised:
        pixels = layer.out_shape[0] * layer.out_shape[1]
        if design.gradient(layer).anything and batch_size * pixels * _LARGEST_PRODUCT > _LARGEST_SUM:
            most = _LARGEST_SUM // (_LARGEST_PRODUCT * pixels)
            raise NetworkError(
                f"its gradient sums {pixels} pixels of {batch_size} samples and could leave 32 bits;"
                f" a batch_size of at most {most} is safe",
                layer=layer.name,
            )


def _in_parts(step: Step, parts: int) -> Step:
    """An input gradient in parts, where its layer can be divided so."""
    return replace(step, parts=scratch.input_parts(step.layer, wanted=parts)) if step.op is Op.BACKWARD_INPUT else step


def _in_place(steps: tuple[Step, ...], design: Design) -> tuple[Step, ...]:
    """Depthwise convolutions that write over their input, where it is read for the last time."""
    trial = tuple(
        replace(step, in_place=tuple((slot, step.writes[0]) for slot in step.reads))
        if _keeps_its_shape(step, design)
        else step
        for step in steps
    )
    merged = merge_in_place(trial)
    return tuple(
        step if step.in_place and merged[step.in_place[0][0]] == merged[step.in_place[0][1]] else plain
        for step, plain in zip(trial, steps, strict=True)
    )


def _keeps_its_shape(step: Step, design: Design) -> bool:
    """A depthwise convolution of codes with stride 1 and as many outputs as inputs."""
    layer = step.layer
    if step.op is not Op.FORWARD or step.chain or step.fused or layer.kind is not Kind.DEPTHWISE_CONV2D:
        return False
    assert layer.window is not None
    stride = (layer.window.stride_h, layer.window.stride_w)
    shorter = scratch.in_place_bytes(layer) < layer.out_size
    return not design.is_float(layer) and stride == (1, 1) and layer.in_shape == layer.out_shape and shorter


def _with_scratch(
    steps: tuple[Step, ...], design: Design, sizes: dict[Slot, int], *, chooses: bool, narrow: bool, tiles: bool
) -> list[Step]:
    """The steps with the scratch each needs, and a SELECT before the backward steps of a layer that chooses."""
    finished: list[Step] = []
    selected: set[str] = set()
    for step in steps:
        layer = step.layer
        backward = step.op in (Op.BACKWARD_WEIGHTS, Op.BACKWARD_INPUT)
        exempt = layer.name == design.graph.output and _exempts_head(design)
        selects = chooses and backward and layer.has_weights and not design.is_float(layer) and not exempt
        chosen = Slot(Role.SCRATCH, f"selection of {layer.name}")
        if selects and layer.name not in selected:
            selected.add(layer.name)
            sizes[chosen] = scratch.selection_bytes(layer)
            error = Slot(Role.ERROR, layer.name)
            finished.append(Step(Op.SELECT, layer, reads=(error,), writes=(chosen,)))
        if selects:
            step = replace(step, reads=(*step.reads, chosen))
        n_bytes = 0
        if not design.is_float(layer):
            n_bytes = _scratch_bytes(step, design, selects=selects, narrow=narrow, tiles=tiles)
        if n_bytes:
            slot = Slot(Role.SCRATCH, f"{step.op.value} of {layer.name}")
            sizes[slot] = n_bytes
            step = replace(step, writes=(*step.writes, slot))
        finished.append(step)
    return finished


def _exempts_head(design: Design) -> bool:
    update = design.precision.update
    return isinstance(update, DynamicUpdate) and update.exempt_head


def _with_frame(steps: list[Step], design: Design) -> list[Step]:
    """The steps with the frame received first and read by all that read the network's input."""

    def reads_input(step: Step) -> bool:
        if INPUT not in step.sources:
            return False
        weights = step.op is Op.BACKWARD_WEIGHTS and design.gradient(step.layer).channels > 0
        return step.op is Op.FORWARD or weights

    first = Step(Op.RECEIVE, steps[0].layer, reads=(), writes=(_FRAME,))
    return [first, *(replace(step, reads=(_FRAME, *step.reads)) if reads_input(step) else step for step in steps)]


def _scratch_bytes(step: Step, design: Design, *, selects: bool, narrow: bool, tiles: bool) -> int:
    layer = step.layer
    if step.chain:
        return lines_bytes(step.chain)
    if step.op is Op.FORWARD and step.in_place and layer.kind is Kind.DEPTHWISE_CONV2D:
        return scratch.in_place_bytes(layer)
    if step.fused is not None:
        rows = scratch.pooled_rows_bytes(layer, step.fused)
        sums = 4 * math.prod(trained_shape(layer, design.gradient(layer).channels))
        return rows + (sums if step.op is Op.BACKWARD_WEIGHTS and narrow else 0)
    if step.op is Op.BACKWARD_INPUT:
        return scratch.backward_input_bytes(layer, chosen=selects, tiles=tiles, parts=step.parts)
    if step.op is Op.BACKWARD_WEIGHTS and narrow:
        return scratch.narrow_gradient_bytes(layer, design.gradient(layer).channels)
    if step.op is Op.UPDATE:
        return scratch.update_bytes(layer, design)
    return 0


def trained_count(layer: Layer, design: Design) -> int:
    """Elements of one structure that are trained."""
    if layer.kind is Kind.DEPTHWISE_CONV2D:
        return layer.n_weights // layer.n_biases
    share = design.share(layer)
    return layer.n_weights // layer.n_biases // layer.weight_shape[-1] * share.channels
