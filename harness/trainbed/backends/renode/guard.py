# SPDX-License-Identifier: Apache-2.0
"""The core's memory protection unit as a guard: Renode answers a read outside every memory with 0 and goes on.

Regions are set through the registers a firmware would use, before it runs; our firmware has no use for them itself.
Source: Armv7-M Architecture Reference Manual, B3.5 (PMSAv7); a Cortex-M0 of Renode has the unit, too.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from trainbed.boards import Memory

CTRL, RNR, RBAR, RASR = 0xE000_ED94, 0xE000_ED98, 0xE000_ED9C, 0xE000_EDA0
_NONE, _READ_WRITE, _READ_ONLY = 0, 3, 6
"""Access permissions, field AP of RASR."""
_NEVER_EXECUTE = 1 << 28
_SUBREGIONS = 8
_PERIPHERALS = (0x4000_0000, 29)
_SYSTEM = (0xE000_0000, 29)


@dataclass(frozen=True)
class Region:
    """2**log2 bytes from ``base``; bit i of ``without`` leaves the i-th eighth out."""

    base: int
    log2: int
    permissions: int
    execute: bool
    without: int = 0

    @property
    def attributes(self) -> int:
        """Value of RASR."""
        never = 0 if self.execute else _NEVER_EXECUTE
        return never | self.permissions << 24 | self.without << 8 | (self.log2 - 1) << 1 | 1


def guard(memories: tuple[Memory, ...]) -> Iterator[tuple[int, int]]:
    """(register, value) to write, in order. A region of a higher number wins over one of a lower."""
    regions = [Region(0, 32, _NONE, execute=False)]
    for memory in memories:
        regions.append(_around(memory, _READ_ONLY if memory.kind == "flash" else _READ_WRITE))
    for base, log2 in (_PERIPHERALS, _SYSTEM):
        regions.append(Region(base, log2, _READ_WRITE, execute=False))
    for number, region in enumerate(regions):
        yield RNR, number
        yield RBAR, region.base
        yield RASR, region.attributes
    yield CTRL, 1


def _around(memory: Memory, permissions: int) -> Region:
    """The smallest region that holds a memory, without its eighths that hold nothing of it."""
    end = memory.origin + memory.length
    log2 = max(8, (memory.length - 1).bit_length())
    while memory.origin >> log2 != (end - 1) >> log2:
        log2 += 1
    base = memory.origin >> log2 << log2
    eighth = (1 << log2) // _SUBREGIONS
    empty = [i for i in range(_SUBREGIONS) if base + (i + 1) * eighth <= memory.origin or end <= base + i * eighth]
    return Region(base, log2, permissions, execute=True, without=sum(1 << i for i in empty))
