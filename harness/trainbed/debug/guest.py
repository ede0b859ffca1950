# SPDX-License-Identifier: Apache-2.0
"""Guests that wait for gdb. Each says where it listens through ``on_listening`` before start() waits for gdb there."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import Any

from trainbed.backends.base import Budget, Guest, GuestImage
from trainbed.backends.pool import POOL
from trainbed.backends.registry import open_guest
from trainbed.backends.worker_guest import WorkerGuest
from trainbed.boards import Board
from trainbed.debug.rsp import OnListening
from trainbed.debug.stub import FOREVER_S
from trainbed.errors import GuestError, InputError

AVR_EMULATORS = ("simavr", "yasimavr")
DEBUGGABLE = ("unicorn", "qemu", "renode", *AVR_EMULATORS)


def open_debug_guest(board: Board, backend: str, image: GuestImage, *, port: int, on_listening: OnListening) -> Guest:
    """A guest that halts before its first instruction and waits for gdb on 127.0.0.1.

    ``port`` 0: any free one. Raises InputError for a backend without a debugger, MissingTool.
    """
    if backend in ("unicorn", "renode", *AVR_EMULATORS):
        plain = open_guest(board, backend, image)
        assert isinstance(plain, WorkerGuest)
        return DebugGuest(plain, image=image, port=port, on_listening=on_listening)
    if backend == "qemu":
        from trainbed.debug.qemu_guest import QemuDebugGuest

        return QemuDebugGuest(board, image, port=port, on_listening=on_listening)
    raise InputError(f"trainbed debug works on: {', '.join(DEBUGGABLE)}; this scenario runs on {backend}")


def _debug_config(plain: WorkerGuest) -> Any:
    """What the worker builds the debugger's guest from."""
    if plain.backend in AVR_EMULATORS:
        from trainbed.debug.avr_target import AvrDebugConfig

        return AvrDebugConfig(plain.config)
    if plain.backend == "renode":
        return replace(plain.config, gdb=True)
    from trainbed.debug.unicorn_target import DebugConfig

    return DebugConfig(plain.config)


class DebugGuest(WorkerGuest):
    """A guest behind a gdb server in its worker: our own beside the engine, Renode's own in Renode."""

    def __init__(self, plain: WorkerGuest, *, image: GuestImage, port: int, on_listening: OnListening) -> None:
        super().__init__(plain.backend, plain.version, _debug_config(plain), image=image)
        self._port = port
        self._on_listening = on_listening

    def start(self) -> None:
        """Waits for gdb, then runs to the first wait as gdb lets it. Raises InputError when the port is taken."""
        if self._worker is None:
            self._worker = POOL.lease(self._backend)
            self._request("open", self._config)
            self._on_listening(int(self._request("listen", self._port)))
        self._request("start", wall_s=FOREVER_S)

    def exchange(self, data: bytes, *, budget: Budget) -> bytes:
        """As any guest's; the wall clock stands still while gdb has the guest."""
        return super().exchange(data, budget=replace(budget, wall_s=FOREVER_S))

    def close(self) -> None:
        """gdb sees the program exit. The worker ends: its guest is not one for other runs."""
        worker = self._worker
        if worker is not None and worker.usable:
            with suppress(GuestError):
                worker.request("finish", wall_s=10.0)
        if worker is not None:
            worker.kill()
        super().close()

    def _request(self, *message: Any, wall_s: float = FOREVER_S) -> Any:
        return super()._request(*message, wall_s=wall_s)
