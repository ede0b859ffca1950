# SPDX-License-Identifier: Apache-2.0
"""FlexRAM: 16 banks of 32 KB that are code memory (ITCM), data memory (DTCM) or OCRAM. Source: IMXRT1060RM, 30.2.

After reset the fuses' split holds: 128 KB each of ITCM and DTCM, 256 KB of OCRAM. IOMUXC_GPR17 names another, GPR16
switches to it. Banks that stay what they were keep their content here; on the part the content of all is lost.
"""

from __future__ import annotations

from typing import Any

from trainbed.backends.unicorn.engine import unicorn
from trainbed.backends.unicorn.memory import Region
from trainbed.backends.unicorn.register_file import RegisterFile
from trainbed.backends.unicorn.registers import Unmodelled
from trainbed.backends.unicorn.schedule import Schedule

BANK = 0x8000
ITCM, DTCM = 0x0000_0000, 0x2000_0000
_OCRAM_KIND, _DTCM_KIND, _ITCM_KIND = 1, 2, 3
_FUSES = {ITCM: 4 * BANK, DTCM: 4 * BANK}
_GPR14, _GPR16, _GPR17 = 0x38, 0x40, 0x44
_SPLIT_BY_GPR17, _DTCM_ON, _ITCM_ON = 1 << 2, 1 << 1, 1 << 0
_ACCESS = {
    ITCM: unicorn.UC_PROT_READ | unicorn.UC_PROT_WRITE | unicorn.UC_PROT_EXEC,
    DTCM: unicorn.UC_PROT_READ | unicorn.UC_PROT_WRITE,
}


class FlexRam:
    """IOMUXC_GPR, and the two memories it sizes. They change between two blocks: the guest needs an ISB anyway."""

    def __init__(self, schedule: Schedule) -> None:
        self._schedule = schedule
        self._uc: Any = None
        self._sizes = dict.fromkeys(_FUSES, 0)
        plain = dict.fromkeys(range(0, 140, 4), 0)
        self.registers = RegisterFile("IOMUXC_GPR", {**plain, _GPR16: 0x0020_0003}, on_write=self._written)

    def map_into(self, uc: Any) -> None:
        """The fuses' split."""
        self._uc = uc
        self._resize(_FUSES)

    def power_on(self) -> None:
        """The fuses' split, cleared."""
        self._resize(_FUSES)
        for region in self.regions:
            self._uc.mem_write(region.origin, bytes(region.length))

    @property
    def regions(self) -> tuple[Region, ...]:
        """ITCM and DTCM as they are now."""
        return tuple(Region(origin, length) for origin, length in self._sizes.items() if length)

    def _written(self, offset: int) -> None:
        if offset != _GPR16 or not self.registers[_GPR16] & _SPLIT_BY_GPR17:
            return
        kinds = [self.registers[_GPR17] >> 2 * bank & 3 for bank in range(16)]
        wanted = {ITCM: BANK * kinds.count(_ITCM_KIND), DTCM: BANK * kinds.count(_DTCM_KIND)}
        for origin, on, shift, name in ((ITCM, _ITCM_ON, 16, "ITCM"), (DTCM, _DTCM_ON, 20, "DTCM")):
            if wanted[origin] and not self.registers[_GPR16] & on:
                raise Unmodelled(f"GPR17 gives banks to {name}, which GPR16 switches off")
            size = self.registers[_GPR14] >> shift & 0xF
            if wanted[origin] and (size == 0 or wanted[origin] > 512 << size):
                raise Unmodelled(f"GPR17 gives {wanted[origin]} bytes to {name}, GPR14 says {512 << size}")
        self._schedule.at(0, "FlexRAM", lambda: self._resize(wanted))

    def _resize(self, wanted: dict[int, int]) -> None:
        for origin, length in wanted.items():
            has = self._sizes[origin]
            if length > has:
                self._uc.mem_map(origin + has, length - has, _ACCESS[origin])
            elif length < has:
                self._uc.mem_unmap(origin + length, has - length)
            self._sizes[origin] = length
