# SPDX-License-Identifier: Apache-2.0
"""What side by side brings: 64 small runs on the emulated Nano 33 BLE by one worker and by two, in turns.

    PYTHONPATH=harness python benchmarks/sweep/run.py [--rounds 3] [--write benchmarks/sweep/results.md]

The firmware is built before: the ratio is that of the runs, of about half a second each, and of what is done once
(start, checks, table). Times are the host's and depend on what else it does; the two take turns so that both see the
same, and the load beside them is told. Every table is compared with the first: they are equal to the byte.
"""

from __future__ import annotations

import argparse
import io
import os
import platform
import statistics
import tempfile
import time
from pathlib import Path

from rich.console import Console

from trainbed.sweep.command import run_sweep

BOUND = 0.6
"""Of one worker's time, for two."""

SWEEP = """\
schema: 1
name: 64 small runs
scenario: tiny
set: {training.epochs: 200, expect: {}}
axes:
  network.layers.0.dense.units: [4, 8]
  training.optimizer.sgd.lr: [0.1, 0.5]
repeat: REPEAT
"""

HEAD = """\
# Two workers beside one

Written by `python benchmarks/sweep/run.py --write benchmarks/sweep/results.md`: a sweep of 64 runs of `tiny` (200
epochs) on the emulated Nano 33 BLE, its firmware built before; {cores} cores, Python {python}. All tables are
equal to the byte. Asked was a ratio of at most 0.6. A load of 0 before a round is a machine that does nothing else.

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
    """Print a line per round and the median; write the table where asked. Ends with 1 beyond the bound."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--write", type=Path)
    arguments = parser.parse_args()
    lines = ["| round | 1 worker s | 2 workers s | ratio | load before |", "|---|--:|--:|--:|--:|"]
    ratios = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        sweep(folder, 1, 2)  # builds
        first = b""
        for n in range(arguments.rounds):
            load = os.getloadavg()[0]
            one, table = sweep(folder, 16, 1)
            two, other = sweep(folder, 16, 2)
            first = first or table
            assert table == other == first, "the tables differ"
            ratios.append(two / one)
            lines.append(f"| {n + 1} | {one:.1f} | {two:.1f} | {two / one:.2f} | {load:.1f} |")
            print(lines[-1], flush=True)
    median = statistics.median(ratios)
    lines.append(f"| median | | | **{median:.2f}** | |")
    print(lines[-1])
    if arguments.write is not None:
        arguments.write.write_text(
            HEAD.format(cores=os.cpu_count(), python=platform.python_version()), encoding="utf-8"
        )
        with arguments.write.open("a", encoding="utf-8") as stream:
            stream.write("\n".join(lines) + "\n")
    if median > BOUND:
        raise SystemExit(f"two workers need {median:.2f} of one worker's time, {BOUND} were allowed")


if __name__ == "__main__":
    main()
