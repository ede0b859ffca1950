# SPDX-License-Identifier: Apache-2.0
"""What side by side brings: 64 small runs on the emulated Nano 33 BLE by one worker and by two, in turns.

    PYTHONPATH=harness python benchmarks/sweep/run.py [--rounds 3] [--write results.md]

The firmware is built before: the ratio is that of the runs. Times are the host's and depend on what else it does; the
two take turns so that both see the same. Every table is compared with the first: they are equal to the byte.
"""

from __future__ import annotations

import argparse
import io
import os
import statistics
import tempfile
import time
from pathlib import Path

from rich.console import Console

from trainbed.sweep.command import run_sweep

SWEEP = """\
schema: 1
name: 64 small runs
scenario: tiny
set: {training.epochs: 60, expect: {}}
axes:
  network.layers.0.dense.units: [4, 8]
  training.optimizer.sgd.lr: [0.1, 0.5]
repeat: REPEAT
"""


def sweep(folder: Path, repeat: int, workers: int) -> tuple[float, bytes]:
    """Seconds of a sweep, and its table."""
    file = folder / "sweep.yaml"
    file.write_text(SWEEP.replace("REPEAT", str(repeat)), encoding="utf-8")
    out = folder / "out"
    began = time.monotonic()
    run_sweep(file, out=out, console=Console(file=io.StringIO()), workers=workers, restart=True)
    return time.monotonic() - began, (out / "results.csv").read_bytes()


def main() -> None:
    """Print a line per round and the medians; write the table where asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--write", type=Path)
    arguments = parser.parse_args()
    lines = ["| round | 1 worker s | 2 workers s | ratio | load average |", "|---" * 5 + "|"]
    ratios = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        sweep(folder, 1, 2)  # builds
        first = b""
        for n in range(arguments.rounds):
            one, table = sweep(folder, 16, 1)
            two, other = sweep(folder, 16, 2)
            first = first or table
            assert table == other == first, "the tables differ"
            ratios.append(two / one)
            lines.append(f"| {n + 1} | {one:.1f} | {two:.1f} | {two / one:.2f} | {os.getloadavg()[0]:.1f} |")
            print(lines[-1], flush=True)
    lines.append(f"| median | | | {statistics.median(ratios):.2f} | |")
    print(lines[-1])
    if arguments.write is not None:
        arguments.write.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
