# SPDX-License-Identifier: Apache-2.0
"""The search of docs/search.md: 100 networks for 8x8 digits in 64 KB, beside the hand-made ones of scenarios/.

    PYTHONPATH=harness python benchmarks/search/run.py [--out out/digits_64k] [--seeds 5] [--render]

Goes on with what was stopped. Result files are kept in benchmarks/search/results; ``--render`` only makes
tables and figure of docs/search.md from them. The hand-made networks stream their samples as the searched ones do.

Accuracy over seeds (weights, order and split) is that of the host build, whose bits are the board's: a search trains a
network once, and one seed decides by luck, too.
"""

from __future__ import annotations

import argparse
import csv
import json
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from figure import Mark, scatter
from rich.console import Console

from trainbed.assets import asset_path
from trainbed.result import RESULT_FILE
from trainbed.run import run_scenario
from trainbed.scenario.loader import load_scenario
from trainbed.search.command import run_search

HERE = Path(__file__).resolve().parent
RESULTS = HERE / "results"
DOCS = HERE.parents[1] / "docs"
DOCUMENT, FIGURE = "search.md", "search_front.svg"
BEGIN, END = "<!-- front: begin -->\n", "<!-- front: end -->\n"

HAND = ("digits_mlp", "digits_cnn")
COLUMNS = (
    "test.accuracy",
    "memory.ram_bytes",
    "memory.flash_bytes",
    "cost.cycles_per_sample.total",
    "model.parameters",
    "model.macs_forward",
)
OBJECTIVES = {"test.accuracy": -1, "memory.ram_bytes": 1, "cost.cycles_per_sample.total": 1}
"""What domination is about; the sign makes the smaller one the better."""
TEST_SAMPLES = 360

Row = dict[str, Any]


def main() -> None:
    """Search, measure what it is held against, write the result files; then the document."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("out/digits_64k"))
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--workers", type=int)
    parser.add_argument("--render", action="store_true")
    arguments = parser.parse_args()
    if not arguments.render:
        RESULTS.mkdir(exist_ok=True)
        file = asset_path("scenarios") / "search" / "digits_64k.yaml"
        run_search(file, out=arguments.out, console=Console(), workers=arguments.workers, resume=True)
        keep_search(arguments.out)
        write(RESULTS / "hand.csv", [hand_made(name, arguments.out) for name in HAND])
        write(RESULTS / "seeds.csv", over_seeds(arguments.out, arguments.seeds))
    render()


def keep_search(out: Path) -> None:
    """What the document needs of the search's table; without weights, losses and versions."""
    left_out = (
        "weights.",
        "firmware.",
        "versions.",
        "training.loss",
        "training.accuracy",
        "expectations.",
        "cost.energy",
    )
    rows = [{k: v for k, v in row.items() if not k.startswith(left_out)} for row in read(out / "results.csv")]
    write(RESULTS / "search.csv", rows)
    fates = [row["fate"] for row in read(out / "candidates.csv")]
    write(RESULTS / "candidates.csv", [{"fate": fate, "candidates": fates.count(fate)} for fate in sorted(set(fates))])


def hand_made(name: str, out: Path) -> Row:
    """A scenario of the folder on the board, streaming."""
    result = once(asset_path("scenarios") / f"{name}.yaml", ["link.dataset=stream", "expect={}"], beside(out, name))
    return {"network": name, **{column: at(result, column) for column in COLUMNS}}


def beside(out: Path, name: str) -> Path:
    """Folder of a run the search is held against."""
    return out.with_name(f"{out.name}_hand") / name


def once(file: Path, overrides: Sequence[str], folder: Path) -> Row:
    """result.json of a run, kept: what an earlier call finished is not run again."""
    if not (folder / RESULT_FILE).is_file():
        run_scenario(load_scenario(file, overrides), out=folder)
    result: Row = json.loads((folder / RESULT_FILE).read_text(encoding="utf-8"))
    return result


def over_seeds(out: Path, seeds: int) -> list[Row]:
    """Test accuracy seed by seed: the hand-made networks, and those of the front within one test sample of one."""
    worst = min(float(row["test.accuracy"]) for row in read(RESULTS / "hand.csv")) - 1.01 / TEST_SAMPLES
    near = {row["index"] for row in read(RESULTS / "search.csv") if float(row["test.accuracy"] or 0) >= worst}
    files = {name: asset_path("scenarios") / f"{name}.yaml" for name in HAND}
    found = {str(int(path.stem[:3])): path for path in sorted((out / "front").glob("*.yaml"))}
    files |= {index: path for index, path in found.items() if index in near}
    rows = []
    for name, file in files.items():
        row: Row = {"network": name}
        for seed in range(1, seeds + 1):
            changed = ["board=native", "backend=native", "expect={}", f"training.seed={seed}"]
            result = once(file, changed, beside(out, f"{file.stem}-{seed}"))
            row[f"seed {seed}"] = at(result, "test.accuracy")
        rows.append(row)
        print(row, flush=True)
    return rows


def render() -> None:
    """Write the document's tables and figure."""
    document, figure = rendered((DOCS / DOCUMENT).read_text(encoding="utf-8"))
    (DOCS / DOCUMENT).write_text(document, encoding="utf-8")
    (DOCS / FIGURE).write_text(figure, encoding="utf-8")


