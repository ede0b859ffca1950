# SPDX-License-Identifier: Apache-2.0
"""Our plugin inside QEMU (native/qemu_counter.c), from outside: shared memory, notices and requests."""

from __future__ import annotations

import ctypes
import mmap
import os
import socket
import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from trainbed.backends.base import PHASES
from trainbed.backends.native import build_shared_library
from trainbed.backends.qemu.config import QemuConfig
from trainbed.errors import EmulatorCrash, InputError

_BLOCKS, _RANGES, _MARKS = 32768, 32, 16
_NOTICE = struct.Struct("<IIQ")
_REQUEST = struct.Struct("<QII")
_ANSWER = ord("R")


class _Range(ctypes.Structure):
    _fields_ = (("begin", ctypes.c_uint32), ("end", ctypes.c_uint32))


class _Head(ctypes.Structure):
    """Everything of trn_shared_t before its blocks."""

    _fields_ = (
        ("limit", ctypes.c_uint64),
        ("taken", ctypes.c_uint64),
        ("n_sent", ctypes.c_uint32),
        ("exchange", ctypes.c_uint32),
        ("wait", _Range),
        ("parks", _Range * _RANGES),
        ("n_parks", ctypes.c_uint32),
        ("n_marks", ctypes.c_uint32),
        ("marks", ctypes.c_uint32 * _MARKS),
        ("mark_phases", ctypes.c_uint32 * _MARKS),
        ("instructions", ctypes.c_uint64),
        ("n_blocks", ctypes.c_uint32),
        ("phase", ctypes.c_uint32),
        ("block", ctypes.c_uint32),
        ("before_park", ctypes.c_uint32),
    )


BLOCK = np.dtype(
    [
        ("executed", "<u8", len(PHASES)),
        ("entered", "<u8", len(PHASES)),
        ("left", "<u8", len(PHASES)),
        ("start", "<u4"),
        ("end", "<u4"),
        ("n_instructions", "<u4"),
        ("phase", "<u4"),
        ("target", "<u4"),
        ("reserved", "<u4"),
    ]
)
"""trn_block_t: how often a block was executed, entered by a jump and left by one, in each phase."""


_ANSWER_S = 60.0
_N_BYTES = ctypes.sizeof(_Head) + _BLOCKS * BLOCK.itemsize


@dataclass(frozen=True)
class Notice:
    """What the plugin tells of a guest. ``kind``: W waits for input, P parked itself, H is held, S sleeps elsewhere."""

    kind: str
    pc: int


class Gone(Exception):
    """QEMU has ended."""


def plugin_library() -> Path:
    """The compiled plugin. Raises MissingTool without a C compiler, BuildError when it refuses the source."""
    return build_shared_library(Path(__file__).parents[1] / "native" / "qemu_counter.c")


