# SPDX-License-Identifier: Apache-2.0
"""A guest in Renode, seen from the parent: any worker's guest, and a way for samples past the UART."""

from __future__ import annotations

from trainbed.backends.worker_guest import WorkerGuest


class RenodeWorkerGuest(WorkerGuest):
    """Implements trainbed.backends.base.Guest, KeepsState and LoadsSamples."""

    def load_samples(self, offset: int, data: bytes) -> None:
        """See LoadsSamples.load_samples."""
        self._request("load_samples", offset, data)
