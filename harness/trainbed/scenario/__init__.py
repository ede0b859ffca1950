# SPDX-License-Identifier: Apache-2.0
"""Scenarios: what to train, on which board, with which data, and what must come of it."""

from trainbed.scenario.layers import LayerSpec
from trainbed.scenario.loader import load_scenario
from trainbed.scenario.scenario import NetworkSpec, Scenario, with_line

__all__ = ["LayerSpec", "NetworkSpec", "Scenario", "load_scenario", "with_line"]
