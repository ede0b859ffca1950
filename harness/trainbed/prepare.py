# SPDX-License-Identifier: Apache-2.0
"""From a scenario to a firmware: network, data, plan, buffer sizes, generated sources, build. No guest is
started here.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from trainbed.boards import Board, load_board
from trainbed.codegen.config import LinkSizes, SampleFormat, write_config
from trainbed.codegen.messages import messages_header
from trainbed.codegen.model import write_model
from trainbed.data.augment import Augmentation, augmentation_of, sets_of
from trainbed.data.load import Data, load_data
from trainbed.errors import DoesNotFit
from trainbed.link.frames import raw_bytes
from trainbed.link.messages import TrainSamples, layout_of
from trainbed.link.samples import SampleSet
from trainbed.network.layers import Network
from trainbed.planner.explain import explain_memory, explain_plan
from trainbed.planner.memory import MemoryReport, check_fit, estimated_ram, memory_report
from trainbed.planner.parameters import Arrays
from trainbed.planner.plan import Plan
from trainbed.precisions import in_numbers
from trainbed.pretrain.events import HostEvent, Tell
from trainbed.reference.random import initial_weights
from trainbed.scenario.availability import check_fused
from trainbed.scenario.network import resolve
from trainbed.scenario.scenario import Scenario, with_line
from trainbed.toolchain.firmware import BuildOptions, Firmware, build
from trainbed.update_scheme import techniques_of
from trainbed.weights import load_weights, named

if TYPE_CHECKING:
    from trainbed.pretrain.pretrain import Pretrained

_TX_BYTES = 1024
_RX_RESIDENT_BYTES = 2048
"""Enough for indices and uploads; samples that are streamed get a larger buffer: fewer exchanges."""
_RX_STREAM_BYTES = 4096
_MAX_RESIDENT = 65_536
"""Samples on the device are named by 16-bit indices."""
_NATIVE_RESIDENT_BYTES = 64 << 20


@dataclass(frozen=True, eq=False)
class Prepared:
    """A scenario made concrete for one board, before anything is built."""

    scenario: Scenario
    board: Board
    network: Network
    data: Data
    plan: Plan
    samples: SampleFormat
    sizes: LinkSizes
    initial: Arrays
    """Parameters before training, by the names of the plan's fields."""
    sends_initial: bool
    """The device is sent the initial parameters; else it makes the same ones with its own seeded generator."""
    augmentation: Augmentation | None = None
    """How the training samples of each epoch are made; None: they are the same in all."""
    pretrained: Pretrained | None = None

    def inputs(self, samples: SampleSet) -> NDArray[Any]:
        """Samples as the network reads them: ``[n, H, W, C]``, float32, or the codes in the integer precisions."""
        x = self.data.inputs(samples) if self.plan.precision.is_float else samples.x
        return x.reshape(len(samples), *self.network.input_shape)

    @property
    def resident(self) -> bool:
        """True when all samples stay on the device."""
        return self.sizes.resident_samples > 0

    @property
    def estimated_ram_bytes(self) -> int:
        """RAM the firmware will need, as far as it is known before it is built; the report after it is exact."""
        sample_bytes, link_bytes = _buffers(self.plan, self.samples, self.sizes)
        return estimated_ram(self.plan, self.board, sample_bytes=sample_bytes, link_bytes=link_bytes)

    @property
    def target_table(self) -> tuple[float, ...] | None:
        """Target of each label where the network has one output and labels travel; else None."""
        if self.data.targets is None or self.network.output_size > 1:
            return None
        return tuple(float(value) for value in self.data.targets[:, 0])


@dataclass(frozen=True, eq=False)
class Built:
    """A scenario's firmware and its exact memory report."""

    prepared: Prepared
    firmware: Firmware
    memory: MemoryReport
    shared_shapes: bool = False
    """One function serves all shapes of a kernel: the flash budget asked for it."""

    def explain(self) -> str:
        """Plan and memory in words and pictures."""
        board = self.prepared.board
        memory = explain_memory(self.memory, ram_bytes=board.ram_bytes, flash_bytes=board.flash_bytes)
        return f"{explain_plan(self.prepared.plan)}\n\n{memory}"


