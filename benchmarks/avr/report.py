# SPDX-License-Identifier: Apache-2.0
"""results.md from what the commands of this folder have measured.

    PYTHONPATH=harness python benchmarks/avr/report.py [--machine] [--layers results.csv] [--check]

Each command keeps its part in measured/; the page says which. ``--machine`` notes this machine's versions beside them,
after measuring. ``--check`` writes nothing and fails where the page is not what would be written.
"""

from __future__ import annotations

import argparse
import csv
import datetime
import json
import statistics
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

from trainbed.backends.avr.library import simavr_version
from trainbed.toolchain import find_compiler

HERE = Path(__file__).resolve().parent
MEASURED = HERE / "measured"
PAGE = HERE / "results.md"
_NAMES = {"arduino_mega": ("ATmega2560", 16), "atmega4809_xplained": ("ATmega4809", 20)}
Rows = list[dict[str, Any]]


def page() -> str:
    """The text of results.md."""
    text = (HERE / "page.md").read_text(encoding="utf-8")
    digits, sensor = kept("digits.json"), kept("sensor.json")
    parts = {
        "machine": _text("machine.md"),
        "table": _text("table.md"),
        "slopes": slopes(cells_of(_text("table.md"))),
        "widest": _text("widest.md"),
        "affine": _text("affine.md"),
        "products": _text("products.md"),
        "accuracy": _text("accuracy.md"),
        "digits": runs(digits),
        "digit_costs": costs(digits),
        "sensor": costs(sensor),
        "sensor_runs": sentence(sensor),
        "layers": _text("layers.md"),
        "pruning": pruning(_csv(MEASURED / "pruning.csv")),
    }
    for name, part in parts.items():
        text = text.replace(f"<!-- {name} -->", part.strip())
    return text


def cells_of(table: str) -> list[list[str]]:
    """Cells of a Markdown table, head and rule left out."""
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table.strip().splitlines()[2:]]


def slopes(table: list[list[str]]) -> str:
    """What a product costs, from the narrowest to the widest network of each -O."""
    found = []
    for option in dict.fromkeys(row[1] for row in table):
        rows = [row for row in table if row[1] == option]
        first, last = rows[0], rows[-1]
        products = (int(last[0]) - int(first[0])) * (784 + 10)
        cycles = int(last[6].replace(",", "")) - int(first[6].replace(",", ""))
        found.append(f"{cycles / products:.2f} at -{option}")
    widths = [int(row[0]) for row in table]
    return f"From width {widths[0]} to {widths[-1]} a product costs {', '.join(found)} cycles, dense"


def runs(rows: Rows) -> str:
    """A line for each seed, the accuracy on each chip beside float32."""
    boards = list(dict.fromkeys(row["board"] for row in rows))
    names = [f"{_NAMES[board][0]} %" for board in boards]
    same = [f"{_NAMES[board][0]}: losses and weights" for board in boards]
    lines = [f"| seed | {' | '.join(names)} | float32 % | {' | '.join(same)} |", "|" + "---|" * (2 * len(boards) + 2)]
    for seed in dict.fromkeys(row["seed"] for row in rows):
        of = {row["board"]: row for row in rows if row["seed"] == seed}
        on = [f"{of[board]['accuracy']:.2f}" for board in boards]
        equal = ["the twin's" if of[board]["equal"] else "differ" for board in boards]
        lines.append(f"| {seed} | {' | '.join(on)} | {of[boards[0]]['float32']:.2f} | {' | '.join(equal)} |")
    means = [statistics.mean(row["accuracy"] for row in rows if row["board"] == board) for board in boards]
    plain = statistics.mean(row["float32"] for row in rows if row["board"] == boards[0])
    empty = " | " * len(boards)
    lines.append(f"| mean | {' | '.join(f'{mean:.2f}' for mean in means)} | {plain:.2f} {empty}|")
    return "\n".join(lines)


