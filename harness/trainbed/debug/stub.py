# SPDX-License-Identifier: Apache-2.0
"""The gdb server: what each packet of the remote serial protocol does to a target.

One thread: the machine calls ``poll`` while the guest runs and ``halt`` when it stopped; ``halt`` serves gdb until it
resumes the guest. Source: GDB manual, E.2 Packets, E.3 Stop Reply Packets, E.4 General Query Packets.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import ClassVar, Protocol

from trainbed.debug.registers import Register
from trainbed.debug.rsp import INTERRUPT, Connection, Gone

SIGINT, SIGILL, SIGTRAP, SIGABRT, SIGSEGV = 2, 4, 5, 6, 11
"""gdb's numbers of the signals that stand for why a guest stopped."""
FOREVER_S = 14 * 24 * 3600.0
"""Wall-clock limit of a guest while somebody may be looking at it."""
_PACKET_BYTES = 0x4000
_MALFORMED = b"E16"
_BREAKPOINT_KINDS = (b"0", b"1")
_WATCHPOINT_KINDS = {b"2": "watch", b"3": "rwatch", b"4": "awatch"}
_SUPPORTED = b"PacketSize=%x;QStartNoAckMode+;vContSupported+" % _PACKET_BYTES
_DESCRIBED = b";qXfer:features:read+"


@dataclass(frozen=True)
class Watchpoint:
    """Halts the guest behind an access to ``n_bytes`` from ``address`` on; ``kind``: watch (write), rwatch, awatch."""

    kind: str
    address: int
    n_bytes: int


class BadAddress(Exception):
    """There is no memory where gdb wants to read or write."""


@dataclass(frozen=True)
class Resume:
    """How the guest goes on: ``until`` it leaves a range of addresses (an empty one: one step), None: freely."""

    until: range | None = None
    killed: bool = False


class Target(Protocol):
    """A halted guest."""

    register_set: tuple[Register, ...]
    description: str
    """What tells gdb their names; empty for a core whose registers gdb knows."""
    has_watchpoints: bool
    """Otherwise gdb watches by stepping."""
    breakpoints: set[int]
    watchpoints: set[Watchpoint]

    def read_register(self, name: str) -> int:
        """Value of a register by gdb's name."""
        ...

    def write_register(self, name: str, value: int) -> None:
        """Changes a register."""
        ...

    def read_memory(self, address: int, n_bytes: int) -> bytes:
        """Memory. Raises BadAddress."""
        ...

    def write_memory(self, address: int, data: bytes) -> None:
        """Changes memory. Raises BadAddress."""
        ...


