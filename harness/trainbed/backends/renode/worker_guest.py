# SPDX-License-Identifier: Apache-2.0
"""A guest in Renode, seen from the parent: any worker's guest, and a way for samples past the UART."""

from __future__ import annotations

from trainbed.backends.worker_guest import WorkerGuest

_MACHINES = 30
"""A worker is used for so many machines: each keeps some 3 MB of Renode's memory when the next one takes its place."""


class RenodeWorkerGuest(WorkerGuest):
    """Implements trainbed.backends.base.Guest, KeepsState and LoadsSamples."""

    def start(self) -> None:
        """Power on; see Guest.start. A worker that has built many machines ends with this guest."""
        super().start()
        assert self._worker is not None
        self._worker.worn = int(self._request("machines_built")) >= _MACHINES

    def load_samples(self, offset: int, data: bytes) -> None:
        """See LoadsSamples.load_samples."""
        self._request("load_samples", offset, data)
