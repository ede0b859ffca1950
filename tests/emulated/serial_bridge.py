# SPDX-License-Identifier: Apache-2.0
"""A board for the serial backend's tests: an emulated guest, or a native one, behind a pseudo-terminal."""

from __future__ import annotations

import os
import pty
import select
import threading
import tty
from types import TracebackType

from trainbed.backends.base import Budget, Guest
from trainbed.errors import GuestError


class SerialBridge:
    """``port`` is the board's end; what is written there reaches the guest as it comes, in pieces, on a thread."""

    def __init__(self, guest: Guest, *, deaf: bool = False) -> None:
        """``deaf``: nothing sent to the board reaches it; it says READY once, when somebody has opened the port."""
        self._guest = guest
        self._deaf = deaf
        self._ours, self._theirs = pty.openpty()
        tty.setraw(self._theirs)
        self.port = os.ttyname(self._theirs)
        self._stop_read, self._stop_write = os.pipe()
        self._thread = threading.Thread(target=self._carry)
        self.broke: GuestError | None = None

    def __enter__(self) -> SerialBridge:
        self._guest.start()
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.unplug()
        self._guest.close()

    def unplug(self) -> None:
        """The cable is pulled; safe to call twice."""
        if self._ours >= 0:
            os.write(self._stop_write, b"x")
            self._thread.join()
            for descriptor in (self._ours, self._theirs, self._stop_read, self._stop_write):
                os.close(descriptor)
            self._ours = -1

    def _carry(self) -> None:
        if not self._deaf:
            self._give(b"")
        heard = False
        while True:
            ready = select.select([self._ours, self._stop_read], [], [])[0]
            if self._stop_read in ready:
                return
            data = os.read(self._ours, 4096)
            if not self._deaf:
                self._give(data)
            elif not heard:  # what was said before the port was open, opening it threw away
                self._give(b"")
            heard = True

    def _give(self, data: bytes) -> None:
        try:
            answer = self._guest.exchange(data, budget=Budget())
        except GuestError as error:
            self.broke = error
            self._deaf = True
            return
        while answer:
            answer = answer[os.write(self._ours, answer) :]
