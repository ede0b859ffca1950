# SPDX-License-Identifier: Apache-2.0
"""A network, its float32 weights and its data in the numbers a scenario trains in."""

from __future__ import annotations

from dataclasses import dataclass, replace

from trainbed.data.load import Data
from trainbed.network.layers import Network
from trainbed.planner.int8.plan import make_int8_plan
from trainbed.planner.parameters import Arrays
from trainbed.planner.plan import Plan, make_plan
from trainbed.prepare_pow2 import plan_pow2
from trainbed.quantise import Vary, input_numbers, quantise_data, quantise_parameters
from trainbed.scenario.scenario import Scenario, with_line
from trainbed.update_scheme import scheme_within, techniques_of
from trainbed.weights import float32_arrays


@dataclass(frozen=True, eq=False)
class InNumbers:
    """What a precision makes of a scenario's network, weights and data."""

    plan: Plan
    initial: Arrays
    """Parameters before training, by the names of the plan's fields."""
    data: Data
    """With samples in the form in which they travel."""
    sends_initial: bool
    """The device is sent the initial parameters; else it makes them itself, or has them all in flash."""


def in_numbers(
    scenario: Scenario,
    network: Network,
    weights: Arrays,
    data: Data,
    *,
    given: bool,
    receive_bytes: int = 0,
    packs: bool = False,
    vary: Vary | None = None,
    final: bool = True,
) -> InNumbers:
    """``weights``: float32, by name; ``given``: they are not the seeded generator's. ``receive_bytes``: of the frame
    with one sample, where an 8-bit plan may hold it in its arena. ``packs``: the board is an AVR, whose kernels want
    frozen 8-bit weights their own way. ``vary``: how epochs vary samples. ``final`` false: other weights will be
    trained, this is to see whether they could be. Raises ScenarioError.
    """
    training, precision = scenario.training, scenario.precision
    inference = training.epochs == 0
    if precision.name == "int8_pow2":
        pow2 = plan_pow2(scenario, network, weights, data, pretrained=given, packs=packs)
        return InNumbers(pow2.plan, pow2.initial, pow2.data, bool(pow2.plan.updated))
    if precision.is_float:
        with with_line(scenario, "network"):
            plan = make_plan(
                network,
                loss=training.loss,
                optimizer=training.optimizer,
                batch_size=training.batch_size,
                inference=inference,
            )
        return InNumbers(plan, weights, data, given)
    data = quantise_data(data)
    n_samples = (
        scenario.quantisation.calibration_samples if final else 1
    )  # whether it can be deployed: any range will do
    budget = scenario.update.budget_bytes if scenario.update is not None else None
    if budget is not None:
        with with_line(scenario, "update.budget_bytes"):
            scheme = scheme_within(
                scenario,
                network,
                float32_arrays(weights),
                data,
                budget_bytes=budget,
                receive_bytes=receive_bytes,
                final=final,
            )
        precision = replace(precision, update=scheme)
    with with_line(scenario, "network"):
        int8 = make_int8_plan(
            network,
            loss=training.loss,
            optimizer=training.optimizer,
            batch_size=training.batch_size,
            precision=precision,
            input_numbers=input_numbers(data),
            inference=inference,
            techniques=techniques_of(scenario),
            receive_bytes=receive_bytes,
            packs=packs,
        )
    initial = quantise_parameters(int8, float32_arrays(weights), data, n_samples=n_samples, vary=vary)
    return InNumbers(int8, initial, data, not inference)
