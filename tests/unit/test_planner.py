# SPDX-License-Identifier: Apache-2.0
"""Plans: what is kept, how long, where; the published networks' memory; that a wrong plan cannot pass."""

from __future__ import annotations

import dataclasses
from functools import partial

import pytest
from random_networks import random_network, random_optimizer

from trainbed.boards import load_board
from trainbed.errors import DoesNotFit
from trainbed.network.build import NetworkBuilder
from trainbed.network.layers import Kind, Network
from trainbed.network.training import Adam, Loss, Optimizer, Sgd
from trainbed.planner.arena import Interval, arena_bytes, assign_offsets, live_bytes
from trainbed.planner.explain import explain_plan
from trainbed.planner.graph import Op, Role, Slot
from trainbed.planner.memory import check_fit, memory_report
from trainbed.planner.plan import Plan, make_plan
from trainbed.planner.storage import check, float32_bytes, total_bytes


def depthconv_network() -> Network:
    builder = NetworkBuilder([8, 8, 3])
    builder.depthwise_conv2d(3, padding="same", activation="relu")
    builder.conv2d(8, 1, activation="relu")
    builder.flatten()
    builder.dense(1, activation="sigmoid")
    return builder.build()


def conv_network() -> Network:
    builder = NetworkBuilder([8, 8, 3])
    builder.conv2d(8, 3, padding="same", activation="relu")
    builder.flatten()
    builder.dense(1, activation="sigmoid")
    return builder.build()


ADAM = Adam(0.01)


def plan_of(network: Network, *, optimizer: Optimizer = ADAM, batch_size: int = 8, loss: Loss = Loss.MSE) -> Plan:
    return make_plan(network, loss=loss, optimizer=optimizer, batch_size=batch_size)


def steps_of(plan: Plan, op: Op) -> list[str]:
    return [step.layer.name for step in plan.steps if step.op is op]


def test_the_posters_networks_have_their_published_parameter_bytes() -> None:
    assert plan_of(depthconv_network()).parameter_bytes == 2300
    assert plan_of(conv_network()).parameter_bytes == 2948


def test_training_memory_is_activations_gradients_and_moments_and_nothing_else() -> None:
    depthconv, conv = plan_of(depthconv_network()), plan_of(conv_network())
    assert depthconv.arena_bytes == 768 + 2048 + 4
    assert depthconv.training_bytes == 768 + 2048 + 4 + 2300 + 2 * 2300
    assert conv.training_bytes == 2048 + 4 + 2948 + 2 * 2948


def test_a_single_sample_batch_needs_the_gradient_of_one_layer_at_a_time() -> None:
    plan = plan_of(conv_network(), optimizer=Sgd(0.01), batch_size=1)
    assert plan.immediate
    assert plan.gradient_bytes == 0
    assert plan.training_bytes < 2048 + 4 + 2948


def test_the_networks_input_gets_no_gradient() -> None:
    plan = plan_of(conv_network())
    assert steps_of(plan, Op.BACKWARD_INPUT) == ["dense_1"]


def test_frozen_layers_cut_the_backward_graph() -> None:
    builder = NetworkBuilder([8, 8, 3])
    builder.conv2d(8, 3, name="a", activation="relu", trainable=False)
    builder.conv2d(8, 3, name="b", activation="relu", trainable=False)
    builder.dense(4, name="c")
    plan = plan_of(builder.build())
    assert steps_of(plan, Op.BACKWARD_WEIGHTS) == ["c"]
    assert steps_of(plan, Op.BACKWARD_INPUT) == []
    assert plan.optimizer_bytes == 2 * plan.gradient_bytes == 2 * 4 * (4 * 4 * 8 * 4 + 4)


def test_a_frozen_layer_between_trained_ones_passes_the_error_on_without_a_gradient() -> None:
    builder = NetworkBuilder([8, 8, 3])
    builder.conv2d(4, 3, name="a")
    builder.conv2d(4, 3, name="b", trainable=False)
    builder.dense(4, name="c")
    plan = plan_of(builder.build())
    assert steps_of(plan, Op.BACKWARD_WEIGHTS) == ["c", "a"]
    assert steps_of(plan, Op.BACKWARD_INPUT) == ["c", "b"]


def test_a_relu_before_a_max_pool_is_not_kept() -> None:
    builder = NetworkBuilder([16, 16, 1])
    builder.conv2d(8, 3, padding="same", activation="relu", name="a")
    builder.pool(Kind.MAX_POOL, 2, name="p")
    builder.dense(4, name="d")
    plan = plan_of(builder.build())
    value = plan.storage_of(Slot(Role.VALUE, "a"))
    pool = next(index for index, step in enumerate(plan.steps) if step.layer.name == "p")
    assert value.last == pool


