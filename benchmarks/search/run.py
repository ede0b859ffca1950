# SPDX-License-Identifier: Apache-2.0
"""The search of docs/search.md: 100 networks for 8x8 digits in 64 KB, beside the hand-made ones of scenarios/.

    PYTHONPATH=harness python benchmarks/search/run.py [--out out/digits_64k] [--seeds 5] [--render]

Goes on with what was stopped. Result files are kept in benchmarks/search/results; ``--render`` only makes
table and figure of docs/search.md from them. The hand-made networks stream their samples as the searched ones do.
Accuracy over seeds (weights, order and split) is that of the host build, whose bits are the board's.
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
    """Test accuracy of the hand-made networks and of those that dominate one, seed by seed."""
    found = {str(row["index"]): row for row in read(RESULTS / "search.csv") if row["search.front"] == "true"}
    better = {i for i, row in found.items() if any(dominates(row, hand) for hand in read(RESULTS / "hand.csv"))}
    files = {name: asset_path("scenarios") / f"{name}.yaml" for name in HAND}
    files |= {str(int(path.stem[:3])): path for path in sorted((out / "front").glob("*.yaml"))}
    rows = []
    for name in (*HAND, *sorted(better, key=int)):
        row: Row = {"network": name}
        for seed in range(1, seeds + 1):
            changed = ["board=native", "backend=native", "expect={}", f"training.seed={seed}"]
            result = once(files[name], changed, beside(out, f"{files[name].stem}-{seed}"))
            row[f"seed {seed}"] = at(result, "test.accuracy")
        rows.append(row)
        print(row, flush=True)
    return rows


def render() -> None:
    """The document's table and figure, from the result files alone."""
    rows, hands, seeds = read(RESULTS / "search.csv"), read(RESULTS / "hand.csv"), read(RESULTS / "seeds.csv")
    front = sorted((row for row in rows if row["search.front"] == "true"), key=lambda row: float(row["test.accuracy"]))
    means = {row["network"]: [float(v) for k, v in row.items() if k.startswith("seed")] for row in seeds}
    lines = [
        "| network | accuracy % | over seeds % | RAM B | flash B | cycles/sample | parameters | dominates |",
        "|---" * 8 + "|",
    ]
    for row in hands:
        lines.append(line(row["network"], row, means, ""))
    for row in reversed(front):
        beaten = [hand["network"] for hand in hands if dominates(row, hand)]
        lines.append(line(f"{row['index']}: {structure(row)}", row, means, ", ".join(beaten)))
    fates = {row["fate"]: row["candidates"] for row in read(RESULTS / "candidates.csv")}
    counted = ", ".join(f"{n} {fate.replace('_', ' ')}" for fate, n in fates.items())
    quarter, last = (float(rows[n]["search.hypervolume"]) for n in (len(rows) // 4 - 1, -1))
    text = (
        f"{len(rows)} networks trained; candidates: {counted}. Hypervolume {last:.4f}, {quarter:.4f} after a quarter "
        "of the trials.\n\n" + "\n".join(lines) + "\n\n![accuracy over cycles](search_front.svg)\n"
    )
    document = DOCS / "search.md"
    before, _, rest = document.read_text(encoding="utf-8").partition(BEGIN)
    document.write_text(before + BEGIN + text + END + rest.partition(END)[2], encoding="utf-8")
    marks = [mark(row, "front" if row in front else "other", str(row["index"]) if row in front else "") for row in rows]
    marks += [mark(row, "hand", row["network"]) for row in hands]
    (DOCS / "search_front.svg").write_text(scatter([m for m in marks if m.y >= 0.9]), encoding="utf-8")


def dominates(row: Row, hand: Row) -> bool:
    """In (accuracy, RAM, cycles): nowhere worse, somewhere better."""
    signs = {"test.accuracy": -1, "memory.ram_bytes": 1, "cost.cycles_per_sample.total": 1}
    gaps = [sign * (float(hand[name]) - float(row[name])) for name, sign in signs.items()]
    return min(gaps) >= 0 and max(gaps) > 0


def structure(row: Row) -> str:
    """The network of a row in words."""
    layers = "axes.network.layers."
    parts = []
    for n in (0, 1):
        if row[f"{layers}{n}.optional"] == "true":
            stride = row.get(f"{layers}{n}.optional.conv2d.stride") or "2"
            parts.append(f"conv {row[f'{layers}{n}.optional.conv2d.filters']}/{stride}")
    if row[f"{layers}3.optional"] == "true":
        parts.append(f"dense {row[f'{layers}3.optional.dense.units']}")
    return " - ".join([*parts, "dense 10"]) + f", {row['axes.training.optimizer']}"


def line(name: str, row: Row, means: dict[str, list[float]], beaten: str) -> str:
    """A line of the table."""
    spread = means.get(name.partition(":")[0])
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
