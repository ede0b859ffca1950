# SPDX-License-Identifier: Apache-2.0
"""The end of a run on a terminal: loss curve, accuracy, cost by phase with its class, memory, contract."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from trainbed.curves import chart, printable
from trainbed.result import Expectation, PerSample, Result, StopReason, Verdict

if TYPE_CHECKING:
    from rich.console import Console

    from trainbed.measure import Measurement

CHART_HEIGHT = 8
CHART_WIDTH = 76

CLASS_MEANING = {
    "exact": "the emulator's instruction timing is the part's",
    "modelled": "estimated by a stated model",
    "instructions": "instructions counted, no timing",
    "none": "not counted",
}


def print_summary(result: Result, console: Console) -> None:
    """Print everything a reader wants to know of a run."""
    ascii_only = not printable(console.encoding)
    lines = chart(
        result.training.loss, width=min(console.width, CHART_WIDTH), height=CHART_HEIGHT, ascii_only=ascii_only
    )
    if lines:
        console.print(Text("\nmean loss of each epoch", style="bold"))
        console.print(Text("\n".join(lines), style="cyan"), soft_wrap=True)
    console.print()
    console.print(_facts(result))
    cost = result.cost
    model = f" ({cost.model})" if cost.model else ""
    console.print(Text(f"\ncost per trained sample: {cost.cost_class}{model}", style="bold"), soft_wrap=True)
    console.print(Text(CLASS_MEANING.get(cost.cost_class, ""), style="dim"))
    if cost.instructions_per_sample.total is not None:
        console.print(_costs(result))
    if result.expectations:
        console.print(Text("\ncontract", style="bold"))
        console.print(_contract(result, ascii_only=ascii_only))
    console.print(_verdict(result), soft_wrap=True)


def measurement_table(found: Measurement) -> Table:
    """The figures of `trainbed measure`."""
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="dim")
    table.add_column()
    table.add_row("scenario", Text(found.scenario))
    table.add_row("board", f"{found.board}, on {found.backend} {found.backend_version}")
    equal = f"outputs equal to the bit on {grouped(found.same_outputs)}"
    table.add_row("images", f"{grouped(found.images)}; {equal}")
    if found.accuracy is not None and found.host_accuracy is not None:
        relative = "" if found.relative_accuracy is None else f", relative {found.relative_accuracy:.4f}"
        table.add_row("accuracy", f"{found.accuracy:.2%}, on the host {found.host_accuracy:.2%}{relative}")
        table.add_row("same class", f"{found.same_class} of {found.images} images")
    for title, times in (("emulator", found.emulator_cycles), ("on-chip timer", found.timer_cycles)):
        if times is not None:
            median, highest = grouped(round(times.median)), grouped(times.highest)
            table.add_row(title, f"{median} cycles an inference (median), {highest} at most")
    if found.largest_difference is not None:
        table.add_row("they differ by", f"{grouped(found.largest_difference)} cycles at most")
    if found.milliseconds is not None:
        table.add_row("time", f"{found.milliseconds:.3f} ms at the board's clock")
    table.add_row("cycles are", f"{found.cost_class} ({found.cost_model})" if found.cost_model else found.cost_class)
    table.add_row("memory", f"flash {grouped(found.flash_bytes)} B, RAM {grouped(found.ram_bytes)} B")
    if found.stack_bytes is not None:
        table.add_row("stack", f"{grouped(found.stack_bytes)} B used")
    return table


def _facts(result: Result) -> Table:
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="dim")
    table.add_column()
    table.add_row("scenario", Text(result.scenario.name))
    table.add_row("board", f"{result.board}, on {result.backend.name} {result.backend.version}")
    table.add_row(
        "network", f"{grouped(result.model.parameters)} parameters, {grouped(result.model.macs_forward)} MACs forward"
    )
    if result.training.loss:
        accuracy = f", accuracy {result.training.accuracy[-1]:.1%}" if result.training.accuracy else ""
        table.add_row(
            "training",
            f"{len(result.training.loss)} epochs, loss {result.training.loss[0]:.5f} "
            f"to {result.training.loss[-1]:.5f}{accuracy}",
        )
    if result.test.loss is not None:
        accuracy = f", accuracy {result.test.accuracy:.1%}" if result.test.accuracy is not None else ""
        if result.test.balanced_accuracy is not None:
            accuracy += f", balanced {result.test.balanced_accuracy:.1%}"
        table.add_row("test", f"loss {result.test.loss:.5f}{accuracy}")
    memory = result.memory
    parts = [("training", memory.training_bytes), ("RAM", memory.ram_bytes), ("flash", memory.flash_bytes)]
    table.add_row("memory", ", ".join(f"{name} {grouped(n_bytes)} B" for name, n_bytes in parts if n_bytes is not None))
    if memory.stack_bytes is not None:
        table.add_row("stack", f"{grouped(memory.stack_bytes)} B used, bound {grouped(memory.stack_bound_bytes)} B")
    mips = f", {result.cost.emulated_mips:.0f} MIPS emulated" if result.cost.emulated_mips else ""
    table.add_row("host", f"{result.cost.wall_s:.1f} s{mips}")
    return table


def _costs(result: Result) -> Table:
    cost = result.cost
    table = Table(box=None, pad_edge=False)
    table.add_column("")
    for phase in ("forward", "backward", "update", "total"):
        table.add_column(phase, justify="right")
    for name, counts in (
        ("core cycles", cost.cycles_per_sample),
        ("flash cycles", cost.memory_cycles_per_sample),
        ("instructions", cost.instructions_per_sample),
    ):
        if counts.total is not None:
            table.add_row(name, *_phases(counts))
    if cost.cycles_per_inference is not None:
        table.add_row("inference, core cycles", f"{_count(cost.cycles_per_inference)}", "", "", "")
    if cost.energy_uj_per_sample is not None:
        table.add_row("energy, uJ (modelled)", "", "", "", f"{cost.energy_uj_per_sample:.1f}")
    return table


def _phases(counts: PerSample) -> list[str]:
    return [_count(value) for value in (counts.forward, counts.backward, counts.update, counts.total)]


def _contract(result: Result, *, ascii_only: bool) -> Table:
    table = Table(box=None, pad_edge=False)
    for heading in ("", "expectation", "bound", "observed"):
        table.add_column(heading, justify="right" if heading == "observed" else "left")
    yes, no = ("ok", "FAILED") if ascii_only else ("✓", "✗")
    for expectation in result.expectations:
        style = "green" if expectation.passed else "bold red"
        mark = Text(yes if expectation.passed else no, style=style)
        table.add_row(mark, expectation.name, bound_text(expectation), observed_text(expectation))
    return table


def bound_text(expectation: Expectation) -> str:
    """The bound in words: ``exact``, ``at most 70 000``."""
    if isinstance(expectation.bound, str):
        return expectation.bound
    words = {"min": "at least", "max": "at most", "by": "by at least", "ulp": "within ulp"}
    return ", ".join(f"{words.get(edge, edge)} {grouped(value)}" for edge, value in expectation.bound.items())


def observed_text(expectation: Expectation) -> str:
    """What was observed, or why there is nothing."""
    if expectation.observed is None:
        return "not measured"
    if expectation.name == "matches_reference":
        return "equal to the bit" if expectation.observed == 0 else f"{grouped(expectation.observed)} ulp apart"
    return grouped(expectation.observed)


def _verdict(result: Result) -> Text:
    if result.verdict is Verdict.PASSED:
        return Text("passed", style="bold green")
    failed = [expectation.name for expectation in result.expectations if not expectation.passed]
    if result.stop_reason is not StopReason.COMPLETED:
        where = f" at training sample {result.training.diverged_at}" if result.training.diverged_at is not None else ""
        return Text(f"failed: {result.stop_reason.value}{where}", style="bold red")
    return Text(f"failed: {', '.join(failed)}", style="bold red")


def _count(value: float | None) -> str:
    return "-" if value is None else f"{value:,.1f}".replace(",", " ")


def grouped(value: float | None) -> str:
    """Thousands apart; three decimals for small fractions."""
    if value is None:
        return "-"
    if isinstance(value, int) or value == int(value) or abs(value) >= 1000:
        return f"{value:,.0f}".replace(",", " ")
    return f"{value:.1f}" if abs(value) >= 100 else f"{value:.4g}"