class Stub:
    """Serves one debugger at a time; another may attach once it has left."""

    def __init__(self, target: Target, listener: socket.socket) -> None:
        self._target = target
        self._listener = listener
        self._listener.setblocking(True)
        self._registers = target.register_set
        self._description = target.description.encode()
        self._supported = _SUPPORTED + (_DESCRIBED if self._description else b"")
        self._connection: Connection | None = None
        self._awaits_stop = False
        self._signal = SIGTRAP
        self._watched: Watchpoint | None = None

    # -- what the machine calls --------------------------------------------------------------------------------------

    def poll(self) -> bool:
        """While the guest runs: True when it is to halt, for Ctrl-C or because a debugger attached."""
        if self._connection is None:
            return self._accept(wait=False)
        try:
            return self._connection.interrupted()
        except Gone:
            self._leave()
            return self._accept(wait=False)

    def halt(self, signal: int, *, watched: Watchpoint | None = None) -> Resume:
        """The guest stopped: tells gdb and does what it asks until it resumes the guest; waits for a gdb to attach.

        ``watched``: the watchpoint that did it.
        """
        self._signal, self._watched = signal, watched
        while True:
            try:
                if self._connection is None:
                    self._accept(wait=True)
                elif self._awaits_stop:
                    self._send(self._stop_reply())
                return self._serve()
            except Gone:
                self._leave()  # without a word: the next one finds the guest where it is

    def finish(self) -> None:
        """The run is over: gdb sees the program exit."""
        try:
            if self._connection is not None and self._awaits_stop:
                self._send(b"W00")
        except Gone:
            pass
        self._leave()
        self._listener.close()

    # -- connection --------------------------------------------------------------------------------------------------

    def _accept(self, *, wait: bool) -> bool:
        self._listener.setblocking(wait)
        try:
            end, _ = self._listener.accept()
        except BlockingIOError:
            return False
        self._connection = Connection(end)
        self._awaits_stop = False
        return True

    def _leave(self) -> None:
        connection, self._connection = self._connection, None
        self._target.breakpoints.clear()
        self._target.watchpoints.clear()
        if connection is not None:
            connection.close()

    def _send(self, data: bytes) -> None:
        assert self._connection is not None
        self._connection.send(data)

    # -- packets -----------------------------------------------------------------------------------------------------

    def _serve(self) -> Resume:
        assert self._connection is not None
        while True:
            packet = self._connection.receive()
            if packet == INTERRUPT:
                continue  # it has stopped already
            try:
                resume = self._resume(packet)
            except ValueError:
                self._send(_MALFORMED)
                continue
            if resume is not None:
                return resume
            self._send(self._answer(packet))

    def _resume(self, packet: bytes) -> Resume | None:
        """The packets that end a halt; None for all others."""
        letter = packet[:1]
        if letter == b"D":
            self._farewell(b"OK")
            return Resume()
        if letter == b"k" or packet.startswith(b"vKill"):
            self._farewell(b"OK" if letter == b"v" else b"")
            return Resume(killed=True)
        if packet.startswith(b"vCont;"):
            action = packet[6:].split(b";")[0].split(b":")[0]  # there is one thread: the first action is its own
        elif letter in (b"c", b"s"):
            action = letter
            if len(packet) > 1:
                self._target.write_register("pc", int(packet[1:], 16))
        elif letter in (b"C", b"S"):
            action = letter  # the guest knows no signals
        else:
            return None
        until = range(0) if action[:1] in (b"s", b"S") else None
        if action[:1] == b"r":
            start, end = (int(text, 16) for text in action[1:].split(b","))
            until = range(start, end)
        self._awaits_stop = True
        return Resume(until)

    def _farewell(self, answer: bytes) -> None:
        """gdb leaves; it need not wait for the answer."""
        if answer:
            with suppress(Gone):
                self._send(answer)
        self._leave()

    def _answer(self, packet: bytes) -> bytes:
        handler = self._HANDLERS.get(packet[:1])
        try:
            return handler(self, packet[1:]) if handler is not None else b""
        except BadAddress:
            return b"E0e"
        except (ValueError, IndexError):
            return _MALFORMED

    def _stop_reply(self) -> bytes:
        self._awaits_stop = False
        watched = self._watched
        why = f"{watched.kind}:{watched.address:x};".encode() if watched is not None else b""
        return b"T%02x%sthread:1;" % (self._signal, why)

    def _why(self, _rest: bytes) -> bytes:
        return self._stop_reply()

    def _ok(self, _rest: bytes) -> bytes:
        return b"OK"

    def _read_all(self, _rest: bytes) -> bytes:
        return b"".join(self._register_hex(register) for register in self._registers)

    def _write_all(self, rest: bytes) -> bytes:
        data = bytes.fromhex(rest.decode("ascii"))
        for register in self._registers:
            n_bytes = register.bits // 8
            value, data = data[:n_bytes], data[n_bytes:]
            if len(value) == n_bytes:
                self._target.write_register(register.name, int.from_bytes(value, "little"))
        return b"OK"

    def _read_one(self, rest: bytes) -> bytes:
        return self._register_hex(self._registers[int(rest, 16)])

    def _write_one(self, rest: bytes) -> bytes:
        number, _, value = rest.partition(b"=")
        register = self._registers[int(number, 16)]
        self._target.write_register(register.name, int.from_bytes(bytes.fromhex(value.decode("ascii")), "little"))
        return b"OK"

    def _register_hex(self, register: Register) -> bytes:
        value = self._target.read_register(register.name)
        return value.to_bytes(register.bits // 8, "little").hex().encode()

    def _read_memory(self, rest: bytes) -> bytes:
        address, n_bytes = (int(text, 16) for text in rest.split(b","))
        return self._target.read_memory(address, min(n_bytes, _PACKET_BYTES // 2)).hex().encode()

    def _write_memory(self, rest: bytes) -> bytes:
        where, _, data = rest.partition(b":")
        self._target.write_memory(int(where.split(b",")[0], 16), bytes.fromhex(data.decode("ascii")))
        return b"OK"

    def _write_binary(self, rest: bytes) -> bytes:
        where, _, data = rest.partition(b":")
        if data:
            self._target.write_memory(int(where.split(b",")[0], 16), data)
        return b"OK"

    def _insert(self, rest: bytes) -> bytes:
        kind, address, n_bytes, *_ = rest.split(b",")
        if kind in _BREAKPOINT_KINDS:
            self._target.breakpoints.add(int(address, 16) & ~1)
        elif kind in _WATCHPOINT_KINDS and self._target.has_watchpoints:
            self._target.watchpoints.add(Watchpoint(_WATCHPOINT_KINDS[kind], int(address, 16), int(n_bytes, 16)))
        else:
            return b""
        return b"OK"

    def _remove(self, rest: bytes) -> bytes:
        kind, address, n_bytes, *_ = rest.split(b",")
        if kind in _BREAKPOINT_KINDS:
            self._target.breakpoints.discard(int(address, 16) & ~1)
        elif kind in _WATCHPOINT_KINDS and self._target.has_watchpoints:
            self._target.watchpoints.discard(Watchpoint(_WATCHPOINT_KINDS[kind], int(address, 16), int(n_bytes, 16)))
        else:
            return b""
        return b"OK"

    def _query(self, rest: bytes) -> bytes:
        name = rest.split(b":")[0].split(b",")[0]
        fixed = {
            b"Supported": self._supported, b"C": b"QC1", b"fThreadInfo": b"m1", b"sThreadInfo": b"l",
            b"Attached": b"1",  # gdb leaves the guest running when it quits
            b"Offsets": b"Text=0;Data=0;Bss=0", b"Symbol": b"OK",
        }  # fmt: skip
        if name == b"Xfer" and rest.startswith(b"Xfer:features:read:target.xml:"):
            start, n_bytes = (int(text, 16) for text in rest.rsplit(b":", 1)[1].split(b","))
            part = self._description[start : start + n_bytes]
            return (b"l" if start + n_bytes >= len(self._description) else b"m") + part
        return fixed.get(name, b"")

    def _set(self, rest: bytes) -> bytes:
        if rest != b"StartNoAckMode":
            return b""
        assert self._connection is not None
        self._connection.stop_acknowledging()
        return b"OK"

    def _many_letters(self, rest: bytes) -> bytes:
        return b"vCont;c;C;s;S;r" if rest == b"Cont?" else b""

    _HANDLERS: ClassVar[dict[bytes, Callable[[Stub, bytes], bytes]]] = {
        b"?": _why, b"H": _ok, b"T": _ok, b"g": _read_all, b"G": _write_all, b"p": _read_one, b"P": _write_one,
        b"m": _read_memory, b"M": _write_memory, b"X": _write_binary, b"Z": _insert, b"z": _remove, b"q": _query,
        b"Q": _set, b"v": _many_letters,
    }  # fmt: skip
