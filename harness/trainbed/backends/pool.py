# SPDX-License-Identifier: Apache-2.0
"""Workers from the parent's side: started, leased to a guest, given back, and never left behind."""

from __future__ import annotations

import atexit
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import IO, Any

from trainbed.backends.channel import Channel
from trainbed.backends.failure import Failure, as_error
from trainbed.backends.worker import SCRATCH
from trainbed.errors import BuildError, EmulatorCrash, InputError, MissingTool

_IDLE_LIMIT = 8
"""More idle workers than this are ended when they are given back."""
_STDERR_TAIL = 2000


class Worker:
    """One worker process. ``request`` raises typed errors; after an EmulatorCrash the worker is gone."""

    def __init__(self, backend: str = "") -> None:
        """``backend``: what it is for; an emulator stays loaded in the worker that ran it."""
        self.backend = backend
        self.worn = False
        """Not to be used again: its emulator has kept too much."""
        self._scratch = tempfile.mkdtemp(prefix=SCRATCH)
        ours, theirs = socket.socketpair()
        self._stderr: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the process
        try:
            package_root = str(Path(__file__).resolve().parents[2])
            path = os.environ.get("PYTHONPATH")
            self._process = subprocess.Popen(
                [sys.executable, "-m", "trainbed.backends.worker", str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=self._stderr,
                pass_fds=[theirs.fileno()],
                start_new_session=True,  # Ctrl-C in the terminal reaches the parent alone
                env={
                    **os.environ,
                    "PYTHONPATH": package_root + (os.pathsep + path if path else ""),
                    "PYTHONSAFEPATH": "1",  # a file in the user's folder must not pass for one of our modules
                    "TMPDIR": self._scratch,  # whatever an emulator leaves behind goes with the worker
                },
            )
        except BaseException:
            ours.close()
            self._stderr.close()
            shutil.rmtree(self._scratch, ignore_errors=True)
            raise
        finally:
            theirs.close()
        self._channel = Channel(ours)
        self._busy = False

    @property
    def pid(self) -> int:
        """Process id, for messages and tests."""
        return self._process.pid

    @property
    def usable(self) -> bool:
        """Alive and not in the middle of a request."""
        return not self._busy and self._process.poll() is None

    def request(self, *message: Any, wall_s: float, elf: Path | None = None) -> Any:
        """Sends one request and returns its answer.

        Raises GuestFault, GuestHang, GuestReset with names from ``elf``, InputError, MissingTool, BuildError, and
        EmulatorCrash when the worker dies or gives no answer within ``wall_s`` seconds (it is killed then).
        """
        self._busy = True
        try:
            self._channel.send(message)
            kind, *values = self._channel.receive(wall_s)
        except (EOFError, OSError) as error:
            if isinstance(error, TimeoutError):
                self.kill()
                raise EmulatorCrash(f"the emulator gave no answer within {wall_s:g} s and was stopped") from None
            raise self._crash() from None
        self._busy = False
        if kind == "ok":
            return values[0]
        if kind == "failure":
            failure: Failure = values[0]
            raise as_error(failure, elf)
        if kind == "missing":
            raise MissingTool(values[0], install=values[1])
        if kind == "input":
            raise InputError(values[0])
        if kind == "build":
            raise BuildError(values[0])
        raise EmulatorCrash(f"the emulator's worker failed:\n{values[0][-_STDERR_TAIL:]}")

    def kill(self) -> None:
        """Ends the process and frees everything it held; safe to call twice."""
        self._channel.close()
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        self._stderr.close()
        shutil.rmtree(self._scratch, ignore_errors=True)

    def _crash(self) -> EmulatorCrash:
        try:
            code = self._process.wait(timeout=2)
        except subprocess.TimeoutExpired:
            code = 0
        self._stderr.seek(0, os.SEEK_END)
        self._stderr.seek(max(0, self._stderr.tell() - _STDERR_TAIL))
        tail = self._stderr.read().decode(errors="replace").strip()
        self.kill()
        how = f"was killed by {_signal_name(-code)}" if code < 0 else f"ended with exit code {code}"
        return EmulatorCrash(f"the emulator's worker {how}" + (f":\n{tail}" if tail else ""))


class Pool:
    """Idle workers of this process."""

    def __init__(self) -> None:
        self._idle: list[Worker] = []
        self._leased: set[Worker] = set()
        self._lock = threading.Lock()
        self._owner = os.getpid()

    def lease(self, backend: str = "") -> Worker:
        """A worker nobody else uses; an idle one that ran the same backend if there is one."""
        with self._lock:
            self._forget_after_fork()
            for worker in [idle for idle in reversed(self._idle) if idle.backend == backend]:
                self._idle.remove(worker)
                if worker.usable:
                    self._leased.add(worker)
                    return worker
                worker.kill()
        worker = Worker(backend)
        with self._lock:
            self._leased.add(worker)
        return worker

    def give_back(self, worker: Worker) -> None:
        """Keeps a worker for the next lease, or ends it when it is broken or in the middle of something."""
        with self._lock:
            self._leased.discard(worker)
            fit = worker.usable and not worker.worn
            if fit and len(self._idle) < _IDLE_LIMIT and self._owner == os.getpid():
                self._idle.append(worker)
                return
        if self._owner == os.getpid():
            worker.kill()

    def close(self) -> None:
        """Ends all workers, leased ones too."""
        with self._lock:
            workers = [*self._idle, *self._leased] if self._owner == os.getpid() else []
            self._idle.clear()
            self._leased.clear()
        for worker in workers:
            worker.kill()

    def _forget_after_fork(self) -> None:
        """A forked child must not talk to its parent's workers."""
        if self._owner != os.getpid():
            self._owner = os.getpid()
            self._idle.clear()
            self._leased.clear()


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


POOL = Pool()
"""The pool of this process; emptied when it ends."""
atexit.register(POOL.close)
