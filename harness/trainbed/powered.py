# SPDX-License-Identifier: Apache-2.0
"""A board with its firmware, switched on: the guest, the host's end of the link to it, and what broke it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from trainbed.backends.base import Budget, Guest, GuestImage
from trainbed.boards import Board
from trainbed.errors import GuestError, GuestFault, GuestHang
from trainbed.link.client import Client, LinkCounters
from trainbed.link.faults import FaultRates, Faults
from trainbed.prepare import Built
from trainbed.scenario.scenario import Scenario

MakeGuest = Callable[[Board, str, GuestImage], Guest]


class PoweredBoard:
    """A board that is switched on by boot(), and off by close(). Not thread-safe."""

    def __init__(
        self, board: Board, backend: str, scenario: Scenario, *, build: Callable[[], Built], open_guest: MakeGuest
    ) -> None:
        """Nothing is built or switched on yet. ``build``: the firmware, made once and kept by the caller."""
        self._board = board
        self._backend = backend
        self._scenario = scenario
        self._build = build
        self._open_guest = open_guest
        self._guest: Guest | None = None
        self._broken: GuestError | None = None
        self._client: Client | None = None
        self._faults: Faults | None = None
        self.post_mortem: Path | None = None
        """Folder for the state of a guest that breaks; None: one in the cache. The error says which."""

    def boot(self) -> None:
        """Power on, or off and on again: memories, counters and what broke it are cleared. Raises GuestError."""
        image = self._build().firmware.image
        self._broken = self._client = self._faults = None
        with self.unbroken():
            if self._guest is None:
                self._guest = self._open_guest(self._board, self._backend, image)
            self._guest.start()

    def close(self) -> None:
        """Power off; safe to call twice and after an error."""
        guest, self._guest = self._guest, None
        if guest is not None:
            guest.close()

    @property
    def on(self) -> bool:
        """It was booted, and not closed since."""
        return self._guest is not None

    @property
    def guest(self) -> Guest:
        """The guest of a board that is on."""
        assert self._guest is not None
        return self._guest

    @property
    def link(self) -> Client:
        """The host's end of the link, behind the scenario's link faults."""
        if self._client is None:
            given: dict[str, Any] = {k: v for k, v in self._scenario.budget.model_dump().items() if v is not None}
            self._client = Client(self._behind_faults(), budget=Budget(**given))
        return self._client

    @property
    def link_counters(self) -> LinkCounters:
        """What the host's end of the link has seen since the guest was booted."""
        return self._client.counters if self._client is not None else LinkCounters()

    @property
    def faults_injected(self) -> Mapping[str, int]:
        """How often each kind of link fault struck since the guest was booted."""
        return dict(self._faults.injected) if self._faults is not None else {}

    @property
    def broken(self) -> GuestError | None:
        """What broke the guest since it was booted."""
        return self._broken

    @contextmanager
    def unbroken(self) -> Iterator[None]:
        """What broke stays broken until the next boot(), and says so in its own words."""
        if self._broken is not None:
            raise self._broken
        try:
            yield
        except GuestError as error:
            self._broken = error
            if isinstance(error, GuestFault | GuestHang):
                error.post_mortem = self._keep_state(error)
            raise

    def exchange(self, data: bytes, *, guest_s: float) -> bytes:
        """Send raw bytes into the guest's UART; what it sent until it waits again, within ``guest_s`` guest seconds.

        Raises GuestHang when that is not enough (wall clock on native, which has no guest time), GuestError.
        """
        clock_hz = self._board.clock_hz
        limit = max(1, round(guest_s * clock_hz)) if clock_hz else Budget().cycles
        budget = Budget(cycles=limit, steps=limit, wall_s=Budget().wall_s if clock_hz else guest_s)
        with self.unbroken():
            return self.guest.exchange(data, budget=budget)

    def check_budget(self) -> None:
        """Hold the whole run to the scenario's budget; an exchange is held to it by the backend. Raises GuestHang."""
        budget, cost = self._scenario.budget, self.guest.cost()
        spent_cycles = budget.cycles is not None and cost.cycles > budget.cycles
        if spent_cycles or (budget.steps is not None and cost.instructions > budget.steps):
            spent = f"{cost.cycles} cycles, {cost.instructions} instructions"
            raise GuestHang(f"the run has spent its budget: {spent}; see budget: in the scenario")

    def _behind_faults(self) -> Guest:
        keys = self._scenario.link.faults
        if keys is None:
            return self.guest
        self._faults = Faults(self.guest, seed=keys.seed, rates=FaultRates(**keys.model_dump(exclude={"seed"})))
        return self._faults

    def _keep_state(self, error: GuestError) -> Path | None:
        from trainbed.debug.post_mortem import keep  # late: a run that breaks nowhere is not to load it

        return keep(error, guest=self._guest, built=self._build(), backend=self._backend, folder=self.post_mortem)
