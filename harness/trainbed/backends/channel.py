# SPDX-License-Identifier: Apache-2.0
"""Pickled messages over a socket pair, with a time limit and a plain answer when the other end is gone."""

from __future__ import annotations

import pickle
import select
import socket
import struct
import time
from typing import Any

_LENGTH = struct.Struct("<Q")


class Channel:
    """One end of a connection between a parent and its worker. Both ends are our own processes: pickle is safe."""

    def __init__(self, end: socket.socket) -> None:
        self._socket = end
        self._socket.setblocking(True)

    def fileno(self) -> int:
        """Descriptor of this end."""
        return self._socket.fileno()

    def send(self, message: Any) -> None:
        """Sends one message. Raises OSError when the other end is gone."""
        body = pickle.dumps(message, protocol=pickle.HIGHEST_PROTOCOL)
        self._socket.sendall(_LENGTH.pack(len(body)) + body)

    def receive(self, timeout_s: float | None = None) -> Any:
        """The next message. Raises EOFError when the other end is gone, TimeoutError when nothing comes."""
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        (size,) = _LENGTH.unpack(self._exactly(_LENGTH.size, deadline))
        return pickle.loads(self._exactly(size, deadline))

    def close(self) -> None:
        """Closes this end; safe to call twice."""
        self._socket.close()

    def _exactly(self, n_bytes: int, deadline: float | None) -> bytes:
        data = bytearray()
        while len(data) < n_bytes:
            self._wait(deadline)
            try:
                part = self._socket.recv(min(1 << 20, n_bytes - len(data)))
            except ConnectionError:
                part = b""
            if not part:
                raise EOFError("the other end is gone")
            data += part
        return bytes(data)

    def _wait(self, deadline: float | None) -> None:
        poll = select.poll()
        poll.register(self._socket, select.POLLIN)
        left_ms = None if deadline is None else max(0.0, deadline - time.monotonic()) * 1000
        if not poll.poll(left_ms):
            raise TimeoutError("no answer")
