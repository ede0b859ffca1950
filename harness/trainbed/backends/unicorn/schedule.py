# SPDX-License-Identifier: Apache-2.0
"""What is due when. Time is the counter's core cycles: two runs of a firmware see events at the same cycles."""

from __future__ import annotations

from collections.abc import Callable

NEVER = 2**63


class Schedule:
    """A handful of named events; posting a name again moves it. ``on_earlier`` is told about a new earliest time."""

    def __init__(self, on_earlier: Callable[[int], None]) -> None:
        self._events: dict[str, tuple[int, Callable[[], None]]] = {}
        self._on_earlier = on_earlier

    def at(self, time: int, name: str, action: Callable[[], None]) -> None:
        """Calls ``action`` once guest time has reached ``time``."""
        self._events[name] = (time, action)
        self._on_earlier(time)

    def cancel(self, name: str) -> None:
        """Forgets an event; nothing happens if there is none."""
        self._events.pop(name, None)

    def clear(self) -> None:
        """Forgets all events."""
        self._events.clear()

    @property
    def next_time(self) -> int:
        """Time of the earliest event, or NEVER."""
        return min((time for time, _ in self._events.values()), default=NEVER)

    @property
    def next_name(self) -> str | None:
        """Name of the earliest event; of two at one time, the one posted first."""
        return min(self._events, key=lambda name: self._events[name][0], default=None)

    def run_due(self, now: int) -> None:
        """Fires everything due, earliest first."""
        while (name := self.next_name) is not None and self._events[name][0] <= now:
            self._events.pop(name)[1]()
