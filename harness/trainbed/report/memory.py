# SPDX-License-Identifier: Apache-2.0
"""Where the bytes are: the arena over a training step, RAM by purpose, flash by symbol."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from trainbed.report.bars import Bar, Part, draw_bars, legend
from trainbed.report.drawing import INK, MUTED, PAPER, RULE, Drawing, colour, new_drawing, on, plain_axes
from trainbed.report.sources import Run
from trainbed.summary import grouped

_ROLES = {"value": 0, "error": 1, "bits": 2, "index": 4, "gradient": 6}
_ROLE_WORDS = {
    "value": "values",
    "error": "errors",
    "bits": "derivative bits",
    "index": "pooling indices",
    "gradient": "gradients",
}
_PURPOSES = (
    Part("parameters", "parameters", 0),
    Part("activations", "arena", 1),
    Part("gradients", "gradients", 4),
    Part("optimizer", "optimizer", 2),
    Part("samples", "samples", 5),
    Part("link", "link", 3),
    Part("rest", "small variables", 7),
    Part("stack_bound", "stack (bound)", 6),
)
_KINDS = {"network": ("code of this network", 0), "code": ("other code", 5), "constant": ("constants", 4)}
_MAX_LABELS = 48
_TREE_SYMBOLS = 60


def arena_map(run: Run, name: str) -> Drawing | None:
    """Each tensor of the step as a block: columns are operations, rows are bytes of the arena."""
    if run.plan is None or not run.plan["arena"]["storages"]:
        return None
    arena, operations = run.plan["arena"], run.plan["operations"]
    span = max(storage["offset"] + storage["bytes"] for storage in arena["storages"]) or 1
    more = arena["bytes"] - span
    drawing = new_drawing(
        name,
        "Memory map of the arena over one sample",
        height=5.8,
        note="Columns are the operations of the step, in order; a block is a tensor while it lives. Blocks of one row "
        "that touch reuse the same bytes in place."
        + (f" Above, {grouped(more)} B of scratch for the step between samples." if more > 0 else ""),
    )
    top, axes = drawing.figure.subplots(2, 1, sharex=True, height_ratios=(1, 4.2))
    _live_bytes(top, arena["storages"], len(operations))
    for storage in arena["storages"]:
        for slot, (left, right) in zip(storage["slots"], _slot_spans(storage["slots"]), strict=True):
            words = f"{_ROLE_WORDS.get(slot['role'], slot['role'])} of {slot['tensor']}"
            (block,) = axes.bar(
                left,
                slot["bytes"],
                right - left,
                bottom=storage["offset"],
                align="edge",
                color=colour(_ROLES.get(slot["role"], 7)),
                edgecolor=PAPER,
                linewidth=1.2,
            )
            life = f"operations {slot['first']} to {slot['last']}"
            block.set_gid(drawing.tip(f"{words}: {grouped(slot['bytes'])} B at {storage['offset']}, {life}"))
            width, height = (right - left) / len(operations), slot["bytes"] / span
            if height > 0.04 and width * 150 > len(slot["tensor"]):
                axes.text(
                    (left + right) / 2,
                    storage["offset"] + slot["bytes"] / 2,
                    slot["tensor"],
                    ha="center",
                    va="center",
                    color=on(_ROLES.get(slot["role"], 7)),
                    fontsize=8.5,
                )
    _operation_axis(axes, operations)
    axes.set_ylim(0, span)
    axes.set_ylabel("byte of the arena")
    axes.yaxis.get_major_locator().set_params(integer=True)
    used = {slot["role"] for storage in arena["storages"] for slot in storage["slots"]}
    legend(drawing, [(_ROLE_WORDS[role], number) for role, number in _ROLES.items() if role in used])
    return drawing


def _slot_spans(slots: Sequence[Mapping[str, Any]]) -> list[tuple[float, float]]:
    """Left and right edge of each slot of a storage; where one takes over from another in place, half a column each."""
    spans = []
    for index, slot in enumerate(slots):
        left, right = slot["first"] - 0.5, slot["last"] + 0.5
        if index and slots[index - 1]["last"] >= slot["first"]:
            left = float(slot["first"])
        if index + 1 < len(slots) and slots[index + 1]["first"] <= slot["last"]:
            right = float(slots[index + 1]["first"])
        spans.append((left, right))
    return spans


def _live_bytes(axes: Any, storages: Sequence[Mapping[str, Any]], n: int) -> None:
    live = [sum(s["bytes"] for s in storages if s["first"] <= step <= s["last"]) for step in range(n)]
    edges = [step - 0.5 for step in range(n + 1)]
    axes.stairs(live, edges, fill=True, color=RULE)
    axes.stairs(live, edges, color=MUTED, linewidth=1.2)
    peak = live.index(max(live))
    axes.text(peak, live[peak] * 1.04, f"{grouped(live[peak])} B", ha="center", va="bottom", fontsize=8, color=INK)
    axes.set_ylim(0, max(live) * 1.4 or 1)
    axes.set_ylabel("live, B")
    axes.tick_params(axis="x", length=0, labelbottom=False)


def _operation_axis(axes: Any, operations: Sequence[Mapping[str, str]]) -> None:
    every = -(-len(operations) // _MAX_LABELS)
    places = list(range(0, len(operations), every))
    between = "\n" if len(operations) <= _MAX_LABELS // 2 else ": "
    labels = [f"{operations[i]['layer']}{between}{operations[i]['op']}" for i in places]
    axes.set_xticks(places, labels, rotation=90, fontsize=7.5, linespacing=1.15)
    axes.set_xlim(-0.5, len(operations) - 0.5)
    axes.tick_params(axis="x", length=0)


def ram_bars(runs: Sequence[Run]) -> Drawing | None:
    """RAM of each run by purpose, the bound of the stack included."""
    bars = []
    for run in runs:
        if run.plan is not None:
            ram, board = run.plan["ram"], run.plan["board"]["ram_bytes"]
            total = sum(ram.values())
            end = f"{grouped(total)} B" + (f", {total / board:.0%} of the board's" if board else "")
            bars.append(Bar(run.label, ram, end))
    if not bars:
        return None
    drawing = new_drawing(
        "ram",
        "RAM by purpose",
        height=1.45 + 0.42 * len(bars),
        note="Adds up to .data + .bss of the ELF and the stack's bound.",
    )
    draw_bars(drawing, bars, _PURPOSES, "bytes", room=0.32)
    return drawing


def flash_map(run: Run, name: str) -> Drawing | None:
    """Every symbol in flash as an area: what the firmware is made of; None on a board without flash."""
    if run.plan is None or not run.plan["board"]["flash_bytes"] or not run.plan["flash"]["symbols"]:
        return None
    flash = run.plan["flash"]
    symbols = flash["symbols"]
    shown = [(s["name"], s["kind"], s["bytes"]) for s in symbols[:_TREE_SYMBOLS]]
    smaller = sum(symbol["bytes"] for symbol in symbols[_TREE_SYMBOLS:])
    if smaller:
        shown.append((f"{len(symbols) - _TREE_SYMBOLS} smaller symbols", "rest", smaller))
    if flash["rest"] > 0:
        shown.append(("vectors, initial values, alignment", "rest", flash["rest"]))
    shown.sort(key=lambda item: (-item[2], item[0]))
    drawing = new_drawing(
        name, "Flash by symbol", height=4.8, note=f"{grouped(flash['bytes'])} B in all; areas are bytes."
    )
    axes = drawing.figure.add_subplot()
    width, height = 160.0, 62.0
    for (symbol, kind, n_bytes), (x, y, w, h) in zip(
        shown, squarified([n for *_, n in shown], width, height), strict=True
    ):
        index = _KINDS.get(kind, ("", 7))[1]
        (block,) = axes.bar(x, h, w, bottom=y, align="edge", color=colour(index), edgecolor=PAPER, linewidth=1)
        block.set_gid(drawing.tip(f"{symbol}: {grouped(n_bytes)} B, {n_bytes / flash['bytes']:.1%}"))
        _tile_label(axes, symbol, n_bytes, (x, y, w, h), on(index))
    plain_axes(axes)
    axes.set_xlim(0, width)
    axes.set_ylim(height, 0)
    present = {kind for _, kind, _ in shown}
    legend(drawing, [entry for kind, entry in (_KINDS | {"rest": ("rest", 7)}).items() if kind in present])
    return drawing


def _tile_label(axes: Any, symbol: str, n_bytes: int, tile: tuple[float, float, float, float], ink: str) -> None:
    """The symbol's name and size where they fit: about 1.35 units a character, 3.3 units a line."""
    x, y, w, h = tile
    width, lines = int(w / 1.35), int(h / 3.3)
    if lines < 1 or width < min(len(symbol), 6):
        return
    name = broken(symbol, width, max(1, lines - 1))
    text = "\n".join([*name, grouped(n_bytes)] if lines > len(name) else name)
    axes.text(x + 0.6, y + 0.7, text, fontsize=7.5, va="top", ha="left", color=ink, linespacing=1.2)