def test_a_relu_that_only_gates_is_kept_as_bits_where_that_saves_memory() -> None:
    builder = NetworkBuilder([16, 16, 4])
    builder.conv2d(4, 3, padding="same", activation="relu", name="a")
    builder.pool(Kind.AVG_POOL, 2, name="p")
    builder.conv2d(32, 3, padding="same", activation="relu", name="b")
    builder.global_avg_pool(name="g")
    builder.dense(4, name="d")
    plan = plan_of(builder.build())
    bits = [slot for storage in plan.storages for slot in storage.slots if slot.role is Role.BITS]
    assert Slot(Role.BITS, "a") in bits
    assert plan.storage_of(Slot(Role.BITS, "a")).n_bytes == 16 * 16 * 4 // 8


@pytest.mark.parametrize("seed", range(150))
def test_plans_of_random_networks_pass_their_own_replay_and_stay_near_the_lower_bound(seed: int) -> None:
    loss = list(Loss)[seed % 3]
    plan = make_plan(
        random_network(seed, loss=loss), loss=loss, optimizer=random_optimizer(seed), batch_size=1 + seed % 2
    )
    check(plan.steps, plan.storages, partial(float32_bytes, plan.network))
    intervals = [Interval(storage.n_bytes, storage.first, storage.last) for storage in plan.storages]
    assert live_bytes(intervals) <= plan.arena_bytes <= 1.15 * live_bytes(intervals)
    assert explain_plan(plan)


def test_a_plan_that_overwrites_what_is_still_needed_is_caught() -> None:
    plan = plan_of(depthconv_network())
    moved = tuple(dataclasses.replace(storage, offset=0) for storage in plan.storages)
    with pytest.raises(AssertionError, match="overwr"):
        check(plan.steps, moved, partial(float32_bytes, plan.network))


def test_a_plan_that_frees_a_value_too_early_is_caught() -> None:
    plan = plan_of(depthconv_network())
    pointwise = plan.storage_of(Slot(Role.VALUE, "conv2d_1"))
    dense = plan.storage_of(Slot(Role.VALUE, "dense_1"))
    wrong = tuple(dataclasses.replace(s, offset=pointwise.offset) if s is dense else s for s in plan.storages)
    with pytest.raises(AssertionError, match="overwr"):
        check(plan.steps, wrong, partial(float32_bytes, plan.network))


def test_offsets_reach_the_lower_bound_where_values_live_until_their_backward_step() -> None:
    nested = [Interval(4 * (i % 5 + 1), i, 40 - i) for i in range(20)]
    assert arena_bytes(nested, assign_offsets(nested)) == live_bytes(nested) == 4 * 60


def test_offsets_reach_the_lower_bound_of_a_chain_where_only_neighbours_live_together() -> None:
    chain = [Interval(4 * (i * 7 % 11 + 1), i, i + 1) for i in range(20)]
    assert arena_bytes(chain, assign_offsets(chain)) == live_bytes(chain)


def test_a_network_too_big_for_the_board_is_refused_with_its_largest_parts() -> None:
    builder = NetworkBuilder([64, 64, 3])
    builder.conv2d(16, 3, padding="same", activation="relu", name="wide")
    builder.dense(10)
    plan = plan_of(builder.build())
    with pytest.raises(DoesNotFit, match=r"needs .* B of RAM, arduino_nano_33_ble has 262 144; largest: .*dense_1"):
        check_fit(plan, load_board("arduino_nano_33_ble"), sample_bytes=64 * 64 * 3, link_bytes=2048)


def test_a_memory_report_that_disagrees_with_the_elf_is_an_error() -> None:
    plan = plan_of(depthconv_network())
    symbols = {
        "trn_parameters": 2300,
        "trn_arena": 2820,
        "trn_gradients": 2300,
        "trn_moment1": 2300,
        "trn_moment2": 2296,
    }
    with pytest.raises(AssertionError, match="optimizer"):
        memory_report(plan, symbols=symbols, static_bytes=20_000, stack_bound=100, flash_bytes=1)
    symbols["trn_moment2"] = 2300
    report = memory_report(plan, symbols=symbols, static_bytes=12_100, stack_bound=100, flash_bytes=1)
    assert report.static == 12_100
    assert report.training == plan.training_bytes == total_bytes(plan.storages) + 3 * 2300
