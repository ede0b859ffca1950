# SPDX-License-Identifier: Apache-2.0
"""Cycles and memory of whole training runs on the emulated Nano 33 BLE, beside what AIfES 2.2.0 needs for the same
mathematics.

    PYTHONPATH=harness python benchmarks/training/run.py [--optimize O2] [--write results.md]

Each row is one `run_scenario`: memory, flash and cycles come from one and the same build. Cycles are the core's, at
zero wait states
(class modelled; docs/fidelity.md), forward + backward + update per trained sample. AIfES: measured with the same
compiler and the two
earlier parameter sets of the cycle model, "lo" and "hi" (lo is the nearer one); its Adam uses a double square root,
"sqrtf" is AIfES
with that replaced.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from trainbed.backends.registry import availability
from trainbed.result import Result
from trainbed.run import run_scenario
from trainbed.scenario.loader import load_scenario

_HEAD = """\
schema: 1
name: benchmark
board: arduino_nano_33_ble
"""
_LINES = "data: {generate: lines, size: 8, channels: 3, train: 48, test: 24}\n"
_MLP = """\
network:
  input: [8, 8, 1]
  layers:
    - flatten
    - dense: {units: 32, activation: relu}
    - dense: {units: 10, activation: softmax}
"""
_DIGITS = "data: {sklearn: digits, train: 200, test: 50}\n"
_CONV = """\
network:
  input: [8, 8, 3]
  layers:
    - conv2d: {filters: 8, kernel: 3, padding: same, activation: relu}
    - flatten
    - dense: {units: 1, activation: sigmoid}
"""
_DEPTHCONV = """\
network:
  input: [8, 8, 3]
  layers:
    - depthwise_conv2d: {kernel: 3, padding: same, activation: relu}
    - conv2d: {filters: 8, kernel: 1, activation: relu}
    - flatten
    - dense: {units: 1, activation: sigmoid}
"""
_CROSS = "categorical_crossentropy"


@dataclass(frozen=True)
class Row:
    """One benchmark: a scenario, what AIfES takes, what was asked for, and the floor."""

    name: str
    network: str
    data: str
    loss: str
    optimizer: str
    aifes: str
    required: int
    aim: int
    floor: int
    """Cycles per sample no code for this core can go below; see floor()."""

    def text(self) -> str:
        training = f"{{loss: {self.loss}, optimizer: {self.optimizer}, epochs: 2, batch_size: 8, seed: 1}}"
        return f"{_HEAD}{self.network}training: {training}\n{self.data}expect: {{matches_reference: exact}}\n"


# Cycles per product: two operations of the float unit, and the loads of a block whose operands are each loaded once.
# Derived in
# benchmarks/kernels/cases.py: 4 x 4 block, 1 x 8 block at batch 1, outer product with its store, 3 x 3 window sliding
# along a row.
BLOCK, VECTOR, OUTER, SLIDING = 2.5625, 3.25, 4.25, 2.58
ADAM = 47
"""Per parameter: 4 loads, 4 stores, 11 operations of one cycle, VSQRT and VDIV of 14."""
SGD = 6
"""Per parameter: 2 loads, 2 stores, a multiply, a subtraction."""


def floor(products: dict[float, int], parameters: int, step: int, *, batch: int = 8) -> int:
    """Cycles per sample: products times their cost, and the optimizer's share."""
    return round(sum(cost * count for cost, count in products.items()) + parameters * step / batch)


_CONV_TAPS = 22 * 22 * 3 * 8  # 22 = taps inside the image along one axis of 8 with a 3-wide window
_DW_TAPS = 22 * 22 * 3
_PW = 64 * 3 * 8
ROWS = (
    Row(
        "Conv2D net, Adam",
        _CONV,
        _LINES,
        "mse",
        "{adam: {lr: 0.01}}",
        "3 325 070 .. 3 464 108",
        180_000,
        130_000,
        floor({BLOCK: 2 * _CONV_TAPS, VECTOR: 2 * 512, OUTER: 512}, 737, ADAM),
    ),
    Row(
        "DepthConv net, Adam",
        _DEPTHCONV,
        _LINES,
        "mse",
        "{adam: {lr: 0.01}}",
        "no such layer",
        70_000,
        45_000,
        floor({BLOCK: 3 * _PW, SLIDING: 2 * _DW_TAPS, VECTOR: 2 * 512, OUTER: 512}, 575, ADAM),
    ),
    Row(
        "MLP 64-32-10, SGD",
        _MLP,
        _DIGITS,
        _CROSS,
        "{sgd: {lr: 0.05}}",
        "181 266 .. 202 476",
        30_000,
        24_000,
        floor({VECTOR: 2368 + 320, OUTER: 2368}, 2410, SGD),
    ),
    Row(
        "MLP 64-32-10, Adam",
        _MLP,
        _DIGITS,
        _CROSS,
        "{adam: {lr: 0.01}}",
        "536 498 .. 595 574 (sqrtf 290 981 .. 322 659)",
        45_000,
        35_000,
        floor({VECTOR: 2368 + 320, OUTER: 2368}, 2410, ADAM),
    ),
)


def measure(row: Row, optimize: str) -> Result:
    """Run one row; raises AssertionError when the twin disagrees, for then the figure would be of something else."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "benchmark.yaml"
        path.write_text(row.text())
        result = run_scenario(load_scenario(path, [f"build.optimize={optimize}"]))
    assert result.verdict.value == "passed", result.expectations
    return result


def table(optimize: str) -> str:
    """The rows as Markdown."""
    head = (
        "network, batch 8",
        "forward",
        "backward",
        "update",
        "cycles/sample",
        "required",
        "floor",
        "over floor",
        "AIfES 2.2.0",
        "training B",
        "flash B",
    )
    lines = [" | ".join(head), " | ".join("---" for _ in head)]
    for row in ROWS:
        result = measure(row, optimize)
        cycles, memory = result.cost.cycles_per_sample, result.memory
        assert cycles.total is not None
        phases = (
            f"{value:,.0f}" for value in (cycles.forward or 0, cycles.backward or 0, cycles.update or 0, cycles.total)
        )
        over = f"{cycles.total / row.floor - 1:.0%}"
        cells = (
            row.name,
            *phases,
            f"{row.required:,}",
            f"{row.floor:,}",
            over,
            row.aifes,
            f"{memory.training_bytes:,}",
            f"{memory.flash_bytes:,}",
        )
        lines.append(" | ".join(cells))
    versions = {**result.versions, "cost model": result.cost.model}
    notes = "; ".join(f"{name} {version}" for name, version in versions.items())
    return "\n".join(f"| {line} |" for line in lines) + f"\n\n-{optimize}; {notes}\n"


def main() -> None:
    """Print the table, and write it where asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--optimize", default="O2")
    parser.add_argument("--write", type=Path)
    arguments = parser.parse_args()
    if not availability("unicorn").usable:
        sys.exit(f"the unicorn backend is missing; {availability('unicorn').install}")
    text = table(arguments.optimize)
    print(text)
    if arguments.write is not None:
        arguments.write.write_text(f"# Training on the emulated Nano 33 BLE\n\n{text}")


if __name__ == "__main__":
    main()
