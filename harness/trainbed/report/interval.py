# SPDX-License-Identifier: Apache-2.0
"""How sure a share is."""

from __future__ import annotations

_Z = 1.959964
"""Standard deviations that 95 % of a normal distribution lie within."""


def wilson(right: float, n: int) -> tuple[float, float]:
    """95 % interval of a share ``right / n`` (E. B. Wilson, JASA 22, 1927)."""
    middle = (right + _Z * _Z / 2) / (n + _Z * _Z)
    half = _Z / (n + _Z * _Z) * (right * (n - right) / n + _Z * _Z / 4) ** 0.5
    return middle - half, middle + half
