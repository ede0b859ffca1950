# SPDX-License-Identifier: Apache-2.0
"""Shows how far many runs are, and about when they will be done: a live line on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import TracebackType
from typing import TYPE_CHECKING, Protocol

from trainbed.curves import printable
from trainbed.progress import MAX_LINES
from trainbed.scenario.wording import describe
from trainbed.sweep.job import Job, Outcome
from trainbed.sweep.journal import Journal, read_journal

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text


class SweepView(Protocol):
    """Shows runs as they finish; used as a context manager around them."""

    def __enter__(self) -> SweepView: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def show(self, job: Job, outcome: Outcome) -> None:
        """Take notice of a finished run."""
        ...


class Tally:
    """How far it is. ``done``: runs an earlier call had finished."""

    def __init__(self, total: int, done: int) -> None:
        self.total = total
        self.done = done
        self._earlier = done
        self._began = time.monotonic()
        self.statuses: Counter[str] = Counter()

    def take(self, outcome: Outcome) -> None:
        """Count a finished run."""
        self.done += 1
        self.statuses[outcome.status] += 1

    @property
    def elapsed_s(self) -> float:
        """Since this call began."""
        return time.monotonic() - self._began

    @property
    def left_s(self) -> float | None:
        """Estimate of what is left, by the pace so far."""
        finished = self.done - self._earlier
        return (self.total - self.done) * self.elapsed_s / finished if finished else None

    def line(self) -> str:
        """The state in one line."""
        parts = [f"{self.done:{len(str(self.total))}}/{self.total} runs"]
        parts += [f"{n} {status}" for status, n in sorted(self.statuses.items()) if status != "passed"]
        parts.append(f"{clock(self.elapsed_s)} gone")
        if self.left_s is not None and self.done < self.total:
            parts.append(f"about {clock(self.left_s)} left")
        return "  ".join(parts)


class PlainSweepView:
    """At most MAX_LINES lines, and one for every run that broke."""

    def __init__(self, tally: Tally, console: Console) -> None:
        self.tally = tally
        self.console = console

    def __enter__(self) -> PlainSweepView:
        if self.tally.done:
            self._print(f"{self.tally.done}/{self.tally.total} runs were finished before")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None

    def show(self, job: Job, outcome: Outcome) -> None:
        """Print a line where there is news worth one."""
        self.tally.take(outcome)
        if outcome.result is None:
            self._print(failure_line(job, outcome))
        every = -(-self.tally.total // MAX_LINES)
        if self.tally.done % every == 0 or self.tally.done == self.tally.total:
            self._print(self.tally.line())

    def _print(self, text: str) -> None:
        print(text, file=self.console.file, flush=True)


class LiveSweepView(PlainSweepView):
    """A bar that follows the sweep; it vanishes at the end."""

    def __init__(self, tally: Tally, console: Console) -> None:
        from rich.live import Live

        super().__init__(tally, console)
        self.live = Live(get_renderable=self._block, console=console, refresh_per_second=4, transient=True)

    def __enter__(self) -> LiveSweepView:
        self.live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.live.stop()

    def show(self, job: Job, outcome: Outcome) -> None:
        """Count it; what broke is told above the bar."""
        self.tally.take(outcome)
        if outcome.result is None:
            self.live.console.print(failure_line(job, outcome), markup=False, highlight=False)

    def _block(self) -> Text:
        from rich.text import Text

        width = max(20, min(self.console.width - 2, 100))
        done = round(width * self.tally.done / self.tally.total)
        text = Text()
        text.append("━" * done, style="green")
        text.append("━" * (width - done) + "\n", style="bright_black")
        text.append(self.tally.line())
        return text


def make_sweep_view(total: int, done: int, console: Console) -> SweepView:
    """The live bar on a terminal, plain lines elsewhere."""
    live = console.is_terminal and printable(console.encoding)
    return (LiveSweepView if live else PlainSweepView)(Tally(total, done), console)


def failure_line(job: Job, outcome: Outcome) -> str:
    """A run without a verdict in one line."""
    return f"run {job.index} {outcome.status} ({axes_text(job.axes)}): {outcome.error.splitlines()[0]}"


def axes_text(axes: Mapping[str, object]) -> str:
    """``units=4, lr=0.1``: the last step of each path is enough to a reader."""
    shown = {
        path.rpartition(".")[2]: describe(value) if isinstance(value, dict | list) else value
        for path, value in axes.items()
    }
    return ", ".join(f"{name}={value}" for name, value in shown.items())


def clock(seconds: float) -> str:
    """``1:23:45``, ``12:03``."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


@contextmanager
def told_what_is_kept(journal: Journal, of_all: str, console: Console) -> Iterator[None]:
    """Ctrl-C says how much is in the journal, such as 12 "of 64 runs", and how to go on."""
    try:
        yield
    except KeyboardInterrupt:
        kept = f"{len(read_journal(journal.path))} {of_all} are kept in {journal.path.parent}; --resume goes on"
        console.print(kept, markup=False, highlight=False, soft_wrap=True)
        raise
