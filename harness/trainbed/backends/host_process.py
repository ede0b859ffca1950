# SPDX-License-Identifier: Apache-2.0
"""Native backend: the firmware as a host process that speaks its UART over stdin and stdout.

The process writes one 'W' on a pipe of its own (TRN_WAIT_FD) each time it is about to sleep with nothing to read. Data
is sent in pieces the pipe takes at once, and only to a process that sleeps: it has then read everything before its next
'W', which therefore means what it says.
"""

from __future__ import annotations

import os
import re
import select
import signal
import subprocess
import tempfile
import time
from typing import IO

from trainbed.backends.base import Budget, GuestImage
from trainbed.backends.uncounted import UncountedGuest
from trainbed.errors import EmulatorCrash, GuestError, GuestFault, GuestHang, InputError

_PIECE = 16384
"""Bytes written at once; a pipe holds 65536, a few pages less where many pipes are open."""
_START_WALL_S = 120.0
_STDERR_TAIL = 4000
_SIGNAL_FAULTS = {
    signal.SIGSEGV: "read_unmapped", signal.SIGBUS: "unaligned", signal.SIGILL: "undefined_instruction",
    signal.SIGFPE: "assertion", signal.SIGABRT: "assertion", signal.SIGTRAP: "assertion",
}  # fmt: skip
_SANITIZER = re.compile(r"(?:AddressSanitizer|LeakSanitizer|UndefinedBehaviorSanitizer|runtime error): *([^\n]*)")
_FRAME = re.compile(r"#\d+ 0x[0-9a-f]+ in (\S+) (?:[^\s:()]*/)?([^\s:()/]+:\d+)")


class HostProcessGuest(UncountedGuest):
    """One process per run; counts nothing."""

    def __init__(self, image: GuestImage) -> None:
        self._image = image
        self._process: subprocess.Popen[bytes] | None = None
        self._guard: subprocess.Popen[bytes] | None = None
        self._wait_fd = -1
        self._stderr: IO[bytes] | None = None
        self._output = bytearray()

    @property
    def backend(self) -> str:
        """Name of the backend."""
        return "native"

    @property
    def version(self) -> str:
        """The host's own machine."""
        return os.uname().machine

    @property
    def pid(self) -> int | None:
        """Process id, while the guest runs."""
        return None if self._process is None else self._process.pid

    def start(self) -> None:
        """A fresh process, run to its first wait."""
        self.close()
        self._output.clear()
        self._busy_s = 0.0
        wait_read, wait_write = os.pipe()
        self._stderr = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the process
        try:
            self._process = subprocess.Popen(
                [str(self._image.elf)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._stderr,
                pass_fds=[wait_write],
                start_new_session=True,
                bufsize=0,
                env={**os.environ, "TRN_WAIT_FD": str(wait_write)},
            )
        except OSError as error:
            os.close(wait_read)
            self._stderr.close()
            raise EmulatorCrash(f"cannot run {self._image.elf}: {error}") from None
        finally:
            os.close(wait_write)
        self._wait_fd = wait_read
        self._guard = _end_with_us(self._process.pid)
        os.set_blocking(self._process.stdout.fileno(), False)  # type: ignore[union-attr]
        self._until_wait(time.monotonic() + _START_WALL_S, _START_WALL_S)

    def exchange(self, data: bytes, *, budget: Budget) -> bytes:
        """See Guest.exchange. Guest time does not exist here: only ``budget.wall_s`` counts."""
        process = self._running()
        deadline = time.monotonic() + budget.wall_s
        assert process.stdin is not None
        begin = time.perf_counter()
        for start in range(0, len(data), _PIECE):
            try:
                process.stdin.write(data[start : start + _PIECE])
            except BrokenPipeError:
                raise self._ended() from None
            self._until_wait(deadline, budget.wall_s)
        self._busy_s += time.perf_counter() - begin
        answer = bytes(self._output)
        self._output.clear()
        return answer

    def read_memory(self, address: int, n_bytes: int) -> bytes:
        """Not offered: a host process has no fixed addresses. Raises InputError."""
        raise InputError("the native backend cannot read guest memory: a host process has no fixed addresses")

    def close(self) -> None:
        """Ends the process; safe to call twice."""
        process, self._process = self._process, None
        guard, self._guard = self._guard, None
        if guard is not None:
            guard.kill()
            guard.wait()
            assert guard.stdin is not None
            guard.stdin.close()
        if process is not None:
            process.kill()
            process.wait()
            for stream in (process.stdin, process.stdout):
                if stream is not None:
                    stream.close()
            os.close(self._wait_fd)
        if self._stderr is not None:
            self._stderr.close()
            self._stderr = None

    # -- inside ----------------------------------------------------------------------------------------------------

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            raise EmulatorCrash("the guest is not running: start() was not called, or its process ended")
        return self._process

    def _until_wait(self, deadline: float, wall_s: float) -> None:
        """Collects output until the guest sleeps."""
        process = self._running()
        assert process.stdout is not None
        stdout = process.stdout.fileno()
        poll = select.poll()
        poll.register(self._wait_fd, select.POLLIN)
        poll.register(stdout, select.POLLIN)
        while True:
            ready = dict(poll.poll(max(0.0, deadline - time.monotonic()) * 1000))
            if not ready:
                self.close()
                raise GuestHang(f"the guest ran for {wall_s:g} s of wall clock without waiting for input")
            waits = b""
            if self._wait_fd in ready:
                waits = os.read(self._wait_fd, 64)
                if not waits:
                    raise self._ended()
            # Whatever the guest sent before it said so is in the pipe by now.
            if not self._drain(stdout):
                poll.unregister(stdout)
            if waits:
                return

    def _drain(self, stdout: int) -> bool:
        """Reads what is there; False at the end of the stream."""
        while True:
            try:
                part = os.read(stdout, 1 << 16)
            except BlockingIOError:
                return True
            if not part:
                return False
            self._output += part

    def _ended(self) -> GuestError:
        """The typed error for a process that is gone."""
        process = self._running()
        code = process.wait()
        assert self._stderr is not None
        self._stderr.seek(0)
        text = self._stderr.read().decode(errors="replace")
        tail = text[-_STDERR_TAIL:].strip()
        self.close()
        name = self._image.elf.name
        report = _SANITIZER.search(text)
        if report:
            frame = next(
                (match for match in _FRAME.finditer(text) if not match[2].startswith(("asan", "sanitizer"))), None
            )
            where = f"{frame[1]} ({frame[2]})" if frame else name
            return GuestFault("assertion", pc=0, where=where, detail=f"{report[1].strip()}\n{tail}")
        if code < 0 and signal.Signals(-code) in _SIGNAL_FAULTS:
            number = signal.Signals(-code)
            detail = number.name + (f"\n{tail}" if tail else "")
            return GuestFault(_SIGNAL_FAULTS[number], pc=0, where=name, detail=detail)
        how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
        return EmulatorCrash(f"{name} {how}" + (f":\n{tail}" if tail else ""))


def _end_with_us(pid: int) -> subprocess.Popen[bytes]:
    """A shell that kills ``pid`` once this process is gone: a guest that computes for ever sees no end of its input."""
    return subprocess.Popen(
        ["/bin/sh", "-c", f"read _; kill -9 {pid}"],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
