# SPDX-License-Identifier: Apache-2.0
"""What the 8-bit planner does to need less memory, each switchable: no technique changes a bit of what is computed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields


@dataclass(frozen=True)
class Techniques:
    """Which are allowed; the planner takes an allowed one only where the arena becomes smaller."""

    patches: bool = True
    """Frozen convolutions run in chains, row by row: between them only the rows at hand exist."""
    in_place: bool = True
    """A depthwise convolution of stride 1 writes over its input where nobody else reads it."""
    fused_pools: bool = True
    """A convolution and the max-pool behind it run together by rows."""
    tiles: bool = True
    """Input gradients transpose a few input channels' weights at a time, not all of them."""
    bits: bool = True
    """What backward needs only for a relu's derivative is kept as one bit per element."""
    receive: bool = True
    """A streamed sample is received in the arena, in place of what the step needs later."""
    flash: bool = True
    """Weights and biases that are not trained stay in flash."""
    pruned: bool = True
    """Backward ends at the first trained layer, and only gradients that a step uses are worked out."""

    @classmethod
    def only(cls, names: Iterable[str]) -> Techniques:
        """Those named and no other."""
        chosen = set(names)
        return cls(**{name: name in chosen for name in TECHNIQUES})


ALL_TECHNIQUES = Techniques()
TECHNIQUES = tuple(each.name for each in fields(Techniques))
