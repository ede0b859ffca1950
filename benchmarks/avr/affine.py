# SPDX-License-Identifier: Apache-2.0
"""784-W-10 with affine quantisation on the ATmega4809 against its twin: cycles, accuracy, flash.

PYTHONPATH=harness python benchmarks/avr/affine.py [--images 50] [--write affine.md]
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np
from accuracy import float_accuracy
from board import measure


def main() -> None:
    """Print a row for each network, and write the table where asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=50)
    parser.add_argument("--widths", type=int, nargs="+", default=(8, 32, 40))
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()) / "trainbed-avr-networks")
    parser.add_argument("--write", type=Path)
    arguments = parser.parse_args()
    n = arguments.images
    lines = [
        "| width | zeros | float32 % | board % | images equal to the twin | cycles, median | maximum | flash |",
        "|" + "---|" * 8,
    ]
    print("\n".join(lines), flush=True)
    for width in arguments.widths:
        for zeros, scaling, skip in (("multiplied", "thesis", False), ("skipped", "zero", True)):
            found = measure(
                [width],
                scaling,
                folder=arguments.folder,
                optimize="Os",
                skip_zeros=skip,
                images=n,
                precision="uint8",
            )
            host = float_accuracy(width, arguments.folder, n, scaling)
            total = found.cycles + found.wait_cycles
            cells = [f"{width}", zeros, f"{100 * host:.1f}", f"{100 * found.correct.mean():.1f}"]
            cells += [f"{int(found.same.sum())} of {n}", f"{int(np.median(total)):,}", f"{int(total.max()):,}"]
            lines.append(f"| {' | '.join(cells)} | {found.flash_bytes:,} |")
            print(lines[-1], flush=True)
    if arguments.write:
        arguments.write.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
