# SPDX-License-Identifier: Apache-2.0
"""Training under 256 KB: quantisation-aware scaling, a float32 head and sparse updates, on transferred digits; memory,
cycles and faces with MobileNetV2-w0.35 at 128x128, from what benchmarks/memory and benchmarks/faces keep.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from statistics import mean
from typing import Any

from frame import CHECKOUT, Block, Reproduction, Results, Table, grouped

from trainbed.assets import asset_path
from trainbed.report.interval import wilson
from trainbed.run import build_scenario, run_scenario
from trainbed.scenario.loader import load_scenario

_SPARSE = "update={sparse: {biases_of_last: 2, weights: {conv2d_2: 0.5, dense_1: 1}}}"
_QAS = ("training.precision=int8_qas",)
WAYS: dict[str, tuple[str, ...]] = {
    "float32, SGD": ("training.precision=float32",),
    "8 bits, plain SGD, one scale a tensor": ("training.precision=uint8", "quantisation={standardise: false}"),
    "8 bits, quantisation-aware scaling": _QAS,
    "8 bits, quantisation-aware scaling, float32 head": (*_QAS, "training.head=float32"),
    "8 bits, quantisation-aware scaling, float32 head, sparse": (*_QAS, "training.head=float32", _SPARSE),
}


def measure(folder: Path) -> dict[str, Any]:
    """Train the digits in each way on the native board; memory is that of the Nano 33 BLE's firmware."""
    ways: dict[str, Any] = {}
    versions: dict[str, str] = {}
    for name, changes in WAYS.items():
        path = asset_path("scenarios") / "digits_transfer.yaml"
        scenario = load_scenario(path, ["network.trainable_last=2", *changes, "expect={}"])
        result = run_scenario(scenario, board="native")
        built = build_scenario(scenario)
        ways[name] = {"accuracy": result.test.accuracy, "training_bytes": built.memory.training}
        print(f"  {name}: {ways[name]}", flush=True)
        versions |= result.versions
    return {"ways": ways, "seed": 1, "versions": versions}


def section(published: Mapping[str, Any], results: Results) -> Sequence[Block]:
    """What each way reaches and takes."""
    figures, ways = published["figures"], results["ways"]
    given = dict(
        zip(
            WAYS,
            (
                figures["accuracy"]["float32"],
                figures["accuracy"]["int8"],
                figures["head"]["same"],
                figures["accuracy"]["qas"],
                None,
            ),
            strict=True,
        )
    )
    rows = tuple(
        (
            name,
            "-" if given[name] is None else f"{given[name]}",
            f"{100 * found['accuracy']:.1f}",
            grouped(found["training_bytes"]),
        )
        for name, found in ways.items()
    )
    names = list(WAYS)
    saved = ways[names[3]]["training_bytes"] / ways[names[4]]["training_bytes"]
    low, high = figures["sparse_saves"]
    reached = [found["accuracy"] for found in ways.values()]
    spread = max(reached) - min(reached)
    return (
        "Accuracy in per cent: published, last two blocks of MCUNet, mean of eight sets; obtained, from the digits "
        f"0 to 4 to 5 to 9, last two layers, seed {results['seed']}, batch 16, 5 epochs of SGD at one learning rate. "
        "Written weights are rounded stochastically and saturate, where the released firmware cuts off and wraps.",
        Table(("way of training", "published %", "obtained %", "training memory B"), rows),
        f"The ways lie within {100 * spread:.1f} points of each other here: a task this easy does not tell them apart, "
        "it shows that none of them fails.",
        "The sparse update (both biases, all of the head, half of the input channels of the convolution before) takes "
        f"{saved:.2f} times less training memory than the full one; published, on a deep network: {low} to {high} "
        "times.",
        *_memory(figures),
        *_faces(figures),
    )


def _kept(path: str) -> dict[str, Any]:
    """What another benchmark measured."""
    found: dict[str, Any] = json.loads((CHECKOUT / "benchmarks" / path).read_text(encoding="utf-8"))
    return found


