# SPDX-License-Identifier: Apache-2.0
"""Cycles of the 8-bit training kernels on the core models, beside the floor of their inner loops.

    PYTHONPATH=harness python benchmarks/kernels/run_int8.py [--core m4|m7|m0plus|m3] [--no-simd] [--only conv]
    PYTHONPATH=harness python benchmarks/kernels/run_int8.py --tables     # those of README.md, of three cores

The counts are those of the block hook that every run uses, at zero wait states. Products are nominal: padding counts,
as in the published figures of other libraries. Packing, transposition, requantisation and borders are inside.
"""

from __future__ import annotations

import argparse
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from integer import CASES, CONV311K, PRODUCTS_311K, source_of
from run import LINK, RETURN, ROOT, STACK, load
from unicorn import UC_ARCH_ARM, UC_MODE_MCLASS, UC_MODE_THUMB, UC_PROT_EXEC, UC_PROT_READ, arm_const
from unicorn.unicorn_py3.unicorn import Uc

from trainbed.backends.block_hook import BlockCounter

CORES = {
    "m4": ("-mcpu=cortex-m4 -mfloat-abi=hard -mfpu=fpv4-sp-d16", "cortex-m4", arm_const.UC_CPU_ARM_CORTEX_M4),
    "m7": ("-mcpu=cortex-m7 -mfloat-abi=hard -mfpu=fpv5-sp-d16", "cortex-m7", arm_const.UC_CPU_ARM_CORTEX_M7),
    "m0plus": ("-mcpu=cortex-m0plus -mfloat-abi=soft", "cortex-m0plus", arm_const.UC_CPU_ARM_CORTEX_M0),
    "m3": ("-mcpu=cortex-m3 -mfloat-abi=soft", "cortex-m4", arm_const.UC_CPU_ARM_CORTEX_M3),
}
FLAGS = [
    "-std=c11",
    "-mthumb",
    "-ffp-contract=off",
    "-fno-math-errno",
    "-Wall",
    "-Wextra",
    "-Werror",
    "-nostartfiles",
    "-ffunction-sections",
]


def build(folder: Path, core: str, optimize: str, defines: list[str]) -> Path:
    """The ELF with every case as a function of its name."""
    (folder / "cases.c").write_text(source_of(CASES))
    (folder / "link.ld").write_text(LINK)
    elf = folder / "cases.elf"
    command = ["arm-none-eabi-gcc", *FLAGS, *CORES[core][0].split(), f"-{optimize}", *defines]
    command += ["-I", str(ROOT / "firmware/include"), "-T", str(folder / "link.ld"), str(folder / "cases.c")]
    subprocess.run([*command, "-Wl,--no-warn-rwx-segments", "-Wl,-e,0", "-o", str(elf), "-lm"], check=True)
    return elf


class Machine:
    """A core with the program loaded and its data filled in."""

    def __init__(self, core: str, functions: dict[str, tuple[int, int]], segments: list[tuple[int, bytes]]) -> None:
        _, self._model, cpu = CORES[core]
        uc: Any = Uc(UC_ARCH_ARM, UC_MODE_THUMB | UC_MODE_MCLASS)
        uc.ctl_set_cpu_model(cpu)
        uc.mem_map(0, 1 << 20, UC_PROT_READ | UC_PROT_EXEC)
        uc.mem_map(0x20000000, 1 << 20)
        for start, content in segments:
            uc.mem_write(start, content)
        self._uc, self._functions = uc, functions
        self._counter = BlockCounter(self._model)
        self._counter.attach(uc)
        self.cycles("fill")

    def cycles(self, symbol: str) -> int:
        """Cycles of one call."""
        before = self._counter.cycles
        self._uc.reg_write(arm_const.UC_ARM_REG_SP, STACK)
        self._uc.reg_write(arm_const.UC_ARM_REG_LR, RETURN | 1)
        self._uc.emu_start(self._functions[symbol][0] | 1, RETURN)
        self._counter.phase_counts()
        return int(self._counter.cycles - before)


@dataclass(frozen=True)
class Measured:
    """Of one core: cycles of each case and of each part of a sample of conv311k, bytes of code."""

    cycles: dict[str, int]
    parts: dict[str, float]
    code: dict[str, int]


