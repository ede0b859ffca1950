# SPDX-License-Identifier: Apache-2.0
"""What the 8-bit planner does for less memory: chains by rows, in-place convolutions, the frame in the arena."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import get_args

import pytest

from trainbed.assets import asset_path
from trainbed.boards import load_board
from trainbed.errors import DoesNotFit
from trainbed.link.frames import raw_bytes
from trainbed.link.messages import TrainSamples, layout_of
from trainbed.network.build import NetworkBuilder
from trainbed.network.layers import INPUT, Kind, Layer, Network
from trainbed.network.precision import Precision, SparseUpdate
from trainbed.network.training import Loss, Sgd
from trainbed.planner.graph import Op, Role, Slot
from trainbed.planner.int8.chains import lines_of
from trainbed.planner.int8.plan import Int8Plan, make_int8_plan
from trainbed.planner.int8.schemes import most_biases, with_update
from trainbed.planner.int8.techniques import ALL_TECHNIQUES, TECHNIQUES, Techniques
from trainbed.planner.memory import check_fit, estimated_ram
from trainbed.scenario.loader import load_scenario
from trainbed.scenario.network import resolve_network
from trainbed.scenario.schema import Technique


def residual(builder: NetworkBuilder, filters: int, expand: int, kernel: int, stride: int) -> None:
    source = builder.last
    channels = builder.shape_of(source)[2]
    builder.conv2d(channels * expand, 1, activation="relu6")
    builder.depthwise_conv2d(kernel, stride, "same", activation="relu6")
    end = builder.conv2d(filters, 1)
    if stride == 1 and filters == channels:
        builder.add([source, end])


def image_network(seed: int) -> Network:
    """A stem and inverted residuals of random shapes."""
    rng = random.Random(seed)
    builder = NetworkBuilder([rng.randint(9, 33), rng.randint(9, 33), rng.randint(1, 3)])
    builder.conv2d(rng.randint(2, 9), 3, rng.randint(1, 2), "same", activation="relu6")
    for _ in range(rng.randint(1, 4)):
        residual(builder, rng.choice((4, 7)), rng.randint(2, 6), rng.choice((2, 3, 5)), rng.randint(1, 2))
    builder.global_avg_pool()
    builder.dense(3, activation="softmax")
    return builder.build()


def plan_of(network: Network, *, biases: int = 1, techniques: Techniques = ALL_TECHNIQUES, frame: int = 0) -> Int8Plan:
    return make_int8_plan(
        network,
        loss=Loss.CATEGORICAL_CROSSENTROPY,
        optimizer=Sgd(0.01),
        batch_size=1,
        precision=Precision("int8_qas", update=SparseUpdate(biases)),
        input_numbers=(1 / 255, 0),
        techniques=techniques,
        receive_bytes=frame,
    )


def chains_of(plan: Int8Plan) -> list[tuple[Layer, ...]]:
    return [step.chain for step in plan.steps if step.chain]


@pytest.mark.parametrize("seed", range(12))
def test_plans_are_never_larger_with_the_techniques_and_inner_tensors_take_no_storage(seed: int) -> None:
    network = image_network(seed)  # every plan replays its own steps and storages before it is handed out
    small, plain = plan_of(network), plan_of(network, techniques=Techniques.only([]))
    assert small.arena_bytes < plain.arena_bytes
    assert small.parameters.ram_bytes < plain.parameters.ram_bytes
    stored = {slot for storage in small.storages for slot in storage.slots}
    for chain in chains_of(small):
        assert not {Slot(Role.VALUE, layer.name) for layer in chain[:-1]} & stored
        assert Slot(Role.VALUE, chain[-1].name) in stored


class Replay:
    """Makes the rows of a chain as its C does, and remembers which row lies where."""

    def __init__(self, chain: tuple[Layer, ...]) -> None:
        self.chain = chain
        self.lines = {line.layer.name: line for line in lines_of(chain)}
        self.rings: dict[str, dict[int, int]] = {layer.name: {} for layer in chain}
        self.made = dict.fromkeys(self.rings, 0)

    def make(self, number: int, row: int) -> None:
        layer = self.chain[number]
        if number:
            before = self.chain[number - 1].name
            rows = range(row, row + 1)
            if layer.kind is Kind.DEPTHWISE_CONV2D:
                assert layer.window is not None
                top = row * layer.window.stride_h - layer.window.pad_top
                rows = range(max(top, 0), min(top + layer.window.kernel_h, layer.in_shape[0]))
            while self.made[before] < rows.stop:
                self.make(number - 1, self.made[before])
            held = self.rings[before]
            assert [held[r % self.lines[before].rows] for r in rows] == list(rows)
        if layer.name in self.lines:
            self.rings[layer.name][row % self.lines[layer.name].rows] = row
        self.made[layer.name] = row + 1


@pytest.mark.parametrize("seed", range(12))
def test_every_row_a_chain_reads_is_still_in_its_ring(seed: int) -> None:
    chains = chains_of(plan_of(image_network(seed)))
    assert chains
    for chain in chains:
        replay = Replay(chain)
        for row in range(chain[-1].out_shape[0]):
            replay.make(len(chain) - 1, row)
        assert replay.made[chain[-1].name] == chain[-1].out_shape[0]


def test_trained_layers_are_in_no_chain() -> None:
    network = image_network(3)
    frozen = {layer.name for layer in network.parametric[:-4]}
    for chain in chains_of(plan_of(network, biases=4)):
        assert {layer.name for layer in chain if layer.has_weights} <= frozen


def test_the_first_trained_layer_keeps_the_frame_until_its_weights_are_stepped() -> None:
    network = image_network(5)
    frame = 40_000
    frozen = plan_of(network, frame=frame)
    stem = SparseUpdate(weights={network.parametric[0].name: 1.0})
    trained = with_update(frozen, stem)
    for plan, last_reader in ((frozen, Op.FORWARD), (trained, Op.BACKWARD_WEIGHTS)):
        storage = plan.storage_of(Slot(Role.VALUE, INPUT))
        assert plan.receive_offset == storage.offset and storage.n_bytes == frame
        assert storage.first == 0 and plan.steps[storage.last].op is last_reader
        assert plan.arena_bytes >= frame
    assert plan_of(network).receive_offset is None


def test_what_is_behind_the_frame_reuses_its_memory() -> None:
    network = image_network(5)
    apart = plan_of(network, biases=4)
    frame = 2 * apart.arena_bytes
    assert plan_of(network, biases=4, frame=frame).arena_bytes < apart.arena_bytes + frame


def test_the_scenario_knows_every_technique() -> None:
    assert get_args(Technique) == TECHNIQUES


def test_too_much_ram_is_refused_with_the_update_that_would_fit() -> None:
    network = image_network(8)
    plan = plan_of(network)
    whole = make_int8_plan(
        network,
        loss=plan.loss,
        optimizer=plan.optimizer,
        batch_size=4,
        precision=replace(plan.precision, update=None),
        input_numbers=plan.input_numbers,
    )
    board = load_board("stm32f746g_disco")

    def ram_of(other: Int8Plan) -> int:
        return estimated_ram(other, board, sample_bytes=0, link_bytes=2048)

    some = ram_of(with_update(whole, SparseUpdate(3)))
    room = replace(board, memories=tuple(replace(memory, length=some) for memory in board.memories))
    fitting = most_biases(whole, ram_of, room=some)
    assert fitting is not None and fitting.ram_bytes <= some < ram_of(whole)
    last = fitting.update.biases_of_last
    assert last >= 3
    with pytest.raises(DoesNotFit, match=rf"largest: .*; update: {{sparse: {{biases_of_last: {last}}}}} would fit: "):
        check_fit(whole, room, sample_bytes=0, link_bytes=2048)
    assert most_biases(whole, ram_of, room=1000) is None


def test_the_shipped_mobilenet_trains_within_141_kilobytes_by_plan() -> None:
    scenario = load_scenario(asset_path("scenarios") / "faces_mobilenet.yaml")
    network = resolve_network(scenario)
    assert (network.input_shape, len(network.parametric)) == ((128, 128, 3), 53)
    frame = -(-raw_bytes(layout_of(TrainSamples).n_bytes + 128 * 128 * 3 + 4) // 4) * 4
    plan = make_int8_plan(
        network,
        loss=scenario.training.loss,
        optimizer=scenario.training.optimizer,
        batch_size=scenario.training.batch_size,
        precision=scenario.precision,
        input_numbers=(1 / 255, 0),
        receive_bytes=frame,
    )
    assert plan.training_bytes >= frame
    assert estimated_ram(plan, load_board("stm32f746g_disco"), sample_bytes=0, link_bytes=1024) <= 141 * 1024
