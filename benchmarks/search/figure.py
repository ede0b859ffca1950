# SPDX-License-Identifier: Apache-2.0
"""A scatter plot as a small SVG: accuracy over cycles (logarithmic), the size of a mark is the RAM."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

WIDTH, HEIGHT = 760, 420
LEFT, RIGHT, TOP, BOTTOM = 64, 20, 20, 48
COLOURS = {"other": "#b8bcc4", "hand": "#c8452d", "front": "#1f6fb4"}
"""By kind, in the order they are drawn: the front on top."""
WORDS = {"other": "trained", "hand": "hand-made", "front": "front of the search"}


@dataclass(frozen=True)
class Mark:
    """A network: cycles, accuracy, bytes of RAM; ``kind``: other, front, hand."""

    x: float
    y: float
    ram: float
    kind: str
    label: str


def scatter(marks: Sequence[Mark]) -> str:
    """The SVG's text."""
    low, high = (
        math.floor(5 * math.log10(min(m.x for m in marks))) / 5,
        math.ceil(5 * math.log10(max(m.x for m in marks))) / 5,
    )
    bottom, top = math.floor(100 * min(m.y for m in marks)) / 100, 1.0

    def place(x: float, y: float) -> tuple[float, float]:
        across = (math.log10(x) - low) / (high - low)
        up = (y - bottom) / (top - bottom)
        return LEFT + across * (WIDTH - LEFT - RIGHT), HEIGHT - BOTTOM - up * (HEIGHT - TOP - BOTTOM)

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
        'font-family="sans-serif" font-size="12">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
    ]
    for percent in range(round(100 * bottom), 101):
        _, y = place(10**low, percent / 100)
        parts.append(f'<path d="M{LEFT} {y:.1f}H{WIDTH - RIGHT}" stroke="#e6e8ec"/>')
        parts.append(f'<text x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{percent} %</text>')
    for decade in range(math.floor(low), math.ceil(high) + 1):
        for step in (1, 2, 5):
            value = step * 10.0**decade
            if low <= math.log10(value) <= high:
                x, _ = place(value, bottom)
                parts.append(f'<path d="M{x:.1f} {TOP}V{HEIGHT - BOTTOM}" stroke="#e6e8ec"/>')
                parts.append(f'<text x="{x:.1f}" y="{HEIGHT - BOTTOM + 18}" text-anchor="middle">{value:,.0f}</text>')
    middle = (LEFT + WIDTH - RIGHT) / 2
    parts.append(
        f'<text x="{middle}" y="{HEIGHT - 8}" text-anchor="middle">cycles per trained sample; size: RAM</text>'
    )
    for mark in sorted(marks, key=lambda m: list(COLOURS).index(m.kind)):
        x, y = place(mark.x, mark.y)
        radius = 2 + math.sqrt(mark.ram / 65536) * 6
        told = f"{escape(mark.label)} {mark.x:,.0f} cycles, {100 * mark.y:.2f} %, {mark.ram:,.0f} B"
        parts.append(
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius:.1f}" fill="{COLOURS[mark.kind]}" fill-opacity="0.75">'
            f"<title>{told}</title></circle>"
        )
        if mark.label:  # the hand-made ones' to the left, so that they do not meet the front's
            left = mark.kind == "hand"
            at, anchor = (x - radius - 3, "end") if left else (x + radius + 3, "start")
            parts.append(f'<text x="{at:.1f}" y="{y + 4:.1f}" text-anchor="{anchor}">{escape(mark.label)}</text>')
    for n, (kind, words) in enumerate(WORDS.items()):
        x, y = WIDTH - RIGHT - 140, HEIGHT - BOTTOM - 56 + 18 * n
        parts.append(f'<circle cx="{x}" cy="{y}" r="5" fill="{COLOURS[kind]}" fill-opacity="0.75"/>')
        parts.append(f'<text x="{x + 12}" y="{y + 4}">{words}</text>')
    return "\n".join([*parts, "</svg>"]) + "\n"