def broken(name: str, width: int, lines: int) -> list[str]:
    """A name over at most so many lines, broken behind an underscore or a blank where there is one, else cut short."""
    parts: list[str] = []
    while name and len(parts) < lines:
        if len(name) <= width:
            parts.append(name)
            break
        at = max(name.rfind(mark, width // 3, width) for mark in "_ ") + 1 or width
        if len(parts) == lines - 1:
            parts.append(name[: max(width - 1, 1)] + "…")
            break
        parts.append(name[:at])
        name = name[at:]
    return parts


def squarified(areas: Sequence[float], width: float, height: float) -> list[tuple[float, float, float, float]]:
    """(x, y, w, h) of a tile for each area, largest first, as square as may be (Bruls, Huizing, van Wijk 2000)."""
    total = sum(areas)
    if total <= 0:
        return []
    scale = width * height / total
    sizes = [area * scale for area in areas]
    tiles: list[tuple[float, float, float, float]] = []
    x, y, w, h = 0.0, 0.0, width, height
    start = 0
    while start < len(sizes):
        side = min(w, h)
        end = start + 1
        while end < len(sizes) and _worst(sizes[start : end + 1], side) <= _worst(sizes[start:end], side):
            end += 1
        row = sizes[start:end]
        thick = sum(row) / side if side else 0.0
        at = 0.0
        for size in row:
            long = size / thick if thick else 0.0
            tiles.append((x, y + at, thick, long) if w >= h else (x + at, y, long, thick))
            at += long
        if w >= h:
            x, w = x + thick, w - thick
        else:
            y, h = y + thick, h - thick
        start = end
    return tiles


def _worst(row: Sequence[float], side: float) -> float:
    """Largest ratio of a row's tiles along a side."""
    total = sum(row)
    return max(max(side * side * size / total**2, total**2 / (side * side * size)) for size in row)
