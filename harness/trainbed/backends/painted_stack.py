# SPDX-License-Identifier: Apache-2.0
"""How far a guest's stack has grown: it is filled with one byte at power-on, and what lost that byte was used.

``low`` and ``top`` bound the stack in guest addresses, ``top`` excluded; equal where an image has no stack of its own.
"""

from __future__ import annotations

from collections.abc import Callable

_PAINT = b"\xa5"
_WORD = 4

Read = Callable[[int, int], bytes]
"""Bytes of guest memory at an address."""
Write = Callable[[int, bytes], None]
"""Changes guest memory from an address on."""


def paint(write: Write, low: int, top: int) -> None:
    """As at power-on: nothing of it was used."""
    if top > low:
        write(low, _PAINT * (top - low))


def high_water(read: Read, low: int, top: int) -> int:
    """Bytes used at most since power-on: all from the lowest one that lost its paint; -1 without a stack."""
    return len(read(low, top - low).lstrip(_PAINT)) if top > low else -1


def used_up(read: Read, low: int, top: int) -> bool:
    """The stack's lowest word lost its paint."""
    return top > low and read(low, _WORD) != _PAINT * _WORD
