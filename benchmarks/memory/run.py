# SPDX-License-Identifier: Apache-2.0
"""What each of the planner's techniques saves in RAM and costs in cycles, and what an update needs, on MobileNetV2.

    PYTHONPATH=harness python benchmarks/memory/run.py [--only NAME ..] [--data ../shared/data] [--write]

MobileNetV2 of width 0.35 at 128x128x3 in int8_qas, batch 1, on the emulated STM32F746G-DISCO, or on its virtual sibling
with 16 MB where the part is too small. Each row is one `run_scenario`: RAM, flash and cycles come from one and the same
build; cycles are the core's, modelled, at zero wait states (docs/fidelity.md). Images: CIFAR-10, each pixel made 4 by
4. Weights are the seeded initial ones: the rows measure memory and time, not accuracy. Rows that are done are kept in
results.json; --write makes results.md of it.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from trainbed.link.frames import raw_bytes
from trainbed.link.messages import TrainSamples, layout_of
from trainbed.planner.int8.plan import make_int8_plan
from trainbed.planner.int8.techniques import TECHNIQUES, Techniques
from trainbed.run import run_scenario
from trainbed.scenario.loader import load_scenario
from trainbed.scenario.network import resolve

_FOLDER = Path(__file__).parent
_KEPT = _FOLDER / "results.json"
_PART, _SIBLING = "stm32f746g_disco", "stm32f746g_disco_16mb"
_SIDE, _TRAIN, _TEST = 128, 2, 1
_SPARSE = "{sparse: {biases_of_last: 12, weights: {block_16_expand: 0.25}}}"
_LAST = ("block_17_expand", "block_17_depthwise", "block_17_project", "last", "classifier")


_MOBILENET = f"network: {{mobilenet_v2: {{input: [{_SIDE}, {_SIDE}, 3], width: 0.35, classes: 10}}}}\n"
_SEPARABLE = """\
network:
  input: [64, 64, 3]
  layers:
    - conv2d: {filters: 32, kernel: 3, stride: 2, padding: same, activation: relu6}
    - depthwise_conv2d: {kernel: 3, padding: same, activation: relu6}
    - conv2d: {filters: 16, kernel: 1, activation: relu6}
    - depthwise_conv2d: {kernel: 3, stride: 2, padding: same, activation: relu6}
    - conv2d: {filters: 32, kernel: 1, activation: relu6}
    - global_avg_pool
    - dense: {units: 10, activation: softmax}
"""
_POOLS = """\
network:
  input: [64, 64, 3]
  layers:
    - conv2d: {filters: 16, kernel: 3, padding: same, activation: relu}
    - max_pool
    - conv2d: {filters: 32, kernel: 3, padding: same, activation: relu}
    - max_pool
    - conv2d: {filters: 32, kernel: 3, padding: same, activation: relu}
    - global_avg_pool
    - dense: {units: 10, activation: softmax}
"""


@dataclass(frozen=True)
class Row:
    """One run: the update, the techniques, the board; the network, MobileNetV2 if not another, and its image's side."""

    name: str
    update: str = _SPARSE
    techniques: Sequence[str] = TECHNIQUES
    board: str = _PART
    precision: str = "int8_qas"
    network: str = _MOBILENET
    side: int = _SIDE


_HEAD = "{sparse: {biases_of_last: 1, weights: {dense_1: 1}}}"
_UNPATCHED = tuple(name for name in TECHNIQUES if name != "patches")
_ELSEWHERE = (
    # title, technique, update, network, what else is allowed
    ("separable, last layer, no patches", "in_place", _HEAD, _SEPARABLE, _UNPATCHED),
    ("separable, last layer", "patches", _HEAD, _SEPARABLE, TECHNIQUES),
    ("separable, all biases", "bits", "{sparse: {biases_of_last: 5}}", _SEPARABLE, TECHNIQUES),
    ("separable, all biases", "pruned", "{sparse: {biases_of_last: 5}}", _SEPARABLE, TECHNIQUES),
    ("pools, last layer", "fused_pools", _HEAD, _POOLS, TECHNIQUES),
)
"""Small networks in which techniques matter that MobileNetV2 has no use for, at 64x64x3."""


def elsewhere() -> list[tuple[Row, Row]]:
    """With a technique and without, in the small networks."""
    return [
        (
            Row(f"{title}: with {name}", update, allowed, network=network, side=64),
            Row(
                f"{title}: without {name}",
                update,
                tuple(other for other in allowed if other != name),
                network=network,
                side=64,
            ),
        )
        for title, name, update, network, allowed in _ELSEWHERE
    ]


