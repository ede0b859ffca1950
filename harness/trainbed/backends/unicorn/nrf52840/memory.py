# SPDX-License-Identifier: Apache-2.0
"""Memory map of the nRF52840. Source: Product Specification v1.7, 4.2, 4.4."""

from __future__ import annotations

import struct

from trainbed.backends.unicorn.memory import Region

FLASH = Region(0x0000_0000, 0x0010_0000)
RAM = Region(0x2000_0000, 0x0004_0000)
FICR = Region(0x1000_0000, 0x1000)
UICR = Region(0x1000_1000, 0x1000)
FLASH_PAGE = 4096
N_INTERRUPTS = 48
UARTE0_IRQ = 2

_FICR_VALUES = {
    0x010: FLASH_PAGE,
    0x014: FLASH.length // FLASH_PAGE,
    0x060: 0x7472_6169,  # device id: the same on every run
    0x064: 0x6E62_6564,
    0x0A0: 0xFFFF_FFFF,
    0x0A4: 0x7472_6169,  # device address
    0x0A8: 0x0000_6E62,
    0x100: 0x0005_2840,  # part
    0x104: 0x4141_4430,  # variant AAD0
    0x108: 0x0000_2004,  # package QI
    0x10C: RAM.length // 1024,
    0x110: FLASH.length // 1024,
}


def factory_information() -> bytes:
    """Content of FICR: part, sizes and a fixed identity; all else erased."""
    content = bytearray(b"\xff" * FICR.length)
    for offset, value in _FICR_VALUES.items():
        struct.pack_into("<I", content, offset, value)
    return bytes(content)