def rendered(document: str) -> tuple[str, str]:
    """The document with its tables, and the figure, from the result files alone."""
    rows, hands = read(RESULTS / "search.csv"), read(RESULTS / "hand.csv")
    means = {row["network"]: accuracies(row) for row in read(RESULTS / "seeds.csv")}
    front = sorted((row for row in rows if row["search.front"] == "true"), key=lambda row: -float(row["test.accuracy"]))
    fates = {row["fate"]: row["candidates"] for row in read(RESULTS / "candidates.csv")}
    counted = ", ".join(f"{n} {fate.replace('_', ' ')}" for fate, n in fates.items())
    quarter, last = (float(rows[n]["search.hypervolume"]) for n in (len(rows) // 4 - 1, -1))
    lines = [
        f"{len(rows)} networks trained; candidates: {counted}. Hypervolume {last:.4f}, {quarter:.4f} after a quarter "
        "of the trials.",
        "",
        *head("the front of the search", "accuracy %"),
        *(line(row["network"], row, means[row["network"]], "") for row in hands),
    ]
    for row in front:
        name = f"{row['index']}: {words(layers(row))}, {row['axes.training.optimizer']}"
        lines.append(line(name, row, means.get(row["index"], ()), beaten(row, hands)))
    for row in front:
        for hand in hands:
            if dominates(row, hand) and row["index"] in means:
                mine, its = (100 * statistics.mean(means[name]) for name in (row["index"], hand["network"]))
                told = f"dominates {hand['network']} at the search's seed"
                lines += ["", f"Network {row['index']} {told}; over the seeds it has {mine:.2f} beside {its:.2f} %."]
    lines += ["", f"![Accuracy over cycles]({FIGURE})"]
    before, _, rest = document.partition(BEGIN)
    text = before + BEGIN + "\n".join(lines) + "\n" + END + rest.partition(END)[2]
    marks = [mark(row, "front" if row in front else "other", str(row["index"]) if row in front else "") for row in rows]
    marks += [mark(row, "hand", row["network"]) for row in hands]
    return text, scatter([m for m in marks if m.y >= 0.9])


def head(title: str, accuracy: str) -> list[str]:
    """First lines of a table."""
    columns = (title, accuracy, "over seeds %", "RAM B", "flash B", "cycles/sample", "parameters", "dominates")
    return [f"| {' | '.join(columns)} |", "|---" + "|--:" * 6 + "|---|"]


def accuracies(row: Row) -> list[float]:
    """Test accuracy seed by seed."""
    return [float(value) for name, value in row.items() if name.startswith("seed ")]


def beaten(row: Row, hands: Sequence[Row]) -> str:
    """The hand-made networks a row dominates."""
    return ", ".join(hand["network"] for hand in hands if dominates(row, hand))


def dominates(row: Row, hand: Row) -> bool:
    """In (accuracy, RAM, cycles): nowhere worse, somewhere better."""
    gaps = [sign * (float(hand[name]) - float(row[name])) for name, sign in OBJECTIVES.items()]
    return min(gaps) >= 0 and max(gaps) > 0


def layers(row: Row) -> list[Any]:
    """The layers of a trained network, from the free values of scenarios/search/digits_64k.yaml."""
    path = "axes.network.layers."

    def conv(at: str, **fixed: Any) -> dict[str, Any]:
        free = {name: row.get(f"{path}{at}.{name}") for name in ("filters", "kernel", "stride")}
        numbers = {name: int(value) for name, value in free.items() if value}
        padding = row.get(f"{path}{at}.padding") or "same"
        return {"conv2d": {**fixed, **numbers, "padding": padding, "activation": "relu"}}

    found: list[Any] = [conv("0.conv2d")]
    if row[f"{path}1.optional"] == "true":
        found.append("max_pool")
    if row[f"{path}2.optional"] == "true":
        found.append(conv("2.optional.conv2d", kernel=3))
    found.append("flatten")
    if row[f"{path}4.optional"] == "true":
        found.append({"dense": {"units": int(row[f"{path}4.optional.dense.units"]), "activation": "relu"}})
    return [*found, {"dense": {"units": 10, "activation": "softmax"}}]


def words(network: Sequence[Any]) -> str:
    """Layers in short: ``conv 8 3x3 /2 - pool - dense 10``."""
    parts = []
    for layer in network:
        if isinstance(layer, str):
            parts += ["pool"] if layer == "max_pool" else []
        elif "dense" in layer:
            parts.append(f"dense {layer['dense']['units']}")
        else:
            keys = layer["conv2d"]
            stride = f" /{keys['stride']}" if keys.get("stride", 1) > 1 else ""
            inside = " valid" if keys["padding"] == "valid" else ""
            parts.append(f"conv {keys['filters']} {keys['kernel']}x{keys['kernel']}{stride}{inside}")
    return " - ".join(parts)


def line(name: str, row: Row, spread: Sequence[float], beaten: str) -> str:
    """A line of a table; ``spread``: accuracy seed by seed, of which mean and worst are told."""
    cells = (
        name,
        f"{100 * float(row['test.accuracy']):.2f}",
        f"{100 * statistics.mean(spread):.2f} ({100 * min(spread):.2f})" if spread else "",
        f"{int(row['memory.ram_bytes']):,}",
        f"{int(row['memory.flash_bytes']):,}",
        f"{float(row['cost.cycles_per_sample.total']):,.0f}",
        f"{int(row['model.parameters']):,}",
        beaten,
    )
    return f"| {' | '.join(cells)} |"


def mark(row: Row, kind: str, label: str) -> Mark:
    """A point of the figure."""
    cycles = float(row["cost.cycles_per_sample.total"] or 1)
    return Mark(cycles, float(row["test.accuracy"] or 0), float(row["memory.ram_bytes"] or 0), kind, label)


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
