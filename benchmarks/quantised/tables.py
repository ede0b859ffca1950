# SPDX-License-Identifier: Apache-2.0
"""results.md: tables of what results/ holds, published accuracies beside them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from sets import SETS, VARIANTS

PUBLISHED = Path(__file__).resolve().parents[1] / "reproductions" / "published" / "fqt.yaml"
COMPARED = {
    "digits": ("scratch", "emnist-digits"),
    "mnist": ("scratch", "emnist-digits"),
    "cwru": ("transfer", "cwru"),
    "imu": ("transfer", "daliac"),
    "kws": ("transfer", "speech"),
    "cifar10": ("transfer", "cifar10"),
}
"""The published set that comes nearest to each."""
_SHARES = {"uint8 .5": ".5", "uint8 .1": ".1"}
_PRECISIONS = ("float32", "float32 fused", "uint8", "uint8, int16 sums", "uint8 .5", "uint8 .1")

Row = Sequence[str]


def accuracies(kept: Mapping[str, Any], name: str, variant: str) -> list[float]:
    """Test accuracies of a set, in the order of their seeds."""
    found = {key: value for key, value in kept.items() if key.startswith(f"{name}/{variant}/")}
    return [found[key]["accuracy"] for key in sorted(found, key=lambda key: int(key.rsplit("/", 1)[1]))]


def mean(values: Sequence[float]) -> float:
    """Arithmetic mean."""
    return sum(values) / len(values)


def published() -> Mapping[str, Any]:
    """Figures of the paper on fully quantised training."""
    content: Mapping[str, Any] = yaml.safe_load(PUBLISHED.read_text(encoding="utf-8"))["figures"]
    return content


def accuracy_rows(kept: Mapping[str, Any], figures: Mapping[str, Any]) -> list[Row]:
    """Per set: each variant's mean over seeds (and how many), the realised share at .1, the published pattern."""
    rows: list[Row] = []
    for name, chosen in SETS.items():
        cells = []
        for variant in VARIANTS:
            found = accuracies(kept, name, variant)
            cells.append(f"{100 * mean(found):.2f} ({len(found)})" if found else "-")
        shares = [value["share"] for key, value in kept.items() if key.startswith(f"{name}/uint8 .1/")]
        realised = f"{mean([share[-1] for share in shares]):.3f}" if shares else "-"
        part, compared = COMPARED[name]
        given = figures[part][compared]
        pattern = " / ".join(str(given.get(_SHARES.get(variant, variant), "-")) for variant in VARIANTS)
        rows.append((chosen.title, *cells, realised, f"{compared}: {pattern}"))
    return rows


def cost_rows(kept: Mapping[str, Any], network: str) -> list[Row]:
    """Per board and precision: cycles by phase, time, energy, memory."""
    rows: list[Row] = []
    for key, found in sorted(kept.items(), key=_place):
        of, board, variant = key.split("/")
        if of != network or variant not in _PRECISIONS:
            continue
        cycles = found["cycles"]
        waits = (cycles["total"] + found["waits"]) / found["clock_hz"]
        energy = found["energy_uj"]
        rows.append(
            (
                board,
                variant,
                *(grouped(cycles[phase]) for phase in ("forward", "backward", "update")),
                f"**{grouped(cycles['total'])}**",
                f"{1e3 * waits:.2f}",
                f"{energy:.0f}" if energy else "-",
                grouped(found["training_bytes"]),
                f"{grouped(found['ram_bytes'])} of {grouped(found['board_ram'])}",
                "-" if found["share"] is None else f"{found['share']:.3f}",
            )
        )
    return rows


def _place(item: tuple[str, Any]) -> tuple[int, int, str]:
    _, board, variant = item[0].split("/")
    boards = ("arduino_nano_33_ble", "teensy40", "raspberry_pi_pico")
    return boards.index(board), _PRECISIONS.index(variant) if variant in _PRECISIONS else 9, variant


