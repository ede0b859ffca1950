# SPDX-License-Identifier: Apache-2.0
"""AVR guests come and go: nothing stays behind, two side by side do not meet, a missing tool is named."""

from __future__ import annotations

from pathlib import Path

import pytest
from avr_boards import BOARDS, BUDGET, each_core, needs_avr, opened
from port_guest import READY, answer, port_guest

from trainbed.backends import registry
from trainbed.backends.avr import library
from trainbed.boards import load_board
from trainbed.errors import BuildError, InputError, MissingTool

pytestmark = needs_avr


def _holdings(pid: int) -> tuple[int, int]:
    """Pages of memory and open files of a process."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages, len(list(Path(f"/proc/{pid}/fd").iterdir()))


@each_core
def test_500_starts_leave_nothing(board: str, tmp_path: Path) -> None:
    image = port_guest(load_board(board), tmp_path, capacity=64).image
    with opened(board, image) as guest:
        assert guest.worker_pid is not None
        for _ in range(50):
            guest.start()
        pages, files = _holdings(guest.worker_pid)
        costs = set()
        for _ in range(450):
            guest.start()
            costs.add(guest.cost().cycles)
        more_pages, more_files = _holdings(guest.worker_pid)
        assert guest.exchange(b"", budget=BUDGET) == READY
    assert len(costs) == 1
    assert more_files == files
    assert more_pages - pages < 100  # 400 KB


def test_boards_side_by_side_keep_to_themselves(tmp_path: Path) -> None:
    images = {board: port_guest(load_board(board), tmp_path / board, capacity=64).image for board in BOARDS}
    first, second = "arduino_uno", "atmega4809_xplained"
    with (
        opened(first, images[first]) as one,
        opened(second, images[second]) as two,
        opened(first, images[first]) as three,
    ):
        pids = {guest.worker_pid for guest in (one, two, three)}
        assert len(pids) == 3
        for guest in (one, two, three):
            assert guest.exchange(b"", budget=BUDGET) == READY
        frames = [b"one\0", b"two\0", b"three\0"]
        answers = [guest.exchange(frame, budget=BUDGET) for guest, frame in zip((one, two, three), frames, strict=True)]
        assert answers == [answer(frame) for frame in frames]


@pytest.mark.parametrize(
    ("backend", "board", "builder"),
    [("simavr", "arduino_uno", "simavr_version"), ("yasimavr", "atmega4809_xplained", "yasimavr_library")],
)
def test_a_backend_that_cannot_be_built_is_named_with_what_installs_it(
    backend: str, board: str, builder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_compiler() -> None:
        raise MissingTool("C compiler (cc)", install="apt-get install gcc")

    monkeypatch.setattr(library, builder, no_compiler)
    assert not registry.availability(backend).usable
    with pytest.raises(MissingTool, match="libelf-dev"):
        registry.choose_backend(load_board(board), backend)

    def no_headers() -> None:
        raise BuildError("cc refused simavr_board.c: sim_avr.h: No such file or directory")

    monkeypatch.setattr(library, builder, no_headers)
    assert "No such file" in registry.availability(backend).reason


def test_without_the_package_yasimavr_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(library, "yasimavr_folder", lambda: None)
    found = registry.availability("yasimavr")
    assert (found.usable, found.reason) == (False, "the Python package yasimavr is not installed")
    with pytest.raises(InputError, match="does not run this board"):
        registry.choose_backend(load_board("arduino_uno"), "yasimavr")
