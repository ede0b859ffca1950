# SPDX-License-Identifier: Apache-2.0
"""A guest whose emulator runs in a worker process; implements trainbed.backends.base.Guest."""

from __future__ import annotations

from typing import Any

from trainbed.backends.base import Budget, Cost, GuestImage, GuestState
from trainbed.backends.pool import POOL, Worker
from trainbed.errors import EmulatorCrash

_REPLY_S = 120.0
"""Wall-clock limit of requests that run no guest code, and of the start."""
_GRACE_S = 15.0
"""The worker stops an overdue guest itself and can then say where it was; only if it cannot is it killed."""


class WorkerGuest:
    """Leases a worker at start() and gives it back at close()."""

    def __init__(self, backend: str, version: str, config: Any, *, image: GuestImage) -> None:
        self._backend = backend
        self._version = version
        self._config = config
        self._image = image
        self._worker: Worker | None = None

    @property
    def backend(self) -> str:
        """Name of the backend."""
        return self._backend

    @property
    def version(self) -> str:
        """Version of the emulator."""
        return self._version

    @property
    def config(self) -> Any:
        """What the worker builds the machine from."""
        return self._config

    @property
    def worker_pid(self) -> int | None:
        """Process id of the worker, while one is leased."""
        return None if self._worker is None else self._worker.pid

    def start(self) -> None:
        """Power on; see Guest.start."""
        if self._worker is None:
            self._worker = POOL.lease(self._backend)
        self._request("open", self._config)
        self._request("start", wall_s=_REPLY_S + _GRACE_S)

    def exchange(self, data: bytes, *, budget: Budget) -> bytes:
        """Send and receive; see Guest.exchange."""
        return bytes(self._request("exchange", bytes(data), budget, wall_s=budget.wall_s + _GRACE_S))

    def cost(self) -> Cost:
        """Counts since start()."""
        cost: Cost = self._request("cost")
        return cost

    def stack_bytes(self) -> int:
        """High-water mark of the stack."""
        return int(self._request("stack_bytes"))

    def lost_bytes(self) -> int:
        """Bytes sent to the guest that its receiver was not armed for, since start()."""
        return int(self._request("lost_bytes"))

    def read_memory(self, address: int, n_bytes: int) -> bytes:
        """Bytes of the guest's memory. Raises InputError when they are not all mapped."""
        return bytes(self._request("read_memory", address, n_bytes))

    def state(self) -> GuestState:
        """Registers, RAM and last transfers; after a failure, too."""
        state: GuestState = self._request("state")
        return state

    def close(self) -> None:
        """Give the worker back."""
        worker, self._worker = self._worker, None
        if worker is not None:
            POOL.give_back(worker)

    def __enter__(self) -> WorkerGuest:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _request(self, *message: Any, wall_s: float = _REPLY_S) -> Any:
        if self._worker is None:
            raise EmulatorCrash("the guest is not running: start() was not called, or its worker died")
        worker = self._worker
        try:
            return worker.request(*message, wall_s=wall_s, elf=self._image.elf)
        finally:
            if not worker.usable:
                self.close()
