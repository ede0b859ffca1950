# SPDX-License-Identifier: Apache-2.0
"""The search of docs/search.md: 100 networks for 8x8 digits in 64 KB, beside the hand-made ones of scenarios/.

    PYTHONPATH=harness python benchmarks/search/run.py [--out out/digits_64k] [--render]

Goes on with what was stopped. Result files are kept in benchmarks/search/results; ``--render`` only makes
tables and figure of docs/search.md from them. The hand-made networks stream their samples as the searched ones do.

The search chose by the mean over its own seeds; what dominates what is decided by others (weights, order and split), on
the host build, whose bits are the board's. Memory and cycles are those of an epoch on the board, as in the search.
"""

from __future__ import annotations

import argparse
import csv
import json
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from figure import Mark, scatter
from rich.console import Console

from trainbed.assets import asset_path
from trainbed.result import RESULT_FILE
from trainbed.run import run_scenario
from trainbed.scenario.loader import load_scenario
from trainbed.search.command import run_search
from trainbed.search.front import dominates

HERE = Path(__file__).resolve().parent
RESULTS = HERE / "results"
DOCS = HERE.parents[1] / "docs"
DOCUMENT, FIGURE = "search.md", "search_front.svg"
BEGIN, END = "<!-- front: begin -->\n", "<!-- front: end -->\n"

HAND: Mapping[str, tuple[str, ...]] = {
    "digits_mlp": (),
    "digits_cnn": (),
    "digits_cnn, 40 epochs": ("training.epochs=40",),
}
"""The hand-made networks: a scenario's name, and what is set in it. The last has the epochs of the searched ones."""
SEEDS = range(1, 11)
"""Of the comparison; the search has others."""
SIZES = ("memory.ram_bytes", "memory.flash_bytes", "cost.cycles_per_sample.total", "model.parameters")

Row = dict[str, Any]


def main() -> None:
    """Search, measure what it is held against, write the result files; then the document."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("out/digits_64k"))
    parser.add_argument("--workers", type=int)
    parser.add_argument("--render", action="store_true")
    arguments = parser.parse_args()
    if not arguments.render:
        RESULTS.mkdir(exist_ok=True)
        file = asset_path("scenarios") / "search" / "digits_64k.yaml"
        run_search(file, out=arguments.out, console=Console(), workers=arguments.workers, resume=True)
        keep_search(arguments.out)
        write(RESULTS / "compared.csv", compared(arguments.out))
    render()


def keep_search(out: Path) -> None:
    """What the document needs of the search's table; without weights, losses and versions."""
    left_out = ("weights.", "firmware.", "versions.", "training.", "cost.energy")
    rows = [{k: v for k, v in row.items() if not k.startswith(left_out)} for row in read(out / "results.csv")]
    write(RESULTS / "search.csv", rows)
    fates = [row["fate"] for row in read(out / "candidates.csv")]
    write(RESULTS / "candidates.csv", [{"fate": fate, "candidates": fates.count(fate)} for fate in sorted(set(fates))])


def compared(out: Path) -> list[Row]:
    """The hand-made networks and the front: sizes and cycles on the board, accuracy seed by seed.

    What by the search's own seeds is worse than every hand-made network is not trained again.
    """
    search = {int(row["index"]): row for row in read(RESULTS / "search.csv")}
    searched = json.loads(search[0]["averaged.seeds"])
    rows = []
    for name, changed in HAND.items():
        file = asset_path("scenarios") / f"{name.partition(',')[0]}.yaml"
        overrides = ["link.dataset=stream", "expect={}", *changed]
        epoch = once(file, [*overrides, "training.epochs=1"], beside(out, name) / "board")
        seeds = SEEDS if changed else (*SEEDS, *searched)
        accuracies = by_seed(file, overrides, beside(out, name), seeds)
        rows.append({"kind": "hand", "network": name, **{column: at(epoch, column) for column in SIZES}, **accuracies})
    reach = min(mean(row, search=True) for row in rows if accuracies_of(row, search=True))
    for file in sorted((out / "front").glob("*.yaml")):
        index = int(file.stem[:3])
        scenario, row = yaml.safe_load(file.read_text(encoding="utf-8")), search[index]
        seeds = SEEDS if float(row["test.accuracy"]) >= reach else ()
        accuracies = by_seed(file, ["expect={}"], beside(out, file.stem), seeds)
        for seed, accuracy in zip(searched, json.loads(row["averaged.accuracy"]), strict=True):
            accuracies[f"seed {seed}"] = accuracy
        name = f"{index}: {words(scenario['network']['layers'])}; {recipe(scenario['training'])}"
        rows.append({"kind": "front", "network": name, **{column: row[column] for column in SIZES}, **accuracies})
    return rows