def rows() -> list[Row]:
    """All rows, in the order of the tables."""
    everything = Row("all")
    alone = [
        Row(f"without {name}", techniques=[other for other in TECHNIQUES if other != name], board=_SIBLING)
        for name in TECHNIQUES
    ]
    none = Row("none", techniques=[], board=_SIBLING)
    whole = ", ".join(f"{name}: 1" for name in _LAST)
    updates = [
        Row("biases of the last 12", update="{sparse: {biases_of_last: 12}}"),
        Row("last 5 layers", update=f"{{sparse: {{biases_of_last: 5, weights: {{{whole}}}}}}}", board=_SIBLING),
        Row("full update", update="all", board=_SIBLING),
        Row("full update, float32", update="all", board=_SIBLING, precision="float32"),
    ]
    return [everything, *alone, none, *updates]


def write_data(folder: Path, source: Path, *, side: int) -> None:
    """A few images of CIFAR-10, each pixel repeated until the side is right."""
    with np.load(source / "cifar10-mini.npz") as images:
        times = side // images["x_train"].shape[1]

        def grown(name: str, count: int) -> Any:
            return images[name][:count].repeat(times, axis=1).repeat(times, axis=2)

        np.savez(
            folder / f"images_{side}.npz",
            x_train=grown("x_train", _TRAIN),
            y_train=images["y_train"][:_TRAIN],
            x_test=grown("x_test", _TEST),
            y_test=images["y_test"][:_TEST],
        )


def measure(row: Row, folder: Path) -> dict[str, Any]:
    """Run one row."""
    path = folder / "scenario.yaml"
    integer = row.precision != "float32"
    path.write_text(
        f"schema: 1\nname: '{row.name}'\nboard: {row.board}\n"
        f"{row.network}training: {{precision: {row.precision}, loss: categorical_crossentropy,"
        " optimizer: {sgd: {lr: 0.01}}, epochs: 1, batch_size: 1, seed: 1}\n"
        f"data: {{npz: images_{row.side}.npz}}\nlink: {{dataset: stream}}\nupdate: {row.update}\nexpect: {{}}\n"
        + ("quantisation: {calibration_samples: 2}\n" if integer else "")
        + (f"build: {{techniques: [{', '.join(row.techniques)}]}}\n" if integer else "")
    )
    result = run_scenario(load_scenario(path))
    cycles = result.cost.cycles_per_sample
    assert cycles is not None
    return {
        "board": row.board,
        "ram": result.memory.ram_bytes,
        "training": result.memory.training_bytes,
        "flash": result.memory.flash_bytes,
        "stack": result.memory.stack_bound_bytes,
        "forward": round(cycles.forward),
        "backward": round(cycles.backward),
        "update": round(cycles.update),
        "total": round(cycles.total),
        "weights": result.weights.sha256,
        "model": result.cost.model,
        "versions": dict(result.versions),
    }


_POOLED = """\
network:
  input: [32, 32, 3]
  layers:
    - conv2d: {filters: 16, kernel: 3, padding: same, activation: relu}
    - max_pool
    - conv2d: {filters: 32, kernel: 3, padding: same, activation: relu}
    - max_pool
    - depthwise_conv2d: {kernel: 3, padding: same, activation: relu}
    - conv2d: {filters: 32, kernel: 1, activation: relu}
    - global_avg_pool
    - dense: {units: 10, activation: softmax}
"""
_CUMULATIVE = ("pruned", "flash", "patches", "fused_pools", "tiles", "bits", "in_place", "receive")
_PLANNED = {
    "MobileNetV2-w0.35, int8_qas, sparse as above": (
        _MOBILENET,
        "int8_qas",
        f"update: {_SPARSE}\n",
    ),
    "the same, biases of the last 50": (
        _MOBILENET,
        "int8_qas",
        "update: {sparse: {biases_of_last: 50}}\n",
    ),
    "two convolutions with pools at 32x32x3, uint8, full update": (_POOLED, "uint8", ""),
}


