# SPDX-License-Identifier: Apache-2.0
"""The command line: every verb parses, calls and prints; the work is done elsewhere.

Modules that take long to import are imported by the command that needs them.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ParamSpec

import typer

from trainbed import __version__
from trainbed.errors import ExitCode, GuestError, InputError, TrainbedError

if TYPE_CHECKING:
    from rich.console import Console

    from trainbed.scenario.scenario import Scenario

P = ParamSpec("P")

app = typer.Typer(
    name="trainbed",
    help="Train neural networks on emulated microcontrollers. Exit codes: 0 passed, 1 contract failed, 2 bad input, "
    "3 guest or emulator broke, 4 backend or tool missing, 130 interrupted.",
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)

ScenarioArgument = Annotated[
    str, typer.Argument(metavar="SCENARIO", help="A scenario file, or the name of a shipped one.")
]
BackendOption = Annotated[
    str | None, typer.Option("--backend", metavar="B", help="Another backend than the scenario's.")
]
BoardOption = Annotated[str | None, typer.Option("--board", metavar="X", help="Another board than the scenario's.")]
JunitOption = Annotated[
    Path | None, typer.Option("--junit", metavar="FILE", help="Also write the contract as JUnit XML, for CI.")
]
SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="A.B=V", help="Change the scenario: training.epochs=10. Repeatable."),
]

# What a sweep and a search have in common.
StudyFolderOption = Annotated[
    Path | None, typer.Option("--out", metavar="DIR", help="Where journal and tables go; out/<file> unless given.")
]
WorkersOption = Annotated[
    int | None, typer.Option("--workers", metavar="N", help="Runs side by side; one per core unless given.")
]
SchedulerOption = Annotated[
    str | None, typer.Option("--scheduler", metavar="ADDRESS", help="Run on the dask cluster of this scheduler.")
]
ResumeOption = Annotated[bool, typer.Option("--resume", help="Go on where an earlier call stopped.")]
RestartOption = Annotated[bool, typer.Option("--restart", help="Throw away what an earlier call finished.")]


def main(arguments: list[str] | None = None) -> int:
    """Run one command and return its exit code (errors.ExitCode)."""
    try:
        app(args=arguments)
    except SystemExit as done:
        return done.code if isinstance(done.code, int) else 0
    return ExitCode.PASSED


def _command(work: Callable[P, ExitCode]) -> Callable[P, None]:
    """A command of the app: what it returns or raises on purpose becomes the exit code."""

    @functools.wraps(work)
    def command(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            code = work(*args, **kwargs)
        except TrainbedError as error:
            print(f"error: {error}", file=sys.stderr)
            if isinstance(error, GuestError):
                from trainbed.explain import kept_state

                if kept := kept_state(error):
                    print(kept, file=sys.stderr)
            code = error.exit_code
        except KeyboardInterrupt:
            print("interrupted", file=sys.stderr)
            code = ExitCode.INTERRUPTED
        raise typer.Exit(code)

    return app.command()(command)


@app.callback(invoke_without_command=True)
def _root(version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False) -> None:
    if version:
        print(__version__)
        raise typer.Exit


@_command
def run(
    scenario: ScenarioArgument,
    backend: BackendOption = None,
    board: BoardOption = None,
    set_: SetOption = None,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="DIR", help="Where result.json goes; out/<scenario> unless given.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print result.json alone.")] = False,
    junit: JunitOption = None,
) -> ExitCode:
    """Train on an emulated board and judge the outcome."""
    from trainbed.report.junit import reported
    from trainbed.run import run_scenario

    loaded = _load(scenario, set_)
    folder = _folder(out, Path(scenario))
    if json:
        with reported(junit, loaded.name, folder):
            result = run_scenario(loaded, backend=backend, board=board, out=folder)
        sys.stdout.write(result.to_json())
    else:
        from trainbed.progress import make_view

        console = _console()
        with reported(junit, loaded.name, folder), make_view(loaded.training.epochs, console) as view:
            result = run_scenario(loaded, backend=backend, board=board, out=folder, on_event=view.show)
        from trainbed.summary import print_summary

        print_summary(result, console)
        console.print(f"kept in {folder}", style="dim", markup=False, highlight=False, soft_wrap=True)
    return ExitCode.PASSED if result.verdict == "passed" else ExitCode.FAILED


@_command
def build(
    scenario: ScenarioArgument,
    board: BoardOption = None,
    set_: SetOption = None,
    explain: Annotated[bool, typer.Option("--explain", help="Print the plan and the memory map.")] = False,
) -> ExitCode:
    """Build a scenario's firmware without running it."""
    from trainbed.run import build_scenario

    built = build_scenario(_load(scenario, set_), board=board)
    if explain:
        print(built.explain())
    print(built.firmware.image.elf)
    return ExitCode.PASSED


