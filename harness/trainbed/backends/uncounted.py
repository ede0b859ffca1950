# SPDX-License-Identifier: Apache-2.0
"""What guests have in common that nobody can count or look into: a host process, a board on a serial port."""

from __future__ import annotations

from types import TracebackType
from typing import TypeVar

from trainbed.backends.base import Cost

Self = TypeVar("Self", bound="UncountedGuest")


class UncountedGuest:
    """Half of trainbed.backends.base.Guest; ends with its ``with`` block, or when it is forgotten."""

    _busy_s = 0.0

    def cost(self) -> Cost:
        """Class ``none``: nothing is counted that would hold on a part."""
        return Cost(cost_class="none", model="", busy_s=self._busy_s)

    def stack_bytes(self) -> int:
        """Unknown."""
        return -1

    def lost_bytes(self) -> int:
        """Unknown: bytes nobody was armed for go without a trace."""
        return -1

    def close(self) -> None:
        """Let go of the guest; safe to call twice."""
        raise NotImplementedError

    def __enter__(self: Self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __del__(self) -> None:
        self.close()
