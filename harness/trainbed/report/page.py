# SPDX-License-Identifier: Apache-2.0
"""trainbed report: one HTML file that needs no network, and its drawings as SVG and PNG beside it."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from trainbed import __version__
from trainbed.report.drawing import Drawing, inline_svg, require_packages, style, theme, to_png, to_svg
from trainbed.report.sources import Run, Sweep
from trainbed.result import Result, write_whole
from trainbed.summary import CLASS_MEANING, bound_text, grouped, observed_text

PAGE_FILE = "report.html"
FIGURE_FOLDER = "figures"


@dataclass(frozen=True)
class Plot:
    """A drawing as it stands in the page."""

    name: str
    title: str
    note: str
    svg: str


def write_report(sources: Sequence[Run | Sweep], out: Path, *, files: bool = True) -> Path:
    """Write report.html, and with ``files`` its drawings into figures/; returns the page's path.

    The same sources give the same bytes. Raises MissingTool without matplotlib or jinja2.
    """
    require_packages()
    runs = [source for source in sources if isinstance(source, Run)]
    sweeps = [source for source in sources if isinstance(source, Sweep)]
    with style():
        drawings = _drawings(runs, sweeps)
        svgs = {name: to_svg(drawing) for name, drawing in drawings.items()}
        pngs = {name: to_png(drawing) for name, drawing in drawings.items()} if files else {}
    plots = {
        name: Plot(name, drawing.title, drawing.note, inline_svg(svgs[name], drawing))
        for name, drawing in drawings.items()
    }
    text = _render(runs, sweeps, plots)
    out.mkdir(parents=True, exist_ok=True)
    figures = out / FIGURE_FOLDER
    shutil.rmtree(figures, ignore_errors=True)
    if files:
        figures.mkdir()
        for name in drawings:
            (figures / f"{name}.svg").write_text(svgs[name], encoding="utf-8")
            (figures / f"{name}.png").write_bytes(pngs[name])
    write_whole(out / PAGE_FILE, partial(Path.write_text, data=text, encoding="utf-8"))
    return out / PAGE_FILE


def _drawings(runs: Sequence[Run], sweeps: Sequence[Sweep]) -> dict[str, Drawing]:
    """Every drawing by name, in the order of the page."""
    from trainbed.report.costs import layer_bars, phase_bars
    from trainbed.report.curves import accuracy_curves, loss_curves
    from trainbed.report.memory import arena_map, flash_map, ram_bars
    from trainbed.report.sweeps import sweep_drawings

    drawn: list[Drawing | None] = []
    if runs:
        drawn += [loss_curves(runs), accuracy_curves(runs), phase_bars(runs), ram_bars(runs)]
    for number, run in enumerate(runs):
        drawn += [layer_bars(run, f"layers-{number}"), arena_map(run, f"arena-{number}")]
        drawn += [flash_map(run, f"flash-{number}")]
    for number, sweep in enumerate(sweeps):
        drawn += sweep_drawings(sweep, number)
    return {drawing.name: drawing for drawing in drawn if drawing is not None}


def _render(runs: Sequence[Run], sweeps: Sequence[Sweep], plots: Mapping[str, Plot]) -> str:
    import jinja2

    from trainbed.report.sweeps import sweep_table

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(grouped=grouped, bound=bound_text, observed=observed_text)
    names = dict.fromkeys(run.result.scenario.name for run in runs)
    if len(runs) == 1 and not sweeps:
        title = next(iter(names))
    else:
        parts = [f"{len(runs)} runs" if len(runs) > 1 else "", f"{len(sweeps)} sweeps" if len(sweeps) > 1 else ""]
        parts += [runs[0].label] if len(runs) == 1 else []
        parts += [sweeps[0].label] if len(sweeps) == 1 else []
        title = " and ".join(part for part in parts if part)
    return environment.get_template("page.html.j2").render(
        title=title,
        runs=runs,
        sweeps=[(sweep, sweep_table(sweep)) for sweep in sweeps],
        plots=plots,
        facts=[fact_row(run.result) for run in runs],
        functions=[function_rows(run) for run in runs],
        classes=CLASS_MEANING,
        light=theme(dark=False),
        dark=theme(dark=True),
        version=__version__,
    )


def fact_row(result: Result) -> dict[str, str]:
    """The figures of a run that are compared first; what was not measured is a dash."""
    cost, memory = result.cost, result.memory
    cycles = cost.cycles_per_sample.total
    losses = result.training.loss
    return {
        "test accuracy": f"{result.test.accuracy:.1%}" if result.test.accuracy is not None else "–",
        "final loss": f"{losses[-1]:.3g}" if losses else "–",
        "cycles per sample": grouped(round(cycles)) if cycles is not None else "–",
        "cycles per inference": _rounded(cost.cycles_per_inference),
        "instructions per sample": _rounded(cost.instructions_per_sample.total),
        "energy per sample": f"{cost.energy_uj_per_sample:.1f} µJ" if cost.energy_uj_per_sample is not None else "–",
        "training memory": f"{grouped(memory.training_bytes)} B",
        "RAM": f"{grouped(memory.ram_bytes)} B" if memory.ram_bytes is not None else "–",
        "flash": f"{grouped(memory.flash_bytes)} B" if memory.flash_bytes is not None else "–",
        "stack": f"{grouped(memory.stack_bytes)} B" if memory.stack_bytes is not None else "–",
        "parameters": grouped(result.model.parameters),
        "MACs forward": grouped(result.model.macs_forward),
    }


def _rounded(value: float | None) -> str:
    return grouped(round(value)) if value is not None else "–"


def function_rows(run: Run) -> list[dict[str, str]]:
    """The profile, function by function, per trained sample."""
    if run.profile is None or not run.profile["samples"]:
        return []
    from trainbed.report.costs import unit

    key, samples = unit(run), run.profile["samples"]
    total = sum(function[key] for function in run.profile["functions"]) or 1
    rows = sorted(run.profile["functions"], key=lambda function: (-function[key], function["name"]))
    return [
        {
            "name": function["name"],
            "layers": ", ".join(function["layers"]) or "–",
            "count": f"{function[key] / samples:,.1f}".replace(",", "\u202f"),
            "memory": f"{function['memory_cycles'] / samples:,.1f}".replace(",", "\u202f"),
            "share": f"{function[key] / total:.1%}",
        }
        for function in rows
    ]
