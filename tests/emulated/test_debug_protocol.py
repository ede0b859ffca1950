# SPDX-License-Identifier: Apache-2.0
"""The gdb server below gdb: packets that come damaged, Ctrl-C, debuggers that go without a word."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from trainbed.debug.rsp import INTERRUPT, Connection, Gone, listen
from trainbed.debug.session import Attach, debug_scenario
from trainbed.errors import InputError
from trainbed.scenario import load_scenario
from trainbed.scenario.scenario import Scenario

Write = Callable[..., Path]


class RawGdb:
    """A debugger that says what it is told to; reads acknowledgements and packets apart."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=20)
        self._received = b""

    def send(self, raw: bytes) -> None:
        self._socket.sendall(raw)

    def ask(self, data: bytes) -> bytes:
        """A packet's answer."""
        self.send(packet(data))
        assert self.read(1) == b"+"
        return self.answer()

    def answer(self) -> bytes:
        while b"#" not in self._received[:-2]:
            part = self._socket.recv(4096)
            assert part, "the server closed the connection"
            self._received += part
        end = self._received.index(b"#")
        body, self._received = self._received[1:end], self._received[end + 3 :]
        self.send(b"+")
        return body

    def read(self, n_bytes: int) -> bytes:
        while len(self._received) < n_bytes:
            self._received += self._socket.recv(1)
        raw, self._received = self._received[:n_bytes], self._received[n_bytes:]
        return raw

    def close(self) -> None:
        self._socket.close()


def packet(data: bytes) -> bytes:
    return b"$" + data + b"#%02x" % (sum(data) & 0xFF)


@pytest.fixture
def scenario(scenario_file: Write) -> Scenario:
    return load_scenario(scenario_file(("epochs: 5", "epochs: 1")))


def converse(scenario: Scenario, talk: Callable[[Callable[[], RawGdb]], None]) -> str:
    """Runs a scenario whose debugger is ``talk``, given what attaches one; the weights' digest."""
    failed: list[BaseException] = []
    threads: list[threading.Thread] = []
    opened: list[RawGdb] = []

    def guarded(port: int) -> None:
        def connect() -> RawGdb:
            opened.append(RawGdb(port))
            return opened[-1]

        try:
            talk(connect)
        except BaseException as error:
            failed.append(error)
        finally:
            for gdb in opened:
                gdb.close()
        if failed:
            with suppress(OSError):
                last = RawGdb(port)
                last.send(packet(b"D"))  # or the run would wait for ever
                last.close()

    def attach(where: Attach) -> None:
        threads.append(threading.Thread(target=guarded, args=(where.port,)))
        threads[0].start()

    try:
        return debug_scenario(scenario, on_attach=attach)
    finally:
        for thread in threads:
            thread.join()
        if failed:
            raise failed[0]


def test_ctrl_c_halts_a_running_guest(scenario: Scenario) -> None:
    def talk(attach: Callable[[], RawGdb]) -> None:
        gdb = attach()
        assert gdb.ask(b"?").startswith(b"T05")
        before = gdb.ask(b"pf")
        gdb.send(packet(b"c") + INTERRUPT)
        assert gdb.read(1) == b"+"
        assert gdb.answer().startswith(b"T02")  # SIGINT
        assert gdb.ask(b"pf") == before  # it came before the first instruction
        assert gdb.ask(b"s").startswith(b"T05")
        assert gdb.ask(b"pf") != before
        assert gdb.ask(b"D") == b"OK"

    assert len(converse(scenario, talk)) == 64


def test_a_debugger_that_goes_without_a_word_leaves_the_guest_to_the_next(scenario: Scenario) -> None:
    def talk(attach: Callable[[], RawGdb]) -> None:
        first = attach()
        assert first.ask(b"Z0,20,2") == b"OK"
        assert first.ask(b"P0=78563412") == b"OK"
        first.close()
        second = attach()
        assert second.ask(b"p0") == b"78563412"  # where the first one left it
        assert second.ask(b"P0=00000000") == b"OK"
        assert second.ask(b"c") == b"W00"  # no breakpoint is left behind

    converse(scenario, talk)


def test_a_guest_goes_on_from_the_breakpoint_it_stands_at(scenario: Scenario) -> None:
    def talk(attach: Callable[[], RawGdb]) -> None:
        gdb = attach()
        pc = int.from_bytes(bytes.fromhex(gdb.ask(b"pf").decode()), "little")
        assert gdb.ask(b"Z0,%x,2" % pc) == b"OK"
        assert gdb.ask(b"c") == b"W00"  # reset comes but once

    converse(scenario, talk)


def test_a_damaged_packet_is_asked_for_again(scenario: Scenario) -> None:
    def talk(attach: Callable[[], RawGdb]) -> None:
        gdb = attach()
        gdb.send(b"$p0#00")
        assert gdb.read(1) == b"-"
        assert gdb.ask(b"p0") == b"00000000"
        assert gdb.ask(b"D") == b"OK"

    converse(scenario, talk)


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        (b"m90000000,4", b"E0e"),  # no memory
        (b"M90000000,1:00", b"E0e"),
        (b"m40002000,4", b"E0e"),  # a peripheral: reading could change it
        (b"mxyz", b"E16"),
        (b"pff", b"E16"),
        (b"cxyz", b"E16"),
        (b"vCont;r1", b"E16"),
        (b"Z9,20000000,4", b""),
        (b"z9,20000000,4", b""),
        (b"vMustReplyEmpty", b""),
        (b"!", b""),
    ],
)
def test_what_cannot_be_done_is_refused(scenario: Scenario, question: bytes, answer: bytes) -> None:
    def talk(attach: Callable[[], RawGdb]) -> None:
        gdb = attach()
        assert gdb.ask(question) == answer
        assert gdb.ask(b"D") == b"OK"

    converse(scenario, talk)


def test_all_registers_and_memory_are_written_as_they_are_read(scenario: Scenario) -> None:
    def talk(attach: Callable[[], RawGdb]) -> None:
        gdb = attach()
        before = gdb.ask(b"g")
        changed = b"efbeadde" + before[8:]
        assert gdb.ask(b"G" + changed) == b"OK"
        assert gdb.ask(b"g") == changed
        assert gdb.ask(b"X20000100,3:\x01}\x03\x7e") == b"OK"  # } escapes the # behind it
        assert gdb.ask(b"m20000100,4") == b"01237ea5"  # 0xa5: the paint of the stack
        assert gdb.ask(b"G" + before) == b"OK"
        assert gdb.ask(b"D") == b"OK"

    converse(scenario, talk)


def test_only_this_machine_can_connect() -> None:
    with listen(0) as listener:
        assert listener.getsockname()[0] == "127.0.0.1"


def test_a_taken_port_is_bad_input(scenario: Scenario) -> None:
    def attach(_: Attach) -> None:
        raise AssertionError("nothing to attach to")

    with listen(0) as listener:
        port = listener.getsockname()[1]
        with pytest.raises(InputError, match=rf"cannot listen on 127\.0\.0\.1:{port} .*--port 0 takes any free port"):
            debug_scenario(scenario, port=port, on_attach=attach)
    with pytest.raises(InputError, match="cannot listen"):
        listen(70_000)


def test_a_connection_that_ends_inside_a_packet_is_over() -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX)
    with ours, theirs, listen(0) as listener:
        with socket.create_connection(listener.getsockname()) as far:
            near, _ = listener.accept()
            far.sendall(b"$m2000")
        connection = Connection(near)
        with pytest.raises(Gone):
            connection.receive()
        connection.close()
