# SPDX-License-Identifier: Apache-2.0
"""Horizontal bars made of parts: a bar a run or a layer, a part a phase, an operation or a purpose."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from trainbed.report.drawing import INK, MUTED, Drawing, colour
from trainbed.summary import grouped


@dataclass(frozen=True)
class Part:
    """One kind of part: its key, its words in the legend, the number of its colour."""

    key: str
    words: str
    colour: int


@dataclass(frozen=True)
class Bar:
    """One bar: its label, the size of each part by key, and the words at its end (None: its total)."""

    label: str
    sizes: Mapping[str, float]
    end: str | None = None

    @property
    def total(self) -> float:
        """All parts."""
        return sum(self.sizes.values())


def draw_bars(drawing: Drawing, bars: Sequence[Bar], parts: Sequence[Part], unit: str, *, room: float = 0.13) -> None:
    """Draw the bars from top to bottom, with a legend of the parts that occur.

    ``room``: what the words at the ends need, as a share of the longest bar.
    """
    from matplotlib.ticker import FuncFormatter

    axes = drawing.figure.add_subplot()
    longest = max(bar.total for bar in bars) or 1.0
    for y, bar in enumerate(bars):
        left = 0.0
        for part in parts:
            size = bar.sizes.get(part.key, 0.0)
            if size > 0:
                (piece,) = axes.barh(y, size, left=left, height=0.62, color=colour(part.colour))
                piece.set_gid(drawing.tip(f"{bar.label}, {part.words}: {grouped(round(size, 1))} {unit}"))
                left += size
        end = bar.end if bar.end is not None else grouped(round(bar.total))
        axes.text(left + longest * 0.01, y, end, va="center", color=INK, fontsize=9)
    axes.set_yticks(range(len(bars)), [bar.label for bar in bars])
    for tick in axes.get_yticklabels():
        tick.set_color(INK)
    axes.set_ylim(len(bars) - 0.4, -0.6)
    axes.set_xlim(0, longest * (1 + room))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: grouped(round(value))))
    axes.locator_params(axis="x", nbins=7)
    axes.grid(axis="y", visible=False)
    axes.grid(axis="x", visible=True)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.set_xlabel(unit, color=MUTED)
    legend(drawing, [(p.words, p.colour) for p in parts if any(bar.sizes.get(p.key, 0.0) > 0 for bar in bars)])


def legend(drawing: Drawing, entries: Sequence[tuple[str, int]]) -> None:
    """A legend above the drawing: (words, number of the colour)."""
    from matplotlib.patches import Patch

    handles = [Patch(color=colour(number), label=words) for words, number in entries]
    drawing.figure.legend(handles=handles, loc="outside upper left", ncols=5, handlelength=1, handleheight=1)
