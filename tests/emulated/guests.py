# SPDX-License-Identifier: Apache-2.0
"""Guests of any backend, started and ended; boards to run a test on, skipped with the reason where one is missing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from port_guest import READY

from trainbed.backends.base import Budget, GuestImage
from trainbed.backends.registry import availability, open_guest
from trainbed.boards import load_board

BREAK = """\
#define REG(address) (*(volatile uint32_t *)(address))
switch (n > 0 ? rx[0] : 0) {
case 'u': __asm__ volatile("udf #1"); break;
case 'r': (void)REG(0x30000000u); break;
case 'w': REG(0x30000000u) = 1; break;
case 'c': __asm__ volatile("ldr r0, =0x30000001\\n\\tblx r0" ::: "r0", "r1", "r2", "r3", "lr", "memory"); break;
case 'v': __asm__ volatile("svc #0"); break;
case 'p': __asm__ volatile("1: push {r0-r7}\\n\\tb 1b" ::: "memory"); break;
case 'l': for (;;) { __asm__ volatile("nop"); }
case 'z':
    for (uint32_t i = 0; i < 8; i += 4) {
        REG(0xE000E180u + i) = 0xFFFFFFFFu;
        REG(0xE000E280u + i) = 0xFFFFFFFFu;
    }
    for (;;) { __asm__ volatile("wfi"); }
case 'R': REG(0xE000ED0Cu) = 0x05FA0004u; for (;;) { __asm__ volatile("nop"); }
case 'f': for (;;) { trn_port_send(tx, 64); }
case 'a': trn_port_receive_start(rx, 0); break;
default: break;
}
"""
"""What a port guest does to itself when a frame begins with one of these letters; for ``before_send``."""
BUDGET = Budget(cycles=50_000_000, steps=50_000_000, wall_s=60.0)


def on(backend: str, board: str, *marks: pytest.MarkDecorator) -> Any:
    """A parameter (backend, board)."""
    found = availability(backend)
    reason = f"{found.reason or 'missing'}; install it with: {found.install}"
    return pytest.param(
        (backend, board), marks=[*marks, pytest.mark.skipif(not found.usable, reason=reason)], id=f"{backend}-{board}"
    )


@contextmanager
def opened(backend: str, board: str, image: GuestImage) -> Iterator[Any]:
    """A guest at its first wait, its greeting read."""
    guest = open_guest(load_board(board), backend, image)
    try:
        guest.start()
        assert guest.exchange(b"", budget=BUDGET) == READY
        yield guest
    finally:
        guest.close()


def emulator_pid(guest: Any) -> int:
    """Process the guest runs in."""
    pid = guest.emulator_pid if hasattr(guest, "emulator_pid") else guest.worker_pid
    assert pid is not None
    return int(pid)
