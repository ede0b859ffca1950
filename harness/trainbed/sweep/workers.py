# SPDX-License-Identifier: Apache-2.0
"""Where runs are carried out: processes of this machine or a dask cluster, executors of concurrent.futures both."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing.connection import Connection
from typing import Any, Protocol

from trainbed.errors import InputError, MissingTool
from trainbed.sweep.job import Job, Outcome, execute

CLUSTER_INSTALL = "pip install 'trainbed[cluster]'"
CONNECT_S = 20


class Workers(Protocol):
    """Carries out runs, ``width`` at a time."""

    @property
    def width(self) -> int:
        """Runs that go on side by side."""

    def submit(self, job: Job) -> Future[Outcome]:
        """Start a run."""

    def renew(self) -> None:
        """Start over after a worker died and took the others' runs with it."""

    def close(self, *, kill: bool) -> None:
        """End the workers; ``kill``: in the middle of their runs."""


class LocalWorkers:
    """Processes of this machine. They end with this one, however it ends."""

    def __init__(self, width: int) -> None:
        self._width = width
        self._context = multiprocessing.get_context("spawn")
        self._executor, self._leash = self._start()

    @property
    def width(self) -> int:
        """Number of processes."""
        return self._width

    def submit(self, job: Job) -> Future[Outcome]:
        with _no_interrupt_inherited():
            return self._executor.submit(execute, job)

    def renew(self) -> None:
        self.close(kill=True)
        self._executor, self._leash = self._start()

    def close(self, *, kill: bool) -> None:
        if kill:
            self._leash.close()
        self._executor.shutdown(wait=True, cancel_futures=True)
        self._leash.close()

    def _start(self) -> tuple[Executor, Connection]:
        theirs, ours = self._context.Pipe(duplex=False)
        executor = ProcessPoolExecutor(
            self._width, mp_context=self._context, initializer=_hold_on_to, initargs=(theirs,)
        )
        return executor, ours


class ClusterWorkers:
    """Workers of a dask cluster, which must have trainbed, its tools and, for files, the same paths."""

    def __init__(self, address: str) -> None:
        try:
            import distributed
        except ImportError:
            raise MissingTool("dask.distributed", install=CLUSTER_INSTALL) from None
        dask: Any = distributed  # no types of its own
        try:
            self._client = dask.Client(address, timeout=CONNECT_S, set_as_default=False)
        except (OSError, ValueError) as error:
            raise InputError(f"no dask scheduler answers at '{address}' within {CONNECT_S} s ({error})") from None
        self._executor: Executor = self._client.get_executor(pure=False, retries=0)

    @property
    def width(self) -> int:
        """Threads of all workers that are there now; workers may come and go."""
        threads: dict[str, int] = self._client.nthreads()
        return max(1, sum(threads.values()))

    def submit(self, job: Job) -> Future[Outcome]:
        return self._executor.submit(execute, job)

    def renew(self) -> None:
        """The scheduler replaces its workers by itself."""

    def close(self, *, kill: bool) -> None:
        self._executor.shutdown(wait=not kill)
        self._client.close()


@contextmanager
def workers_for(n: int | None, scheduler: str | None) -> Iterator[Workers]:
    """``n`` processes here (None: one per core), or the cluster of a scheduler, ended on the way out: in the middle of
    their runs where something was raised. Raises InputError, MissingTool.
    """
    workers = _open_workers(n, scheduler)
    done = False
    try:
        yield workers
        done = True
    finally:
        workers.close(kill=not done)


def _open_workers(n: int | None, scheduler: str | None) -> Workers:
    if scheduler is not None:
        if n is not None:
            raise InputError("--workers is for this machine; a cluster of --scheduler brings its own")
        return ClusterWorkers(scheduler)
    cores = len(os.sched_getaffinity(0))
    if n is not None and n < 1:
        raise InputError(f"--workers is {n}, expected at least 1")
    return LocalWorkers(n if n is not None else cores)


def _hold_on_to(leash: Connection) -> None:
    """In a worker: leave Ctrl-C to the parent, and end as soon as it lets go of the leash, or dies."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    def watch() -> None:
        leash.poll(None)
        os._exit(0)

    threading.Thread(target=watch, daemon=True).start()


@contextmanager
def _no_interrupt_inherited() -> Iterator[None]:
    """Processes that start inside do not hear Ctrl-C, not even before they could say so."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
