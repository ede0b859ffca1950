# SPDX-License-Identifier: Apache-2.0
"""The native block hook as Python sees it: the structs of native/block_hook.c and its functions, built at first use."""

from __future__ import annotations

import ctypes
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path

import unicorn

from trainbed.backends.base import PHASES
from trainbed.backends.native import build_shared_library


class Block(ctypes.Structure):
    """What the hook knows of one block of code: a row of its table."""

    _fields_ = (
        ("key", ctypes.c_uint64),
        ("segment", ctypes.c_uint16),
        ("cycles", ctypes.c_uint16),
        ("instructions", ctypes.c_uint16),
        ("memory_through", ctypes.c_uint16),
        ("memory_branched", ctypes.c_uint16),
        ("miss_through", ctypes.c_uint8),
        ("miss_branched", ctypes.c_uint8),
        ("taken", ctypes.c_uint8),
        ("target", ctypes.c_uint8),
        ("divider_busy", ctypes.c_uint8),
        ("first_float", ctypes.c_uint8),
        ("off_through", ctypes.c_uint16),
        ("off_branched", ctypes.c_uint16),
        ("mispredicted", ctypes.c_uint8),
        ("history", ctypes.c_uint8),
        ("expected", ctypes.c_uint16),
    )


class Count(ctypes.Structure):
    """Core cycles, memory cycles in sixteenths, instructions."""

    _fields_ = (("cycles", ctypes.c_uint64), ("memory", ctypes.c_uint64), ("instructions", ctypes.c_uint64))


class Segment(ctypes.Structure):
    """Counts of one function, and the phase it opens if it is a mark."""

    _fields_ = (("trained", Count), ("phase", ctypes.c_uint32), ("reserved", ctypes.c_uint32))


Miss = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_uint64, ctypes.c_uint32)
"""Called for a block the table does not hold: (address, bytes) -> 0, or 1 to stop."""


class State(ctypes.Structure):
    """Everything the hook reads and writes while a guest runs."""

    _fields_ = (
        ("total", Count),
        ("next_event", ctypes.c_uint64),
        ("table", ctypes.c_void_p),
        ("lines", ctypes.POINTER(ctypes.c_uint32)),
        ("previous_end", ctypes.c_uint32),
        ("previous_taken", ctypes.c_uint32),
        ("segment", ctypes.c_uint32),
        ("divider_busy", ctypes.c_uint32),
        ("line_shift", ctypes.c_uint32),
        ("set_mask", ctypes.c_uint32),
        ("phase", ctypes.c_uint32),
        ("stopped", ctypes.c_uint32),
        ("n_blocks", ctypes.c_uint32),
        ("n_misses", ctypes.c_uint32),
        ("trained_phases", ctypes.c_uint32),
        ("data_wait", ctypes.c_uint32),
        ("cache_off", ctypes.c_uint32),
        ("n_lines", ctypes.c_uint32),
        ("idle", ctypes.c_uint64),
        ("phase_start", Count),
        ("segment_start", Count),
        ("phases", Count * len(PHASES)),
        ("segments", ctypes.POINTER(Segment)),
        ("miss", Miss),
        ("stop", ctypes.c_void_p),
        ("reg_read", ctypes.c_void_p),
        ("previous", ctypes.c_void_p),
        ("predicts", ctypes.c_uint32),
    )


class Division(ctypes.Structure):
    """One SDIV or UDIV: its operands' registers and what it may cost."""

    _fields_ = (
        ("state", ctypes.POINTER(State)),
        ("dividend", ctypes.c_int32),
        ("divisor", ctypes.c_int32),
        ("is_signed", ctypes.c_uint32),
        ("charged", ctypes.c_uint32),
        ("cycles", ctypes.POINTER(ctypes.c_uint8)),
    )


@lru_cache(maxsize=1)
def native_library() -> ctypes.CDLL:
    """The hook, built for this machine. Raises MissingTool without a C compiler."""
    source = Path(__file__).with_name("native") / "block_hook.c"
    headers = Path(unicorn.__file__).parent / "include"
    library = ctypes.CDLL(str(build_shared_library(source, include=[headers], stamp=f"unicorn {version('unicorn')}")))
    library.trn_state_size.restype = ctypes.c_size_t
    library.trn_block_size.restype = ctypes.c_size_t
    library.trn_table_bytes.restype = ctypes.c_size_t
    library.trn_insert.argtypes = (ctypes.POINTER(State), ctypes.c_void_p, ctypes.c_uint32)
    library.trn_insert.restype = None
    library.trn_settle.argtypes = (ctypes.POINTER(State),)
    library.trn_settle.restype = None
    library.trn_reset.argtypes = (ctypes.POINTER(State),)
    library.trn_reset.restype = None
    library.trn_forget_lines.argtypes = (ctypes.POINTER(State),)
    library.trn_forget_lines.restype = None
    library.trn_idle.argtypes = (ctypes.POINTER(State), ctypes.c_uint64)
    library.trn_idle.restype = None
    if (library.trn_state_size(), library.trn_block_size()) != (ctypes.sizeof(State), ctypes.sizeof(Block)):
        raise AssertionError("block_hook.c and hook_library.py disagree about their structs")
    return library
