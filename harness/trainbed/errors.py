# SPDX-License-Identifier: Apache-2.0
"""Every error trainbed raises on purpose, and the exit code each one maps to.

    TrainbedError
    |-- InputError            exit 2   what the user gave is wrong: file, key, shape, data
    |   |-- ScenarioError              a scenario file (file:line, expected, did-you-mean)
    |   |-- NetworkError               an impossible network (layer, shape)
    |   |-- DoesNotFit                 the network does not fit the board (need, have, largest)
    |   `-- DataError                  a data set is missing, malformed or out of range
    |-- GuestError            exit 3   the guest or its emulator broke
    |   |-- GuestFault                 fault in the firmware (kind, function, file:line)
    |   |-- GuestHang                  the guest budget was spent without an answer
    |   |-- GuestReset                 the guest restarted by itself
    |   |-- EmulatorCrash              the worker process died
    |   |-- LinkLost                   the link gave up within its retry budget
    |   `-- ProtocolError              the guest answered something it must not
    `-- MissingTool           exit 4   a compiler, emulator or package is missing (install line)
        `-- BuildError        exit 4   a compiler was found and refused the firmware

A contract that fails is not an exception: it is a verdict (exit 1). An interrupt exits with 130.
"""

from __future__ import annotations

from enum import IntEnum
from pathlib import Path


class ExitCode(IntEnum):
    """Exit codes of every trainbed command."""

    PASSED = 0
    FAILED = 1
    BAD_INPUT = 2
    GUEST_BROKE = 3
    MISSING_TOOL = 4
    INTERRUPTED = 130


class TrainbedError(Exception):
    """Base of all errors raised on purpose."""

    exit_code: ExitCode = ExitCode.GUEST_BROKE


class InputError(TrainbedError):
    """Something the user gave is wrong; the message says where, what was expected and what to do."""

    exit_code = ExitCode.BAD_INPUT


class ScenarioError(InputError):
    """A scenario file is wrong. ``line`` is 1-based, or None when no single line is to blame."""

    def __init__(self, message: str, *, file: Path | None = None, line: int | None = None) -> None:
        self.file = file
        self.line = line
        self.reason = message
        where = "" if file is None else f"{file}:{line}: " if line is not None else f"{file}: "
        super().__init__(f"{where}{message}")


class NetworkError(InputError):
    """A network is impossible. ``layer`` names the layer to blame, if one is."""

    def __init__(self, message: str, *, layer: str | None = None) -> None:
        self.layer = layer
        super().__init__(message)


class DoesNotFit(InputError):
    """A network needs more memory than the board has."""


class DataError(InputError):
    """A data set is missing, malformed or out of range."""


class GuestError(TrainbedError):
    """The guest, its emulator or the link between them broke.

    ``post_mortem``: folder with the state the guest broke in (trainbed debug --post-mortem), if it could be kept.
    """

    exit_code = ExitCode.GUEST_BROKE
    post_mortem: Path | None = None


class GuestFault(GuestError):
    """The firmware faulted.

    ``kind`` is one of ``undefined_instruction``, ``read_unmapped``, ``write_unmapped``, ``write_protected``,
    ``fetch_unmapped``, ``fpu_disabled``, ``stack_overflow``, ``unaligned``, ``assertion``.
    """

    def __init__(self, kind: str, *, pc: int, where: str, detail: str = "") -> None:
        self.kind = kind
        self.pc = pc
        self.where = where
        self.detail = detail
        super().__init__(f"{kind.replace('_', ' ')} at {where} (pc 0x{pc:08x})" + (f": {detail}" if detail else ""))


class GuestHang(GuestError):
    """The guest spent its budget (guest time) without an answer."""


class GuestReset(GuestError):
    """The guest restarted by itself in the middle of a run."""


class EmulatorCrash(GuestError):
    """The worker process that ran the emulator died."""


class LinkLost(GuestError):
    """The link to the guest gave up within its retry budget."""


class ProtocolError(GuestError):
    """The guest answered something the protocol does not allow here."""


class MissingTool(TrainbedError):
    """A compiler, an emulator or a package is missing. ``install`` is the line that installs it."""

    exit_code = ExitCode.MISSING_TOOL

    def __init__(self, tool: str, *, install: str, detail: str = "") -> None:
        self.tool = tool
        self.install = install
        super().__init__(f"{tool} is missing{': ' + detail if detail else ''}; install it with: {install}")


class BuildError(TrainbedError):
    """A compiler was found and refused the firmware; the message carries its first errors."""

    exit_code = ExitCode.MISSING_TOOL
