# SPDX-License-Identifier: Apache-2.0
"""One scenario on every backend that runs a Cortex-M, side by side: the same weights? how fast?

    PYTHONPATH=harness python benchmarks/backends/run.py [--epochs N] [--rounds N] [--write results.md]

Backends take turns within a round, so that a busy machine slows all of them; figures are medians of the rounds.
Speed counts the instructions of training against the processor time of the emulator's process, threads and start-up
of the link included, and against the wall clock. Backends that are not installed are left out, by name.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from trainbed.assets import asset_path
from trainbed.backends.pool import POOL
from trainbed.backends.registry import availability
from trainbed.errors import InputError
from trainbed.result import weights_sha256
from trainbed.scenario.loader import load_scenario
from trainbed.session import Session

_INT8 = [
    "training.precision=int8_pow2",
    "training.optimizer={sgd: {lr: 0.05}}",
    "training.batch_size=1",
    "data.train=96",
    "expect={}",
]
CASES: tuple[tuple[str, str, list[str]], ...] = (
    ("float32 in hardware: depthconv on a Cortex-M4F", "depthconv", []),
    ("8-bit integers: digits_mlp in int8_pow2 on a Cortex-M4F", "digits_mlp", _INT8),
    ("float32 in software: depthconv on a Cortex-M3", "depthconv", []),
    ("8-bit convolutions, six epochs: conv311k_uint8", "conv311k_uint8", ["training.epochs=6"]),
)
PLACES: tuple[tuple[tuple[str, str], ...], ...] = (
    (
        ("unicorn", "arduino_nano_33_ble"),
        ("renode", "arduino_nano_33_ble"),
        ("qemu", "netduinoplus2"),
        ("renode", "netduinoplus2"),
    ),
    (("unicorn", "arduino_nano_33_ble"), ("renode", "arduino_nano_33_ble"), ("qemu", "netduinoplus2")),
    (("qemu", "mps2_an385"), ("renode", "mps2_an385")),
    (
        ("unicorn", "arduino_nano_33_ble"),
        ("renode", "arduino_nano_33_ble"),
        ("qemu", "mps2_an385"),
        ("qemu", "mps2_an500"),
    ),
)


@dataclass
class Figures:
    """What the rounds showed of one place."""

    elf: str = ""
    weights: str = ""
    instructions: int = 0
    first_start_s: list[float] = field(default_factory=list)
    start_s: list[float] = field(default_factory=list)
    train_s: list[float] = field(default_factory=list)
    cpu_s: list[float] = field(default_factory=list)


def _cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _pid(guest: Any) -> int:
    return int(guest.emulator_pid if hasattr(guest, "emulator_pid") else guest.worker_pid)


def turn(scenario: str, sets: list[str], place: tuple[str, str], figures: Figures) -> None:
    """Boot from nothing, boot again, train."""
    backend, board = place
    loaded = load_scenario(asset_path("scenarios") / f"{scenario}.yaml", [*sets, f"board={board}"])
    with Session(loaded, backend=backend) as session:
        built = session.build()
        POOL.close()  # the next start makes its process and loads its emulator
        begun = time.perf_counter()
        session.boot()
        figures.first_start_s.append(time.perf_counter() - begun)
        begun = time.perf_counter()
        session.boot()
        figures.start_s.append(time.perf_counter() - begun)
        session.inject()
        pid = _pid(session.guest)
        before, cpu, begun = session.cost().instructions, _cpu_seconds(pid), time.perf_counter()
        session.train()
        figures.train_s.append(time.perf_counter() - begun)
        figures.cpu_s.append(_cpu_seconds(pid) - cpu)
        figures.instructions = session.cost().instructions - before
        figures.elf = built.firmware.image.sha256
        figures.weights = weights_sha256([session.weights()])


def table(title: str, found: dict[tuple[str, str], Figures], missing: list[str]) -> str:
    """One case."""
    lines = [
        f"## {title}",
        "",
        "| backend | board | ELF | weights | million instructions | MIPS (processor time) | MIPS (wall) | first start "
        "| start | training, wall |",
        "|---|---|---|---|--:|--:|--:|--:|--:|--:|",
    ]
    median = statistics.median
    for (backend, board), f in found.items():
        million = f.instructions / 1e6
        speeds = [f"{million / median(seconds):.0f}" for seconds in (f.cpu_s, f.train_s)]
        starts = [f"{median(f.first_start_s):.2f} s", f"{1000 * median(f.start_s):.0f} ms"]
        cells = [
            f"{backend} {availability(backend).version}",
            *(f"`{text}`" for text in (board, f.elf[:12], f.weights[:12])),
            f"{million:.1f}",
            *speeds,
            *starts,
            f"{median(f.train_s):.2f} s",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    unicorn, renode = (found.get((name, "arduino_nano_33_ble")) for name in ("unicorn", "renode"))
    if unicorn and renode:
        ratios = [ours / theirs for ours, theirs in zip(unicorn.train_s, renode.train_s, strict=True)]
        lines += ["", f"Unicorn takes {median(ratios):.2f} of Renode's wall time (median of the rounds)."]
        same = unicorn.elf == renode.elf and unicorn.weights == renode.weights
        lines.append(f"Same ELF and same weights on both: {'yes' if same else 'NO'} (ELF sha256 `{renode.elf}`, ")
        lines.append(f"weights sha256 `{renode.weights}`).")
    lines += [f"Not here: {name}." for name in missing]
    return "\n".join(lines)


def main() -> int:
    """Print the tables, and write them where asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=int, default=250)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--write", type=Path)
    arguments = parser.parse_args()
    parts = []
    for (title, scenario, sets), places in zip(CASES, PLACES, strict=True):
        here = [place for place in places if availability(place[0]).usable]
        missing = sorted(
            {f"{name} ({availability(name).reason})" for name, _ in places if not availability(name).usable}
        )
        found: dict[tuple[str, str], Figures] = {place: Figures() for place in here}
        try:
            for _ in range(arguments.rounds):
                for place in here:
                    turn(scenario, [f"training.epochs={arguments.epochs}", *sets], place, found[place])
        except InputError as error:
            print(f"{title}: left out: {error}", file=sys.stderr)
            continue
        parts.append(table(title, found, missing))
        print(parts[-1], flush=True)
    if arguments.write is not None:
        head = (
            "# Backends side by side\n\n"
            f"`python benchmarks/backends/run.py --epochs {arguments.epochs} --rounds {arguments.rounds} --write ...`: "
            f"{platform.machine()}, {os.cpu_count()} virtual cores shared with other work (load average "
            f"{os.getloadavg()[0]:.1f} at the end), Python {platform.python_version()}.\n"
        )
        arguments.write.write_text("\n\n".join([head, *parts]) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
