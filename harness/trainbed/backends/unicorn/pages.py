# SPDX-License-Identifier: Apache-2.0
"""Peripherals on the engine's memory map: pages of 4 KB, each answered by the units that lie in it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from trainbed.backends.unicorn.registers import BusFault, Peripheral, Unmodelled

PAGE = 0x1000

Place = tuple[int, int, int, Peripheral]
"""First address, length, register offset of the first address, unit."""


def map_peripherals(
    uc: Any,
    places: Sequence[Place],
    *,
    on_fault: Callable[[str, int, str], None],
    on_error: Callable[[BaseException], None],
) -> list[object]:
    """Maps every page that holds a unit; ``on_fault`` gets kind, address and detail of an access nobody models.

    An exception must not run through the engine's C frames: ``on_error`` takes it. Returns what has to stay referenced.
    """
    keep: list[object] = []
    for page in sorted({first // PAGE for first, *_ in places}):
        units = [place for place in places if place[0] // PAGE == page]

        def read(_uc: Any, offset: int, size: int, _user: Any, *, base: int = page * PAGE, units: Any = units) -> int:
            try:
                unit, register = _find(units, base + offset)
                return unit.read(register, size) & 0xFFFF_FFFF
            except Unmodelled as reason:
                on_fault("read_unmapped", base + offset, str(reason))
            except BusFault as fault:
                on_fault(fault.kind, base + offset, str(fault))
            except BaseException as error:
                on_error(error)
            return 0

        def write(
            _uc: Any, offset: int, size: int, value: int, _user: Any, *, base: int = page * PAGE, units: Any = units
        ) -> None:
            try:
                unit, register = _find(units, base + offset)
                unit.write(register, size, value & 0xFFFF_FFFF)
            except Unmodelled as reason:
                on_fault("write_unmapped", base + offset, str(reason))
            except BusFault as fault:
                on_fault(fault.kind, base + offset, str(fault))
            except BaseException as error:
                on_error(error)

        uc.mmio_map(page * PAGE, PAGE, read, None, write, None)
        keep += [read, write]
    return keep


def _find(units: Sequence[Place], address: int) -> tuple[Peripheral, int]:
    for first, length, offset, unit in units:
        if first <= address < first + length:
            return unit, address - first + offset
    raise Unmodelled(f"no unit at 0x{address:08x} is modelled")
