# SPDX-License-Identifier: Apache-2.0
"""Speed of the AVR backends: emulated MHz with counting on, images a second over the UART, two boards side by side.

    PYTHONPATH=harness python benchmarks/avr_speed/run.py [--write results.md]

Speeds are of the emulating process's CPU time, so that other work on the machine weighs little; two boards side by
side are of the wall clock, which it distorts.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import threading
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import numpy as np

from trainbed.assets import asset_path
from trainbed.backends.avr.config import AvrConfig, config_for
from trainbed.backends.avr.guest import AvrGuest
from trainbed.backends.avr.library import simavr_version
from trainbed.backends.base import Budget
from trainbed.link.client import Client
from trainbed.prepare import build_firmware, prepare
from trainbed.raw import build_raw
from trainbed.scenario.loader import load_scenario
from trainbed.session import Session
from trainbed.toolchain import find_compiler

_BOARDS = ("arduino_uno", "arduino_mega", "atmega4809_xplained")
_MACHINE = "Python 3.11, two virtual cores of an AMD EPYC, other heavy work held back"
_TURNS = 7
_IMAGES = 20
_RAW = """\
schema: 1
name: images
board: atmega4809_xplained
network:
  input: [28, 28, 1]
  layers:
    - avg_pool: {size: 7}
    - flatten
    - dense: {units: 10, activation: softmax, trainable: false}
training: {loss: categorical_crossentropy, optimizer: {sgd: {lr: 0.1}}, epochs: 0, batch_size: 1}
data: {npz: images.npz, scale: 1}
"""


class _InProcess:
    """A guest of this process, so that its CPU time is ours to read."""

    def __init__(self, config: AvrConfig) -> None:
        self.guest = AvrGuest(config)
        self.guest.start()

    def exchange(self, data: bytes, *, budget: Budget) -> bytes:
        """See Guest."""
        return self.guest.exchange(data, budget)

    def rate(self, work: Callable[[], object]) -> float:
        """Guest cycles a second of CPU time, median."""
        rates = []
        for _ in range(_TURNS):
            cycles, begun = self.guest.cost().cycles, time.process_time()
            work()
            rates.append((self.guest.cost().cycles - cycles) / (time.process_time() - begun))
        return statistics.median(rates)


def training_mhz(board: str) -> float:
    """Float training, which is nearly all library code: short instructions, few waits."""
    prepared = prepare(load_scenario(asset_path("scenarios") / "tiny.yaml"), board=board)
    image = build_firmware(prepared).firmware.image
    inside = _InProcess(config_for(prepared.board, prepared.board.backends[0], image))
    client = Client(inside)  # type: ignore[arg-type]  # it only exchanges
    client.connect()
    client.init(1)
    client.set_targets(prepared.target_table or ())
    indices = np.arange(14, dtype=np.uint16)

    def work() -> None:
        client.begin_epoch(0, lr=0.1)
        for i in range(8):
            client.train_indexed(14 * i, indices, batch_samples=7)

    return inside.rate(work) / 1e6


def images(baud: int, folder: Path) -> tuple[float, float]:
    """Images of 784 bytes a second of CPU time, and guest cycles an image: the line, and some 320 000 of inference."""
    (folder / "images.yaml").write_text(_RAW)
    x = np.zeros((4, 28, 28, 1), dtype=np.int16)
    np.savez(folder / "images.npz", x_train=x, y_train=np.arange(4), x_test=x, y_test=np.arange(4))
    prepared, firmware = build_raw(load_scenario(folder / "images.yaml", [f"link.baud={baud}"]))
    inside = _InProcess(config_for(prepared.board, "yasimavr", firmware.image))
    frame = bytes([0xAA, 0, *([7] * 784), 0xAB])

    def work() -> None:
        for _ in range(_IMAGES):
            answer = inside.exchange(frame, budget=Budget())
            assert answer[0] == 0xAA

    before = inside.guest.cost().cycles
    rate = inside.rate(work)
    each = (inside.guest.cost().cycles - before) / (_TURNS * _IMAGES)
    return rate / each, each


def side_by_side() -> tuple[float, float]:
    """Seconds of one training run on the Mega, and of two at once."""
    scenario = load_scenario(asset_path("scenarios") / "avr_sensor.yaml", ["training.epochs=20", "data.test=42"])

    def run(session: Session) -> None:
        session.inject()
        session.train()

    def timed(n: int) -> float:
        sessions = [Session(scenario, board="arduino_mega") for _ in range(n)]
        for session in sessions:
            session.boot()
        threads = [threading.Thread(target=run, args=(session,)) for session in sessions]
        begun = time.perf_counter()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        spent = time.perf_counter() - begun
        for session in sessions:
            session.close()
        return spent

    timed(2)
    turns = [(timed(1), timed(2)) for _ in range(3)]
    return statistics.median(one for one, _ in turns), statistics.median(two for _, two in turns)


def main() -> None:
    """Print the figures, and write them where asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", type=Path)
    arguments = parser.parse_args()
    rows = [(f"float training on `{board}` (required: 40)", f"{training_mhz(board):.0f} MHz") for board in _BOARDS]
    with tempfile.TemporaryDirectory() as scratch:
        for baud in (1_250_000, 115_200):
            rate, each = images(baud, Path(scratch))
            rows.append(
                (f"784-byte images at {baud} baud on the ATmega4809", f"{rate:.0f} a second, {each:,.0f} cycles each")
            )
    one, two = side_by_side()
    rows.append(("one run on the Mega, two at once (wall clock, two cores)", f"{one:.1f} s, {two:.1f} s"))
    text = "\n".join(["| what | figure |", "|---|---|", *(f"| {what} | {figure} |" for what, figure in rows)])
    text += (
        f"\n\nsimavr {simavr_version()}, yasimavr {version('yasimavr')}, {find_compiler('avr5').version}; {_MACHINE}\n"
    )
    print(text)
    if arguments.write is not None:
        arguments.write.write_text(f"# Speed of the AVR backends\n\n{text}", encoding="utf-8")


if __name__ == "__main__":
    main()