def prepare(scenario: Scenario, *, board: str | None = None, tell: Tell | None = None) -> Prepared:
    """Resolve, load, plan and, where the scenario asks for it, pre-train on the host.

    The device's firmware is not built. ``tell``: told of every epoch on the host. Raises ScenarioError (with the line
    to blame) and other InputErrors; where it pre-trains, what the native backend raises, too.
    """
    with with_line(scenario, "board"):
        chosen = load_board(board or scenario.board)
        if scenario.link.baud is not None:
            chosen = replace(chosen, baud=scenario.link.baud)
    resolved = resolve(scenario)
    network = resolved.network
    training = scenario.training
    if training.fused:
        with with_line(scenario, "training.fused"):
            check_fused(chosen)
    with with_line(scenario, "data"):
        data = load_data(
            scenario.data,
            network.input_shape,
            n_outputs=network.output_size,
            loss=training.loss,
            base_dir=scenario.base_dir,
            seed=training.seed,
        )
    with with_line(scenario, "augment"):
        augmentation = augmentation_of(scenario.augment, network.input_shape, seed=training.seed)
        train, test = sets_of(scenario.augment, augmentation, data.train, data.test, seed=training.seed)
        data = replace(data, train=train, test=test)
    given = load_weights(scenario, network)
    if given is None and resolved.weights is not None:
        given = named(network, resolved.weights)
    # Before the host trains for long: what cannot be deployed is refused here.
    final = scenario.pretrain is None
    prepared = assemble(scenario, chosen, network, data, given=given, augmentation=augmentation, final=final)
    if final:
        return prepared
    from trainbed.pretrain.pretrain import pretrain  # late: its native engine prepares and builds a firmware of its own

    pretrained = pretrain(scenario, resolved, initial=given, tell=tell if tell is not None else _ignore)
    given = named(network, pretrained.weights)
    prepared = assemble(scenario, chosen, network, data, given=given, augmentation=augmentation)
    return replace(prepared, pretrained=pretrained)


def _ignore(event: HostEvent) -> None:
    """The listener of a pre-training nobody watches."""


def assemble(
    scenario: Scenario,
    board: Board,
    network: Network,
    data: Data,
    *,
    given: Arrays | None,
    augmentation: Augmentation | None,
    final: bool = True,
) -> Prepared:
    """Plan the training of a network on a board, with its data, from ``given`` weights; None: from the seeded ones.

    ``final`` false: other weights will be trained; this shows whether they could be. Raises ScenarioError.
    """
    weights = given or named(network, initial_weights(network, scenario.training.seed))
    varied = augmentation is not None
    received = _received_in_arena(scenario, board, network, data, varied=varied)
    made = in_numbers(
        scenario,
        network,
        weights,
        data,
        given=given is not None,
        receive_bytes=received,
        packs=board.core.startswith("avr"),
        vary=augmentation.epoch if augmentation is not None else None,
        final=final,
    )
    plan, data = made.plan, made.data
    samples = SampleFormat(
        x_dtype=data.train.x.dtype.name,
        n_inputs=data.train.x.shape[1],
        n_outputs=network.output_size,
        labels=data.has_accuracy,
        scale=float(data.x_scale),
        offset=float(data.x_offset),
    )
    with with_line(scenario, "network"):
        n_samples = len(data.train) + len(data.test)
        sizes = _sizes(scenario, board, plan, samples, n_samples=n_samples, varied=varied)
    return Prepared(
        scenario,
        board,
        network,
        data,
        plan,
        samples,
        sizes,
        initial=made.initial,
        sends_initial=made.sends_initial,
        augmentation=augmentation,
    )


def build_firmware(prepared: Prepared, *, sanitize: bool = False, firmware: Path | None = None) -> Built:
    """Build the firmware; convolutions share their code when the flash budget asks for it.

    ``firmware``: folder with the sources of the runtime; None: the one trainbed came with.
    Raises DoesNotFit, BuildError, MissingTool.
    """
    scenario = prepared.scenario
    defines = {"TRN_FUSED": "1"} if scenario.training.fused else {}
    options = BuildOptions(optimize=scenario.build.optimize, sanitize=sanitize, defines=defines)
    built, shared = _build_fitting(prepared, options, firmware)
    report = memory_report(
        prepared.plan,
        symbols=built.symbols,
        static_bytes=built.ram_static_bytes,
        stack_bound=built.stack_bound_bytes or 0,
        flash_bytes=built.flash_bytes,
    )
    return Built(prepared, built, report, shared)


def build_raw_firmware(prepared: Prepared) -> Firmware:
    """Build the firmware of the raw protocol (firmware/raw). Raises DoesNotFit, BuildError, MissingTool."""
    options = BuildOptions(optimize=prepared.scenario.build.optimize, application="raw")
    return _build_fitting(prepared, options, None)[0]


def _build_fitting(prepared: Prepared, options: BuildOptions, firmware: Path | None) -> tuple[Firmware, bool]:
    """The firmware, and whether its shapes share code."""
    scenario = prepared.scenario
    budget = scenario.build.flash_budget_bytes
    limit = budget if budget is not None else prepared.board.flash_bytes
    built = _build(prepared, options, shared_shapes=False, sources=firmware)
    shared = limit is not None and built.flash_bytes > limit
    if shared:
        built = _build(prepared, options, shared_shapes=True, sources=firmware)
    if limit is not None and built.flash_bytes > limit:
        with with_line(scenario, "build.flash_budget_bytes" if budget is not None else "network"):
            raise DoesNotFit(
                f"needs {built.flash_bytes} B of flash, {limit} B are allowed; try build: {{optimize: Os}}"
            )
    return built, shared