def planned(network: str, precision: str, keys: str, techniques: Sequence[str]) -> int:
    """Bytes that depend on the techniques: arena, parameters in RAM, and a frame buffer outside the arena."""
    text = (
        f"schema: 1\nname: planned\nboard: {_PART}\n{network}training: {{precision: {precision}, epochs: 1,"
        " loss: categorical_crossentropy, optimizer: {sgd: {lr: 0.01}}, batch_size: 1}\n"
        f"data: {{npz: none.npz}}\nexpect: {{}}\n{keys}"
    )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "planned.yaml"
        path.write_text(text)
        scenario = load_scenario(path)
        network_of = resolve(scenario).network
    frame = -(-raw_bytes(layout_of(TrainSamples).n_bytes + math.prod(network_of.input_shape) + 4) // 4) * 4
    plan = make_int8_plan(
        network_of,
        loss=scenario.training.loss,
        optimizer=scenario.training.optimizer,
        batch_size=1,
        precision=scenario.precision,
        input_numbers=(1 / 255, 0),
        techniques=Techniques.only(techniques),
        receive_bytes=frame if "receive" in techniques else 0,
    )
    return plan.arena_bytes + plan.parameters.ram_bytes + (0 if "receive" in techniques else frame)


def plan_table() -> list[str]:
    """What the planner needs with none of the techniques, and with one more from column to column."""
    lines = [
        "Arena, parameters in RAM and frame buffer by plan, a sample streamed, techniques added one by one:",
        "",
        "| network | none | " + " | ".join(f"+ {name}" for name in _CUMULATIVE) + " |",
        "| --- |" + " --- |" * (len(_CUMULATIVE) + 1),
    ]
    for title, case in _PLANNED.items():
        ways = [_CUMULATIVE[:n] for n in range(len(_CUMULATIVE) + 1)]
        lines.append(f"| {title} | " + " | ".join(_grouped(planned(*case, way)) for way in ways) + " |")
    return lines


def elsewhere_table(kept: dict[str, dict[str, Any]]) -> list[str]:
    """What techniques save in networks other than MobileNetV2."""
    lines = [
        "Techniques in small networks at 64x64x3, the same images, int8_qas: `separable` (a 3x3 convolution,",
        "then depthwise and pointwise twice) and `pools` (three 3x3 convolutions, two max-pools). In place is what is",
        "left to save where chains (patches) are not allowed: they never hold the tensors of a frozen depthwise layer.",
        "",
        "| network and update | technique | RAM B with | without | cycles/step with | without | same weights |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for (title, technique, *_), (with_it, without) in zip(_ELSEWHERE, elsewhere(), strict=True):
        if with_it.name in kept and without.name in kept:
            a, b = kept[with_it.name], kept[without.name]
            numbers = " | ".join(_grouped(row[key]) for key in ("ram", "total") for row in (a, b))
            lines.append(
                f"| {title} | {technique} | {numbers} | {'yes' if a['weights'] == b['weights'] else '**no**'} |"
            )
    return lines


def _grouped(number: float) -> str:
    return f"{number:,.0f}"


def report(kept: dict[str, dict[str, Any]]) -> str:
    """results.md."""
    base = kept["all"]
    techniques = [name for name in ("all", *(f"without {name}" for name in TECHNIQUES), "none") if name in kept]
    others = [row.name for row in rows() if row.name in kept and row.name not in techniques]
    lines = [
        "# Memory of training MobileNetV2-w0.35 at 128x128x3",
        "",
        f"int8_qas, batch 1, `update: {_SPARSE}`. With all techniques {_grouped(base['ram'])} B of RAM:",
        f"image, weights in RAM, arena, link, stack; {_grouped(base['flash'])} B of flash.",
        "",
        "| techniques | RAM B | more | flash B | cycles/step | more | same weights |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for name in techniques:
        row = kept[name]
        price = 100 * (row["total"] / base["total"] - 1)
        same = "yes" if row["weights"] == base["weights"] else "**no**"
        lines.append(
            f"| {name} | {_grouped(row['ram'])} | {_grouped(row['ram'] - base['ram'])} | {_grouped(row['flash'])} |"
            f" {_grouped(row['total'])} | {price:+.2f}% | {same} |"
        )
    lines += [
        "",
        "| update | board | RAM B | training B | flash B | forward | backward | update | cycles/step |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for name in ("all", *others):
        row = kept[name]
        numbers = " | ".join(_grouped(row[key]) for key in ("forward", "backward", "update", "total"))
        memory = " | ".join(_grouped(row[key]) for key in ("ram", "training", "flash"))
        title = "sparse, as above" if name == "all" else name
        lines.append(f"| {title} | {row['board']} | {memory} | {numbers} |")
    lines += ["", *elsewhere_table(kept), "", *plan_table()]
    versions = "; ".join(f"{name} {version}" for name, version in sorted(base["versions"].items()))
    lines += ["", f"Cycles are modelled ({base['model']}), at zero wait states. {versions}.", ""]
    return "\n".join(lines)


def main() -> int:
    """Measure, keep, and write the table."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--only", nargs="*", help="names of rows; all that are not kept yet by default")
    arguments.add_argument("--data", type=Path, default=Path("../shared/data"), help="folder with cifar10-mini.npz")
    arguments.add_argument("--write", action="store_true", help="write results.md")
    given = arguments.parse_args()
    kept: dict[str, dict[str, Any]] = json.loads(_KEPT.read_text()) if _KEPT.exists() else {}
    every = [*rows(), *(row for pair in elsewhere() for row in pair)]
    wanted = [row for row in every if (row.name in given.only if given.only is not None else row.name not in kept)]
    with tempfile.TemporaryDirectory() as folder:
        for side in sorted({row.side for row in wanted}):
            write_data(Path(folder), given.data, side=side)
        for row in wanted:
            kept[row.name] = measure(row, Path(folder))
            _KEPT.write_text(json.dumps(kept, indent=1) + "\n")
            print(row.name, kept[row.name], flush=True)
    text = report(kept)
    if given.write:
        (_FOLDER / "results.md").write_text(text)
    print(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
