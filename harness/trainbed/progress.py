# SPDX-License-Identifier: Apache-2.0
"""Shows a run while it runs: a live block on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from types import TracebackType
from typing import TYPE_CHECKING, Protocol, TextIO

from trainbed.backends.base import Cost
from trainbed.curves import printable, sparkline
from trainbed.pretrain.events import HostEvent, PretrainDone, PretrainEpoch
from trainbed.trainer import Diverged, EpochDone, Evaluated, Event, Started

if TYPE_CHECKING:
    from rich.console import Console
    from rich.live import Live
    from rich.text import Text

    from trainbed.prepare import Built

MAX_LINES = 20
"""Epochs a plain log reports, first and last included."""


class View(Protocol):
    """Shows the events of a run; used as a context manager around it."""

    def __enter__(self) -> View: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def show(self, event: Event | Built | Cost | HostEvent) -> None:
        """Take notice of one event."""
        ...


class Progress:
    """What is known of a run so far. Samples per second are of the host's clock."""

    def __init__(self, epochs: int) -> None:
        self.epochs = epochs
        self.losses: list[float] = []
        self.accuracy: float | None = None
        self.test_accuracy: float | None = None
        self.mips: float | None = None
        self.samples = 0
        self.stage = "building the firmware"
        self._since: float | None = None

    def take(self, event: object) -> None:
        """Learn from an event."""
        if isinstance(event, (PretrainEpoch, PretrainDone)):
            self.stage = event.line()
        elif isinstance(event, Started):
            self._since = time.monotonic()
            kept = "on the device" if event.resident else "streamed"
            self.stage = f"training, {event.n_train} samples {kept}"
        elif isinstance(event, EpochDone):
            self.losses.append(event.loss)
            self.accuracy = event.accuracy
            self.samples += event.samples_trained
        elif isinstance(event, Evaluated):
            self.test_accuracy = event.accuracy
        elif isinstance(event, Diverged):
            self.stage = f"diverged in epoch {event.epoch + 1}, at sample {event.position} of its order"
        elif isinstance(event, Cost):
            self.mips = event.instructions / event.busy_s / 1e6 if event.busy_s > 0 else None

    @property
    def samples_per_s(self) -> float | None:
        """Samples trained per second of the host's time."""
        elapsed = time.monotonic() - self._since if self._since is not None else 0.0
        return self.samples / elapsed if elapsed > 0 and self.samples else None

    def line(self) -> str:
        """The state in one line."""
        parts = [f"epoch {len(self.losses):{len(str(self.epochs))}}/{self.epochs}"]
        if self.losses:
            parts.append(f"loss {self.losses[-1]:.5f}")
        if self.accuracy is not None:
            parts.append(f"accuracy {self.accuracy:6.1%}")
        if self.samples_per_s is not None:
            parts.append(f"{self.samples_per_s:.0f} samples/s")
        if self.mips is not None:
            parts.append(f"{self.mips:.0f} MIPS emulated")
        return "  ".join(parts)


class SilentView:
    """Shows nothing: the result alone is printed."""

    def __enter__(self) -> SilentView:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None

    def show(self, event: object) -> None:
        """Nothing."""


class PlainView(SilentView):
    """A line per epoch, at most MAX_LINES of them: for logs."""

    def __init__(self, epochs: int, stream: TextIO) -> None:
        self.progress = Progress(epochs)
        self.stream = stream

    def show(self, event: object) -> None:
        """Print a line where there is news worth one."""
        self.progress.take(event)
        if isinstance(event, PretrainEpoch):
            if _worth_a_line(event.epoch + 1, event.epochs):
                self._print(self.progress.stage)
        elif isinstance(event, (PretrainDone, Started, Diverged)):
            self._print(self.progress.stage)
        elif isinstance(event, EpochDone) and _worth_a_line(len(self.progress.losses), self.progress.epochs):
            self._print(self.progress.line())

    def _print(self, text: str) -> None:
        print(text, file=self.stream, flush=True)


def _worth_a_line(done: int, epochs: int) -> bool:
    """The first, the last and evenly spaced ones: at most MAX_LINES of all."""
    every = -(-epochs // (MAX_LINES - 1))
    return done == 1 or done % every == 0 or done == epochs


class LiveView(SilentView):
    """A block of lines that follows the run, on a terminal; it vanishes at the end."""

    def __init__(self, epochs: int, console: Console) -> None:
        from rich.live import Live

        self.progress = Progress(epochs)
        self.console = console
        self.live: Live = Live(self._block(), console=console, refresh_per_second=8, transient=True)

    def __enter__(self) -> LiveView:
        self.live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.live.stop()

    def show(self, event: object) -> None:
        """Redraw with what the event tells; rich limits how often."""
        self.progress.take(event)
        self.live.update(self._block())

    def _block(self) -> Text:
        from rich.text import Text

        progress = self.progress
        width = max(20, min(self.console.width - 2, 100))
        done = round(width * len(progress.losses) / progress.epochs)
        text = Text()
        text.append(progress.stage + "\n", style="dim")
        text.append("━" * done, style="green")
        text.append("━" * (width - done) + "\n", style="bright_black")
        text.append(progress.line() + "\n")
        text.append(sparkline(progress.losses, width), style="cyan")
        return text


def make_view(epochs: int, console: Console) -> View:
    """The live block on a terminal, plain lines elsewhere."""
    live = console.is_terminal and printable(console.encoding)
    return LiveView(epochs, console) if live else PlainView(epochs, console.file)  # type: ignore[arg-type]