def costs(rows: Rows) -> str:
    """What a step costs on each chip: mean of the seeds, waits for flash apart; memory."""
    lines = [
        "| board | cycles per step (forward, backward, update) | waits | ms per step | RAM (static and stack bound) "
        "| stack used, bound | of it for training | flash | counts |",
        "|" + "---|" * 9,
    ]
    for board in dict.fromkeys(row["board"] for row in rows):
        of = [row for row in rows if row["board"] == board]
        cycles = {key: statistics.mean(row["cycles"][key] for row in of) for key in of[0]["cycles"]}
        waits = statistics.mean(row["wait_cycles"]["total"] for row in of)
        name, clock = _NAMES[board]
        phases = ", ".join(f"{cycles[key]:,.0f}" for key in ("forward", "backward", "update"))
        memory = of[0]
        lines.append(
            f"| {name}, {clock} MHz | {cycles['total']:,.0f} ({phases}) | {waits:,.0f} "
            f"| {(cycles['total'] + waits) / clock / 1000:.2f} | {memory['ram_bytes']:,} "
            f"| {memory['stack_bytes']}, {memory['stack_bound_bytes']} | {memory['training_bytes']} "
            f"| {memory['flash_bytes']:,} | {memory['class']} ({memory['model']}) |"
        )
    return "\n".join(lines)


def sentence(rows: Rows) -> str:
    """The lowest accuracy of all runs, and whether all were the twin's."""
    seeds, boards = len({row["seed"] for row in rows}), len({row["board"] for row in rows})
    equal = "all of them the twin's to the bit" if all(row["equal"] for row in rows) else "NOT all the twin's"
    return f"{min(row['accuracy'] for row in rows):.0f} % at least in {seeds} seeds on {boards} chips, {equal}"


def layers(rows: Rows) -> str:
    """One to three hidden layers: accuracy, cycles and flash at each -O."""
    lines = [
        "| hidden | accuracy on 300 images % | cycles without waits, -O2 / -Os | flash, -O2 / -Os |",
        "|---|---|---|---|",
    ]
    found: dict[str, Rows] = {}
    for row in rows:
        layers_of = json.loads(row["axes.network.layers"])
        units = [str(layer["dense"]["units"]) for layer in layers_of if isinstance(layer, dict) and "dense" in layer]
        found.setdefault(", ".join(units[:-1]), []).append(row)
    for hidden, of in found.items():
        cycles = " / ".join(f"{float(row['cost.cycles_per_inference']):,.0f}" for row in of)
        flash = " / ".join(f"{int(float(row['memory.flash_bytes'])):,}" for row in of)
        lines.append(f"| {hidden} | {100 * float(of[0]['test.accuracy']):.1f} | {cycles} | {flash} |")
    return "\n".join(lines)


def pruning(rows: Rows) -> str:
    """Sparsity at the start and the end of pruning: accuracy, flash, cycles."""
    lines = ["| initial | final | accuracy on 300 images % | cycles without waits | flash |", "|---|---|---|---|---|"]
    for row in rows:
        lines.append(
            f"| {row['axes.prune.initial']} | {row['axes.prune.final']} | {100 * float(row['test.accuracy']):.1f} "
            f"| {float(row['cost.cycles_per_inference']):,.0f} | {int(float(row['memory.flash_bytes'])):,} |"
        )
    return "\n".join(lines)


def machine() -> str:
    """Date and versions."""
    return (
        f"{datetime.datetime.now(datetime.UTC):%Y-%m-%d}, two virtual cores of an AMD EPYC: Debian 12, "
        f"{find_compiler('avr5').version}, yasimavr {version('yasimavr')}, simavr {simavr_version()}, "
        f"NumPy {version('numpy')}\n"
    )


def _text(name: str) -> str:
    return (MEASURED / name).read_text(encoding="utf-8")


def kept(name: str) -> Rows:
    """What digits.py has kept: a mapping for each run."""
    rows: Rows = json.loads(_text(name))
    return rows


def _csv(path: Path) -> Rows:
    return list(csv.DictReader(path.read_text(encoding="utf-8").splitlines()))


def main() -> None:
    """Write the page, or check it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--machine", action="store_true")
    parser.add_argument("--layers", type=Path, help="results.csv of scenarios/sweep/avr_layers.yaml")
    arguments = parser.parse_args()
    if arguments.layers:
        (MEASURED / "layers.md").write_text(layers(_csv(arguments.layers)) + "\n", encoding="utf-8")
    if arguments.machine:
        (MEASURED / "machine.md").write_text(machine(), encoding="utf-8")
    if arguments.check:
        sys.exit(0 if PAGE.read_text(encoding="utf-8") == page() else "results.md is not what report.py writes")
    PAGE.write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
