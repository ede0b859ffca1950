# SPDX-License-Identifier: Apache-2.0
"""Workers: a crash is a typed error, the next run works, and nothing is ever left behind."""

from __future__ import annotations

import itertools
import os
import select
import signal
import statistics
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from guest_firmware import SHORT, build_guest, opened

from trainbed.backends.base import Budget, GuestImage
from trainbed.backends.pool import POOL, Worker
from trainbed.errors import EmulatorCrash, GuestFault, GuestHang, InputError

PARENT = """
import os, signal, sys
sys.path[:0] = {paths!r}
from pathlib import Path
from guest_firmware import image_of, opened
from trainbed.backends.base import Budget
try:
    with opened(image_of(Path({elf!r}))) as guest:
        guest.start()
        print(guest.worker_pid, flush=True)
        guest.exchange(b"l", budget=Budget())
except KeyboardInterrupt:
    sys.exit(130)
"""


@pytest.fixture(scope="module")
def faulty(tmp_path_factory: pytest.TempPathFactory) -> GuestImage:
    return build_guest(tmp_path_factory.mktemp("worker"), "faults")


def run_parent(image: GuestImage) -> tuple[subprocess.Popen[str], int]:
    """A process whose guest loops for ever, and a descriptor that becomes readable when its worker is gone."""
    harness = str(Path(__file__).parents[2] / "harness")
    script = PARENT.format(paths=[harness, str(Path(__file__).parent)], elf=str(image.elf))
    parent = subprocess.Popen(
        [sys.executable, "-c", script],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert parent.stdout is not None
    return parent, os.pidfd_open(int(parent.stdout.readline()))


def is_gone(pidfd: int, *, within_s: float = 10.0) -> bool:
    ready, _, _ = select.select([pidfd], [], [], within_s)
    os.close(pidfd)
    return bool(ready)


def descriptors() -> set[str]:
    return {str(entry.readlink()) for entry in Path("/proc/self/fd").iterdir() if entry.is_symlink()}


def children() -> set[int]:
    return {int(pid) for pid in Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()}


def test_a_worker_that_is_killed_is_a_typed_error_and_the_next_run_works(faulty: GuestImage) -> None:
    with opened(faulty) as guest:
        guest.start()
        assert guest.worker_pid is not None
        os.kill(guest.worker_pid, signal.SIGSEGV)
        with pytest.raises(EmulatorCrash, match="SIGSEGV"):
            guest.exchange(b"?", budget=SHORT)
        with pytest.raises(EmulatorCrash, match="not running"):
            guest.exchange(b"?", budget=SHORT)
        guest.start()
        assert guest.exchange(b"?", budget=SHORT) == b"CC"


def test_what_a_dying_worker_wrote_is_part_of_the_error() -> None:
    worker = Worker()
    with pytest.raises(EmulatorCrash, match="no such request"):
        worker.request("no such request", wall_s=30)
    worker.kill()


def test_a_worker_that_does_not_answer_is_stopped(faulty: GuestImage) -> None:
    worker = Worker()
    os.kill(worker.pid, signal.SIGSTOP)
    with pytest.raises(EmulatorCrash, match=r"no answer within 0\.2 s"):
        worker.request("cost", wall_s=0.2)
    assert not worker.usable
    worker.kill()


def test_a_worker_is_used_again_after_a_run_and_after_a_fault(faulty: GuestImage) -> None:
    pids = set()
    for order in (b"?", b"u", b"?", b"l"):
        with opened(faulty) as guest:
            guest.start()
            pids.add(guest.worker_pid)
            try:
                assert guest.exchange(order, budget=SHORT) == b"CC"
            except (GuestFault, GuestHang):
                assert order in (b"u", b"l")
    assert len(pids) == 1


def test_two_guests_at_once_have_a_worker_each(faulty: GuestImage) -> None:
    with opened(faulty) as one, opened(faulty) as other:
        one.start()
        other.start()
        assert one.worker_pid != other.worker_pid
        assert one.exchange(b"?", budget=SHORT) == other.exchange(b"?", budget=SHORT) == b"CC"


def test_closing_twice_is_harmless_and_a_closed_guest_says_so(faulty: GuestImage) -> None:
    with opened(faulty) as guest:
        guest.start()
        guest.close()
        guest.close()
        with pytest.raises(EmulatorCrash, match="not running"):
            guest.exchange(b"?", budget=SHORT)


def test_a_file_that_is_no_firmware_is_bad_input(tmp_path: Path, faulty: GuestImage) -> None:
    text = tmp_path / "firmware.elf"
    text.write_text("this is not an ELF file")
    image = GuestImage(elf=text, sha256="0", marks={})
    with opened(image) as guest, pytest.raises(InputError, match=r"firmware\.elf is not a 32-bit"):
        guest.start()


def test_a_hundred_starts_leak_neither_descriptors_nor_processes(faulty: GuestImage) -> None:
    POOL.close()
    before = len(descriptors()), children()
    for turn in range(100):
        with opened(faulty) as guest:
            guest.start()
            if turn % 10 == 3:
                with pytest.raises(GuestFault):
                    guest.exchange(b"u", budget=SHORT)
            if turn % 25 == 7:
                assert guest.worker_pid is not None
                os.kill(guest.worker_pid, signal.SIGKILL)
                with pytest.raises(EmulatorCrash, match="SIGKILL"):
                    guest.exchange(b"?", budget=SHORT)
    assert len(children()) <= len(before[1]) + 1, "more than one worker for runs one after the other"
    POOL.close()
    assert (len(descriptors()), children()) == before


def test_the_memory_of_a_reused_worker_stays_flat(faulty: GuestImage, tmp_path: Path) -> None:
    other = build_guest(tmp_path, "echo")
    sizes = []
    POOL.close()
    for _ in range(30):
        for image in (faulty, other):
            with opened(image) as guest:
                guest.start()
                pid = guest.worker_pid
        sizes.append(int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * 4096)
    assert sizes[-1] - sizes[9] < 8_000_000, f"resident bytes: {sizes}"


def test_guests_of_many_threads_do_not_see_each_other(faulty: GuestImage, tmp_path: Path) -> None:
    echo = build_guest(tmp_path, "echo")

    def run(turn: int) -> tuple[bytes, int]:
        with opened(echo) as guest:
            guest.start()
            guest.exchange(b"", budget=SHORT)
            answer = guest.exchange(bytes([turn]) * 16, budget=SHORT)
            return answer, guest.cost().cycles

    with ThreadPoolExecutor(4) as threads:
        results = list(threads.map(run, range(16)))
    assert [answer for answer, _ in results] == [bytes([turn]) * 16 + b"C" for turn in range(16)]
    assert len({cycles for _, cycles in results}) == 1


@pytest.mark.slow
def test_ten_thousand_starts_leave_descriptors_processes_and_memory_flat(faulty: GuestImage) -> None:
    def resident() -> int:
        return int(Path("/proc/self/statm").read_text().split()[1]) * 4096

    POOL.close()
    samples = []
    for turn in range(10_000):
        with opened(faulty) as guest:
            guest.start()
            pid = guest.worker_pid
        if turn % 1000 == 999:
            worker = int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * 4096
            samples.append((len(descriptors()), len(children()), resident(), worker))
    first, last = samples[1], samples[-1]
    assert first[:2] == last[:2]
    for what in (2, 3):  # a leak grows from sample to sample, even by a byte a start; the allocator in a step
        grown = [after[what] - before[what] for before, after in itertools.pairwise(samples[1:])]
        assert statistics.median(grown) <= 0 and sum(grown) < 4 << 20, samples


def test_ctrl_c_ends_parent_and_worker_without_a_traceback_of_the_worker(faulty: GuestImage) -> None:
    parent, worker = run_parent(faulty)
    os.killpg(parent.pid, signal.SIGINT)
    _, errors = parent.communicate(timeout=20)
    assert parent.returncode == 130
    assert errors == ""
    assert is_gone(worker)


def test_an_interrupt_from_the_keyboard_is_none_of_the_workers_business(faulty: GuestImage) -> None:
    with opened(faulty) as guest:
        guest.start()
        assert guest.worker_pid is not None
        assert os.getsid(guest.worker_pid) != os.getsid(0), "the terminal would signal the worker too"
        os.kill(guest.worker_pid, signal.SIGINT)
        assert guest.exchange(b"?", budget=SHORT) == b"CC"


def test_a_killed_parent_leaves_no_worker_behind(faulty: GuestImage) -> None:
    parent, worker = run_parent(faulty)
    parent.kill()
    parent.communicate(timeout=20)
    assert is_gone(worker)


def test_an_interrupted_exchange_costs_the_worker_but_not_the_next_run(faulty: GuestImage) -> None:
    def interrupt(_number: int, _frame: object) -> None:
        raise KeyboardInterrupt

    old = signal.signal(signal.SIGALRM, interrupt)
    try:
        with opened(faulty) as guest:
            guest.start()
            signal.setitimer(signal.ITIMER_REAL, 0.2)
            with pytest.raises(KeyboardInterrupt):
                guest.exchange(b"l", budget=Budget())
            assert guest.worker_pid is None
            guest.start()
            assert guest.exchange(b"?", budget=SHORT) == b"CC"
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, old)