UPDATES = {
    "all": "sparse",
    "biases of the last 12": "biases of the last 12 layers",
    "last 5 layers": "last 5 layers",
    "full update": "full update",
    "full update, float32": "full update, float32",
}
"""Runs of benchmarks/memory and what they are called here."""


def _memory(figures: Mapping[str, Any]) -> Iterator[Block]:
    """Bytes and cycles of one network, by what of it is updated."""
    kept = _kept("memory/results.json")
    sparse, full, exact = kept["all"], kept["full update"], kept["full update, float32"]
    low, high = figures["sparse_saves"]
    yield (
        f"MobileNetV2-w0.35 at 128x128x3, batch 1 ([benchmarks/memory](../benchmarks/memory/results.md)). Published: "
        f"{figures['memory_kb']} KB. Obtained on the emulated STM32F746G-DISCO, everything counted (image, weights in "
        f"RAM, arena, link, bound of the stack): {sparse['ram'] / 1024:.1f} KB. Where the part is too small, the bytes "
        "and cycles are of its virtual sibling with 16 MB of RAM."
    )
    rows = tuple(
        (
            name,
            "16 MB sibling" if kept[key]["board"].endswith("_16mb") else "part",
            *(grouped(kept[key][figure]) for figure in ("ram", "training", "flash", "total")),
            f"{kept[key]['total'] / sparse['total']:.2f}",
        )
        for key, name in UPDATES.items()
    )
    yield Table(("update", "on the", "RAM B", "training B", "flash B", "cycles/step", "times the sparse step"), rows)
    training, total = (full[key] / sparse[key] for key in ("training", "total"))
    training32, total32 = (exact[key] / sparse[key] for key in ("training", "total"))
    yield (
        f"Beside the full update in the same kernels the sparse one takes {training:.1f} times less training memory "
        f"(published {low} to {high}) and {total:.1f} times fewer cycles; beside the full update in float32 "
        f"{training32:.1f} and {total32:.1f} times. Its forward pass is "
        f"{100 * sparse['forward'] / sparse['total']:.0f} % of a step. Published: {figures['speed'][0]} to "
        f"{figures['speed'][1]} times the speed of a full update by the kernels of TF-Lite Micro."
    )


def _faces(figures: Mapping[str, Any]) -> Iterator[Block]:
    """One person against others: published, and obtained over seeds."""
    kept = _kept("faces/mobilenet.json")
    seeds = sorted(int(key.split("/")[1]) for key in kept if key.startswith("regression/"))
    balanced = [kept[f"sparse/{seed}"]["balanced"] for seed in seeds]
    running = [kept[f"sparse/{seed}"]["running"] for seed in seeds]
    regression = [kept[f"regression/{seed}"] for seed in seeds]
    yield (
        f"One person against others after one pass over augmented images, {len(seeds)} seeds "
        "([benchmarks/faces](../benchmarks/faces/mobilenet.md)); the published figures are of other pictures and of "
        "few. Obtained: 50 training and 150 test images of each class, varied from 24 and 8 photographs of the person, "
        "in a set whose background gives identity away: the interval, as if images were independent, is too narrow. "
        f"That build takes {kept['sparse/costs']['ram'] / 1024:.1f} KB of RAM."
    )
    rows = []
    for name, (right, n), shares, per_seed in (
        ("while training", figures["faces"]["running"], running, 100),
        ("test", figures["faces"]["test"], balanced, 300),
    ):
        total = per_seed * len(seeds)
        ours = f"{100 * mean(shares):.1f}"
        rows.append((name, f"{100 * right / n:.0f}", _interval(right, n), ours, _interval(mean(shares) * total, total)))
    lr = f"{100 * mean(regression):.1f}"
    rows.append(("test, logistic regression on the pixels", "-", "-", lr, "-"))
    yield Table(("right", "published %", "95 % interval", "obtained %", "95 % interval"), tuple(rows))


def _interval(right: float, n: int) -> str:
    low, high = wilson(right, n)
    return f"{100 * low:.0f} to {100 * high:.0f}"


REPRODUCTION = Reproduction("Training under 256 KB (TinyEngine)", measure, section)
