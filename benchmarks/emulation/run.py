# SPDX-License-Identifier: Apache-2.0
"""What counting costs: speed of Unicorn with the block hook against without any, boot time, and a whole small run.

    PYTHONPATH=harness python benchmarks/emulation/run.py [--write results.md]

Speed: one MNIST training step (forward, loss, backward) of the firmware that trains on the Nano 33 BLE, called over
and over in one process,
by turns with the hook and without; CPU time of the process, median of the turns. So the ratio is of the same code on
the same machine.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from elftools.elf.elffile import ELFFile
from unicorn import UC_ARCH_ARM, UC_MODE_MCLASS, UC_MODE_THUMB, UC_PROT_EXEC, UC_PROT_READ, Uc, arm_const

from trainbed.assets import asset_path
from trainbed.backends.block_hook import BlockCounter
from trainbed.backends.registry import open_guest
from trainbed.prepare import Built, build_firmware, prepare
from trainbed.scenario.loader import load_scenario

_TURNS = 7
_CALLS = 40
_RETURN = 0x000F_F000
"""An address in flash that no firmware reaches: where a call returns to."""
_TOP = 0x2004_0000
_SCENARIO = """\
schema: 1
name: benchmark
board: arduino_nano_33_ble
network:
  input: [28, 28, 1]
  layers:
    - conv2d: {filters: 16, kernel: 4, stride: 2, activation: relu}
    - max_pool: {size: 2}
    - conv2d: {filters: 24, kernel: 3, activation: relu}
    - flatten
    - dense: {units: 10, activation: softmax}
training: {loss: categorical_crossentropy, optimizer: {adam: {lr: 0.001}}, epochs: 1, batch_size: 32}
data: {npz: data.npz}
link: {dataset: stream}
"""


class Engine:
    """The firmware's model in a bare Unicorn, with or without the hook."""

    def __init__(self, built: Built, *, hooked: bool) -> None:
        self.uc = Uc(UC_ARCH_ARM, UC_MODE_THUMB | UC_MODE_MCLASS)
        self.uc.ctl_set_cpu_model(arm_const.UC_CPU_ARM_CORTEX_M4)
        self.uc.mem_map(0, 1 << 20, UC_PROT_READ | UC_PROT_EXEC)
        self.uc.mem_map(0x2000_0000, 0x4_0000)
        image = built.firmware.image
        with image.elf.open("rb") as stream:
            elf = ELFFile(stream)
            for segment in elf.iter_segments():
                if segment["p_type"] == "PT_LOAD" and segment["p_filesz"]:
                    self.uc.mem_write(segment["p_vaddr"], segment.data())
        self.entry = {name: start for start, _, name in image.functions}
        self.counter = BlockCounter("cortex-m4", memory="nrf52840", marks=image.marks, functions=image.functions)
        if hooked:
            self.counter.attach(self.uc)
        self.call("trn_model_init", 1)
        self.call("trn_model_begin_batch", 32)

    def call(self, name: str, *arguments: int) -> None:
        """Call a function of the firmware and run it to its return."""
        registers = (arm_const.UC_ARM_REG_R0, arm_const.UC_ARM_REG_R1, arm_const.UC_ARM_REG_R2)
        for register, value in zip(registers, arguments, strict=False):
            self.uc.reg_write(register, value)
        self.uc.reg_write(arm_const.UC_ARM_REG_SP, _TOP - 8192)
        self.uc.reg_write(arm_const.UC_ARM_REG_LR, _RETURN | 1)
        self.uc.emu_start(self.entry[name] | 1, _RETURN)

    def turn(self) -> float:
        """CPU seconds of some training steps; x, t and p lie behind the stack, where nothing else is."""
        begun = time.process_time()
        for _ in range(_CALLS):
            self.call("trn_model_train_sample", _TOP - 7000, _TOP - 3000, _TOP - 2000)
        return time.process_time() - begun


def hook_ratio(folder: Path) -> tuple[float, float]:
    """(MIPS without hook, speed with hook as a share of it)."""
    rng = np.random.default_rng(1)
    x = rng.integers(0, 256, (40, 28, 28, 1)).astype(np.uint8)
    y = rng.integers(0, 10, 40).astype(np.uint8)
    np.savez(folder / "data.npz", x_train=x[:32], y_train=y[:32], x_test=x[32:], y_test=y[32:])
    (folder / "benchmark.yaml").write_text(_SCENARIO)
    built = build_firmware(prepare(load_scenario(folder / "benchmark.yaml")))
    plain, hooked = Engine(built, hooked=False), Engine(built, hooked=True)
    plain.turn(), hooked.turn()
    before = hooked.counter.instructions
    hooked.turn()
    instructions = hooked.counter.instructions - before
    turns = [(plain.turn(), hooked.turn()) for _ in range(_TURNS)]
    without = statistics.median(turn[0] for turn in turns)
    return instructions / without / 1e6, statistics.median(turn[0] / turn[1] for turn in turns)


def boot_seconds() -> tuple[float, float]:
    """(first start of a guest, worker process and imports included; median of later ones)."""
    built = build_firmware(prepare(load_scenario(asset_path("scenarios") / "tiny.yaml")))
    guest = open_guest(built.prepared.board, "unicorn", built.firmware.image)
    times = []
    try:
        for _ in range(8):
            begun = time.perf_counter()
            guest.start()
            times.append(time.perf_counter() - begun)
    finally:
        guest.close()
    return times[0], statistics.median(times[1:])


def whole_run_seconds(folder: Path) -> float:
    """Median wall time of `trainbed run tiny.yaml`, ELF in the cache, from process start to end."""
    command = [sys.executable, "-m", "trainbed.cli", "run", str(asset_path("scenarios") / "tiny.yaml")]
    times = []
    for number in range(6):
        begun = time.perf_counter()
        subprocess.run([*command, "--out", str(folder / str(number))], check=True, capture_output=True)
        times.append(time.perf_counter() - begun)
    return statistics.median(times[1:])


def main() -> None:
    """Print the figures, and write them where asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", type=Path)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        mips, ratio = hook_ratio(Path(scratch))
        first, later = boot_seconds()
        whole = whole_run_seconds(Path(scratch))
    rows = (
        ("a training step without any hook", f"{mips:.0f} MIPS"),
        ("the same with hook, core and flash model (required: at least 60 %)", f"{ratio:.0%} of it"),
        ("first start of a guest, worker process and imports included", f"{1000 * first:.0f} ms"),
        ("start of a guest to its first wait, after imports (required: under 50 ms)", f"{1000 * later:.1f} ms"),
        ("trainbed run tiny.yaml, cached ELF, end to end (required: at most 1.5 s)", f"{whole:.2f} s"),
    )
    text = "\n".join(["| what | figure |", "|---|---|", *(f"| {what} | {figure} |" for what, figure in rows)])
    print(text)
    if arguments.write is not None:
        arguments.write.write_text(f"# Speed of the emulation\n\n{text}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
