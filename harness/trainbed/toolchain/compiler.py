# SPDX-License-Identifier: Apache-2.0
"""Compilers: which one builds for a core, where it is, and the flags a core needs."""

from __future__ import annotations

import functools
import os
import shlex
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from trainbed.errors import InputError, MissingTool

ARM_INSTALL = "sudo apt-get install gcc-arm-none-eabi libnewlib-arm-none-eabi"
AVR_INSTALL = "sudo apt-get install gcc-avr avr-libc"
HOST_INSTALL = "sudo apt-get install gcc libc6-dev"

WARNINGS = (
    "-Wall",
    "-Wextra",
    "-Wconversion",
    "-Wdouble-promotion",
    "-Wshadow",
    "-Wvla",
    "-Wstrict-prototypes",
    "-Wmissing-prototypes",
    "-Werror",
)
"""The house style; every warning is an error."""


@dataclass(frozen=True)
class Core:
    """What the toolchain knows about a core."""

    name: str
    flags: tuple[str, ...]
    source_folders: tuple[str, ...] = ()
    """Folders below firmware/ that only this kind of core compiles."""
    return_bytes: int = 4
    """Size of a return address on the stack."""
    native: bool = False
    avr: bool = False
    libraries: tuple[str, ...] = ("-lgcc",)
    prefix_map: str = "-ffile-prefix-map"
    """The flag that keeps the folder of a build out of the ELF."""


_HARD_FLOAT = ("-mthumb", "-mfloat-abi=hard")
_ARM = ("port/cortexm", "port/bytewise")
_FAST_ARM = (*_ARM, "src/dsp")
_AVR = ("port/avr", "port/bytewise", "src/avr")


def _avr(name: str, architecture: str, *, return_bytes: int = 2) -> Core:
    """avr-libc's libm has the float operations in assembly; libgcc's, in C, must not come first."""
    libraries = ("-lm", "-lgcc", "-lc", "-lgcc")
    flags = (f"-mmcu={architecture}",)
    return Core(name, flags, _AVR, return_bytes, avr=True, libraries=libraries, prefix_map="-fdebug-prefix-map")


_CORES = {
    core.name: core
    for core in (
        Core("native", (), native=True, libraries=("-lgcc", "-lm")),
        Core("cortex-m0", ("-mcpu=cortex-m0", "-mthumb", "-mfloat-abi=soft"), _ARM),
        Core("cortex-m0plus", ("-mcpu=cortex-m0plus", "-mthumb", "-mfloat-abi=soft"), _ARM),
        Core("cortex-m3", ("-mcpu=cortex-m3", "-mthumb", "-mfloat-abi=soft"), _ARM),
        Core("cortex-m4f", ("-mcpu=cortex-m4", *_HARD_FLOAT, "-mfpu=fpv4-sp-d16"), _FAST_ARM),
        Core("cortex-m7", ("-mcpu=cortex-m7", *_HARD_FLOAT, "-mfpu=fpv5-sp-d16"), _FAST_ARM),
        Core("cortex-m33f", ("-mcpu=cortex-m33", *_HARD_FLOAT, "-mfpu=fpv5-sp-d16"), _FAST_ARM),
        # Debian's GCC knows the core of the ATmega4809 but not the part: its registers and start-up are the port's own.
        _avr("avrxt", "avrxmega3"),
        _avr("avr5", "avr5"),
        _avr("avr6", "avr6", return_bytes=3),
    )
}


@dataclass(frozen=True)
class Compiler:
    """A compiler that was found: the command that starts it and the first line of its ``--version``."""

    command: tuple[str, ...]
    version: str
    install: str
    """The line that installs it."""

    @property
    def name(self) -> str:
        """Short name for messages, e.g. ``arm-none-eabi-gcc``."""
        return Path(self.command[0]).name


def core_named(name: str) -> Core:
    """What is known about a core. Raises InputError when the toolchain cannot build for it."""
    if name not in _CORES:
        raise InputError(f"no toolchain for core '{name}'; cores: {', '.join(_CORES)}")
    return _CORES[name]


def find_compiler(core: str) -> Compiler:
    """The compiler that builds for a core: arm-none-eabi-gcc, avr-gcc, or the host's ($CC, cc, gcc) for ``native``.

    Raises MissingTool with the line that installs it, InputError for an unknown core.
    """
    known = core_named(core)
    if known.avr:
        return _probe(("avr-gcc",), AVR_INSTALL)
    if known.native:
        wanted = shlex.split(os.environ.get("CC", "")) or [next((n for n in ("cc", "gcc") if shutil.which(n)), "cc")]
        return _probe(tuple(wanted), HOST_INSTALL)
    return _probe(("arm-none-eabi-gcc",), ARM_INSTALL)


def _probe(command: tuple[str, ...], install: str) -> Compiler:
    path = shutil.which(command[0])
    if path is None:
        raise MissingTool(command[0], install=install)
    return _version((path, *command[1:]), Path(path).stat().st_mtime_ns, install)


@functools.lru_cache(maxsize=16)
def _version(command: tuple[str, ...], stamp: int, install: str) -> Compiler:
    """Asked once per process and state of the compiler's file (``stamp``)."""
    try:
        answer = subprocess.run([*command, "--version"], capture_output=True, text=True, check=True, timeout=60)
    except (OSError, subprocess.SubprocessError) as error:
        raise MissingTool(Path(command[0]).name, install=install, detail=f"it does not start ({error})") from error
    return Compiler(command, answer.stdout.partition("\n")[0].strip(), install)
