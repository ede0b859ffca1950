# SPDX-License-Identifier: Apache-2.0
"""The native helpers as Python sees them: the structs of native/avr_board.h and the functions both helpers offer."""

from __future__ import annotations

import ctypes
import importlib.util
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path

from trainbed.backends.base import PHASES
from trainbed.backends.native import build_shared_library

_NATIVE = Path(__file__).resolve().parents[1] / "native"
SIMAVR_INSTALL = "sudo apt-get install libsimavr-dev libelf-dev gcc"
YASIMAVR_INSTALL = "sudo apt-get install g++ libelf-dev && pip install 'trainbed[avr]'"

COST_PUSHES, COST_PERIPHERAL, COST_X, COST_Y, COST_Z, COST_DIRECT, COST_ILLEGAL = (
    0x01,
    0x08,
    0x10,
    0x20,
    0x30,
    0x40,
    0x80,
)
"""Of avr_board.h: loads through which pointer, or from the address in the second word; what is no instruction."""

(STOP_NONE, STOP_WAIT, STOP_CYCLES, STOP_STEPS, STOP_OUTPUT, STOP_PARK, STOP_NO_CODE, STOP_ILLEGAL, STOP_STACK,
 STOP_RESET, STOP_CRASH, STOP_ASLEEP, STOP_BREAK) = range(13)  # fmt: skip


class Count(ctypes.Structure):
    """Core cycles, cycles waiting for memory, instructions."""

    _fields_ = (("cycles", ctypes.c_uint64), ("memory", ctypes.c_uint64), ("instructions", ctypes.c_uint64))


class Segment(ctypes.Structure):
    """Counts of one function, and what entering it means."""

    _fields_ = (
        ("trained", Count),
        ("phase", ctypes.c_uint32),
        ("park", ctypes.c_uint32),
        ("entry_cycles", ctypes.c_uint32),
        ("reserved", ctypes.c_uint32),
    )


class State(ctypes.Structure):
    """Everything a helper reads and writes while a guest runs."""

    _fields_ = (
        ("segment_of", ctypes.c_void_p),
        ("cost_of", ctypes.c_char_p),
        ("displacement_of", ctypes.c_char_p),
        ("break_at", ctypes.c_void_p),
        ("segments", ctypes.POINTER(Segment)),
        ("output", ctypes.c_void_p),
        ("input", ctypes.c_char_p),
        ("cycle_limit", ctypes.c_uint64),
        ("step_limit", ctypes.c_uint64),
        ("n_words", ctypes.c_uint32),
        ("stack_low", ctypes.c_uint32),
        ("ram_from", ctypes.c_uint32),
        ("mapped_from", ctypes.c_uint32),
        ("trained_phases", ctypes.c_uint32),
        ("output_bytes", ctypes.c_uint32),
        ("n_input", ctypes.c_uint32),
        ("n_output", ctypes.c_uint32),
        ("input_at", ctypes.c_uint32),
        ("phase", ctypes.c_uint32),
        ("segment", ctypes.c_uint32),
        ("pc", ctypes.c_uint32),
        ("previous_pc", ctypes.c_uint32),
        ("stop", ctypes.c_uint32),
        ("started", ctypes.c_uint32),
        ("overruns", ctypes.c_uint32),
        ("idle", ctypes.c_uint64),
        ("total", Count),
        ("phase_start", Count),
        ("segment_start", Count),
        ("phases", Count * len(PHASES)),
        ("message", ctypes.c_char * 256),
    )


@lru_cache(maxsize=1)
def simavr_library() -> ctypes.CDLL:
    """The helper on libsimavr. Raises MissingTool without a C compiler, BuildError without libsimavr's headers."""
    path = build_shared_library(_NATIVE / "simavr_board.c", headers=[_NATIVE / "avr_board.h"], libraries=["-lsimavr"])
    library = _declared(ctypes.CDLL(str(path)))
    library.trn_board_open.argtypes = (ctypes.c_char_p, ctypes.c_uint32, ctypes.c_uint32, ctypes.c_uint32)
    flash = (ctypes.c_char_p, ctypes.c_uint32)
    library.trn_board_power_on.argtypes = (ctypes.c_void_p, ctypes.POINTER(State), *flash)
    library.trn_board_power_on.restype = None
    library.trn_simavr_version.restype = ctypes.c_char_p
    return library


def simavr_version() -> str:
    """Version of libsimavr. Raises what simavr_library() raises."""
    version: bytes = simavr_library().trn_simavr_version()
    return version.decode()


@lru_cache(maxsize=1)
def yasimavr_library() -> ctypes.CDLL:
    """The helper on yasimavr's libraries. Raises MissingTool without a C++ compiler, BuildError."""
    package = yasimavr_folder()
    assert package is not None
    lib = package / "lib"
    path = build_shared_library(
        _NATIVE / "yasimavr_board.cpp",
        include=[package / "include" / "core"],
        headers=[_NATIVE / "avr_board.h"],
        libraries=[f"-L{lib}", "-lyasimavr_core", f"-Wl,-rpath,{lib}"],
        stamp=f"yasimavr {version('yasimavr')} in {package}",
    )
    library = _declared(ctypes.CDLL(str(path)))
    flash = (ctypes.c_char_p, ctypes.c_uint32)
    library.trn_board_open.argtypes = (ctypes.POINTER(State), ctypes.c_void_p, ctypes.c_uint32, *flash)
    return library


def yasimavr_folder() -> Path | None:
    """Where the Python package lies, or None; nothing is imported."""
    found = importlib.util.find_spec("yasimavr")
    return Path(found.origin).parent if found is not None and found.origin is not None else None


def _declared(library: ctypes.CDLL) -> ctypes.CDLL:
    library.trn_state_size.restype = ctypes.c_size_t
    library.trn_board_open.restype = ctypes.c_void_p
    for name in ("trn_board_close", "trn_board_run", "trn_board_settle"):
        function = getattr(library, name)
        function.argtypes, function.restype = (ctypes.c_void_p,), None
    for name in ("trn_board_read", "trn_board_write"):
        function = getattr(library, name)
        function.argtypes = (ctypes.c_void_p, ctypes.c_uint32, ctypes.c_char_p, ctypes.c_uint32)
        function.restype = ctypes.c_int32
    library.trn_board_registers.argtypes = (ctypes.c_void_p, ctypes.POINTER(ctypes.c_uint32))
    library.trn_board_registers.restype = None
    library.trn_board_set_register.argtypes = (ctypes.c_void_p, ctypes.c_uint32, ctypes.c_uint32)
    library.trn_board_set_register.restype = None
    if library.trn_state_size() != ctypes.sizeof(State):
        raise AssertionError("avr_board.h and backends/avr/library.py disagree about their structs")
    return library