@_command
def sweep(
    file: Annotated[str, typer.Argument(metavar="FILE", help="A scenario and what to vary (docs/sweep.md).")],
    out: StudyFolderOption = None,
    workers: WorkersOption = None,
    scheduler: SchedulerOption = None,
    resume: ResumeOption = False,
    restart: RestartOption = False,
    parquet: Annotated[bool, typer.Option("--parquet", help="Write results.parquet, too.")] = False,
    keep: Annotated[bool, typer.Option("--keep", help="Keep result, weights and firmware of every run.")] = False,
    strict: Annotated[
        bool, typer.Option("--strict", help="Failed contracts (1) and networks that do not fit (2) count.")
    ] = False,
) -> ExitCode:
    """Run a scenario over many values, side by side; one row per run."""
    from trainbed.scenario.find import find_scenario
    from trainbed.sweep.command import run_sweep

    path = find_scenario(file, "sweep")
    return run_sweep(
        path,
        out=_folder(out, path),
        console=_console(),
        workers=workers,
        scheduler=scheduler,
        resume=resume,
        restart=restart,
        parquet=parquet,
        keep=keep,
        strict=strict,
    )


@_command
def search(
    file: Annotated[str, typer.Argument(metavar="FILE", help="A space of networks, what is sought (docs/search.md).")],
    out: StudyFolderOption = None,
    workers: WorkersOption = None,
    scheduler: SchedulerOption = None,
    resume: ResumeOption = False,
    restart: RestartOption = False,
) -> ExitCode:
    """Search networks that trade accuracy against memory and cycles, measured on the emulated board."""
    from trainbed.scenario.find import find_scenario
    from trainbed.search.command import run_search

    path = find_scenario(file, "search")
    return run_search(
        path,
        out=_folder(out, path),
        console=_console(),
        workers=workers,
        scheduler=scheduler,
        resume=resume,
        restart=restart,
    )


@_command
def measure(
    scenario: ScenarioArgument,
    images: Annotated[
        int | None, typer.Option("--images", metavar="N", help="The first N of the test set; all unless given.")
    ] = None,
    backend: BackendOption = None,
    board: BoardOption = None,
    set_: SetOption = None,
    json: Annotated[bool, typer.Option("--json", help="Print the figures as JSON alone.")] = False,
) -> ExitCode:
    """Train on the host, measure inference on the board: accuracy beside the host's, time by two clocks, memory."""
    from trainbed.measure import measure as measure_network
    from trainbed.summary import measurement_table

    found = measure_network(_load(scenario, set_), images=images, backend=backend, board=board)
    if json:
        sys.stdout.write(found.to_json())
    else:
        _print_table(measurement_table(found))
    return ExitCode.PASSED


@_command
def boards() -> ExitCode:
    """List the boards and the backends that run them."""
    from rich.table import Table

    from trainbed.boards import board_names, load_board

    table = Table(box=None, pad_edge=False)
    for heading in ("board", "core", "MHz", "RAM", "flash", "backends", ""):
        table.add_column(heading, justify="right" if heading in ("MHz", "RAM", "flash") else "left", no_wrap=True)
    for name in board_names():
        board = load_board(name)
        clock = f"{board.clock_hz / 1e6:g}" if board.clock_hz else "-"
        sizes = (f"{size // 1024} K" if size else "-" for size in (board.ram_bytes, board.flash_bytes))
        table.add_row(name, board.core, clock, *sizes, ", ".join(board.backends), board.title)
    _print_table(table)
    return ExitCode.PASSED


