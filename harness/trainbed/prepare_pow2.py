# SPDX-License-Identifier: Apache-2.0
"""From a float32 network and its data to a plan in int8_pow2: where the points stand, weights and samples as codes."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from trainbed.data.load import Data
from trainbed.link.samples import SampleSet
from trainbed.network.layers import Network
from trainbed.network.precision import Precision, Quantisation
from trainbed.planner.parameters import Arrays
from trainbed.planner.pow2.design import Pow2Design, check
from trainbed.planner.pow2.plan import Pow2Plan, make_pow2_plan
from trainbed.planner.pow2.quantise import choose, quantise_inputs, quantise_weights
from trainbed.scenario.scenario import Scenario, with_line

CALIBRATION_SAMPLES = 256
"""Training samples that are run through the float32 network, unless the scenario says how many."""


@dataclass(frozen=True, eq=False)
class Pow2Parts:
    """What int8_pow2 makes of a scenario's network and data."""

    plan: Pow2Plan
    initial: Arrays
    data: Data
    """With samples as codes."""


def plan_pow2(
    scenario: Scenario, network: Network, weights: Arrays, data: Data, *, pretrained: bool, packs: bool = False
) -> Pow2Parts:
    """Plan a scenario in int8_pow2. ``weights``: float32; ``pretrained``: they are trained ones; ``packs``: the board
    is an AVR.

    Raises ScenarioError with the line to blame.
    """
    training, keys = scenario.training, scenario.quantisation
    inference = training.epochs == 0
    given = "calibration_samples" in keys.model_fields_set
    n_samples = keys.calibration_samples if given else CALIBRATION_SAMPLES
    x = data.inputs(data.train)[:n_samples].reshape(-1, *network.input_shape)
    precision = Precision("int8_pow2", quantisation=Quantisation(skip_zeros=keys.skip_zeros), seed=training.seed)
    with with_line(scenario, "network"):
        check(
            network,
            loss=training.loss,
            optimizer=training.optimizer,
            batch_size=training.batch_size,
            inference=inference,
        )
        design = choose(
            network,
            weights,
            x,
            loss=training.loss,
            inference=inference,
            pretrained=pretrained,
            skip_zeros=precision.quantisation.skip_zeros,
        )
        plan = make_pow2_plan(design, optimizer=training.optimizer, precision=precision, packs=packs)
    return Pow2Parts(plan, quantise_weights(design, weights), _as_codes(data, design))


def _as_codes(data: Data, design: Pow2Design) -> Data:
    """The data with samples as the device reads them."""
    train, test = (
        SampleSet(x=quantise_inputs(design, data.inputs(part)), labels=part.labels, values=part.values)
        for part in (data.train, data.test)
    )
    scale = np.float32(2.0**-design.input_fraction)
    return replace(data, train=train, test=test, x_scale=scale, x_offset=np.float32(0))
