# SPDX-License-Identifier: Apache-2.0
"""Drawings: one matplotlib figure each, as SVG for the page (colours are variables of its style sheet) and as files.

The colours of series are Okabe and Ito's, which readers with any colour vision tell apart.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from html import escape
from typing import TYPE_CHECKING, Any

from trainbed.errors import MissingTool

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK, MUTED, RULE, PAPER = "#1c2128", "#5c646e", "#d3d9e0", "#fefefd"
ON_DEEP, ON_PALE = "#fffffe", "#14181e"
"""Text on the deeper colours, and on the paler ones."""
SERIES = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#7b5fb5", "#8a8f96")
"""Colour of the n-th series, in the light theme."""
DARK_SERIES = ("#52aee8", "#ff8f52", "#35cfa0", "#eba0c9", "#f2bd4b", "#9adcff", "#b9a1f0", "#a4abb4")

VARIABLES = {
    INK: "ink",
    MUTED: "muted",
    RULE: "rule",
    PAPER: "card",
    ON_DEEP: "on-deep",
    ON_PALE: "on-pale",
    **{colour: f"s{number}" for number, colour in enumerate(SERIES)},
}
"""Variable of the style sheet behind each colour."""

_STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",  # text stays text: it takes the page's font, and can be searched
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 9,
    "axes.titlesize": 10,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.edgecolor": RULE,
    "axes.labelcolor": MUTED,
    "axes.titlecolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.grid.axis": "y",
    "axes.axisbelow": True,
    "grid.color": RULE,
    "grid.linewidth": 0.6,
    "text.color": INK,
    "xtick.color": RULE,
    "ytick.color": RULE,
    "xtick.labelcolor": MUTED,
    "ytick.labelcolor": MUTED,
    "lines.linewidth": 1.8,
    "legend.frameon": False,
    "legend.fontsize": 9,
    "axes.formatter.useoffset": False,
}
WIDE, HALF = 11.4, 5.6
"""Widths of a drawing across the page and of one of two, in inches: their text is of one size in the page."""
INSTALL = "pip install 'trainbed[report]'"


@dataclass(eq=False)
class Drawing:
    """A figure being drawn. ``tips``: text that shows where the pointer rests on an artist, by its gid."""

    name: str
    """File name without ending, and id in the page."""
    title: str
    note: str
    figure: Figure
    tips: dict[str, str] = field(default_factory=dict)

    def tip(self, text: str) -> str:
        """A gid for an artist that is to show ``text``."""
        gid = f"{self.name}-{len(self.tips)}"
        self.tips[gid] = text
        return gid


def require_packages() -> None:
    """Raises MissingTool when matplotlib or jinja2 is not installed."""
    for package in ("matplotlib", "jinja2"):
        try:
            __import__(package)
        except ImportError:
            raise MissingTool(package, install=INSTALL, detail="the report needs it") from None


@contextmanager
def style() -> Iterator[None]:
    """Draw inside: matplotlib's settings, whatever the user's are."""
    import matplotlib

    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(_STYLE)
        yield


def new_drawing(name: str, title: str, *, width: float = WIDE, height: float = 3.0, note: str = "") -> Drawing:
    """An empty drawing; ``width``, ``height`` in inches."""
    from matplotlib.figure import Figure

    return Drawing(name, title, note, Figure(figsize=(width, height), layout="constrained"))


def plain_axes(axes: Axes) -> None:
    """No ticks, no frame: for drawings that carry their own words."""
    axes.set_xticks([])
    axes.set_yticks([])
    axes.grid(False)
    for spine in axes.spines.values():
        spine.set_visible(False)


def percent_axis(axes: Axes) -> None:
    """The vertical axis is a share: in per cent, and no tick is rounded to what it is not."""
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    axes.yaxis.set_major_locator(MaxNLocator(nbins=7, steps=[1, 2, 5, 10]))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{round(100 * value, 3):g}%"))


def on(index: int) -> str:
    """Colour of text on the n-th series."""
    return ON_PALE if index % len(SERIES) in (3, 4, 5) else ON_DEEP


def colour(index: int) -> str:
    """Colour of the n-th series; the colours come round again after the eighth."""
    return SERIES[index % len(SERIES)]


def to_png(drawing: Drawing) -> bytes:
    """The drawing as a picture on white paper."""
    buffer = io.BytesIO()
    drawing.figure.savefig(buffer, format="png", dpi=160, facecolor=PAPER, metadata={"Software": None})
    return buffer.getvalue()


def to_svg(drawing: Drawing) -> str:
    """The drawing as an SVG file, the same bytes each time."""
    import matplotlib

    buffer = io.StringIO()
    with matplotlib.rc_context({"svg.hashsalt": drawing.name}):
        metadata: dict[str, str | None] = {"Date": None, "Creator": None, "Title": drawing.title}
        drawing.figure.savefig(buffer, format="svg", metadata=metadata, transparent=True)
    return buffer.getvalue()


def inline_svg(svg: str, drawing: Drawing) -> str:
    """An SVG file as an element of the page: it scales, takes the page's font and colours, and has tool tips."""
    body = svg[svg.index("<svg") :]
    body = re.sub(r"<metadata>.*?</metadata>|<!--.*?-->|<title>.*?</title>", "", body, flags=re.DOTALL)
    view = re.search(r'viewBox="([^"]*)"', body)
    assert view is not None
    head = f'<svg class="plot" viewBox="{view[1]}" role="img" aria-label="{escape(drawing.title)}">'
    body = head + body[body.index(">") + 1 :]
    for gid, text in drawing.tips.items():
        body = body.replace(f'<g id="{gid}">', f"<g><title>{escape(text)}</title>", 1)
    for hex_colour, variable in VARIABLES.items():
        body = body.replace(hex_colour, f"var(--{variable})")
    body = re.sub(r"font: (bold |\d+ )?([\d.]+)px [^;\"]+", _font, body)
    used = set(re.findall(r'(?:href="#|url\(#)([^")]+)', body))
    body = re.sub(r' id="([^"]+)"', lambda match: match[0] if match[1] in used else "", body)
    return re.sub(r"\n\s*", "\n", body)


def _font(match: re.Match[str]) -> str:
    return f"font: {match[1] or ''}{match[2]}px var(--sans)"


def theme(dark: bool) -> Mapping[str, str]:
    """Value of each variable the drawings use."""
    series = DARK_SERIES if dark else SERIES
    dark_base = {"ink": "#e6e9ed", "muted": "#9aa4af", "rule": "#363e48", "card": "#1b2027", "on-deep": ON_PALE}
    light = {name: value for value, name in VARIABLES.items()}
    return light | (dark_base if dark else {}) | {f"s{number}": value for number, value in enumerate(series)}
