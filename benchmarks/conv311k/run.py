# SPDX-License-Identifier: Apache-2.0
"""Cycles of one training sample of scenarios/conv311k.yaml in float32, on each board that counts cycles.

    python benchmarks/conv311k/run.py [--write results.md]

Batch 8, SGD, 16 samples, one epoch: every sample costs the same. Weights are compared with the twin's, bit by bit.
Cycles are the core's at zero wait states, of class modelled (docs/fidelity.md).
"""

from __future__ import annotations

import argparse
from pathlib import Path

from trainbed.assets import asset_path
from trainbed.backends.registry import availability
from trainbed.boards import load_board
from trainbed.result import Result
from trainbed.run import run_scenario
from trainbed.scenario.loader import load_scenario

_SMALL = ["data.train=16", "data.test=6", "training.epochs=1", "expect={matches_reference: exact}"]
_ROWS = (
    ("arduino_nano_33_ble", False, 3_300_000),
    ("teensy40", False, None),
    ("teensy40", True, 1_700_000),
    ("stm32f746g_disco", True, 1_700_000),
    ("raspberry_pi_pico", False, None),
)
"""Board, fused, cycles asked for."""
_MACS = 786_000
"""Of one sample: forward, weight gradients, input gradients of all layers but the first; borders counted."""


def _row(board: str, fused: bool, bound: int | None) -> str:
    changes = [*_SMALL, "training.fused=true"] if fused else _SMALL
    result: Result = run_scenario(load_scenario(asset_path("scenarios") / "conv311k.yaml", changes), board=board)
    cycles = result.cost.cycles_per_sample
    assert cycles.total is not None and cycles.forward is not None and cycles.backward is not None
    clock = load_board(board).clock_hz
    kind = "fused" if fused else "unfused"
    exact = all(expectation.passed for expectation in result.expectations)
    asked = f"{bound:,}" if bound else "-"
    return (
        f"| {board} | {kind} | {cycles.forward:,.0f} | {cycles.backward:,.0f} | **{cycles.total:,.0f}** | {asked} | "
        f"{cycles.total / _MACS:.2f} | {1e3 * cycles.total / clock:.2f} | {'yes' if exact else 'NO'} | "
        f"{result.cost.model} |"
    )


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--write", type=Path, help="also write the table to a file")
    options = parser.parse_args()
    lines = [
        "| board | multiply-add | forward | backward | cycles per sample | asked for | per MAC | ms |"
        " bits of the twin | model |",
        "|---|---|--:|--:|--:|--:|--:|--:|---|---|",
    ]
    for board, fused, bound in _ROWS:
        lines.append(_row(board, fused, bound))
        print(lines[-1], flush=True)
    if options.write:
        head = (
            "# conv311k in float32\n\n"
            f"    python benchmarks/conv311k/run.py --write results.md\n\nUnicorn {availability('unicorn').version}, "
            "arm-none-eabi-gcc 12.2.1 -O2.\n\n"
        )
        options.write.write_text(head + "\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
