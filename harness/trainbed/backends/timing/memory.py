# SPDX-License-Identifier: Apache-2.0
"""Memory terms: the cycles flash wait states add to a core model's count."""

from __future__ import annotations

from collections.abc import Sequence

from trainbed.backends.timing.model import MemoryCost
from trainbed.backends.timing.thumb import Instruction


class Nrf52840Flash:
    """Code in the flash of an nRF52840 at 64 MHz, instruction cache off (its state after reset)."""

    name = "nrf52840-flash/0"

    def block(self, instructions: Sequence[Instruction]) -> MemoryCost:
        """Cycles to add to a block."""
        return MemoryCost()