def spent_rows(kept: Mapping[str, Any]) -> list[Row]:
    """Share of a sample's cycles by what they are spent on."""
    rows: list[Row] = []
    for key, found in sorted(kept.items(), key=_place):
        network, board, variant = key.split("/")
        if not variant.startswith("uint8") or "fixed" in variant:
            continue
        spent = found["spent"]
        total = sum(spent.values())
        outside = total - spent["products"]
        rows.append(
            (
                f"{network}, {board}, {variant}",
                *(f"{spent[part] / total:.1%}" for part in ("products", "pools", "select", "update", "rest")),
                f"**{outside / total:.1%}**",
            )
        )
    return rows


def bound_rows(kept: Mapping[str, Any]) -> list[Row]:
    """What was asked for beside what came out; a row only where both runs are there."""

    def cycles(board: str, variant: str, phase: str = "total") -> float | None:
        found = kept.get(f"conv311k/{board}/{variant}")
        return None if found is None else float(found["cycles"][phase])

    def ratio(part: float | None, whole: float | None) -> float | None:
        return None if part is None or whole is None else part / whole

    def memory(variant: str) -> float | None:
        found = kept.get(f"conv311k/{nano}/{variant}")
        return None if found is None else float(found["training_bytes"])

    nano, teensy, pico = "arduino_nano_33_ble", "teensy40", "raspberry_pi_pico"
    asked: list[tuple[str, float | None, str, float, bool]] = [
        ("Cortex-M4F, float32, cycles", cycles(nano, "float32"), "at most", 3.3e6, True),
        ("Cortex-M4F, uint8, cycles", cycles(nano, "uint8"), "at most", 1.5e6, True),
        ("Cortex-M7, float32 fused, cycles", cycles(teensy, "float32 fused"), "at most", 1.7e6, True),
        ("Cortex-M7, uint8, cycles", cycles(teensy, "uint8"), "at most", 1.0e6, True),
        (
            "Cortex-M0+, float32 over uint8, times",
            ratio(cycles(pico, "float32"), cycles(pico, "uint8")),
            "at least",
            15,
            False,
        ),
        ("training memory, uint8 over float32", ratio(memory("uint8"), memory("float32")), "at most", 0.5, True),
        ("the same with int16 sums", ratio(memory("uint8, int16 sums"), memory("float32")), "at most", 0.35, True),
        (
            "Cortex-M4F, backward at lambda_min .1 over all",
            ratio(cycles(nano, "uint8 .1", "backward"), cycles(nano, "uint8", "backward")),
            "at most",
            0.25,
            True,
        ),
    ]
    rows: list[Row] = []
    for what, value, kind, bound, below in asked:
        if value is None:
            rows.append((what, "not measured", f"{kind} {_figure(bound)}", "-"))
        else:
            holds = value <= bound if below else value >= bound
            rows.append((what, _figure(value), f"{kind} {_figure(bound)}", "yes" if holds else "**no**"))
    return rows


def _figure(value: float) -> str:
    return grouped(value) if value >= 1000 else f"{value:.3g}"


def grouped(value: float) -> str:
    """Thousands apart."""
    return f"{value:,.0f}"


def table(columns: Sequence[str], rows: Iterable[Row]) -> str:
    """Markdown, numbers to the right."""
    lines = [f"| {' | '.join(columns)} |", f"|---{'|--:' * (len(columns) - 1)}|"]
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in rows)])


ACCURACY_COLUMNS = (
    "set",
    "float32",
    "mixed",
    "uint8",
    "lambda_min .5",
    "lambda_min .1",
    "share trained at .1",
    "published: float32 / mixed / uint8 / .5 / .1",
)
BOUND_COLUMNS = ("figure", "observed", "bound", "holds")
COST_COLUMNS = (
    "board",
    "precision",
    "forward",
    "backward",
    "update",
    "cycles",
    "ms",
    "uJ",
    "training B",
    "RAM B",
    "share trained",
)
SPENT_COLUMNS = ("8 bits", "products", "pools", "choice", "update", "rest", "outside products")


