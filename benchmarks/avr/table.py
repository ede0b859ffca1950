# SPDX-License-Identifier: Apache-2.0
"""Table 4.5 of the thesis beside NNoM as measured and trainbed: MNIST, 784-W-10, on the ATmega4809 at 20 MHz.

PYTHONPATH=harness python benchmarks/avr/table.py [--images 100] [--write table.md]
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np
from board import Measured, measure

from trainbed.errors import DoesNotFit

CLOCK_MHZ = 20
# The thesis, table 4.5: milliseconds and flash bytes. NNoM: cycles with waits for flash, flash without its log, built
# and measured with the same compiler.
THESIS = {
    ("O1", 8): (9.06, None), ("O2", 8): (8.04, 22976), ("O3", 8): (8.09, None), ("Os", 8): (7.01, 21984),
    ("O1", 32): (31.44, None), ("O2", 32): (27.39, None), ("O3", 32): (27.44, None), ("Os", 32): (23.14, 41072),
    ("O1", 40): (38.91, None), ("O2", 40): (33.89, 48416), ("O3", 40): (None, None), ("Os", 40): (28.51, 47424),
}  # fmt: skip
NNOM = {
    ("O1", 8): (161034, 18582), ("O2", 8): (139047, 17942), ("O3", 8): (139017, 19506), ("Os", 8): (133308, 17404),
    ("O1", 32): (604665, None), ("O2", 32): (518457, None), ("O3", 32): (518478, None), ("Os", 32): (493952, None),
    ("O1", 40): (752896, 44022), ("O2", 40): (645234, 43382), ("O3", 40): (645256, 44946), ("Os", 40): (614490, 42844),
}  # fmt: skip


def milliseconds(cycles: float) -> str:
    """Time at 20 MHz."""
    return f"{cycles / CLOCK_MHZ / 1000:.2f}"


def row(width: int, optimize: str, dense: Measured | None, sparse: Measured | None) -> str:
    """One line of Markdown."""
    thesis_ms, thesis_flash = THESIS[optimize, width]
    nnom_cycles, nnom_flash = NNOM[optimize, width]
    cells = [str(width), optimize, f"{thesis_ms or '-'}", f"{thesis_flash or '-'}"]
    cells += [milliseconds(nnom_cycles), f"{nnom_flash or '-'}"]
    for measured in (dense, sparse):
        if measured is None:
            cells += ["does not fit"] * 3
            continue
        total = measured.cycles + measured.wait_cycles
        if measured is dense:
            cells += [f"{int(np.median(total)):,}", milliseconds(float(np.median(total))), f"{measured.flash_bytes:,}"]
        else:
            cells += [f"{int(np.median(total)):,}", f"{int(total.max()):,}", f"{measured.flash_bytes:,}"]
    return f"| {' | '.join(cells)} |"


def attempt(width: int, scaling: str, optimize: str, *, skip_zeros: bool, images: int, folder: Path) -> Measured | None:
    """One network; None where it does not fit. Raises SystemExit when board and twin disagree."""
    try:
        measured = measure([width], scaling, folder=folder, optimize=optimize, skip_zeros=skip_zeros, images=images)
    except DoesNotFit:
        return None
    if not measured.same.all():
        raise SystemExit(f"width {width}, {optimize}: the board differs from the twin")
    return measured


def main() -> None:
    """Print the table row by row, and write it where asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=100)
    parser.add_argument("--widths", type=int, nargs="+", default=(8, 32, 40))
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()) / "trainbed-avr-networks")
    parser.add_argument("--write", type=Path)
    arguments = parser.parse_args()
    lines = [
        "| width | -O | thesis ms | thesis flash | NNoM ms | NNoM flash | dense cycles | dense ms | flash "
        "| skipping zeros: median cycles | maximum | flash |",
        "|" + "---|" * 12,
    ]
    print("\n".join(lines), flush=True)
    for width in arguments.widths:
        for optimize in ("O1", "O2", "O3", "Os"):
            results = [
                attempt(width, scaling, optimize, skip_zeros=skip, images=images, folder=arguments.folder)
                for scaling, skip, images in (("thesis", False, 3), ("zero", True, arguments.images))
            ]
            lines.append(row(width, optimize, *results))
            print(lines[-1], flush=True)
    if arguments.write:
        arguments.write.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
