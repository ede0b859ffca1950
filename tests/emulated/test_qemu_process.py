# SPDX-License-Identifier: Apache-2.0
"""QEMU's processes: nothing is left of them, however a run or its parent ends."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest
from port_guest import answer, port_guest
from qemu_boards import BUDGET, needs_qemu, opened

from trainbed.backends.base import LoadsSamples
from trainbed.backends.ported import read_symbols
from trainbed.backends.qemu.config import config_for
from trainbed.backends.qemu.guest import QemuGuest
from trainbed.boards import load_board
from trainbed.errors import EmulatorCrash, InputError
from trainbed.toolchain import Firmware, facts

pytestmark = needs_qemu
BOARD = "mps2_an386"


@pytest.fixture(scope="module")
def firmware(tmp_path_factory: pytest.TempPathFactory) -> Firmware:
    return port_guest(load_board(BOARD), tmp_path_factory.mktemp(BOARD))


def _descriptors() -> set[str]:
    return {str(entry.readlink()) for entry in Path("/proc/self/fd").iterdir() if entry.exists()}


def _names(folder: str) -> set[str]:
    return {entry.name for entry in Path(folder).iterdir()}


@pytest.mark.parametrize("times", [10, pytest.param(500, marks=[pytest.mark.slow, pytest.mark.timeout(1200)])])
def test_starts_leave_no_process_descriptor_or_file(
    times: int, firmware: Firmware, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))  # other tests run beside this one
    with opened(BOARD, firmware.image):
        pass
    files, descriptors = _names(tempfile.gettempdir()), _descriptors()
    pids = []
    for _ in range(times):
        with opened(BOARD, firmware.image) as guest:
            assert guest.emulator_pid is not None
            pids.append(guest.emulator_pid)
    assert len(set(pids)) == times
    assert not any(Path(f"/proc/{pid}").exists() for pid in pids)
    assert _descriptors() <= descriptors
    left = _names(tempfile.gettempdir()) - files
    assert not {name for name in left if "qemu" in name or "trainbed" in name}


def test_qemu_ends_when_its_parent_is_killed(firmware: Firmware) -> None:
    code = f"""
import sys
from pathlib import Path
from trainbed.backends.base import Budget, GuestImage
from trainbed.backends.qemu.config import config_for
from trainbed.backends.qemu.guest import QemuGuest
from trainbed.boards import load_board
from trainbed.toolchain import facts
elf = Path({str(firmware.image.elf)!r})
found = facts(elf)
image = GuestImage(elf=elf, sha256="", marks=found.marks, functions=found.functions)
guest = QemuGuest(config_for(load_board({BOARD!r}), image))
guest.start()
print(guest.emulator_pid, flush=True)
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
    exit_of_qemu = os.pidfd_open(pid)
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    try:
        assert _ended_within(exit_of_qemu, 20)
    finally:
        os.close(exit_of_qemu)
        parent.stdin.close()
        parent.stdout.close()


def _ended_within(pidfd: int, seconds: float) -> bool:
    return bool(select.select([pidfd], [], [], seconds)[0])


def test_memory_that_is_written_is_read_back(firmware: Firmware) -> None:
    with opened(BOARD, firmware.image) as guest:
        data = bytes(range(256)) * 40
        guest.write_memory(0x2010_0000, data)
        assert guest.read_memory(0x2010_0000, len(data)) == data
        assert guest.exchange(b"and on\0", budget=BUDGET) == answer(b"and on\0")


def test_samples_go_only_where_the_firmware_has_room_for_them(firmware: Firmware) -> None:
    with opened(BOARD, firmware.image) as guest:
        assert isinstance(guest, LoadsSamples)
        with pytest.raises(InputError, match="do not fit"):
            guest.load_samples(0, b"x")


def test_a_machine_qemu_does_not_know_is_an_emulator_error(firmware: Firmware) -> None:
    board = load_board(BOARD)
    config = config_for(board, firmware.image)
    with (
        QemuGuest(replace(config, machine="mps2-an999")) as guest,
        pytest.raises(EmulatorCrash, match=r"mps2-an999|unsupported machine"),
    ):
        guest.start()


def test_a_board_without_a_machine_is_refused(firmware: Firmware) -> None:
    with pytest.raises(InputError, match="names no machine of QEMU"):
        config_for(load_board("native"), firmware.image)


def test_symbols_are_those_of_the_elf_library(firmware: Firmware) -> None:
    elf = firmware.image.elf
    found = read_symbols(elf, ("trn_port_receiver", "main", "no_such_symbol"))
    known = facts(elf)
    assert set(found) == {"trn_port_receiver", "main"}
    assert found["main"][0] & ~1 == known.entries["main"]
    assert found["trn_port_receiver"][1] == known.symbols["trn_port_receiver"] == 16