def tracking(kept: Mapping[str, Any]) -> str:
    """What following ranges costs: the difference to ranges and scales that stay."""
    moving = kept.get("conv311k/arduino_nano_33_ble/uint8")
    still = kept.get("conv311k/arduino_nano_33_ble/uint8, ranges and scales fixed")
    if moving is None or still is None:
        return ""
    apart = moving["cycles"]["total"] - still["cycles"]["total"]
    total = moving["cycles"]["total"]
    return (
        f"Following the ranges of activations and errors costs {grouped(apart)} cycles of conv311k's {grouped(total)} "
        f"on the Cortex-M4F ({apart / total:.1%}): so many less with `ranges: static, error_range: fixed`. It is "
        "inside the products above.\n"
    )


BESIDE_COLUMNS = ("network", "board", "float32", "8 bits", "8 bits over float32", "share of the update in 8 bits")


def beside_rows(kept: Mapping[str, Any]) -> list[Row]:
    """Cycles of every network that was measured both ways on a board; float32 fused where that was measured."""
    rows = []
    for key, value in kept.items():
        network, board, variant = key.split("/")
        whole = kept.get(f"{network}/{board}/float32 fused", kept.get(f"{network}/{board}/float32"))
        if variant == "uint8" and whole is not None:
            cycles, reference = value["cycles"], whole["cycles"]["total"]
            ratio = f"**{cycles['total'] / reference:.2f}**"
            share = f"{100 * cycles['update'] / cycles['total']:.0f}%"
            rows.append((network, board, f"{reference:,.0f}", f"{cycles['total']:,.0f}", ratio, share))
    return sorted(rows)


def page(accuracy: Mapping[str, Any], costs: Mapping[str, Any]) -> str:
    """The text of results.md."""
    versions = sorted({str(value["versions"]["runtime"]) for part in (accuracy, costs) for value in part.values()})
    models = sorted({str(value["model"]) for value in costs.values()})
    return f"""# Integer training

    python benchmarks/quantised/run.py

Generated from results/, which that command fills. Debian 12, two virtual cores of an AMD EPYC, arm-none-eabi-gcc
12.2.1, Unicorn 2.1.4. Cycles are modelled ({", ".join(models)}; docs/fidelity.md)
at zero wait states, energy from the data sheet's current and the modelled time with waits; a board without a current
has none. Made with {len(versions)} states of the runtime's sources; each entry of results/ names its own.

## Accuracy

Test accuracy in per cent, mean over seeds (how many in brackets). Native runs, whose bits are the boards'. float32 and
mixed train by Adam, 8 bits by their standardised SGD, all for the same epochs; `lambda_min` is of
`update: {{dynamic: ...}}` in uint8, the last column but one the share of structures trained in the last epoch.
Where nothing is frozen, mixed is float32 on 8-bit samples. The published column is of the paper's nearest set, on other
networks, its partial updates in mixed precision: the pattern compares, not the height. There partial updates go on from
a pre-trained network (cwru, daliac, speech, cifar10); here all but the last set start from nothing, and where a small
network starts so, a tenth of its structures a sample is too little for keywords in the same number of epochs.

{table(ACCURACY_COLUMNS, accuracy_rows(accuracy, published()))}

## conv311k: what was asked for

{table(BOUND_COLUMNS, bound_rows(costs))}

## conv311k: one training sample, batch 8

{table(COST_COLUMNS, cost_rows(costs, "conv311k"))}

Partial updates: the mean of the last of 3 epochs of 96 samples, all other rows of 16 samples.

## CWRU: one training sample, batch 16

{table(COST_COLUMNS, cost_rows(costs, "cwru"))}

RAM holds as many samples as stay resident; partial updates of conv311k were measured with more of them.

## 8 bits beside float32

{table(BESIDE_COLUMNS, beside_rows(costs))}

Cycles per sample, SGD both times. The update in 8 bits is the standardised step, whose mean and deviation, new scale
and random numbers are paid per weight and batch (benchmarks/kernels): the smaller the convolutions, the more it weighs.

## Where the cycles go

{table(SPENT_COLUMNS, spent_rows(costs))}

Products: convolutions and dense layers, forward and backward, with what is done to a sum while it is in a register:
bias, requantisation, relu, smallest and largest sum. Update: standardisation, stochastic rounding and new scales.
Choice: norms of structures and the choice of the largest. Rest: loss, glue.

{tracking(costs)}"""
