# SPDX-License-Identifier: Apache-2.0
"""Cycles of every training kernel on the Cortex-M4F core model, beside the floor the instruction set leaves.

    PYTHONPATH=harness python benchmarks/kernels/run.py [--no-asm] [--optimize O2] [--only conv] [--keep DIR]

Each case is one kernel call with literal shapes, compiled alone, run once in Unicorn and counted by
`trainbed.backends.block_hook.BlockCounter` at zero wait states (cycles are modelled; docs/fidelity.md). The floor
counts two float operations per product, the loads a block of R x C sums cannot avoid, (1 + R + C + 2RC) / RC in all,
and what a result costs to be written; `cases.py` spells it out. "taps" counts the products that exist: those with
padding are left out by the kernels and by the count.
"""

from __future__ import annotations

import argparse
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from cases import CASES, STEPS, Case, source_of
from elftools.elf.elffile import ELFFile
from unicorn import UC_ARCH_ARM, UC_MODE_MCLASS, UC_MODE_THUMB, UC_PROT_EXEC, UC_PROT_READ, arm_const
from unicorn.unicorn_py3.unicorn import Uc

from trainbed.backends.block_hook import BlockCounter

ROOT = Path(__file__).resolve().parents[2]
FLAGS = [
    "-std=c11",
    "-mcpu=cortex-m4",
    "-mthumb",
    "-mfloat-abi=hard",
    "-mfpu=fpv4-sp-d16",
    "-ffp-contract=off",
    "-fno-math-errno",
    "-Wall",
    "-Wextra",
    "-Werror",
    "-ffreestanding",
    "-nostartfiles",
    "-ffunction-sections",
]
LINK = """
MEMORY { FLASH (rx) : ORIGIN = 0, LENGTH = 1M  RAM (rw) : ORIGIN = 0x20000000, LENGTH = 1M }
SECTIONS { .text : { *(.text*) *(.rodata*) } > FLASH  .data : { *(.data*) *(.bss*) *(COMMON) } > RAM }
"""
RETURN = 0x000FF000
STACK = 0x200FF000


def build(folder: Path, optimize: str, defines: list[str]) -> Path:
    """The ELF with every case as a function of its name."""
    (folder / "cases.c").write_text(source_of(CASES, STEPS))
    (folder / "link.ld").write_text(LINK)
    elf = folder / "cases.elf"
    include = ["-I", str(ROOT / "firmware/include")]
    command = ["arm-none-eabi-gcc", *FLAGS, f"-{optimize}", *defines, *include, "-T", str(folder / "link.ld")]
    command += [str(folder / "cases.c"), "-Wl,--no-warn-rwx-segments", "-Wl,-e,0", "-o", str(elf), "-lm"]
    subprocess.run(command, check=True)
    return elf


def load(elf: Path) -> tuple[dict[str, tuple[int, int]], list[tuple[int, bytes]]]:
    """Functions (address, size) and segments (address, content)."""
    with elf.open("rb") as file:
        image = ELFFile(file)
        table: Any = image.get_section_by_name(".symtab")
        functions = {
            symbol.name: (symbol["st_value"] & ~1, symbol["st_size"])
            for symbol in table.iter_symbols()
            if symbol["st_info"]["type"] == "STT_FUNC"
        }
        segments = [
            (s["p_vaddr"], s.data()) for s in image.iter_segments() if s["p_type"] == "PT_LOAD" and s["p_filesz"]
        ]
    return functions, segments


def measure(segments: list[tuple[int, bytes]], address: int) -> int:
    """Cycles of one call."""
    uc: Any = Uc(UC_ARCH_ARM, UC_MODE_THUMB | UC_MODE_MCLASS)
    uc.ctl_set_cpu_model(arm_const.UC_CPU_ARM_CORTEX_M4)
    uc.mem_map(0, 1 << 20, UC_PROT_READ | UC_PROT_EXEC)
    uc.mem_map(0x20000000, 1 << 20)
    for start, content in segments:
        uc.mem_write(start, content)
    counter = BlockCounter("cortex-m4")
    counter.attach(uc)
    uc.reg_write(arm_const.UC_ARM_REG_SP, STACK)
    uc.reg_write(arm_const.UC_ARM_REG_LR, RETURN | 1)
    uc.emu_start(address | 1, RETURN)
    counter.phase_counts()
    return counter.cycles


def main() -> None:
    """Prints one line per kernel and one per training step."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--no-asm", action="store_true", help="the portable C kernels alone")
    parser.add_argument("--optimize", default="O2")
    parser.add_argument("--only", default="", help="cases whose name contains this")
    parser.add_argument("--keep", type=Path, help="folder that keeps source and ELF")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = arguments.keep or Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        elf = build(folder, arguments.optimize, ["-DTRN_USE_ASM=0"] if arguments.no_asm else [])
        functions, segments = load(elf)
    print(f"{'kernel':44} {'cycles':>8} {'taps':>7} {'cyc/tap':>8} {'floor':>6} {'over':>6} {'bytes':>6}")
    for case in CASES:
        if arguments.only in case.name:
            _print_case(case, measure(segments, functions[case.symbol][0]), functions[case.symbol][1])
    head = ("cycles per sample", "forward", "backward", "update", "required", "aim")
    print(f"\n{'training step':52}" + "".join(f"{word:>18}" if word == head[0] else f"{word:>10}" for word in head))
    for step in STEPS:
        if arguments.only in step.name:
            parts = [
                measure(segments, functions[f"{step.symbol}_{part}"][0]) for part in ("forward", "backward", "update")
            ]
            total = parts[0] + parts[1] + parts[2] / step.batch
            columns = (*parts[:2], round(parts[2] / step.batch), step.required, step.aim)
            print(f"{step.name:52}{total:18.0f}" + "".join(f"{number:10}" for number in columns))


def _print_case(case: Case, cycles: int, n_bytes: int) -> None:
    each = cycles / case.taps
    over = each / case.floor - 1
    print(f"{case.name:44} {cycles:8} {case.taps:7} {each:8.2f} {case.floor:6.2f} {over:6.0%} {n_bytes:6}")


if __name__ == "__main__":
    main()
