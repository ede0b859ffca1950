# SPDX-License-Identifier: Apache-2.0
"""Accuracy of 64-16-10 on the 8x8 digits over seeds: int8_pow2 and float32, the same network, steps and learning rates.

    PYTHONPATH=harness python benchmarks/avr/digits.py [--seeds 5] [--board native]

The bits do not depend on the board (float32: 32-bit boards), so the accuracies are taken on the host.
"""

from __future__ import annotations

import argparse
import statistics

from trainbed.assets import asset_path
from trainbed.run import run_scenario
from trainbed.scenario.loader import load_scenario


def accuracy(precision: str, seed: int, board: str) -> float:
    """Test accuracy of one run. The seed chooses weights, order and split."""
    path = asset_path("scenarios") / "avr_digits_int8.yaml"
    overrides = [f"training.seed={seed}", f"training.precision={precision}", "expect={}"]
    return run_scenario(load_scenario(path, overrides), board=board).test.accuracy or 0.0


def main() -> None:
    """Print a row for each seed and the means."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--board", default="native")
    arguments = parser.parse_args()
    print("| seed | int8_pow2 % | float32 % |\n|---|---|---|", flush=True)
    found: dict[str, list[float]] = {"int8_pow2": [], "float32": []}
    for seed in range(1, arguments.seeds + 1):
        for precision, values in found.items():
            values.append(100 * accuracy(precision, seed, arguments.board))
        print(f"| {seed} | " + " | ".join(f"{values[-1]:.2f}" for values in found.values()) + " |", flush=True)
    print("| mean | " + " | ".join(f"{statistics.mean(values):.2f}" for values in found.values()) + " |", flush=True)


if __name__ == "__main__":
    main()
