# SPDX-License-Identifier: Apache-2.0
"""The native backend: a host process behind pipes, with the same errors as an emulated board."""

from __future__ import annotations

import os
import select
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from guest_firmware import SOURCES

from trainbed.backends.base import Budget, GuestImage
from trainbed.backends.host_process import HostProcessGuest
from trainbed.backends.registry import open_guest
from trainbed.boards import load_board
from trainbed.errors import EmulatorCrash, GuestFault, GuestHang, InputError

BUDGET = Budget(wall_s=30.0)
PARENT = """
import sys
sys.path.insert(0, {harness!r})
from pathlib import Path
from trainbed.backends.base import Budget, GuestImage
from trainbed.backends.host_process import HostProcessGuest
guest = HostProcessGuest(GuestImage(elf=Path({elf!r}), sha256="", marks={{}}))
guest.start()
print(guest.pid, flush=True)
guest.exchange(b"l", budget=Budget())
"""


def build(folder: Path, *flags: str) -> GuestImage:
    elf = folder / "host"
    subprocess.run(["cc", "-g", "-O1", "-w", *flags, str(SOURCES / "host.c"), "-o", str(elf)], check=True)
    return GuestImage(elf=elf, sha256="", marks={})


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> GuestImage:
    return build(tmp_path_factory.mktemp("host"))


@contextmanager
def started(image: GuestImage) -> Iterator[HostProcessGuest]:
    guest = open_guest(load_board("native"), "auto", image)
    assert isinstance(guest, HostProcessGuest)
    try:
        guest.start()
        yield guest
    finally:
        guest.close()


def test_a_host_process_answers_and_is_known_to_wait(image: GuestImage) -> None:
    with started(image) as guest:
        assert guest.exchange(b"", budget=BUDGET) == b"ready"
        assert guest.exchange(b"hello", budget=BUDGET) == b"hello"
        assert guest.exchange(b"q", budget=BUDGET) == b""
        assert guest.exchange(b"welcome", budget=BUDGET) == b"welcome"


def test_an_answer_larger_than_the_pipe_arrives_whole(image: GuestImage) -> None:
    with started(image) as guest:
        guest.exchange(b"", budget=BUDGET)
        assert guest.exchange(b"b", budget=BUDGET) == b"b" * 200_000


def test_data_larger_than_the_pipe_arrives_whole(image: GuestImage) -> None:
    with started(image) as guest:
        guest.exchange(b"", budget=BUDGET)
        guest.exchange(b"q" * 300_000, budget=BUDGET)
        assert int.from_bytes(guest.exchange(b"n", budget=BUDGET), "little") == 300_001


def test_a_start_is_a_fresh_process(image: GuestImage) -> None:
    with started(image) as guest:
        first = guest.pid
        guest.exchange(b"12345", budget=BUDGET)
        guest.start()
        assert guest.pid != first
        assert guest.exchange(b"n", budget=BUDGET) == b"ready" + (1).to_bytes(4, "little")


@pytest.mark.parametrize(
    ("order", "kind", "detail"), [(b"s", "read_unmapped", "SIGSEGV"), (b"a", "assertion", "finite")]
)
def test_a_crash_is_a_fault_with_what_the_process_said(image: GuestImage, order: bytes, kind: str, detail: str) -> None:
    with started(image) as guest:
        with pytest.raises(GuestFault, match=detail) as caught:
            guest.exchange(order, budget=BUDGET)
        assert caught.value.kind == kind
        with pytest.raises(EmulatorCrash, match="not running"):
            guest.exchange(b"hello", budget=BUDGET)
        guest.start()
        assert guest.exchange(b"hello", budget=BUDGET) == b"readyhello"


def test_a_sanitizer_report_names_function_and_line(tmp_path: Path) -> None:
    with (
        started(build(tmp_path, "-fsanitize=address", "-static-libasan")) as guest,
        pytest.raises(GuestFault, match="heap-buffer-overflow") as caught,
    ):
        guest.exchange(b"o", budget=BUDGET)
    line = next(i for i, text in enumerate((SOURCES / "host.c").read_text().splitlines(), 1) if "case 'o'" in text)
    assert caught.value.where == f"main (host.c:{line})"


def test_a_process_that_ends_by_itself_is_a_crash_with_its_exit_code(image: GuestImage) -> None:
    with started(image) as guest, pytest.raises(EmulatorCrash, match=r"exit code 3:\nout of luck"):
        guest.exchange(b"x", budget=BUDGET)


def test_an_endless_loop_ends_at_the_wall_clock_limit(image: GuestImage) -> None:
    with started(image) as guest, pytest.raises(GuestHang, match=r"0\.3 s of wall clock"):
        guest.exchange(b"l", budget=Budget(wall_s=0.3))


def test_a_missing_executable_is_a_typed_error(tmp_path: Path) -> None:
    guest = HostProcessGuest(GuestImage(elf=tmp_path / "nothing", sha256="", marks={}))
    with pytest.raises(EmulatorCrash, match="cannot run"):
        guest.start()
    guest.close()


def test_nothing_is_counted_and_nothing_pretends_to_be(image: GuestImage) -> None:
    with started(image) as guest:
        cost = guest.cost()
        assert (cost.cost_class, cost.cycles, cost.instructions, guest.stack_bytes()) == ("none", 0, 0, -1)
        with pytest.raises(InputError, match="no fixed addresses"):
            guest.read_memory(0, 4)


@pytest.mark.parametrize("times", [50, pytest.param(500, marks=pytest.mark.slow)])
def test_starts_leak_neither_descriptors_nor_processes_nor_files(
    times: int, image: GuestImage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))

    def census() -> tuple[int, str]:
        children = Path(f"/proc/self/task/{os.getpid()}/children").read_text()
        return len(list(Path("/proc/self/fd").iterdir())), children

    before = census()
    for turn in range(times):
        with started(image) as guest:
            if turn % 10 == 0:
                with pytest.raises(GuestFault):
                    guest.exchange(b"s", budget=BUDGET)
    assert census() == before
    assert not list(tmp_path.iterdir())


def test_a_killed_parent_leaves_no_guest_behind(image: GuestImage) -> None:
    harness = str(Path(__file__).parents[2] / "harness")
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT.format(harness=harness, elf=str(image.elf))], stdout=subprocess.PIPE, text=True
    )
    assert parent.stdout is not None
    guest = os.pidfd_open(int(parent.stdout.readline()))
    parent.kill()
    parent.communicate(timeout=20)
    ready, _, _ = select.select([guest], [], [], 10.0)
    os.close(guest)
    assert ready
