# SPDX-License-Identifier: Apache-2.0
"""Compares the rows of one program with published measurements.

``rows.csv`` has the columns row, name, measured (cycles) and, if a row runs a loop, turns. Row 0 of the program is an
empty call: its cost is taken off every row, and ``--call`` cycles are put back for the call as it was measured.

    python benchmarks/cycle_model/compare.py program.elf rows.csv --call 7
"""

from __future__ import annotations

import argparse
import csv
from pathlib import Path
from statistics import median

from measure import measure


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("elf", type=Path)
    parser.add_argument("rows", type=Path)
    parser.add_argument("--core", default="cortex-m4")
    parser.add_argument("--memory")
    parser.add_argument("--call", type=int, default=0)
    options = parser.parse_args()
    counted = {row.row: row.cycles + row.memory_cycles for row in measure(options.elf, options.core, options.memory)}
    errors = []
    print("| program | measured | estimated | error |\n|---|--:|--:|--:|")
    with options.rows.open(newline="") as file:
        for line in csv.DictReader(file):
            cycles = counted[int(line["row"])] - counted.get(0, 0) + options.call
            estimated = cycles / int(line.get("turns") or 1)
            error = estimated / float(line["measured"]) - 1
            errors.append(abs(error))
            print(f"| {line['name']} | {line['measured']} | {estimated:.4g} | {error:+.1%} |")
    print(f"\n{len(errors)} rows, median error {median(errors):.1%}, worst {max(errors):.1%}")


if __name__ == "__main__":
    main()
