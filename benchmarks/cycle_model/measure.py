# SPDX-License-Identifier: Apache-2.0
"""Counts the cycles between the tags a bare-metal Cortex-M ELF reports.

The program is built by hand, outside this project. It tells where a measurement begins and ends by writing tags to
address 0x40000000: ``1000 + n`` opens row n, ``2000 + n`` closes it, 0 ends the run. Rows come out as CSV.

    python benchmarks/cycle_model/measure.py program.elf --core cortex-m4 --memory nrf52840
"""

from __future__ import annotations

import argparse
import csv
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from elftools.elf.elffile import ELFFile
from unicorn import UC_ARCH_ARM, UC_MODE_MCLASS, UC_MODE_THUMB, UC_PROT_ALL, Uc, arm_const

from trainbed.backends.block_hook import BlockCounter

TAG_ADDRESS = 0x40000000
_ENGINES = {
    "cortex-m0": arm_const.UC_CPU_ARM_CORTEX_M0,
    "cortex-m0plus": arm_const.UC_CPU_ARM_CORTEX_M0,
    "cortex-m4": arm_const.UC_CPU_ARM_CORTEX_M4,
    "cortex-m7": arm_const.UC_CPU_ARM_CORTEX_M7,
}
_REGIONS = ((0x00000000, 0x200000), (0x08000000, 0x200000), (0x10000000, 0x20000), (0x20000000, 0x100000))


@dataclass(frozen=True)
class Row:
    """One measurement: core cycles, memory cycles and instructions between its two tags."""

    row: int
    cycles: int
    memory_cycles: int
    instructions: int


def measure(
    elf_file: Path, core: str, memory: str | None, *, data_reads: bool = False, limit: int = 10**11
) -> list[Row]:
    """Runs the program to its last tag; rows in the order they were closed.

    Raises:
        RuntimeError: the program stopped before tag 0.
    """
    uc: Any = Uc(UC_ARCH_ARM, UC_MODE_THUMB | UC_MODE_MCLASS)
    uc.ctl_set_cpu_model(_ENGINES[core])
    for begin, size in _REGIONS:
        uc.mem_map(begin, size, UC_PROT_ALL)
    with elf_file.open("rb") as file:
        elf = ELFFile(file)
        for segment in elf.iter_segments("PT_LOAD"):
            uc.mem_write(segment["p_paddr"], segment.data())
            uc.mem_write(segment["p_vaddr"], segment.data())
        entry = elf["e_entry"]
    counter = BlockCounter(core, memory=memory, data_reads=data_reads)
    counter.attach(uc)
    open_rows: dict[int, tuple[int, int, int]] = {}
    rows: list[Row] = []
    done = []

    def write(_uc: Any, _offset: int, _size: int, value: int, _data: Any) -> None:
        now = (counter.cycles, counter.memory_cycles, counter.instructions)
        if value == 0:
            done.append(True)
            counter.request_stop()
        elif value < 2000:
            open_rows[value - 1000] = now
        else:
            begin = open_rows.pop(value - 2000)
            rows.append(Row(value - 2000, *(b - a for a, b in zip(begin, now, strict=True))))

    uc.mmio_map(TAG_ADDRESS, 0x1000, lambda *_: 0, None, write, None)
    uc.reg_write(arm_const.UC_ARM_REG_SP, 0x20100000 - 16)
    counter.next_event = limit
    uc.emu_start(entry | 1, 0xFFFFFFFF)
    counter.save()
    if not done:
        raise RuntimeError(f"{elf_file}: stopped at 0x{uc.reg_read(arm_const.UC_ARM_REG_PC):08x} before the last tag")
    return rows


def _lines(rows: list[Row]) -> Iterator[list[int]]:
    for row in rows:
        yield [row.row, row.cycles, row.memory_cycles, row.instructions]


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("elf", type=Path)
    parser.add_argument("--core", default="cortex-m4")
    parser.add_argument("--memory")
    parser.add_argument("--data-reads", action="store_true", help="charge reads of tables in flash too")
    options = parser.parse_args()
    writer = csv.writer(sys.stdout)
    writer.writerow(["row", "cycles", "memory_cycles", "instructions"])
    writer.writerows(_lines(measure(options.elf, options.core, options.memory, data_reads=options.data_reads)))


if __name__ == "__main__":
    main()
