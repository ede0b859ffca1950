# SPDX-License-Identifier: Apache-2.0
"""Memory terms: the cycles flash adds to a core model's count."""

from __future__ import annotations

from dataclasses import dataclass

from trainbed.backends.timing.fetch import CodeMemory


@dataclass(frozen=True)
class InstructionCache:
    """A cache in front of code memory; replacement is LRU.

    Sizes in bytes. ``miss_wait``: wait states of a line that is not in it; ``off_wait``: of every line while it is off.
    """

    size: int
    line: int
    ways: int
    miss_wait: int
    off_wait: int

    @property
    def sets(self) -> int:
        """Number of sets, a power of two."""
        return self.size // (self.line * self.ways)


_FLASH = range(0, 0x0010_0000)


class Nrf52840Flash:
    """Code in the flash of an nRF52840 at 64 MHz, instruction cache on (NVMC ICACHECNF.CACHEEN = 1).

    Nordic's product specification: 2 KiB of cache on the ICODE bus, no wait state on a hit, up to 3 on a miss. Data in
    flash, literals too, comes over the DCODE bus, past the cache: 3 wait states as well. Lines of 16 bytes and two ways
    are the nRF5340's, whose specification says so; the fit agrees, see docs/fidelity.md.
    """

    name = "nrf52840-flash/1"
    region = _FLASH
    code = CodeMemory(line_bytes=16, line_wait=0, data_wait=3)
    cache: InstructionCache | None = InstructionCache(size=2048, line=16, ways=2, miss_wait=3, off_wait=2)


class Nrf52840FlashUncached:
    """Code in the flash of an nRF52840 at 64 MHz, instruction cache off, as after reset.

    Two wait states an access (product specification); not compared with hardware.
    """

    name = "nrf52840-flash-uncached/1"
    region = _FLASH
    code = CodeMemory(line_bytes=16, line_wait=2, data_wait=2)
    cache: InstructionCache | None = None
