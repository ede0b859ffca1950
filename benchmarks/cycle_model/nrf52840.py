# SPDX-License-Identifier: Apache-2.0
"""Compares the nRF52840 cycle model with the NIST lightweight-cryptography measurements on an Arduino Nano 33 BLE.

The programs are built by hand, outside this project, one per row:
<kind>_<submission>_<variant>_<implementation>_<opt>.elf with kind hash or aead, tags as `measure.py` describes, row n
the n-th size of the csv file. A row counts if the code is the code that was measured, as far as that can be told: its
size in flash is within ``--tolerance`` of the published one.

Rows are split by implementation: an even SHA-256 of "submission/variant/implementation" chose the model, an odd one
checks it.

    python benchmarks/cycle_model/nrf52840.py --elves DIR --measured hash.csv aead.csv \\
        --sizes nano33ble-hash-summary.csv nano33ble-aead-summary.csv
"""

from __future__ import annotations

import argparse
import csv
import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from elftools.elf.elffile import ELFFile
from measure import measure

_COLUMNS = {"hash": (4, "nano33ble:h(256)"), "aead": (3, "nano33ble:enc(128:128)")}
_NOT_THEIRS = frozenset({"_start", "tag", "ini", "memcpy", "memset", "memcmp", "memmove"})


@dataclass(frozen=True)
class Case:
    """One row: the program, what was measured (cycles), and on which side of the split it is."""

    elf: Path
    row: int
    measured: int
    held_out: bool


def _flash_bytes(elf_file: Path) -> int:
    """Bytes of code and constants of the implementation itself."""
    with elf_file.open("rb") as file:
        elf = ELFFile(file)
        total = sum(s["sh_size"] for s in elf.iter_sections() if s.name in (".text", ".data", ".rodata"))
        symbols = elf.get_section_by_name(".symtab").iter_symbols()
        ours = sum(s["st_size"] for s in symbols if s.name in _NOT_THEIRS and s["st_info"]["type"] == "STT_FUNC")
    return int(total - ours)


def _published_sizes(files: Sequence[Path]) -> dict[str, int]:
    sizes = {}
    for path in files:
        kind = "hash" if "hash" in path.name else "aead"
        with path.open(newline="") as file:
            for line in csv.DictReader(file):
                name = f"{kind}_{line['submission']}_{line['variant']}_{line['implementation']}_{line['config']}"
                sizes[name.replace("-", "")] = int(line["flash"])
    return sizes


def _cases(elves: Path, measured: Sequence[Path], sizes: dict[str, int], tolerance: float) -> Iterator[Case]:
    for path in measured:
        kind = "hash" if "hash" in path.name else "aead"
        row, column = _COLUMNS[kind]
        with path.open(newline="") as file:
            for line in csv.DictReader(file):
                key = f"{line['submission']}/{line['variant']}/{line['implementation']}"
                name = f"{kind}_{key.replace('/', '_')}_{line['opt']}"
                elf = elves / f"{name}.elf"
                size = sizes.get(name.replace("-", ""))
                if not elf.exists() or size is None or not line[column].isdigit():
                    continue
                if abs(_flash_bytes(elf) / size - 1) > tolerance:
                    continue
                held_out = int(hashlib.sha256(key.encode()).hexdigest(), 16) % 2 == 1
                yield Case(elf, row, int(line[column]), held_out)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--elves", type=Path, required=True)
    parser.add_argument("--measured", type=Path, nargs="+", required=True)
    parser.add_argument("--sizes", type=Path, nargs="+", required=True)
    parser.add_argument("--tolerance", type=float, default=0.02)
    parser.add_argument("--memory", default="nrf52840", help="nrf52840 or nrf52840-uncached")
    parser.add_argument("--half", choices=["fit", "held-out", "both"], default="both")
    options = parser.parse_args()
    errors: dict[str, list[tuple[float, float]]] = {"fit": [], "held-out": []}
    print("| program | half | measured | core | core + flash |\n|---|---|--:|--:|--:|")
    for case in _cases(options.elves, options.measured, _published_sizes(options.sizes), options.tolerance):
        half = "held-out" if case.held_out else "fit"
        if options.half not in (half, "both"):
            continue
        counted = {row.row: row for row in measure(case.elf, "cortex-m4", options.memory, data_reads=True)}
        count = counted.get(case.row)
        if count is None:
            continue
        core = count.cycles / case.measured
        total = (count.cycles + count.memory_cycles) / case.measured
        errors[half].append((core - 1, total - 1))
        print(f"| {case.elf.stem} | {half} | {case.measured} | {core:.3f} | {total:.3f} |", flush=True)
    for half, pairs in errors.items():
        if pairs:
            for what, values in zip(("core", "core + flash"), zip(*pairs, strict=True), strict=True):
                absolute = [abs(value) for value in values]
                print(
                    f"{half}, {what}: {len(values)} rows, median error {median(absolute):.1%}, "
                    f"bias {median(values):+.1%}, worst {max(absolute):.0%}"
                )


if __name__ == "__main__":
    main()
