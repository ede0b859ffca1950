# SPDX-License-Identifier: Apache-2.0
"""A bare Cortex-M4 under Unicorn that runs a few lines of assembly, for tests of the block hook."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from unicorn import UC_ARCH_ARM, UC_MODE_MCLASS, UC_MODE_THUMB, UC_PROT_EXEC, UC_PROT_READ, Uc, arm_const

from trainbed.backends.block_hook import BlockCounter

FLASH = 0x0001_0000
RAM = 0x2000_0000
PERIPHERAL = 0x4000_0000
_HEAD = ".syntax unified\n.cpu cortex-m4\n.fpu fpv4-sp-d16\n.thumb\n.text\n.balign 16\n"


def assemble(source: str) -> tuple[bytes, dict[str, int]]:
    """Machine code of ``source`` at FLASH, and the addresses of its labels."""
    with TemporaryDirectory() as folder:
        text, linked = Path(folder) / "guest.s", Path(folder) / "guest.elf"
        text.write_text(_HEAD + source + "\n")
        link = f"-Wl,-Ttext=0x{FLASH:x},-e,0x{FLASH:x}"
        flags = ["-mcpu=cortex-m4", "-mthumb", "-mfloat-abi=hard", "-mfpu=fpv4-sp-d16", "-nostdlib", link]
        subprocess.run(["arm-none-eabi-gcc", *flags, str(text), "-o", str(linked)], check=True, capture_output=True)
        raw = Path(folder) / "guest.bin"
        command = ["arm-none-eabi-objcopy", "-O", "binary", "-j", ".text", str(linked), str(raw)]
        subprocess.run(command, check=True)
        listing = subprocess.run(["arm-none-eabi-nm", str(linked)], check=True, capture_output=True, text=True).stdout
        labels = {line.split()[2]: int(line.split()[0], 16) & ~1 for line in listing.splitlines()}
        return raw.read_bytes(), labels


class BareGuest:
    """Flash with the program, 64 KiB of RAM, and one peripheral page whose writes go to ``on_write``."""

    def __init__(self, source: str, *, on_write: Callable[[int], None] | None = None) -> None:
        code, self.labels = assemble(source)
        self.uc: Any = Uc(UC_ARCH_ARM, UC_MODE_THUMB | UC_MODE_MCLASS)
        self.uc.ctl_set_cpu_model(arm_const.UC_CPU_ARM_CORTEX_M4)
        self.uc.mem_map(FLASH, 0x10000, UC_PROT_READ | UC_PROT_EXEC)
        self.uc.mem_map(RAM, 0x10000)
        self.uc.mem_write(FLASH, code)
        self.uc.reg_write(arm_const.UC_ARM_REG_SP, RAM + 0x10000)
        if on_write is not None:
            self.uc.mmio_map(
                PERIPHERAL, 0x1000, lambda *_: 0, None, lambda _u, _o, _s, value, _d: on_write(value), None
            )

    def count(
        self,
        *,
        memory: str | None = None,
        marks: Mapping[int, int] = {},
        functions: Sequence[tuple[int, int, str]] = (),
    ) -> BlockCounter:
        """A counter, attached."""
        counter = BlockCounter("cortex-m4", memory=memory, marks=marks, functions=functions)
        counter.attach(self.uc)
        return counter

    def run(self, pc: int = FLASH) -> None:
        """Runs until the program sleeps (WFI) or is stopped."""
        self.uc.emu_start(pc | 1, 0xFFFF_FFFF)

    @property
    def pc(self) -> int:
        """Where it stopped."""
        return int(self.uc.reg_read(arm_const.UC_ARM_REG_PC))