def _build(prepared: Prepared, options: BuildOptions, *, shared_shapes: bool, sources: Path | None) -> Firmware:
    generated = {
        "model.c": write_model(prepared.plan, constants=prepared.initial, shared_shapes=shared_shapes),
        "trn_config.h": write_config(prepared.plan, prepared.samples, prepared.sizes),
        "trn_messages.h": messages_header(),
    }
    with with_line(prepared.scenario, "network"):
        return build(prepared.board, generated=generated, options=options, firmware=sources)


def _sizes(
    scenario: Scenario, board: Board, plan: Plan, samples: SampleFormat, *, n_samples: int, varied: bool
) -> LinkSizes:
    """Buffers of the link, and whether the samples stay on the device: if the scenario does not say, when they fit.

    ``varied``: every epoch has samples of its own, which cannot stay.
    """
    one_sample = _frame_bytes(samples, 1)
    rx_resident, tx = _RX_RESIDENT_BYTES, _TX_BYTES
    if board.link_bytes is not None:
        rx_resident = board.link_bytes[0]
        tx = max(board.link_bytes[1], -(-raw_bytes(4 + 4 * samples.n_outputs) // 4) * 4 + 4)
    resident = LinkSizes(max(rx_resident, one_sample), tx, n_samples)
    stream = LinkSizes(_stream_bytes(board, samples), tx, 0)

    def fits(sizes: LinkSizes) -> bool:
        sample_bytes, link_bytes = _buffers(plan, samples, sizes)
        room = board.ram_bytes or _NATIVE_RESIDENT_BYTES
        return estimated_ram(plan, board, sample_bytes=sample_bytes, link_bytes=link_bytes) <= room

    wanted = scenario.link.dataset
    if varied and wanted == "resident":
        raise scenario.error("augmented samples are others in every epoch: they are streamed", "link.dataset")
    wanted = "stream" if varied or plan.receive_offset is not None else wanted
    keep = wanted == "resident" or (wanted is None and n_samples <= _MAX_RESIDENT and fits(resident))
    if keep and n_samples > _MAX_RESIDENT:
        raise scenario.error(
            f"{n_samples} samples cannot stay on the device, at most {_MAX_RESIDENT} can", "link.dataset"
        )
    sizes = resident if keep else stream
    sample_bytes, link_bytes = _buffers(plan, samples, sizes)
    check_fit(plan, board, sample_bytes=sample_bytes, link_bytes=link_bytes)
    return sizes


def _buffers(plan: Plan, samples: SampleFormat, sizes: LinkSizes) -> tuple[int, int]:
    """Bytes of all sample buffers, and of both frame buffers."""
    as_is = samples.x_dtype == "float32" or not plan.precision.is_float
    converted = 0 if as_is else 4 * samples.n_inputs
    received = sizes.rx_bytes if plan.receive_offset is None else 0
    return converted + sizes.resident_samples * samples.sample_bytes, received + sizes.tx_bytes


def _frame_bytes(samples: SampleFormat, count: int) -> int:
    """Receive buffer that takes so many samples at a time."""
    return -(-raw_bytes(layout_of(TrainSamples).n_bytes + count * samples.sample_bytes) // 4) * 4


def _stream_bytes(board: Board, samples: SampleFormat) -> int:
    """Receive buffer of a firmware to which samples are streamed."""
    usual = _RX_STREAM_BYTES if board.link_bytes is None else board.link_bytes[0]
    return max(usual, _frame_bytes(samples, 1))


def _received_in_arena(scenario: Scenario, board: Board, network: Network, data: Data, *, varied: bool) -> int:
    """Receive buffer that an 8-bit plan may hold in its arena: where samples are streamed one by one; else 0."""
    if scenario.precision.name not in ("uint8", "mixed", "int8_qas") or not techniques_of(scenario).receive:
        return 0
    n_inputs = math.prod(network.input_shape)
    samples = SampleFormat("uint8", n_inputs, network.output_size, labels=data.has_accuracy)
    buffer = _stream_bytes(board, samples)
    wanted, n_samples = scenario.link.dataset, len(data.train) + len(data.test)
    beyond = n_samples * samples.sample_bytes > (board.ram_bytes or _NATIVE_RESIDENT_BYTES)
    streamed = varied or wanted == "stream" or (wanted is None and beyond)
    return buffer if streamed and buffer < _frame_bytes(samples, 2) else 0
