# SPDX-License-Identifier: Apache-2.0
"""Which backends there are, which of them this machine can run, and the guest for a board, a backend and a firmware."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as package_version

from trainbed.backends.base import Guest, GuestImage
from trainbed.boards import Board
from trainbed.errors import BuildError, InputError, MissingTool


@dataclass(frozen=True)
class Availability:
    """Whether a backend can run here; ``install`` is the line that would make it so, empty when none would."""

    usable: bool
    version: str
    install: str
    reason: str = ""


def availability(backend: str) -> Availability:
    """What this machine offers of a backend. Raises InputError for a name that is no backend."""
    if backend not in _BACKENDS:
        raise InputError(f"no backend named '{backend}'; backends: {', '.join(BACKENDS)}")
    return _BACKENDS[backend].availability()


def available(backend: str) -> tuple[bool, str, str]:
    """(usable, version, install line) of a backend. Raises InputError for a name that is no backend."""
    found = availability(backend)
    return found.usable, found.version, found.install


def choose_backend(board: Board, requested: str = "auto") -> str:
    """The backend to run a board on.

    ``auto`` is the first usable one of the board's list. Raises InputError when the board does not list the requested
    backend, MissingTool when it, or every one of the list, is missing here.
    """
    if requested != "auto":
        if requested not in board.backends:
            found = "is no backend" if requested not in BACKENDS else "does not run this board"
            raise InputError(f"backend '{requested}' {found}; {board.name} runs on: {', '.join(board.backends)}")
        _require(requested)
        return requested
    for backend in board.backends:
        if availability(backend).usable:
            return backend
    _require(board.backends[0])
    raise AssertionError("unreachable: the first backend is usable after all")


def open_guest(board: Board, backend: str, image: GuestImage) -> Guest:
    """A guest for a firmware, not started yet; a worker is leased at start(). Raises InputError, MissingTool."""
    return _BACKENDS[choose_backend(board, backend)].open(board, image)


def _open_unicorn(board: Board, image: GuestImage) -> Guest:
    from trainbed.backends.unicorn.config import machine_config
    from trainbed.backends.worker_guest import WorkerGuest

    config = machine_config(board, image)
    return WorkerGuest("unicorn", availability("unicorn").version, config, image=image)


def _open_native(board: Board, image: GuestImage) -> Guest:
    from trainbed.backends.host_process import HostProcessGuest

    return HostProcessGuest(image)


def _open_qemu(board: Board, image: GuestImage) -> Guest:
    from trainbed.backends.qemu.config import config_for
    from trainbed.backends.qemu.guest import QemuGuest

    return QemuGuest(config_for(board, image))


def _open_renode(board: Board, image: GuestImage) -> Guest:
    from trainbed.backends.renode.config import config_for
    from trainbed.backends.renode.worker_guest import RenodeWorkerGuest

    return RenodeWorkerGuest("renode", availability("renode").version, config_for(board, image), image=image)


def _open_serial(board: Board, image: GuestImage) -> Guest:
    from trainbed.backends.serial import SerialGuest, serial_port

    return SerialGuest(image, port=serial_port(), baud=board.baud)


def _open_avr(emulator: str, board: Board, image: GuestImage) -> Guest:
    from trainbed.backends.avr.config import config_for
    from trainbed.backends.worker_guest import WorkerGuest

    version = availability(emulator).version
    return WorkerGuest(emulator, version, config_for(board, emulator, image), image=image)


def _unicorn() -> Availability:
    install = "pip install 'trainbed[unicorn]'"
    if importlib.util.find_spec("unicorn") is None:
        return Availability(False, "", install, "the Python package unicorn is not installed")
    if importlib.util.find_spec("capstone") is None:
        return Availability(False, "", install, "the Python package capstone is not installed")
    try:
        return Availability(True, package_version("unicorn"), install)
    except PackageNotFoundError:
        return Availability(True, "unknown", install)


def _qemu() -> Availability:
    from trainbed.backends.qemu.control import plugin_library
    from trainbed.backends.qemu.tool import INSTALL, qemu_version

    try:
        plugin_library()
        return Availability(True, qemu_version(), INSTALL)
    except MissingTool as missing:
        return Availability(False, "", INSTALL, f"{missing.tool} is missing")
    except BuildError as refused:
        return Availability(False, "", "", str(refused))


def _simavr() -> Availability:
    from trainbed.backends.avr.library import SIMAVR_INSTALL, simavr_version

    try:
        return Availability(True, simavr_version(), SIMAVR_INSTALL)
    except MissingTool as missing:
        return Availability(False, "", SIMAVR_INSTALL, f"{missing.tool} is missing")
    except (BuildError, OSError) as refused:
        return Availability(False, "", SIMAVR_INSTALL, f"libsimavr cannot be used: {refused}")


def _yasimavr() -> Availability:
    from trainbed.backends.avr.library import YASIMAVR_INSTALL, yasimavr_folder, yasimavr_library

    if yasimavr_folder() is None:
        return Availability(False, "", YASIMAVR_INSTALL, "the Python package yasimavr is not installed")
    try:
        yasimavr_library()
        return Availability(True, package_version("yasimavr"), YASIMAVR_INSTALL)
    except MissingTool as missing:
        return Availability(False, "", YASIMAVR_INSTALL, f"{missing.tool} is missing")
    except (BuildError, OSError) as refused:
        return Availability(False, "", YASIMAVR_INSTALL, f"yasimavr's libraries cannot be used: {refused}")


def _renode() -> Availability:
    from trainbed.backends.renode.tool import find_renode

    version, install, reason = find_renode()
    return Availability(bool(version), version, install, reason)


def _serial() -> Availability:
    """A board on a port the environment names: `auto` must not go looking for one."""
    from trainbed.backends.serial import INSTALL, NAME_PORT, is_installed, serial_port

    if not is_installed():
        return Availability(False, "", INSTALL, "the Python package pyserial is not installed")
    if not serial_port():
        return Availability(False, "", NAME_PORT, "no port is named")
    return Availability(True, package_version("pyserial"), NAME_PORT)


def _require(backend: str) -> None:
    found = availability(backend)
    if not found.usable:
        install = found.install or "(nothing to install: choose another backend)"
        raise MissingTool(f"backend '{backend}'", install=install, detail=found.reason)


@dataclass(frozen=True)
class _Backend:
    """What the registry needs of a backend; neither function may import the emulator before it is called."""

    availability: Callable[[], Availability]
    open: Callable[[Board, GuestImage], Guest]


_BACKENDS: Mapping[str, _Backend] = {
    "unicorn": _Backend(_unicorn, _open_unicorn),
    "native": _Backend(lambda: Availability(True, "host", ""), _open_native),
    "qemu": _Backend(_qemu, _open_qemu),
    "serial": _Backend(_serial, _open_serial),
    "simavr": _Backend(_simavr, lambda board, image: _open_avr("simavr", board, image)),
    "yasimavr": _Backend(_yasimavr, lambda board, image: _open_avr("yasimavr", board, image)),
    "renode": _Backend(_renode, _open_renode),
}

BACKENDS = tuple(_BACKENDS)
"""All backends trainbed knows by name."""
