# SPDX-License-Identifier: Apache-2.0
"""64-16-10 on the 8x8 digits over seeds, trained on the emulated chips: accuracy, equality to the twin, cost of a step.

    PYTHONPATH=harness python benchmarks/avr/digits.py [--seeds 5] [--boards arduino_mega ...] [--write digits.json]

Beside each run on a chip stands float32 on the host: the same network, data, order and learning rates.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from trainbed.assets import asset_path
from trainbed.result import Result
from trainbed.run import run_scenario
from trainbed.scenario.loader import load_scenario

BOARDS = ("arduino_mega", "atmega4809_xplained")
SCENARIO = "avr_digits_int8.yaml"


def run(scenario: str, seed: int, board: str, *overrides: str) -> Result:
    """One training run. The seed chooses weights, order and split."""
    path = asset_path("scenarios") / scenario
    return run_scenario(load_scenario(path, [f"training.seed={seed}", *overrides]), board=board)


def on_chip(scenario: str, seed: int, board: str) -> dict[str, Any]:
    """What one run on an emulated chip came to; ``equal``: losses and weights are the twin's to the bit."""
    found = run(scenario, seed, board, "expect={matches_reference: exact}")
    return {
        "board": board,
        "seed": seed,
        "accuracy": round(100 * (found.test.accuracy or 0), 2),
        "equal": all(expectation.passed for expectation in found.expectations),
        "cycles": vars(found.cost.cycles_per_sample),
        "wait_cycles": vars(found.cost.memory_cycles_per_sample),
        "stack_bytes": found.memory.stack_bytes,
        "stack_bound_bytes": found.memory.stack_bound_bytes,
        "ram_bytes": found.memory.ram_bytes,
        "training_bytes": found.memory.training_bytes,
        "flash_bytes": found.memory.flash_bytes,
        "weights": found.weights.sha256,
        "class": found.cost.cost_class,
        "model": found.cost.model,
    }


def main() -> None:
    """Print a line for each run, and keep them where asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--boards", nargs="+", default=BOARDS)
    parser.add_argument("--scenario", default=SCENARIO)
    parser.add_argument("--write", type=Path)
    arguments = parser.parse_args()
    rows = []
    for seed in range(1, arguments.seeds + 1):
        plain = run(arguments.scenario, seed, "native", "training.precision=float32", "expect={}").test.accuracy
        for board in arguments.boards:
            rows.append(on_chip(arguments.scenario, seed, board) | {"float32": round(100 * (plain or 0), 2)})
            print(json.dumps(rows[-1]), flush=True)
            if arguments.write:
                arguments.write.write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
