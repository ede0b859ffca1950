# SPDX-License-Identifier: Apache-2.0
"""A firmware with one of our ports, as an emulator we do not look into sees it: what its ELF tells by name.

Such an emulator says where the core sleeps; the functions it may sleep in say what that means.
"""

from __future__ import annotations

import struct
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from trainbed.backends.base import GuestImage
from trainbed.boards import Board, Memory
from trainbed.errors import InputError

_RECEIVER = "trn_port_receiver"
_RESIDENT = "trn_resident"
_WAIT = "trn_port_receive_wait"
_PARKS = "trn_fault_"
_SYMBOL = struct.Struct("<IIIBBH")
_SECTION = struct.Struct("<10I")
_SYMBOLS, _LOAD = 2, 1


@dataclass(frozen=True)
class PortedFirmware:
    """Addresses are the guest's."""

    core: str
    image: GuestImage
    memories: tuple[Memory, ...]
    receiver: int | None
    """The port's trn_port_receiver (firmware/port/bytewise/byte_uart.h), where its UART is read byte by byte."""
    resident: tuple[int, int] | None
    """Address and size of the firmware's sample buffer, where it has one."""
    wait: tuple[int, int]
    """Begin and end of the port's function that sleeps until input comes."""
    parks: tuple[tuple[int, int, str], ...]
    """Begin, end and name of the functions a firmware parks in when it can go no further."""

    def function_at(self, pc: int) -> str:
        """Name of the function an address lies in, or an empty string."""
        return next((name for start, size, name in self.image.functions if start & ~1 <= pc < (start & ~1) + size), "")

    def memory_at(self, address: int, n_bytes: int = 1) -> Memory | None:
        """The memory all of these bytes lie in, or None."""
        for memory in self.memories:
            if n_bytes >= 0 and memory.origin <= address and address + n_bytes <= memory.origin + memory.length:
                return memory
        return None

    def park_at(self, pc: int) -> str:
        """Name of the park an address lies in, or an empty string."""
        return next((name for begin, end, name in self.parks if begin <= pc < end), "")

    def waits_at(self, pc: int) -> bool:
        """A core asleep there waits for input."""
        return self.wait[0] <= pc < self.wait[1]


def ported_firmware(board: Board, image: GuestImage) -> PortedFirmware:
    """Raises InputError for a firmware whose port has no function that waits for input."""
    symbols = read_symbols(image.elf, (_RECEIVER, _RESIDENT))
    ranges = {name: (start & ~1, (start & ~1) + size) for start, size, name in image.functions}
    if _WAIT not in ranges:
        raise InputError(f"{image.elf.name} has no {_WAIT}: its port is not one this backend can drive")
    return PortedFirmware(
        core=board.core,
        image=image,
        memories=board.memories,
        receiver=symbols[_RECEIVER][0] if _RECEIVER in symbols else None,
        resident=symbols.get(_RESIDENT),
        wait=ranges[_WAIT],
        parks=tuple((*ranges[name], name) for name in ranges if name.startswith(_PARKS)),
    )


def read_symbols(elf: Path, names: Collection[str]) -> dict[str, tuple[int, int]]:
    """(value, size) of those symbols a 32-bit little-endian ELF has; quicker than importing a whole ELF library."""
    data = elf.read_bytes()
    sections = _sections(data)
    found = {}
    for section in sections:
        if section[1] == _SYMBOLS:
            strings = sections[section[6]][4]
            for entry in _SYMBOL.iter_unpack(data[section[4] : section[4] + section[5]]):
                at = strings + entry[0]
                name = data[at : data.index(b"\0", at)].decode(errors="replace")
                if name in names:
                    found[name] = (int(entry[1]), int(entry[2]))
    return found


def read_code(elf: Path, memories: tuple[Memory, ...]) -> list[tuple[int, bytes]]:
    """(address, bytes) of what the ELF puts into flash."""
    flash = [memory for memory in memories if memory.kind == "flash"]
    return [
        (stored, content)
        for _, stored, content in _segments(elf.read_bytes())
        if any(memory.origin <= stored < memory.origin + memory.length for memory in flash)
    ]


def stored_at(elf: Path, addresses: Collection[int]) -> list[int]:
    """Where in the image the bytes at addresses of the running firmware are: elsewhere for code start-up copies."""
    segments = _segments(elf.read_bytes())
    return [
        next((stored + a - start for start, stored, content in segments if start <= a < start + len(content)), a)
        for a in addresses
    ]


def _segments(data: bytes) -> list[tuple[int, int, bytes]]:
    """(address when it runs, address it is loaded to, bytes) of what an ELF loads."""
    (offset,) = struct.unpack_from("<I", data, 28)
    size, number = struct.unpack_from("<HH", data, 42)
    found = []
    for i in range(number):
        kind, start, virtual, physical, n_bytes = struct.unpack_from("<5I", data, offset + i * size)
        if kind == _LOAD and n_bytes:
            found.append((virtual, physical, data[start : start + n_bytes]))
    return found


def _sections(data: bytes) -> list[tuple[int, ...]]:
    (offset,) = struct.unpack_from("<I", data, 32)
    (number,) = struct.unpack_from("<H", data, 48)
    return [_SECTION.unpack_from(data, offset + i * _SECTION.size) for i in range(number)]