@_command
def debug(
    scenario: Annotated[str | None, typer.Argument(metavar="SCENARIO", help="As for run.")] = None,
    backend: Annotated[str | None, typer.Option("--backend", metavar="B", help="unicorn or qemu.")] = None,
    board: BoardOption = None,
    set_: SetOption = None,
    port: Annotated[int, typer.Option("--port", help="Where gdb connects, on 127.0.0.1; 0: any free port.")] = 0,
    sources: Annotated[
        Path | None, typer.Option("--sources", metavar="DIR", help="Also put the ELF and the generated sources here.")
    ] = None,
    post_mortem: Annotated[
        Path | None, typer.Option("--post-mortem", metavar="DIR", help="Show the state a run broke in, kept in DIR.")
    ] = None,
) -> ExitCode:
    """Run a scenario with its guest halted, and print the line that attaches gdb."""
    from trainbed.debug.console import debug_on_console, show_post_mortem

    if post_mortem is not None:
        show_post_mortem(post_mortem)
        return ExitCode.PASSED
    if scenario is None:
        raise InputError("name a scenario to debug, or a kept state: trainbed debug --post-mortem DIR")
    debug_on_console(_load(scenario, set_), backend=backend, board=board, port=port, sources=sources)
    return ExitCode.PASSED


@_command
def report(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN...", help="Run folders, result.json, sweep folders.")],
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Where report.html and figures/ go.")] = Path(
        "out/report"
    ),
    junit: JunitOption = None,
    figures: Annotated[bool, typer.Option(help="Also write each drawing as SVG and PNG.")] = True,
) -> ExitCode:
    """Draw runs and sweeps: one HTML file that needs no network, and its drawings beside it."""
    from trainbed.report.junit import write_junit
    from trainbed.report.page import write_report
    from trainbed.report.sources import read_sources

    sources = read_sources(runs)
    if junit is not None:
        write_junit(junit, sources)
    print(write_report(sources, out, files=figures))
    return ExitCode.PASSED


@_command
def compare(
    a: Annotated[str, typer.Argument(metavar="A", help="Run folder, result.json or sweep folder: before.")],
    b: Annotated[str, typer.Argument(metavar="B", help="The same of the other: after.")],
    scenario: Annotated[
        Path | None,
        typer.Option("--scenario", metavar="FILE", help="A and B are commits ('.': the files as they are): run FILE."),
    ] = None,
    max_: Annotated[
        list[str] | None,
        typer.Option("--max", metavar="KEY=+N%", help="The most KEY may grow: +2%, +100, or a value. Repeatable."),
    ] = None,
    min_: Annotated[
        list[str] | None,
        typer.Option("--min", metavar="KEY=-N%", help="The most KEY may fall: -2%, -0.01, or a value. Repeatable."),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print the comparison as JSON.")] = False,
    markdown: Annotated[bool, typer.Option("--markdown", help="Print it as Markdown, for a comment in CI.")] = False,
) -> ExitCode:
    """Show what changed from run A to run B; exit code 1 when a bound is broken."""
    from dataclasses import replace

    from trainbed.report.compare import compare_sources, parse_bounds
    from trainbed.report.comparison_text import as_json, as_markdown, as_text

    bounds = parse_bounds(max_ or (), min_ or ())
    if scenario is None:
        comparison = compare_sources(Path(a), Path(b), bounds)
    else:
        from trainbed.report.revisions import runs_at

        with runs_at(scenario, (a, b)) as (before, after):
            comparison = replace(compare_sources(before, after, bounds), before=a, after=b)
    sys.stdout.write((as_json if json else as_markdown if markdown else as_text)(comparison))
    return ExitCode.PASSED if comparison.passed else ExitCode.FAILED


@_command
def doctor() -> ExitCode:
    """Show which tools are there, and the line that installs each missing one."""
    from trainbed.doctor import examine, report

    findings = examine()
    _print_table(report(findings))
    missing = [finding for finding in findings if finding.required and finding.version is None]
    for finding in missing:
        print(f"error: {finding.name} is missing; install it with: {finding.install}", file=sys.stderr)
    return ExitCode.MISSING_TOOL if missing else ExitCode.PASSED


def _load(scenario: str, overrides: list[str] | None) -> Scenario:
    from trainbed.scenario import load_scenario
    from trainbed.scenario.find import find_scenario

    return load_scenario(find_scenario(scenario), overrides or ())


def _folder(out: Path | None, file: Path) -> Path:
    """Where the results of a file go."""
    return out if out is not None else Path("out") / file.stem


def _console() -> Console:
    from rich.console import Console

    return Console(highlight=False)


def _print_table(table: object) -> None:
    console = _console()
    if not console.is_terminal:
        console.width = 200  # a log has no width to keep to
    console.print(table)


if __name__ == "__main__":
    sys.exit(main())
