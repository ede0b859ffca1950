# SPDX-License-Identifier: Apache-2.0
"""A unit whose registers hold what was written: clocks, pins and the like, with a few that tell what came of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from trainbed.backends.unicorn.registers import WORD, Peripheral, Unmodelled, words_only


class RegisterFile:
    """``plain``: offset -> value after reset. ``status``: offset -> what a read gives; a write there is ignored.

    ``on_write`` is told the offset of a plain register that has changed. Everything else is an error.
    """

    def __init__(
        self,
        name: str,
        plain: Mapping[int, int],
        *,
        status: Mapping[int, Callable[[], int]] = {},
        on_write: Callable[[int], None] | None = None,
    ) -> None:
        self.name = name
        self._reset_values = dict(plain)
        self._status = dict(status)
        self._on_write = on_write
        self.reset()

    def reset(self) -> None:
        self._values = dict(self._reset_values)

    def __getitem__(self, offset: int) -> int:
        """What a plain register holds."""
        return self._values[offset]

    def read(self, offset: int, size: int) -> int:
        words_only(size)
        if offset in self._status:
            return self._status[offset]()
        if offset in self._values:
            return self._values[offset]
        raise Unmodelled(f"no register at {self.name} offset 0x{offset:03x}")

    def write(self, offset: int, size: int, value: int) -> None:
        words_only(size)
        if offset in self._status:
            return
        if offset not in self._values:
            raise Unmodelled(f"no writable register at {self.name} offset 0x{offset:03x}")
        self._values[offset] = value & WORD
        if self._on_write is not None:
            self._on_write(offset)


class AtomicAliases:
    """A unit with three mirrors that change single bits. ``order``: what the mirrors at 1, 2 and 3 ``steps`` do."""

    def __init__(self, unit: Peripheral, *, step: int, order: tuple[str, str, str]) -> None:
        self.name = unit.name
        self._unit = unit
        self._step = step
        self._order = ("write", *order)

    def reset(self) -> None:
        self._unit.reset()

    def read(self, offset: int, size: int) -> int:
        return self._unit.read(self._plain(offset), size)

    def write(self, offset: int, size: int, value: int) -> None:
        plain, how = self._plain(offset), self._order[offset // self._step % 4]
        if how != "write":
            old = self._unit.read(plain, size)
            value = old ^ value if how == "xor" else old | value if how == "set" else old & ~value
        self._unit.write(plain, size, value)

    def _plain(self, offset: int) -> int:
        """The register of an offset: the mirrors lie between registers, or behind the unit."""
        return offset // (4 * self._step) * (4 * self._step) + offset % self._step