class Control:
    """One QEMU's plugin. Owns the shared memory and our end of the control socket."""

    def __init__(self, config: QemuConfig) -> None:
        self._memory_fd = os.memfd_create("trainbed-qemu")
        os.ftruncate(self._memory_fd, _N_BYTES)
        self._map = mmap.mmap(self._memory_fd, _N_BYTES)
        self._head = _Head.from_buffer(self._map)
        self._socket, self._theirs = socket.socketpair()
        self._socket.settimeout(_ANSWER_S)
        self._write_config(config)

    @property
    def plugin_argument(self) -> str:
        """Value of QEMU's option -plugin."""
        library = str(plugin_library()).replace(",", ",,")
        return f"{library},shared={self._memory_fd},bytes={_N_BYTES},control={self._theirs.fileno()}"

    @property
    def inherited(self) -> tuple[int, ...]:
        """Descriptors QEMU needs."""
        return self._memory_fd, self._theirs.fileno()

    def started(self) -> None:
        """QEMU has its descriptors: our copies go, so that its end shows."""
        self._theirs.close()
        os.close(self._memory_fd)
        self._memory_fd = -1

    def fileno(self) -> int:
        """Descriptor that becomes readable when there is a notice, or QEMU is gone."""
        return self._socket.fileno()

    # -- shared memory -----------------------------------------------------------------------------------------------

    @property
    def instructions(self) -> int:
        """Executed so far."""
        return int(self._head.instructions)

    @property
    def last_pc(self) -> int:
        """Start of the block executed last."""
        return int(self.blocks(self._head.block + 1)[-1]["start"])

    @property
    def pc_before_park(self) -> int:
        """Start of the block from which the guest came to park itself."""
        return int(self.blocks(self._head.before_park + 1)[-1]["start"])

    def watch(self, taken: int) -> None:
        """Where in QEMU the guest counts the bytes it took."""
        self._head.taken = taken

    def begin_exchange(self, n_bytes: int, *, steps: int) -> None:
        """To be called before ``n_bytes`` are sent: the next wait with all of them taken is told of, once."""
        self._head.limit = self._head.instructions + steps
        self._head.n_sent = (self._head.n_sent + n_bytes) & 0xFFFF_FFFF
        self._head.exchange += 1

    def hold(self) -> None:
        """The guest is to be held before its next block."""
        self._head.limit = 0

    def blocks(self, n: int | None = None) -> NDArray[np.void]:
        """A copy of the counters. Raises EmulatorCrash when there were more blocks than the plugin can count."""
        number = int(self._head.n_blocks) if n is None else n
        if number > _BLOCKS:
            raise EmulatorCrash(f"the firmware has more than {_BLOCKS} blocks: not all of them were counted")
        counters: NDArray[np.void] = np.frombuffer(
            self._map, dtype=BLOCK, count=number, offset=ctypes.sizeof(_Head)
        ).copy()
        return counters

    # -- control socket ----------------------------------------------------------------------------------------------

    def notice(self) -> Notice:
        """The next notice; blocks until it is there. Raises Gone."""
        kind, pc, _ = _NOTICE.unpack(self._exactly(_NOTICE.size))
        return Notice(chr(kind), pc)

    def read(self, address: int, n_bytes: int) -> bytes:
        """Memory of QEMU's process; the guest must be asleep or held. Raises Gone."""
        self._send(_REQUEST.pack(address, n_bytes, 0))
        return self._exactly(self._answer())

    def write(self, address: int, data: bytes) -> None:
        """Changes memory of QEMU's process; the guest must be asleep or held. Raises Gone."""
        self._send(_REQUEST.pack(address, len(data), 1) + data)
        self._answer()

    def close(self) -> None:
        """Lets go of QEMU, which ends by that; safe to call twice."""
        self._socket.close()
        self._theirs.close()
        if self._memory_fd >= 0:
            os.close(self._memory_fd)
            self._memory_fd = -1
        if not self._map.closed:
            del self._head
            self._map.close()

    def _answer(self) -> int:
        kind, _, n_bytes = _NOTICE.unpack(self._exactly(_NOTICE.size))
        if kind != _ANSWER:
            raise EmulatorCrash(f"the plugin answered a request with a notice of kind {chr(kind)}")
        return int(n_bytes)

    def _send(self, data: bytes) -> None:
        try:
            self._socket.sendall(data)
        except TimeoutError:
            raise _silent() from None
        except OSError:
            raise Gone from None

    def _exactly(self, n_bytes: int) -> bytes:
        data = bytearray()
        while len(data) < n_bytes:
            try:
                part = self._socket.recv(n_bytes - len(data))
            except TimeoutError:
                raise _silent() from None
            except ConnectionError:
                part = b""
            if not part:
                raise Gone
            data += part
        return bytes(data)

    def _write_config(self, config: QemuConfig) -> None:
        head = self._head
        marks = config.image.marks
        if len(config.parks) > _RANGES or len(marks) > _MARKS:
            raise InputError(f"{config.image.elf.name} has more trn_fault_* or trn_mark_* functions than are followed")
        head.wait = _Range(*config.wait)
        head.n_parks, head.n_marks = len(config.parks), len(marks)
        for i, (begin, end, _name) in enumerate(config.parks):
            head.parks[i] = _Range(begin, end)
        for i, (address, phase) in enumerate(marks.items()):
            head.marks[i], head.mark_phases[i] = address & ~1, phase


def _silent() -> EmulatorCrash:
    return EmulatorCrash(f"QEMU's plugin gave no answer within {_ANSWER_S:g} s")
