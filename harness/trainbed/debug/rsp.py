# SPDX-License-Identifier: Apache-2.0
"""Packets of gdb's remote serial protocol on a socket that listens on 127.0.0.1 alone.

``$data#checksum``, acknowledged by ``+`` until gdb switches that off. Source: GDB manual, appendix E "GDB Remote Serial
Protocol", E.1 Overview.
"""

from __future__ import annotations

import select
import socket
from collections.abc import Callable

from trainbed.errors import InputError

INTERRUPT = b"\x03"
_ESCAPED = b"#$}*"

OnListening = Callable[[int], None]
"""Told the port once a debugger may connect."""


class Gone(Exception):
    """The debugger closed the connection."""


def listen(port: int) -> socket.socket:
    """A socket one debugger may connect to; ``port`` 0: any free one. Raises InputError when the port is taken."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", port))
        listener.listen(1)
    except (OSError, OverflowError) as error:
        listener.close()
        raise InputError(f"cannot listen on 127.0.0.1:{port} for gdb ({error}); --port 0 takes any free port") from None
    return listener


class Connection:
    """One debugger's connection."""

    def __init__(self, end: socket.socket) -> None:
        self._socket = end
        self._socket.setblocking(True)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._received = b""
        self._acknowledges = True
        self._sent = b""

    def receive(self) -> bytes:
        """The next packet's data, or INTERRUPT. Raises Gone."""
        while True:
            while not self._received:
                self._more()
            lead = self._received[:1]
            if lead == b"$":
                data = self._packet()
                if data is not None:
                    return data
                continue
            self._received = self._received[1:]
            if lead == INTERRUPT:
                return INTERRUPT
            if lead == b"-":
                self._write(self._sent)

    def send(self, data: bytes) -> None:
        """Sends one packet. Raises Gone."""
        body = b"".join(b"}" + bytes([byte ^ 0x20]) if byte in _ESCAPED else bytes([byte]) for byte in data)
        self._sent = b"$" + body + b"#%02x" % _checksum(body)
        self._write(self._sent)

    def stop_acknowledging(self) -> None:
        """From the next packet on; both sides agreed to rely on TCP."""
        self._acknowledges = False

    def interrupted(self) -> bool:
        """gdb has sent Ctrl-C, or is gone; does not wait. Raises Gone."""
        while INTERRUPT not in self._received:
            if not select.select([self._socket], [], [], 0)[0]:
                return False
            self._more()
        self._received = self._received.replace(INTERRUPT, b"", 1)
        return True

    def close(self) -> None:
        """Safe to call twice."""
        self._socket.close()

    def _packet(self) -> bytes | None:
        """The packet at the head of what was received, None when it came damaged and was asked for again."""
        while (end := self._received.find(b"#")) < 0 or len(self._received) < end + 3:
            self._more()
        body, given = self._received[1:end], self._received[end + 1 : end + 3]
        self._received = self._received[end + 3 :]
        if self._acknowledges:
            is_intact = given.lower() == b"%02x" % _checksum(body)
            self._write(b"+" if is_intact else b"-")
            if not is_intact:
                return None
        return _unescape(body)

    def _more(self) -> None:
        try:
            part = self._socket.recv(1 << 16)
        except OSError:
            part = b""
        if not part:
            raise Gone
        self._received += part

    def _write(self, data: bytes) -> None:
        try:
            self._socket.sendall(data)
        except OSError:
            raise Gone from None


def _checksum(body: bytes) -> int:
    return sum(body) & 0xFF


def _unescape(body: bytes) -> bytes:
    first, *rest = body.split(b"}")
    return first + b"".join(bytes([part[0] ^ 0x20]) + part[1:] for part in rest if part)
