# SPDX-License-Identifier: Apache-2.0
"""A guest that exercises a port and nothing else: it answers each frame with its length and its bytes."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from port_firmware import port_firmware
from trainbed.boards import Board
from trainbed.toolchain import BuildOptions, Firmware, build

CAPACITY = 4096
READY = b"ready"
_MAIN = """\
#include <stddef.h>
#include <string.h>
#include <trn/mark.h>
#include <trn/port.h>

enum { CAPACITY = %(capacity)d };

/* Raw bytes first, so that rx can start on any byte of a word. */
static uint8_t raw[CAPACITY + 4];
static uint8_t tx[4 + CAPACITY] = {'r', 'e', 'a', 'd', 'y'};

int main(void);
int main(void)
{
    uint32_t n_tx = 5;
    trn_port_init();
    for (uint32_t turn = 0;; turn++) {
        uint8_t *const rx = raw + (turn & 3u);
        trn_port_receive_start(rx, CAPACITY);
        trn_port_send(tx, n_tx);
        const uint32_t n = trn_port_receive_wait();
        for (uint32_t i = 0; i < 4; i++) {
            tx[i] = (uint8_t)(n >> (8 * i));
        }
        for (uint32_t i = 0; i < n; i++) {
            tx[4 + i] = rx[i];
        }
        %(before_send)s
        n_tx = 4 + n;
    }
}
"""


def port_guest(
    board: Board, folder: Path, *, capacity: int = CAPACITY, before_send: str = "", sanitize: bool = False
) -> Firmware:
    """Build the guest. ``before_send``: C that runs once per frame."""
    root = port_firmware(folder, _MAIN % {"capacity": capacity, "before_send": before_send})
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TRAINBED_CACHE", str(folder / "cache"))
        return build(board, generated={}, options=BuildOptions(sanitize=sanitize), firmware=root)


def answer(frame: bytes) -> bytes:
    """What the guest makes of a frame it received whole."""
    return struct.pack("<I", len(frame)) + frame


def frames() -> list[bytes]:
    """Frames that end in the delimiter, of lengths around words and buffer ends, with bytes that may confuse a scan."""
    lengths = [*range(1, 70), *range(250, 262), *range(1020, 1030), *range(CAPACITY - 9, CAPACITY + 1)]
    fillers = (b"\xff", b"\x01", b"\x80", b"\xff\x01\x7f\x80\xfe")
    return [(fillers[(i + turn) % 4] * n)[: n - 1] + b"\0" for turn in range(2) for i, n in enumerate(lengths)]
