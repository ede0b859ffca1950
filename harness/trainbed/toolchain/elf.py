# SPDX-License-Identifier: Apache-2.0
"""Facts read from an ELF: sections, sizes, symbols, marks, lines."""

from __future__ import annotations

import bisect
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trainbed.backends.base import PHASES

if TYPE_CHECKING:
    from elftools.elf.elffile import ELFFile

_RAM_SECTIONS = (".data", ".bss", ".ram_code")


@dataclass(frozen=True)
class ElfFacts:
    """What an ELF says about itself. Sizes in bytes."""

    flash_bytes: int
    """What is programmed: code, constants and the image of .data."""
    ram_static_bytes: int
    """.data, .bss and code that lies beside them, padding included; without the stack."""
    sections: Mapping[str, int]
    symbols: Mapping[str, int]
    """Objects in .data and .bss; statics of the same name in several files are added up."""
    constants: Mapping[str, int]
    """Objects in flash."""
    functions: tuple[tuple[int, int, str], ...]
    """(start address, size, name), by address."""
    entries: Mapping[str, int]
    """Address of every function by every name it has (libgcc gives some two)."""
    marks: Mapping[int, int]
    """Address of each trn_mark_* function -> phase number."""
    stack_low: int
    stack_top: int


def facts(elf: Path) -> ElfFacts:
    """Read an ELF. Raises OSError when it cannot be read, ValueError when it is not an ELF."""
    from elftools.common.exceptions import ELFError
    from elftools.elf.elffile import ELFFile

    with elf.open("rb") as stream:
        try:
            return _facts(ELFFile(stream))
        except ELFError as error:
            raise ValueError(f"{elf} is not an ELF: {error}") from error


def _facts(file: ELFFile) -> ElfFacts:
    sections: dict[str, int] = {}
    names: list[str] = []
    flash = 0
    for section in file.iter_sections():
        names.append(section.name)
        if section["sh_flags"] & 2:  # SHF_ALLOC
            sections[section.name] = section["sh_size"]
            flash += section["sh_size"] if section["sh_type"] != "SHT_NOBITS" else 0
    symbols: dict[str, int] = {}
    constants: dict[str, int] = {}
    functions: dict[int, tuple[int, int, str]] = {}
    entries: dict[str, int] = {}
    addresses: dict[str, int] = {}
    thumb = file["e_machine"] == "EM_ARM"
    for name, symbol in _symbols(file):
        address, size, index = symbol["st_value"], symbol["st_size"], symbol["st_shndx"]
        kind = symbol["st_info"]["type"]
        if kind == "STT_FUNC":
            address &= ~1 if thumb else ~0
            if index != "SHN_UNDEF":
                entries[name] = address
                functions[address] = max(functions.get(address, (address, 0, name)), (address, size, name))
        elif kind == "STT_OBJECT" and isinstance(index, int):
            group = symbols if names[index] in _RAM_SECTIONS else constants
            group[name] = group.get(name, 0) + size
        addresses[name] = address
    nameless = sum(sections.get(name, 0) for name in _RAM_SECTIONS) - sum(symbols.values())
    if file["e_machine"] == "EM_AVR" and nameless > 0:  # there is no alignment; what has no name the compiler made
        symbols["nameless constants"] = nameless
    marks = {addresses[f"trn_mark_{phase}"]: i for i, phase in enumerate(PHASES) if f"trn_mark_{phase}" in addresses}
    return ElfFacts(
        flash_bytes=flash,
        ram_static_bytes=sum(sections.get(name, 0) for name in _RAM_SECTIONS),
        sections=sections,
        symbols=dict(sorted(symbols.items())),
        constants=dict(sorted(constants.items())),
        functions=_extents(sorted(functions.values())),
        entries=entries,
        marks=marks,
        stack_low=addresses.get("__stack_limit", 0),
        stack_top=addresses.get("__stack_top", 0),
    )


def _extents(functions: list[tuple[int, int, str]]) -> tuple[tuple[int, int, str], ...]:
    """Assembly of libgcc comes without sizes: such a function reaches to the next one."""
    starts = [start for start, _, _ in functions[1:]] + [functions[-1][0] + functions[-1][1] if functions else 0]
    return tuple(
        (start, size or following - start, name)
        for (start, size, name), following in zip(functions, starts, strict=True)
        if size or following > start
    )


def largest_objects(objects: Iterable[Path], *, ram: bool, n: int = 5) -> list[tuple[str, int]]:
    """Largest (name, bytes) of what object files put into RAM, or into flash: for the message when it does not fit."""
    from elftools.elf.elffile import ELFFile

    found: list[tuple[str, int]] = []
    for path in objects:
        with path.open("rb") as stream:
            file = ELFFile(stream)
            for name, symbol in _symbols(file):
                index = symbol["st_shndx"]
                if symbol["st_info"]["type"] in ("STT_OBJECT", "STT_FUNC") and isinstance(index, int):
                    writable = bool(file.get_section(index)["sh_flags"] & 1)  # SHF_WRITE
                    if writable == ram:
                        found.append((name, symbol["st_size"]))
    return sorted(found, key=lambda item: (-item[1], item[0]))[:n]


def _symbols(file: ELFFile) -> Iterator[tuple[str, Any]]:
    from elftools.elf.sections import SymbolTableSection

    table = file.get_section_by_name(".symtab")
    if table is None:
        raise ValueError("the ELF was stripped of its symbols")
    assert isinstance(table, SymbolTableSection)
    for symbol in table.iter_symbols():
        if symbol.name:
            yield symbol.name, symbol.entry


def locate(elf: Path, pc: int) -> str:
    """Where an address is: ``function (file.c:123)``, ``function`` without line information, or the address."""
    from elftools.elf.elffile import ELFFile

    function = _function_at(facts(elf).functions, pc)
    with elf.open("rb") as stream:
        file = ELFFile(stream)
        line = _line_at(file, pc) if file.has_dwarf_info() else None
    if function is None:
        return f"0x{pc:08x}" + (f" ({line})" if line else "")
    return f"{function} ({line})" if line else function


def _function_at(functions: tuple[tuple[int, int, str], ...], pc: int) -> str | None:
    at = bisect.bisect_right(functions, (pc, 1 << 62, "")) - 1
    if at >= 0:
        start, size, name = functions[at]
        if pc < start + size:
            return name
    return None


def _line_at(file: ELFFile, pc: int) -> str | None:
    dwarf = file.get_dwarf_info()
    for unit in dwarf.iter_CUs():
        program = dwarf.line_program_for_CU(unit)
        if program is None:
            continue
        previous = None
        for entry in program.get_entries():
            state = entry.state
            if state is None:
                continue
            if previous is not None and previous.address <= pc < state.address:
                first = 0 if program["version"] >= 5 else 1
                name: bytes = program["file_entry"][previous.file - first].name
                return f"{Path(name.decode()).name}:{previous.line}"
            previous = None if state.end_sequence else state
    return None
