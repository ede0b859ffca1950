# SPDX-License-Identifier: Apache-2.0
"""Test accuracy of the 8-bit scenarios in every precision and with partial updates, trained on the native board.

Native runs end with the bits of the emulated boards (tests/conformance), so an accuracy measured here is theirs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from trainbed.assets import asset_path
from trainbed.run import run_scenario
from trainbed.scenario.loader import load_scenario


@dataclass(frozen=True)
class Set:
    """A scenario in 8 bits, and what its network is trained by in float32."""

    scenario: str
    title: str
    float_optimizer: str


SETS: dict[str, Set] = {
    "digits": Set("digits_uint8", "digits 8x8, 4 layers from scratch", "{adam: {lr: 0.003, decay: 0.85}}"),
    "mnist": Set("mnist_uint8", "MNIST (10 000 images), 4 layers from scratch", "{adam: {lr: 0.004, decay: 0.6}}"),
    "cwru": Set("cwru_uint8", "CWRU bearing faults, 4 layers from scratch", "{adam: {lr: 0.005, decay: 0.8}}"),
    "imu": Set("imu_uint8", "IMU activities, 3 layers from scratch", "{adam: {lr: 0.003, decay: 0.8}}"),
    "kws": Set("kws_uint8", "keywords (MFCC), 6 layers from scratch", "{adam: {lr: 0.005, decay: 0.75}}"),
    "cifar10": Set("cifar10_transfer_uint8", "CIFAR-10, transfer, last 2 layers", "{adam: {lr: 0.003, decay: 0.9}}"),
}

VARIANTS: dict[str, list[str]] = {
    "float32": ["training.precision=float32"],
    "mixed": ["training.precision=mixed"],
    "uint8": [],
    "uint8 .5": ["update={dynamic: {lambda_min: 0.5}}"],
    "uint8 .1": ["update={dynamic: {lambda_min: 0.1}}"],
}
"""Changes to the 8-bit scenario; float32 and mixed train by the set's float optimizer."""


def train(name: str, variant: str, seed: int) -> dict[str, Any]:
    """One run; accuracy, losses and the share of structures trained, by epoch."""
    chosen = SETS[name]
    changes = [*VARIANTS[variant], f"training.seed={seed}", "expect={}"]
    if variant in ("float32", "mixed"):
        changes.append(f"training.optimizer={chosen.float_optimizer}")
    scenario = load_scenario(asset_path("scenarios") / f"{chosen.scenario}.yaml", changes)
    result = run_scenario(scenario, board="native")
    assert result.test.accuracy is not None
    share = result.training.update_share
    return {
        "accuracy": result.test.accuracy,
        "loss": list(result.training.loss),
        "share": None if share is None else list(share),
        "weights": result.weights.sha256,
    }
