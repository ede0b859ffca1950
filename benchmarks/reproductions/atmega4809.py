# SPDX-License-Identifier: Apache-2.0
"""The thesis on the ATmega4809: table 4.5, figure 4.3, what depth costs; from the tables benchmarks/avr keeps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from frame import CHECKOUT, Block, Picture, Reproduction, Results, Table, grouped

from trainbed import __version__

KEPT = CHECKOUT / "benchmarks" / "avr" / "results.md"
_PICTURE = "reproduction-atmega4809-figure-4-3.png"


def measure(folder: Path) -> dict[str, Any]:
    """What benchmarks/avr measured on the emulated chip last; its own commands measure again."""
    text = KEPT.read_text(encoding="utf-8")
    inference = [
        {
            "width": int(row[0]),
            "optimize": row[1],
            "nnom_ms": _number(row[4]),
            "dense_ms": _number(row[7]),
            "flash": _number(row[8]),
            "skipping_cycles": _number(row[9]),
            "skipping_flash": _number(row[11]),
        }
        for row in rows_of(text, "| width | -O |")
    ]
    accuracy = [
        {
            "width": int(row[0]),
            "float32": _number(row[1]),
            "board": _number(row[2]),
            "same_images": row[3],
            "relative": _number(row[5]),
        }
        for row in rows_of(text, "| width | float32 % |")
    ]
    depth = [
        {"hidden": row[0], "accuracy": _number(row[1]), "cycles": row[2], "flash": row[3]}
        for row in rows_of(text, "| hidden |")
    ]
    assert len(inference) == 12 and accuracy and depth, KEPT
    return {
        "clock_mhz": 20,
        "inference": inference,
        "accuracy": accuracy,
        "depth": depth,
        "versions": {"trainbed": __version__, "tables": KEPT.relative_to(CHECKOUT).as_posix()},
    }


def rows_of(text: str, head: str) -> list[list[str]]:
    """Cells of the Markdown table whose first line begins so."""
    lines = iter(text.splitlines())
    for line in lines:
        if line.startswith(head):
            break
    next(lines, None)
    found = []
    for line in lines:
        if not line.startswith("|"):
            break
        found.append([cell.strip() for cell in line.strip("|").split("|")])
    return found


def _number(text: str) -> float | None:
    return None if text == "-" else float(text.replace(",", ""))


def section(published: Mapping[str, Any], results: Results) -> Sequence[Block]:
    """Table 4.5, figure 4.3, depth."""
    figures = published["figures"]
    rows = []
    for found in results["inference"]:
        ms, flash = figures["table_4_5"][found["width"]][found["optimize"]]
        skipping = found["skipping_cycles"] / results["clock_mhz"] / 1000
        rows.append(
            (
                f"{found['width']}, -{found['optimize']}",
                _ms(ms),
                _ms(found["nnom_ms"]),
                _ms(found["dense_ms"]),
                f"{skipping:.2f}",
                _ratio(ms, found["dense_ms"]),
                grouped(flash),
                grouped(found["flash"]),
            )
        )
    table = Table(
        (
            "table 4.5: width, option",
            "ms, published",
            "ms, NNoM emulated",
            "ms, trainbed",
            "ms, skipping zeros",
            "published / trainbed",
            "flash B, published",
            "flash B, trainbed",
        ),
        tuple(rows),
    )
    relative = [found["relative"] for found in results["accuracy"]]
    widths = [found["width"] for found in results["accuracy"]]
    images = {found["same_images"] for found in results["accuracy"]}
    worst = min(relative)
    depth = Table(
        ("hidden layers behind 2x2 pooling", "accuracy %", "cycles, -O2 / -Os", "flash B, -O2 / -Os"),
        tuple((found["hidden"], f"{found['accuracy']}", found["cycles"], found["flash"]) for found in results["depth"]),
    )
    return (
        "Times are of the emulated chip, forward pass, softmax and loss, waits for flash included: modelled cycles at "
        f"{results['clock_mhz']} MHz. *NNoM emulated* is the thesis's library, built with the same compiler and run in "
        "the same emulator. *Skipping zeros* is the median over test images whose background is 0; the other columns "
        "do all products. The published flash holds NNoM's log, ours the link and its checks.",
        table,
        f"Figure 4.3 shows the accuracy on the chip over Keras's jump with the width, by more than "
        f"{figures['largest_drop']:.0%} for some: sums of 16 bits that wrap ([numerics-pow2.md](numerics-pow2.md)). "
        f"Ours, widths {widths[0]} to {widths[-1]}: {worst:.3f} at worst, {max(relative):.3f} at best of the float32 "
        "network's accuracy on the same images. Answers equal to the twin's for "
        f"{', '.join(sorted(images))} images of each width.",
        Picture(_PICTURE, "Accuracy on the chip over the float32 network's, by hidden width"),
        depth,
        f"The figures are those of [benchmarks/avr](../{results['made_with']['tables']}), whose commands measure them "
        "anew.",
    )


def _ms(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


def _ratio(published: float | None, ours: float) -> str:
    return "-" if published is None else f"{published / ours:.1f}"


def draw(published: Mapping[str, Any], results: Results, images: Path) -> None:
    """Figure 4.3."""
    from trainbed.report.drawing import HALF, colour, new_drawing, style, to_png

    with style():
        drawing = new_drawing("figure-4-3", "", width=HALF * 1.3, height=3.0)
        axes = drawing.figure.add_subplot(title="Figure 4.3: accuracy on the chip over the float32 network's")
        widths = [found["width"] for found in results["accuracy"]]
        axes.plot(widths, [found["relative"] for found in results["accuracy"]], color=colour(0), marker="o", ms=3)
        axes.set_ylim(1 - published["figures"]["largest_drop"], 1.1)
        axes.set_xlabel("nodes in the hidden layer")
        (images / _PICTURE).write_bytes(to_png(drawing))


REPRODUCTION = Reproduction("Neural networks on the ATmega4809 (NNoM)", measure, section, draw)
