# SPDX-License-Identifier: Apache-2.0
"""What Renode has to say: kept in a file of the worker, read when something broke."""

from __future__ import annotations

import tempfile
from pathlib import Path

from trainbed.backends.renode.dotnet import namespace

_KEPT_BYTES = 1 << 20
_TAIL_LINES = 10


class Log:
    """Renode's log of this process, from attach() on."""

    def __init__(self) -> None:
        self._file = Path(tempfile.gettempdir()) / "renode.log"
        self._begin = 0

    def attach(self) -> None:
        """Has Renode write it; a second time in a process only notes where this guest's part begins."""
        logging = namespace("Antmicro.Renode.Logging")
        if not self._file.exists():
            path = namespace("Antmicro.Renode.Utilities").SequencedFilePath(str(self._file))
            logging.Logger.AddBackend(logging.FileBackend(path), "file", True)
        self._begin = self._file.stat().st_size if self._file.exists() else 0

    def read(self) -> bytes:
        """The end of this guest's part."""
        namespace("Antmicro.Renode.Logging").Logger.Flush()
        try:
            return self._file.read_bytes()[self._begin :][-_KEPT_BYTES:]
        except OSError:
            return b""

    def tail(self) -> str:
        """Its last lines."""
        return "\n".join(self.read().decode(errors="replace").splitlines()[-_TAIL_LINES:])
