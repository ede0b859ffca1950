# SPDX-License-Identifier: Apache-2.0
"""Renode in its worker: nothing is left of it, its log is kept, its settings are not the user's."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from guests import BREAK, BUDGET, on, opened
from port_guest import READY, answer, port_guest

from trainbed.backends.base import KeepsState, LoadsSamples
from trainbed.backends.pool import POOL
from trainbed.backends.registry import open_guest
from trainbed.boards import load_board
from trainbed.errors import GuestFault, InputError
from trainbed.toolchain import Firmware

BOARD = "arduino_nano_33_ble"


@pytest.fixture(params=[on("renode", BOARD)], scope="module")
def firmware(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Firmware:
    return port_guest(load_board(request.param[1]), tmp_path_factory.mktemp(BOARD), before_send=BREAK)


@pytest.fixture
def guest(firmware: Firmware) -> Iterator[Any]:
    with opened("renode", BOARD, firmware.image) as started:
        yield started


def _resident_bytes(pid: int) -> int:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def _scratch() -> set[str]:
    return {entry.name for entry in Path(tempfile.gettempdir()).iterdir() if "renode" in entry.name}


@pytest.mark.parametrize("times", [10, pytest.param(500, marks=[pytest.mark.slow, pytest.mark.timeout(1800)])])
def test_starts_leave_no_process_descriptor_file_or_memory(times: int, firmware: Firmware) -> None:
    with opened("renode", BOARD, firmware.image) as guest:
        pid = guest.worker_pid
        for _ in range(5):
            guest.start()
        descriptors, begun = len(list(Path(f"/proc/{pid}/fd").iterdir())), _resident_bytes(pid)
        before = _scratch()
        for _ in range(times):
            guest.start()
            assert guest.exchange(b"", budget=BUDGET) == READY
            assert guest.worker_pid == pid
        assert len(list(Path(f"/proc/{pid}/fd").iterdir())) <= descriptors
        assert _resident_bytes(pid) - begun < 64 << 20
        assert _scratch() <= before


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_many_machines_do_not_pile_up_in_one_worker(firmware: Firmware) -> None:
    sizes, pids = [], []
    for _ in range(100):
        with opened("renode", BOARD, firmware.image) as guest:
            sizes.append(_resident_bytes(guest.worker_pid))
            pids.append(guest.worker_pid)
            with pytest.raises(GuestFault):  # what broke is not used again
                guest.exchange(b"u\0", budget=BUDGET)
    assert max(sizes) - sizes[0] < 160 << 20
    ended = dict.fromkeys(pids[:-1])
    ended.pop(pids[-1], None)
    assert len(ended) >= 3
    assert not any(Path(f"/proc/{pid}").exists() for pid in ended)


def test_a_worker_that_is_ended_takes_its_files_along(firmware: Firmware) -> None:
    before = set(Path(tempfile.gettempdir()).glob("trainbed-worker-*"))
    guest = open_guest(load_board(BOARD), "renode", firmware.image)
    POOL.close()
    guest.start()
    [scratch] = set(Path(tempfile.gettempdir()).glob("trainbed-worker-*")) - before
    assert any(entry.name.startswith("renode") for entry in scratch.iterdir())
    guest.close()
    POOL.close()
    assert not scratch.exists()


def test_renode_ends_and_takes_its_files_along_when_its_parent_is_killed(firmware: Firmware) -> None:
    code = f"""
import sys
from pathlib import Path
from trainbed.backends.base import GuestImage
from trainbed.backends.registry import open_guest
from trainbed.boards import load_board
from trainbed.toolchain import facts
elf = Path({str(firmware.image.elf)!r})
found = facts(elf)
image = GuestImage(elf=elf, sha256="", marks=found.marks, functions=found.functions)
guest = open_guest(load_board({BOARD!r}), "renode", image)
guest.start()
print(guest.worker_pid, flush=True)
sys.stdin.read()
"""
    parent = subprocess.Popen(
        [sys.executable, "-c", code],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert parent.stdin is not None and parent.stdout is not None
    pid = int(parent.stdout.readline())
    environment = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    [scratch] = [Path(entry[7:].decode()) for entry in environment if entry.startswith(b"TMPDIR=")]
    assert scratch.is_dir()
    ending = os.pidfd_open(pid)
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    try:
        assert select.select([ending], [], [], 20)[0]
        assert not scratch.exists()
    finally:
        os.close(ending)
        parent.stdin.close()
        parent.stdout.close()


def test_samples_go_only_where_the_firmware_has_room_for_them(guest: Any) -> None:
    assert isinstance(guest, LoadsSamples)
    with pytest.raises(InputError, match="do not fit"):
        guest.load_samples(0, b"x")


def test_memory_outside_the_board_is_refused(guest: Any) -> None:
    with pytest.raises(InputError, match="no memory at"):
        guest.read_memory(0x3000_0000, 4)


def test_what_renode_logged_is_kept_of_a_guest_that_broke(guest: Any) -> None:
    assert isinstance(guest, KeepsState)
    with pytest.raises(GuestFault):
        guest.exchange(b"u\0", budget=BUDGET)
    assert b"[INFO]" in guest.state().log
    assert b"board" in guest.state().log


@pytest.mark.parametrize("place", [on("renode", BOARD)])
def test_a_store_to_flash_is_a_fault(place: tuple[str, str], tmp_path: Path) -> None:
    backend, board = place
    store = "if (n > 0 && rx[0] == 'F') { *(volatile uint32_t *)(0x00020000u) = 1; }"
    firmware = port_guest(load_board(board), tmp_path, before_send=store)
    with opened(backend, board, firmware.image) as guest:
        with pytest.raises(GuestFault, match="store to flash at 0x00020000") as caught:
            guest.exchange(b"F\0", budget=BUDGET)
        assert caught.value.kind == "write_protected"


def test_bytes_beyond_what_is_armed_or_behind_a_delimiter_are_lost_and_counted(guest: Any) -> None:
    assert guest.exchange(b"one\0two\0", budget=BUDGET) == answer(b"one\0")
    assert guest.lost_bytes() == 4
    assert guest.exchange(b"three\0", budget=BUDGET) == answer(b"three\0")


def test_the_users_settings_of_renode_are_left_alone(firmware: Firmware, tmp_path: Path) -> None:
    POOL.close()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOME", str(tmp_path))
        patch.setenv("XDG_CONFIG_HOME", str(tmp_path / "mine"))
        with opened("renode", BOARD, firmware.image) as guest:
            assert guest.exchange(b"x\0", budget=BUDGET) == answer(b"x\0")
        POOL.close()
    assert list(tmp_path.iterdir()) == []
