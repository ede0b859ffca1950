# SPDX-License-Identifier: Apache-2.0
"""MNIST accuracy on the ATmega4809 against the quantised twin on the host, image by image, for hidden widths 4 .. 32.

PYTHONPATH=harness python benchmarks/avr/accuracy.py [--images 1000] [--widths 4 33] [--write accuracy.md]
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import networks
import numpy as np
from board import measure

from trainbed.weights import F32


def float_accuracy(width: int, folder: Path, images: int, scaling: str = "zero") -> float:
    """Accuracy of the float32 network on the same images."""
    with np.load(networks.trained([width], scaling, folder)) as arrays:
        pairs: list[tuple[F32, F32]] = [(arrays[f"dense_{n}.weights"], arrays[f"dense_{n}.bias"]) for n in (1, 2)]
    x, y = networks.mnist("test", scaling)
    return networks.accuracy(pairs, x[:images], y[:images])


def main() -> None:
    """Print a row for each width, and write the table where asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=1000)
    parser.add_argument("--widths", type=int, nargs=2, default=(4, 33), help="first, and one past the last")
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()) / "trainbed-avr-networks")
    parser.add_argument("--write", type=Path)
    arguments = parser.parse_args()
    lines = [
        "| width | float32 % | board % | images equal to the twin | board / twin | board / float32 |",
        "|---|---|---|---|---|---|",
    ]
    print("\n".join(lines), flush=True)
    for width in range(*arguments.widths):
        found = measure(
            [width], "zero", folder=arguments.folder, optimize="Os", skip_zeros=True, images=arguments.images
        )
        host = float_accuracy(width, arguments.folder, arguments.images)
        board, equal = float(found.correct.mean()), int(found.same.sum())
        relative = "1.00" if equal == arguments.images else "differs"
        cells = (str(width), f"{100 * host:.1f}", f"{100 * board:.1f}", f"{equal} of {arguments.images}", relative)
        lines.append(f"| {' | '.join(cells)} | {board / host:.3f} |")
        print(lines[-1], flush=True)
    if arguments.write:
        arguments.write.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
