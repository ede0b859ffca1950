# SPDX-License-Identifier: Apache-2.0
"""Curves drawn with characters: a sparkline for one line of text, a chart for the summary."""

from __future__ import annotations

import math
from collections.abc import Sequence

_BARS = "▁▂▃▄▅▆▇█"
_DOTS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))
"""Bit of each dot of a braille cell, by row and column."""


def sparkline(values: Sequence[float], width: int) -> str:
    """The values as at most ``width`` bars, the first value to the last; a value that is not finite is a cross."""
    points = _resampled(values, min(width, len(values)))
    finite = [value for value in points if math.isfinite(value)]
    low, high = (min(finite), max(finite)) if finite else (0.0, 0.0)
    span = high - low
    bars = []
    for value in points:
        if not math.isfinite(value):
            bars.append("×")
        else:
            bars.append(_BARS[round((value - low) / span * (len(_BARS) - 1))] if span > 0 else _BARS[0])
    return "".join(bars)


def chart(values: Sequence[float], *, width: int, height: int, ascii_only: bool = False) -> list[str]:
    """A line chart of ``height`` lines and an axis, logarithmic where the values span more than a factor of 20.

    Empty without finite values.
    ``width``: columns, axis included. The x axis runs over the values' numbers, 1 to len(values).
    """
    finite = [value for value in values if math.isfinite(value)]
    if not finite or width < 20 or height < 2:
        return []
    logarithmic = min(finite) > 0 and max(finite) / min(finite) > 20
    low, high = min(finite), max(finite)
    columns = width - 12
    across, down = (1, 1) if ascii_only else (2, 4)
    n_x, n_y = columns * across, height * down
    cells = [[0] * columns for _ in range(height)]
    previous: int | None = None
    for x, value in enumerate(_resampled(values, n_x)):
        if not math.isfinite(value):
            previous = None
            continue
        y = n_y - 1 - round(_share(value, low, high, logarithmic=logarithmic) * (n_y - 1))
        start = y if previous is None else previous
        for dot in range(min(start, y), max(start, y) + 1):
            cells[dot // down][x // across] |= 1 if ascii_only else _DOTS[dot % down][x % across]
        previous = y
    middle = math.sqrt(low * high) if logarithmic else (low + high) / 2
    labels = {0: high, height // 2: middle, height - 1: low}
    lines = []
    for row, cell_row in enumerate(cells):
        label = f"{labels[row]:9.3g}" if row in labels else " " * 9
        body = "".join(("*" if cell else " ") if ascii_only else chr(0x2800 + cell) for cell in cell_row)
        lines.append(f"{label} {'|' if ascii_only else '┤' if row in labels else '│'}{body}")
    last = str(len(values))
    corner = "+" + "-" * columns if ascii_only else "└" + "─" * columns
    lines.append(" " * 10 + corner)
    lines.append(" " * 11 + "1" + last.rjust(columns - 1))
    return lines


def _share(value: float, low: float, high: float, *, logarithmic: bool) -> float:
    if high <= low:
        return 0.5
    if logarithmic:
        return math.log(value / low) / math.log(high / low)
    return (value - low) / (high - low)


def _resampled(values: Sequence[float], n: int) -> list[float]:
    """``n`` points along the values, evenly spread, first and last included; straight lines between too few values."""
    if n <= 0 or not values:
        return []
    if n == 1 or len(values) == 1:
        return [values[-1]] * n
    points = []
    for i in range(n):
        place = i * (len(values) - 1) / (n - 1)
        left = min(int(place), len(values) - 2)
        if n > len(values) and place != round(place):
            points.append(values[left] + (values[left + 1] - values[left]) * (place - left))
        else:
            points.append(values[round(place)])
    return points


def printable(encoding: str) -> bool:
    """True where a terminal of this encoding can show the curves' characters."""
    try:
        (_BARS + "⣿┤━✓").encode(encoding)
    except (UnicodeEncodeError, LookupError):
        return False
    return True
