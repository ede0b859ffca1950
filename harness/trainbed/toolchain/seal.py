# SPDX-License-Identifier: Apache-2.0
"""Puts the checksum a boot ROM asks for into a linked ELF."""

from __future__ import annotations

import struct
from pathlib import Path

from trainbed.errors import BuildError

_POLYNOMIAL = 0x04C1_1DB7


def boot_checksum(content: bytes) -> int:
    """CRC-32 as the ROM of the RP2040 computes it: most significant bit first, from all ones, not inverted.

    Source: RP2040 Datasheet, 2.8.1.3.1, "checksum".
    """
    crc = 0xFFFF_FFFF
    for byte in content:
        crc ^= byte << 24
        for _ in range(8):
            crc = (crc << 1 ^ _POLYNOMIAL if crc >> 31 else crc << 1) & 0xFFFF_FFFF
    return crc


def seal(elf: Path, section: str) -> None:
    """Writes the checksum of all of a section but its last four bytes into these. Raises BuildError without it."""
    from elftools.elf.elffile import ELFFile

    with elf.open("rb") as stream:
        found = ELFFile(stream).get_section_by_name(section)
        if found is None:
            raise BuildError(f"the port has no section {section}, which the boot ROM of the board asks for")
        content, offset = found.data(), found["sh_offset"]
    with elf.open("r+b") as stream:
        stream.seek(offset + len(content) - 4)
        stream.write(struct.pack("<I", boot_checksum(content[:-4])))
