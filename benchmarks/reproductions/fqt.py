# SPDX-License-Identifier: Apache-2.0
"""Fully quantised training on Cortex-M: accuracy, latency, memory, partial updates, as benchmarks/quantised has it."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from frame import CHECKOUT, Block, Reproduction, Results, Table

sys.path.append(str(CHECKOUT / "benchmarks" / "quantised"))

import journal
import sets
import tables

_NANO, _TEENSY = "arduino_nano_33_ble", "teensy40"


def measure(folder: Path) -> dict[str, Any]:
    """What benchmarks/quantised has not measured yet, then all it has."""
    journal.measure(list(sets.SETS), seeds=1, with_costs=True, again=False)
    accuracy = {
        key: {"accuracy": value["accuracy"], "share": value["share"] and value["share"][-1:]}
        for key, value in journal.kept("accuracy").items()
    }
    costs = journal.kept("costs")
    versions = {str(value.pop("versions")["runtime"]): None for value in costs.values()}
    return {"accuracy": accuracy, "costs": costs, "versions": {"runtime": " ".join(versions)}}


def section(published: Mapping[str, Any], results: Results) -> Sequence[Block]:
    """Accuracy; cycles, time, energy and memory; the paper's ratios beside ours."""
    figures, costs = published["figures"], results["costs"]
    return (
        "Test accuracy in per cent, mean over seeds (how many in brackets), beside the pattern of the paper's nearest "
        "set. Ours trains every layer from scratch but on CIFAR-10, partial updates (`lambda_min`) in uint8; the "
        "paper's CIFAR-10, speech, Daliac and CWRU are transfer learning of the last five layers, its partial updates "
        "in mixed precision.",
        Table(tables.ACCURACY_COLUMNS, _rows(tables.accuracy_rows(results["accuracy"], figures))),
        "Ratios of precisions on one network and one core, published beside obtained:",
        Table(("ratio", "published", "obtained"), tuple(_ratios(figures, costs))),
        "What a training sample costs, by board: conv311k (16x16x4, 311 thousand multiply-accumulates forward), batch "
        "8, and the CWRU network (512x2), batch 16.",
        Table(tables.COST_COLUMNS, _rows(tables.cost_rows(costs, "conv311k"))),
        Table(tables.COST_COLUMNS, _rows(tables.cost_rows(costs, "cwru"))),
    )


def _rows(rows: Sequence[tables.Row]) -> tuple[tuple[str, ...], ...]:
    return tuple(tuple(row) for row in rows)


def _ratios(figures: Mapping[str, Any], costs: Mapping[str, Any]) -> list[tuple[str, ...]]:
    latency, ram, m4f = figures["latency_ms"], figures["ram_kb"], figures["m4f_step_ms"]
    speedups = figures["backward_speedup"]

    def ours(network: str, board: str, over: str, under: str, *, phase: str = "total") -> str:
        upper, lower = (costs.get(f"{network}/{board}/{variant}") for variant in (over, under))
        return "-" if upper is None or lower is None else f"{upper['cycles'][phase] / lower['cycles'][phase]:.2f}"

    def memory(network: str, what: str) -> str:
        upper, lower = (costs.get(f"{network}/{_NANO}/{variant}") for variant in ("float32", "uint8"))
        return "-" if upper is None or lower is None else f"{upper[what] / lower[what]:.2f}"

    return [
        (
            "Cortex-M4F: step in float32 over uint8 (a VAE; conv311k)",
            f"{m4f['float32'] / m4f['uint8']:.2f}",
            ours("conv311k", _NANO, "float32", "uint8"),
        ),
        (
            "Cortex-M7: step in float32 over uint8 (EMNIST digits, from scratch; conv311k, float32 fused)",
            f"{latency['emnist-digits']['float32'] / latency['emnist-digits']['uint8']:.2f}",
            ours("conv311k", _TEENSY, "float32 fused", "uint8"),
        ),
        (
            "Cortex-M7: step in float32 over uint8 (CWRU, transfer; CWRU from scratch, float32 fused)",
            f"{latency['cwru']['float32'] / latency['cwru']['uint8']:.2f}",
            ours("cwru", _TEENSY, "float32 fused", "uint8"),
        ),
        (
            "RAM in float32 over uint8, CWRU (paper: all; ours: training memory)",
            f"{ram['cwru']['float32'] / ram['cwru']['uint8']:.2f}",
            memory("cwru", "training_bytes"),
        ),
        (
            "backward of all structures over lambda_min .1 (published range; conv311k on the Cortex-M4F)",
            f"{min(speedups.values()):.2f} to {max(speedups.values()):.2f}",
            ours("conv311k", _NANO, "uint8", "uint8 .1", phase="backward"),
        ),
        (
            "the same on CWRU, Cortex-M4F",
            f"{speedups['cwru']:.2f}",
            ours("cwru", _NANO, "uint8", "uint8 .1", phase="backward"),
        ),
    ]


REPRODUCTION = Reproduction("Fully quantised training (Deutel et al.)", measure, section)
