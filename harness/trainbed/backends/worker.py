# SPDX-License-Identifier: Apache-2.0
"""The process an emulator lives in: ``python -m trainbed.backends.worker DESCRIPTOR``.

It answers one request at a time and never outlives its parent: a thread watches the connection and ends the process as
soon as the other end is gone, even while a guest runs. Ctrl-C is the parent's business.
"""

from __future__ import annotations

import gc
import os
import select
import shutil
import signal
import socket
import sys
import tempfile
import threading
import traceback
from pathlib import Path
from typing import Any

from trainbed.backends.channel import Channel
from trainbed.backends.failure import GuestStopped
from trainbed.errors import BuildError, InputError, MissingTool

SCRATCH = "trainbed-worker-"
"""How the names of workers' folders for temporary files begin."""


class Service:
    """Requests by name. One guest at a time; the machine of the last firmware is kept for the next run of the same."""

    def __init__(self) -> None:
        self._guest: Any = None
        self._healthy = False

    def open(self, config: Any) -> str:
        """Builds the machine, or takes the one at hand. Returns the emulator's version."""
        from trainbed.backends.unicorn.guest import UnicornGuest

        if not (self._healthy and self._guest is not None and self._guest.config == config):
            self._guest = None
            gc.collect()  # an engine and its callbacks hold each other: some 10 MB until the cycle is found
            self._guest = config.make_guest() if hasattr(config, "make_guest") else UnicornGuest(config)
            self._healthy = True
        return str(self._guest.version)

    def call(self, name: str, *arguments: Any) -> Any:
        """One of the guest's methods. A guest that failed is not used again: its engine may be in any state."""
        try:
            return getattr(self._guest, name)(*arguments)
        except InputError:
            raise
        except BaseException:
            self._healthy = False
            raise


def serve(channel: Channel) -> None:
    """Answers until the parent closes the connection."""
    service = Service()
    while True:
        try:
            name, *arguments = channel.receive()
        except EOFError:
            return
        try:
            value = service.open(*arguments) if name == "open" else service.call(name, *arguments)
            reply: tuple[Any, ...] = ("ok", value)
        except GuestStopped as stop:
            reply = ("failure", stop.failure)
        except MissingTool as missing:
            reply = ("missing", missing.tool, missing.install, str(missing))
        except InputError as error:
            reply = ("input", str(error))
        except BuildError as error:
            reply = ("build", str(error))
        except Exception:
            reply = ("bug", traceback.format_exc())
        try:
            channel.send(reply)
        except OSError:
            return


def _watch(descriptor: int) -> None:
    """Ends the process when the parent's end is closed; asking for no event still reports a hang-up.

    A parent that ended a worker removes its scratch folder; one that was killed cannot.
    """
    poll = select.poll()
    poll.register(descriptor, 0)
    poll.poll()
    _end()


def _end() -> None:
    """Ends the process without the emulators' own clean-up: Mono alone takes seconds."""
    scratch = Path(tempfile.gettempdir())
    if scratch.name.startswith(SCRATCH):
        shutil.rmtree(scratch, ignore_errors=True)
    os._exit(0)


def main() -> None:
    """Entry point of the process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    end = socket.socket(fileno=int(sys.argv[1]))
    os.set_inheritable(end.fileno(), False)
    threading.Thread(target=_watch, args=(end.fileno(),), daemon=True).start()
    serve(Channel(end))
    _end()


if __name__ == "__main__":
    main()
