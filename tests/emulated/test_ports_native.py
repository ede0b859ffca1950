# SPDX-License-Identifier: Apache-2.0
"""The host port as a process: frames in, frames out, and the word it gives when it would sleep."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from port_guest import CAPACITY, READY, answer, frames, port_guest

from trainbed.boards import load_board


@dataclass
class Host:
    """The guest process and what it says when it waits."""

    process: subprocess.Popen[bytes]
    waits: int

    def await_sleep(self) -> None:
        assert os.read(self.waits, 1) == b"W"

    def send(self, data: bytes) -> None:
        assert self.process.stdin is not None
        os.write(self.process.stdin.fileno(), data)

    def receive(self, n_bytes: int) -> bytes:
        assert self.process.stdout is not None
        return self.process.stdout.read(n_bytes)

    def end(self) -> int:
        assert self.process.stdin is not None
        self.process.stdin.close()
        return self.process.wait(20)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("native")


@contextmanager
def running(folder: Path, *, sanitize: bool, capacity: int = CAPACITY) -> Iterator[Host]:
    elf = port_guest(load_board("native"), folder, sanitize=sanitize, capacity=capacity).image.elf
    waits, wait_fd = os.pipe()
    process = subprocess.Popen(
        [elf],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={"TRN_WAIT_FD": str(wait_fd)},
        pass_fds=[wait_fd],
    )
    os.close(wait_fd)
    try:
        host = Host(process, waits)
        assert host.receive(len(READY)) == READY
        host.await_sleep()
        yield host
    finally:
        process.kill()
        process.wait(20)
        for pipe in (process.stdin, process.stdout):
            assert pipe is not None
            pipe.close()
        os.close(waits)


@pytest.fixture(params=[False, True], ids=["plain", "sanitized"])
def host(request: pytest.FixtureRequest, folder: Path) -> Iterator[Host]:
    with running(folder, sanitize=request.param) as started:
        yield started


def test_every_frame_comes_back_with_its_length(host: Host) -> None:
    for frame in frames():
        host.send(frame)
        assert host.receive(4 + len(frame)) == answer(frame)
        host.await_sleep()


def test_a_frame_in_pieces_is_one_frame(host: Host) -> None:
    host.send(b"ab")
    host.await_sleep()
    host.send(b"c")
    host.await_sleep()
    host.send(b"\0")
    assert host.receive(8) == answer(b"abc\0")


def test_a_full_buffer_without_a_delimiter_is_no_frame(host: Host) -> None:
    host.send(b"x" * CAPACITY)
    assert host.receive(4) == answer(b"")
    host.await_sleep()
    host.send(b"next\0")
    assert host.receive(9) == answer(b"next\0")


def test_bytes_behind_a_delimiter_and_beyond_the_capacity_are_lost(host: Host) -> None:
    host.send(b"one\0two\0")
    assert host.receive(8) == answer(b"one\0")
    host.await_sleep()
    host.send(b"x" * (CAPACITY + 100))
    assert host.receive(4) == answer(b"")
    host.await_sleep()
    host.send(b"three\0")
    assert host.receive(10) == answer(b"three\0")


def test_the_end_of_the_input_powers_the_guest_off(host: Host) -> None:
    host.send(b"cut")
    host.await_sleep()
    assert host.end() == 0


def test_without_a_descriptor_the_guest_waits_in_silence(folder: Path) -> None:
    elf = port_guest(load_board("native"), folder).image.elf
    process = subprocess.Popen(
        [elf], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env={}, bufsize=0
    )
    assert process.stdout is not None
    assert process.stdout.read(len(READY)) == READY
    assert process.communicate(b"abc\0", timeout=20) == (answer(b"abc\0"), b"")
    assert process.returncode == 0


@pytest.mark.parametrize(
    ("mistake", "report"),
    [
        ("volatile uint32_t end = CAPACITY + 4; tx[end] = 1;", b"global-buffer-overflow|index [0-9]+ out of bounds"),
        ("int32_t big = 0x7fffffff; big += (int32_t)n; tx[0] = (uint8_t)big;", b"signed integer overflow"),
    ],
)
def test_the_sanitized_build_stops_at_a_mistake(tmp_path: Path, mistake: str, report: bytes) -> None:
    image = port_guest(load_board("native"), tmp_path, before_send=mistake, sanitize=True).image
    process = subprocess.Popen([image.elf], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.read(len(READY)) == READY
    _, errors = process.communicate(b"abc\0", timeout=20)
    assert process.returncode != 0
    assert re.search(report, errors), errors.decode()
