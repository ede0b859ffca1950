# SPDX-License-Identifier: Apache-2.0
"""Runs the cases on the host, and on an emulated ATmega2560 by bare calls."""

from __future__ import annotations

import ctypes
import shutil
import struct
import subprocess
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path

import numpy as np
from elftools.elf.elffile import ELFFile
from kernels.shim import SANITIZERS, compile_c, scratch

from pow2_kernels.case import Arrays, source, to_bytes
from pow2_kernels.listing import CASES
from trainbed.toolchain.compiler import WARNINGS

HERE = Path(__file__).resolve().parent
INCLUDE = HERE.parents[2] / "firmware/include"
_BLOCK = 0x200


@cache
def _host(sanitized: bool) -> ctypes.CDLL:
    path = scratch() / "pow2_cases.c"
    path.write_text(source(CASES))
    flags = ["-O1", "-shared", "-fPIC"]
    if sanitized:
        flags += ["-fsanitize=undefined", *SANITIZERS[1:]]
    return ctypes.CDLL(str(compile_c([path], scratch() / f"pow2_cases_{sanitized}.so", flags=flags)))


def on_host(index: int, block: bytes, *, sanitized: bool = True) -> bytes:
    """The block as the case leaves it; undefined behaviour ends the process."""
    changed = bytearray(block)
    function = getattr(_host(sanitized), f"case_{index}")
    function((ctypes.c_uint8 * len(changed)).from_buffer(changed))
    return bytes(changed)


def missing_for_avr() -> str | None:
    """What the AVR runs need and this machine lacks; None: nothing."""
    if shutil.which("avr-gcc") is None:
        return "avr-gcc is missing: sudo apt-get install gcc-avr avr-libc"
    if not Path("/usr/include/simavr/sim_avr.h").exists():
        return "libsimavr is missing: sudo apt-get install libsimavr-dev libelf-dev"
    return None


@cache
def bare_program() -> Path:
    """Calls functions of an ELF in simavr: bare_avr.c, compiled."""
    program = scratch() / "bare_avr"
    command = ["cc", "-O2", str(HERE / "bare_avr.c"), "-I/usr/include/simavr", "-lsimavr", "-lelf", "-o", str(program)]
    subprocess.run(command, check=True, capture_output=True)
    return program


@cache
def _avr_elf(optimize: str, assembly: bool) -> tuple[Path, dict[str, int]]:
    name = f"pow2_{optimize}_{'asm' if assembly else 'c'}"
    calls = "".join(f"    case_{i}((uint8_t *){_BLOCK:#x});\n" for i in range(len(CASES)))
    path, elf = scratch() / f"{name}.c", scratch() / f"{name}.elf"
    path.write_text(source(CASES) + f"\nint main(void)\n{{\n{calls}    return 0;\n}}\n")
    flags = ["-mmcu=atmega2560", f"-{optimize}", "-std=gnu11", *WARNINGS, f"-DTRN_USE_ASM={int(assembly)}"]
    command = ["avr-gcc", *flags, "-I", str(INCLUDE), str(path), "-lm", "-o", str(elf)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-4000:]
    with elf.open("rb") as file:
        symbols = ELFFile(file).get_section_by_name(".symtab")
        assert symbols is not None
        return elf, {symbol.name: symbol["st_value"] for symbol in symbols.iter_symbols()}


def on_avr(
    runs: Sequence[tuple[int, bytes]], *, optimize: str = "O2", assembly: bool = True
) -> Iterator[tuple[int, bytes]]:
    """Cycles and block of each run (case, block), on an ATmega2560."""
    elf, functions = _avr_elf(optimize, assembly)
    sent = b"".join(struct.pack("<II", functions[f"case_{i}"], len(block)) + block for i, block in runs)
    done = subprocess.run([bare_program(), "atmega2560", elf], input=sent, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    at = 0
    for _, block in runs:
        (cycles,) = struct.unpack_from("<Q", done.stdout, at)
        yield cycles, done.stdout[at + 8 : at + 8 + len(block)]
        at += 8 + len(block)


def assert_same(index: int, expected: Arrays, observed: bytes) -> None:
    """Every array of the block, to the bit."""
    at = 0
    for name, array in expected.items():
        part = np.frombuffer(observed[at : at + array.nbytes], array.dtype).reshape(array.shape)
        wrong = np.argwhere(part.view(np.uint8) != np.ascontiguousarray(array).view(np.uint8))
        assert not len(wrong), f"{CASES[index].name}: {name} is {part.tolist()}, expected {array.tolist()}"
        at += -(-array.nbytes // 4) * 4
    assert observed == to_bytes(expected)
