# SPDX-License-Identifier: Apache-2.0
"""What the RP2040's boot ROM does with flash: it checks 256 bytes, copies them to SRAM and runs them there.

Source: RP2040 Datasheet, 2.8.1. Booting over USB, which the part falls back to, is not modelled.
"""

from __future__ import annotations

import struct
from typing import Any

from trainbed.backends.failure import Failure, GuestStopped
from trainbed.backends.unicorn.soc import Boot
from trainbed.toolchain.seal import boot_checksum

STAGE_2 = 256
STAGE_2_AT = 0x2004_1F00


def load_stage_2(uc: Any, flash: int) -> Boot:
    """Raises GuestStopped when the checksum is wrong: the part would wait for a host on its USB port instead."""
    image = bytes(uc.mem_read(flash, STAGE_2))
    (expected,) = struct.unpack("<I", image[-4:])
    found = boot_checksum(image[:-4])
    if found != expected:
        detail = f"the boot ROM refuses the flash: its second stage has CRC-32 0x{found:08x}, not 0x{expected:08x}"
        raise GuestStopped(Failure("fault", flash, detail, kind="boot"))
    uc.mem_write(STAGE_2_AT, image)
    return Boot(pc=STAGE_2_AT, sp=STAGE_2_AT, vtor=0)