def by_seed(file: Path, overrides: Sequence[str], folder: Path, seeds: Sequence[int]) -> Row:
    """Test accuracy of a training with each seed, on the host build."""
    row: Row = {}
    for seed in seeds:
        changed = ["board=native", "backend=native", f"training.seed={seed}"]
        row[f"seed {seed}"] = at(once(file, [*overrides, *changed], folder / str(seed)), "test.accuracy")
    print(file.stem, row, flush=True)
    return row


def beside(out: Path, name: str) -> Path:
    """Folder of the runs of a network."""
    return out.with_name(f"{out.name}_compared") / name


def once(file: Path, overrides: Sequence[str], folder: Path) -> Row:
    """result.json of a run, kept: what an earlier call finished is not run again."""
    if not (folder / RESULT_FILE).is_file():
        run_scenario(load_scenario(file, overrides), out=folder)
    result: Row = json.loads((folder / RESULT_FILE).read_text(encoding="utf-8"))
    return result


def render() -> None:
    """Write the document's tables and figure."""
    document, figure = rendered((DOCS / DOCUMENT).read_text(encoding="utf-8"))
    (DOCS / DOCUMENT).write_text(document, encoding="utf-8")
    (DOCS / FIGURE).write_text(figure, encoding="utf-8")


def rendered(document: str) -> tuple[str, str]:
    """The document with its tables, and the figure, from the result files alone."""
    rows, networks = read(RESULTS / "search.csv"), read(RESULTS / "compared.csv")
    hands = [row for row in networks if row["kind"] == "hand"]
    front = sorted((row for row in networks if row["kind"] == "front"), key=lambda row: -mean(row, search=True))
    fates = {row["fate"]: row["candidates"] for row in read(RESULTS / "candidates.csv")}
    counted = ", ".join(f"{n} {fate.replace('_', ' ')}" for fate, n in fates.items())
    quarter, last = (float(rows[n]["search.hypervolume"]) for n in (len(rows) // 4 - 1, -1))
    columns = (
        "the front of the search",
        f"accuracy %, seeds {SEEDS[0]} to {SEEDS[-1]}",
        "worst %",
        "search's seeds %",
        "RAM B",
        "flash B",
        "cycles/sample",
        "parameters",
        "dominates",
    )
    lines = [
        f"{len(rows)} networks trained; candidates: {counted}. Hypervolume {last:.4f}, {quarter:.4f} after a quarter "
        "of the trials.",
        "",
        f"| {' | '.join(columns)} |",
        "|---" + "|--:" * 7 + "|---|",
        *(line(row, hands) for row in (*hands, *front)),
        "",
        f"Dominated are {'; '.join(dominated(hand, front) for hand in hands)}. "
        f"By the first five of the seeds alone: {'; '.join(first_five(hand, front) for hand in hands)}.",
        "",
        f"![Accuracy over cycles]({FIGURE})",
    ]
    before, _, rest = document.partition(BEGIN)
    text = before + BEGIN + "\n".join(lines) + "\n" + END + rest.partition(END)[2]
    marks = [trained(row) for row in rows if row["search.front"] != "true" and row["test.accuracy"]]
    marks += [compared_mark(row, hands) for row in networks if accuracies_of(row, search=True)]
    return text, scatter([mark for mark in marks if mark.y >= 0.95])


def accuracies_of(row: Row, *, search: bool = False) -> list[float]:
    """Test accuracy seed by seed: of the comparison, or of the search; none where it was not trained so."""
    known = {int(name[5:]): float(value) for name, value in row.items() if name.startswith("seed ") and value}
    return [value for seed, value in known.items() if (seed in SEEDS) != search]


def mean(row: Row, *, search: bool = False) -> float:
    """Mean accuracy over the seeds."""
    return statistics.fmean(accuracies_of(row, search=search))


def beaten(row: Row, hands: Sequence[Row]) -> str:
    """The hand-made networks a row dominates in (accuracy, RAM, cycles); whether it needs no more flash either."""
    found = []
    for hand in hands if accuracies_of(row) else ():
        if dominates(gains(row), gains(hand)):
            flash = int(row["memory.flash_bytes"]) <= int(hand["memory.flash_bytes"])
            found.append(f"{hand['network']}{' (flash, too)' if flash else ''}")
    return "; ".join(found)


def dominated(hand: Row, front: Sequence[Row]) -> str:
    """``digits_mlp by 6 and 64``."""
    by = [row["network"].partition(":")[0] for row in front if beaten(row, [hand])]
    return f"{hand['network']} by {' and '.join(by) or 'none'}"


def first_five(hand: Row, front: Sequence[Row]) -> str:
    """Accuracy of a hand-made network and of those that dominate it, by fewer seeds: what luck does to five."""
    told = [row for row in (hand, *front) if row is hand or beaten(row, [hand])]
    means = (100 * statistics.fmean(accuracies_of(row)[:5]) for row in told)
    return ", ".join(f"{row['network'].partition(':')[0]} {mean:.2f}" for row, mean in zip(told, means, strict=True))


def gains(row: Row) -> tuple[float, ...]:
    """(accuracy, RAM, cycles), more is better."""
    return (mean(row), -float(row["memory.ram_bytes"]), -float(row["cost.cycles_per_sample.total"]))


def words(network: Sequence[Any]) -> str:
    """Layers in short: ``conv 8 3x3 /2 - pool - dense 10``."""
    parts = []
    for layer in network:
        name, keys = next(iter(layer.items())) if isinstance(layer, dict) else (layer, {})
        size = _by(keys.get("kernel") or keys.get("size") or 2)
        stride = f" /{keys['stride']}" if keys.get("stride", 1) != 1 else ""
        inside = " valid" if keys.get("padding") == "valid" else ""
        if name == "dense":
            tanh = " tanh" if keys["activation"] == "tanh" else ""
            parts.append(f"dense {keys['units']}{tanh}")
        elif name == "conv2d":
            parts.append(f"conv {keys['filters']} {size}{stride}{inside}")
        elif name == "depthwise_conv2d":
            parts.append(f"depthwise {size}{stride}{inside}")
        elif name == "max_pool":
            parts.append(f"pool {size}")
    return " - ".join(parts)


def _by(size: Any) -> str:
    height, width = size if isinstance(size, list) else (size, size)
    return f"{height}x{width}"


def recipe(training: Row) -> str:
    """Optimizer and batch size in short."""
    name, keys = next(iter(training["optimizer"].items()))
    momentum = " with momentum" if keys.get("momentum") else ""
    return f"{name}{momentum}, batch {training['batch_size']}"


def line(row: Row, hands: Sequence[Row]) -> str:
    """A line of the table."""
    cells = (
        row["network"],
        f"{100 * mean(row):.2f}" if accuracies_of(row) else "-",
        f"{100 * min(accuracies_of(row)):.2f}" if accuracies_of(row) else "-",
        f"{100 * mean(row, search=True):.2f}" if accuracies_of(row, search=True) else "-",
        f"{int(row['memory.ram_bytes']):,}",
        f"{int(row['memory.flash_bytes']):,}",
        f"{float(row['cost.cycles_per_sample.total']):,.0f}",
        f"{int(row['model.parameters']):,}",
        beaten(row, hands) if row["kind"] == "front" else "",
    )
    return f"| {' | '.join(cells)} |"


def trained(row: Row) -> Mark:
    """The point of a network that is not on the front."""
    cycles, ram = float(row["cost.cycles_per_sample.total"]), float(row["memory.ram_bytes"])
    return Mark(cycles, float(row["test.accuracy"]), ram, "other", "")


def compared_mark(row: Row, hands: Sequence[Row]) -> Mark:
    """The point of a hand-made network or one of the front, by the search's seeds as the others are.

    Of the front, those have a label that dominate a hand-made one.
    """
    label = row["network"].partition(":")[0] if row["kind"] == "hand" or beaten(row, hands) else ""
    cycles, ram = float(row["cost.cycles_per_sample.total"]), float(row["memory.ram_bytes"])
    return Mark(cycles, mean(row, search=True), ram, row["kind"], label)


def at(result: Row, path: str) -> Any:
    """The value at a key path."""
    for step in path.split("."):
        result = result[step]
    return result


def read(path: Path) -> list[Row]:
    """Rows of a CSV."""
    with path.open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def write(path: Path, rows: Sequence[Row]) -> None:
    """A CSV of rows with the same columns."""
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


if __name__ == "__main__":
    main()
