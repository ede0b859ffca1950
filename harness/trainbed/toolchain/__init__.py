# SPDX-License-Identifier: Apache-2.0
"""From sources to an ELF: compilers, linker scripts, a cached build, facts about the result."""

from __future__ import annotations

from trainbed.toolchain.compiler import Compiler, find_compiler
from trainbed.toolchain.elf import ElfFacts, facts, locate
from trainbed.toolchain.firmware import BuildOptions, Firmware, build, write_compile_commands
from trainbed.toolchain.linker import linker_script

__all__ = [
    "BuildOptions",
    "Compiler",
    "ElfFacts",
    "Firmware",
    "build",
    "facts",
    "find_compiler",
    "linker_script",
    "locate",
    "write_compile_commands",
]