def measure(core: str) -> Measured:
    """Everything, on one core."""
    with tempfile.TemporaryDirectory() as scratch:
        functions, segments = load(build(Path(scratch), core, "O2", []))
    machine = Machine(core, functions, segments)
    cycles = {case.name: machine.cycles(case.symbol) for case in CASES}
    parts = {part: machine.cycles(f"conv311k_{part}") / (8 if part == "update" else 1) for part in CONV311K}
    return Measured(cycles, parts, {case.name: functions[case.symbol][1] for case in CASES})


def tables() -> str:
    """The tables of README.md."""
    m4, m7, m0 = (measure(core) for core in ("m4", "m7", "m0plus"))
    lines = ["| kernel | products | M4F cycles | per product | floor of the loop | M7 per product | M0+ per product |"]
    lines[0] += " M4F code bytes |\n|---|---|---|---|---|---|---|---|"
    forward = ["| kernel | products | M7 cycles | per product | M4F per product |\n|---|---|---|---|---|"]
    for case in CASES:
        name, n = case.name, case.products
        each = [f"{core.cycles[name] / n:.2f}" for core in (m4, m7, m0)]
        if name.startswith("mobilenetv2"):
            short = name.removeprefix("mobilenetv2-w0.35 ")
            forward.append(f"| {short} | {n} | {m7.cycles[name]} | {each[1]} | {each[0]} |")
        elif not name.startswith("float32"):
            floor = f"{case.floor:.2f}" if case.floor else ""
            row = (name, n, m4.cycles[name], each[0], floor, *each[1:], m4.code[name])
            lines.append(f"| {' | '.join(map(str, row))} |")
    sample = ["| conv311k, cycles per sample | M4F | per product | M7 | per product | M0+ | per product |"]
    sample[0] += "\n|---|---|---|---|---|---|---|"
    for part in (*CONV311K, "total"):
        cells = []
        for core in (m4, m7, m0):
            total = sum(core.parts.values()) if part == "total" else core.parts[part]
            products = sum(PRODUCTS_311K.values()) if part == "total" else PRODUCTS_311K.get(part)
            cells += [f"{total:.0f}", f"{total / products:.2f}" if products else ""]
        sample.append(f"| {part} | {' | '.join(cells)} |")
    return "\n\n".join("\n".join(table) for table in (lines, sample, forward))


def main() -> None:
    """Prints one line per kernel, then the training step."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--core", choices=list(CORES), default="m4")
    parser.add_argument("--no-simd", action="store_true", help="portable C alone")
    parser.add_argument("--optimize", default="O2")
    parser.add_argument("--only", default="", help="cases whose name contains this")
    parser.add_argument("--keep", type=Path, help="folder that keeps source and ELF")
    parser.add_argument("--tables", action="store_true", help="the tables of README.md, of three cores")
    arguments = parser.parse_args()
    if arguments.tables:
        print(tables())
        return
    with tempfile.TemporaryDirectory() as scratch:
        folder = arguments.keep or Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        elf = build(folder, arguments.core, arguments.optimize, ["-DTRN_I8_SIMD=0"] if arguments.no_simd else [])
        functions, segments = load(elf)
    machine = Machine(arguments.core, functions, segments)
    print("| kernel | products | cycles | cycles/product | floor | code bytes |\n|---|---|---|---|---|---|")
    for case in CASES:
        if arguments.only in case.name:
            cycles = machine.cycles(case.symbol)
            floor = f"{case.floor:.2f}" if case.floor and arguments.core == "m4" else ""
            size = functions[case.symbol][1]
            print(f"| {case.name} | {case.products} | {cycles} | {cycles / case.products:.2f} | {floor} | {size} |")
    if arguments.only:
        return
    print("\n| conv311k, per sample | cycles | cycles/product |\n|---|---|---|")
    total = 0.0
    for part in CONV311K:
        cycles = machine.cycles(f"conv311k_{part}") / (8 if part == "update" else 1)
        total += cycles
        each = f"{cycles / PRODUCTS_311K[part]:.2f}" if part in PRODUCTS_311K else ""
        print(f"| {part} | {cycles:.0f} | {each} |")
    print(f"| total | {total:.0f} | {total / sum(PRODUCTS_311K.values()):.2f} |")


if __name__ == "__main__":
    main()
