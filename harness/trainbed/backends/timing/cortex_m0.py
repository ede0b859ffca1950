# SPDX-License-Identifier: Apache-2.0
"""Cortex-M0 and Cortex-M0+ at zero wait states: nothing overlaps, so an instruction costs what its table says.

Sources: Arm Cortex-M0 Technical Reference Manual r0p0 (DDI 0432), 3.3; Cortex-M0+ Technical Reference Manual r0p1
(DDI 0484), 3.3. Multiplication takes one cycle: the option that STM32F0 and RP2040 have.
"""

from __future__ import annotations

from collections.abc import Sequence

from trainbed.backends.timing.fetch import ZERO_WAIT, CodeMemory
from trainbed.backends.timing.model import CoreCost
from trainbed.backends.timing.thumb import Instruction, Kind

_SINGLE = frozenset({Kind.LOAD, Kind.STORE})
_MULTIPLE = frozenset({Kind.LOAD_MULTIPLE, Kind.STORE_MULTIPLE})
_SLOW = frozenset({Kind.SYSTEM, Kind.BARRIER})


class _CortexM0:
    """What the two have in common. ``_refill``: cycles until an instruction behind a taken branch executes."""

    name: str
    _refill: int
    _system: int
    static_division = 0
    predicts = False

    def block(self, instructions: Sequence[Instruction], memory: CodeMemory = ZERO_WAIT) -> CoreCost:
        """Cost of a block."""
        cycles = sum(self._cycles(this) for this in instructions)
        last = instructions[-1] if instructions else None
        taken = self._refill if last is not None and last.leaves else 0
        if last is not None and last.mnemonic == "bl":
            taken += 1  # two half-words to decode
        return CoreCost(cycles=cycles, taken=taken, target=0)

    def _cycles(self, this: Instruction) -> int:
        if this.kind in _SINGLE:
            return 2
        if this.kind in _MULTIPLE:
            return 1 + this.words
        return self._system if this.kind in _SLOW else 1

    def division_cycles(self, dividend_bits: int, divisor_bits: int) -> int:
        """Armv6-M has no division."""
        return 0


class CortexM0(_CortexM0):
    """Three stages: a taken branch takes 3 cycles, BL 4, MRS, MSR and barriers 4."""

    name = "cortex-m0/1"
    _refill = 2
    _system = 4


class CortexM0Plus(_CortexM0):
    """Two stages: a taken branch takes 2 cycles, BL 3, MRS, MSR and barriers 3."""

    name = "cortex-m0plus/1"
    _refill = 1
    _system = 3
