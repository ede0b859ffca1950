# SPDX-License-Identifier: Apache-2.0
"""The widest 784-W-10 that fits the ATmega4809's 48 KB, in both quantisations, with and without the skipping of zeros.

    PYTHONPATH=harness python benchmarks/avr/widest.py [--write widest.md]

Built at -Os from seeded weights: what a network needs does not depend on their values, but for the width of its sums.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import networks

from trainbed.errors import ScenarioError
from trainbed.prepare import build_firmware, prepare
from trainbed.scenario.loader import load_scenario


def flash(width: int, precision: str, *, skip_zeros: bool, folder: Path) -> int | None:
    """Bytes of flash; None where it does not fit. Raises ScenarioError where anything else is wrong."""
    path = folder / "widest.yaml"
    path.write_text(networks.scenario([width], "zero", None, precision=precision, optimize="Os", skip_zeros=skip_zeros))
    try:
        return build_firmware(prepare(load_scenario(path))).firmware.flash_bytes
    except ScenarioError as error:
        if "of flash" not in str(error):
            raise
        return None


def widest(precision: str, *, skip_zeros: bool, folder: Path) -> tuple[int, int]:
    """Hidden units of the widest network, and its bytes of flash."""
    width, found = 40, flash(40, precision, skip_zeros=skip_zeros, folder=folder)
    while (wider := flash(width + 1, precision, skip_zeros=skip_zeros, folder=folder)) is not None:
        width, found = width + 1, wider
    assert found is not None, "a network of the thesis's width does not fit"
    return width, found


def main() -> None:
    """Print the table, and write it where asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", type=Path)
    arguments = parser.parse_args()
    lines = ["| quantisation | zeros | widest | flash |", "|---|---|---|---|"]
    print("\n".join(lines), flush=True)
    for name, precision in (("power of two", "int8_pow2"), ("affine", "uint8")):
        for zeros, skip in (("multiplied", False), ("skipped", True)):
            with tempfile.TemporaryDirectory() as folder:
                width, n_bytes = widest(precision, skip_zeros=skip, folder=Path(folder))
            lines.append(f"| {name} | {zeros} | {width} | {n_bytes:,} |")
            print(lines[-1], flush=True)
    if arguments.write:
        arguments.write.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
