# SPDX-License-Identifier: Apache-2.0
"""Test accuracy of the shipped scenarios on real data over several seeds, trained on the emulated Nano 33 BLE.

    PYTHONPATH=harness python benchmarks/accuracy/run.py [--seeds 5] [--write results.md] [SCENARIO ...]

The seed chooses the initial weights, the order of the samples and, for the digits, the split (stratified, 20 % test).
MNIST is split
officially; its scenario takes about ten minutes a seed and runs when it is named.
"""

from __future__ import annotations

import argparse
import statistics
from pathlib import Path

from trainbed.assets import asset_path
from trainbed.result import Result
from trainbed.run import run_scenario
from trainbed.scenario.loader import load_scenario

DEFAULT = ("digits_mlp", "digits_cnn", "depthconv", "conv2d")


def measure(name: str, seed: int) -> Result:
    """One run on the board; the seed goes into training and data."""
    return run_scenario(load_scenario(asset_path("scenarios") / f"{name}.yaml", [f"training.seed={seed}"]))


def row(name: str, results: list[Result]) -> str:
    """One line of Markdown."""
    accuracies = [result.test.accuracy or 0.0 for result in results]
    each = ", ".join(f"{100 * accuracy:.2f}" for accuracy in accuracies)
    exact = all(
        expectation.passed
        for result in results
        for expectation in result.expectations
        if expectation.name == "matches_reference"
    )
    cycles = results[0].cost.cycles_per_sample.total or 0.0
    ram, flash = results[0].memory.ram_bytes or 0, results[0].memory.flash_bytes or 0
    cells = (
        name,
        f"{100 * statistics.mean(accuracies):.2f}",
        f"{100 * min(accuracies):.2f}",
        each,
        "yes" if exact else "NO",
        f"{cycles:,.0f}",
        f"{ram:,}",
        f"{flash:,}",
    )
    return f"| {' | '.join(cells)} |"


def main() -> None:
    """Print the table row by row, and write it where asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("scenarios", nargs="*", default=DEFAULT)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--write", type=Path)
    arguments = parser.parse_args()
    head = "| scenario | mean % | worst % | each seed | equal to the twin | cycles/sample | RAM B | flash B |"
    lines = [head, "|---" * 8 + "|"]
    print("\n".join(lines), flush=True)
    for name in arguments.scenarios:
        lines.append(row(name, [measure(name, seed) for seed in range(1, arguments.seeds + 1)]))
        print(lines[-1], flush=True)
    if arguments.write is not None:
        arguments.write.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
