# SPDX-License-Identifier: Apache-2.0
"""From the plugin's counters to a Cost: trainbed.backends.timing knows what a block costs, QEMU how often it ran.

The formula is that of the Unicorn backend's block hook: a block costs its cycles each time it runs, more when it leaves
by a branch, more when it was entered by one. Three terms need more than counters: a division costs its static figure
whatever its operands, a VDIV or VSQRT that outlives its block does not delay the next one, and a branch predictor is
taken to be wrong as often as a branch went its rarer way.
"""

from __future__ import annotations

import bisect
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from trainbed.backends.base import PHASES, Cost, Counts
from trainbed.backends.ported import read_code
from trainbed.backends.qemu.config import QemuConfig
from trainbed.backends.timing import core_names, model_for
from trainbed.backends.timing.block_cache import BlockCostCache

_PAGE = 1024
_LOOK_BACK = 48
"""Bytes of code before such a block that are looked at for what it waits for."""
_TRAINED = [PHASES.index(name) for name in ("forward", "backward", "update")]


def _may_go_on(address: int) -> bool:
    """A block that starts here may be the rest of a longer one: QEMU splits code where a page ends."""
    return (address + 2) % _PAGE <= 4


class Counter:
    """Costs of one firmware's blocks. Without a model of the core it counts instructions only."""

    def __init__(self, config: QemuConfig) -> None:
        self._functions = sorted(
            (start & ~1, (start & ~1) + size, name) for start, size, name in config.image.functions
        )
        self._starts = [start for start, _, _ in self._functions]
        core = config.core.removesuffix("f")
        self._code = read_code(config.image.elf, config.memories)
        self._model = model_for(core) if core in core_names() else None
        self._costs = None if self._model is None else BlockCostCache(self._model, self._code)

    def cost(self, blocks: NDArray[np.void], *, busy_s: float) -> Cost:
        """Cost of the counters ``blocks`` (dtype control.BLOCK)."""
        per_block = self._cycles(blocks)
        instructions = blocks["executed"] * blocks["n_instructions"][:, None].astype(np.uint64)
        phases = {
            name: Counts(int(per_block[:, i].sum()), 0, int(instructions[:, i].sum())) for i, name in enumerate(PHASES)
        }
        return Cost(
            cost_class="instructions" if self._model is None else "modelled",
            model="" if self._model is None else self._model.name,
            phases=phases,
            functions=self._profile(blocks, per_block, instructions),
            instructions=int(instructions.sum()),
            cycles=int(per_block.sum()),
            busy_s=busy_s,
        )

    def _cycles(self, blocks: NDArray[np.void]) -> NDArray[np.uint64]:
        """Core cycles [block, phase]; 0 without a model."""
        if self._costs is None:
            return np.zeros_like(blocks["executed"])
        rows = [self._block_cost(int(block["start"]), int(block["end"])) for block in blocks]
        cycles, taken, target, mispredicted = np.array(rows, dtype=np.uint64).T[:, :, None]
        self._costs.save()
        rarer = np.minimum(blocks["left"], blocks["executed"] - np.minimum(blocks["executed"], blocks["left"]))
        total: NDArray[np.uint64] = blocks["executed"] * cycles + blocks["left"] * taken + blocks["entered"] * target
        total += rarer * mispredicted
        return total

    def _block_cost(self, start: int, end: int) -> tuple[int, int, int, int]:
        assert self._costs is not None
        for origin, code in self._code:
            if origin <= start and end <= origin + len(code) and start < end:
                before = code[max(0, start - origin - _LOOK_BACK) : start - origin] if _may_go_on(start) else b""
                core = self._costs.cost(code[start - origin : end - origin], start, before=before).core
                return core.cycles, core.taken, core.target, core.mispredicted
        return 0, 0, 0, 0  # before the first block, or code in RAM

    def _profile(
        self, blocks: NDArray[np.void], cycles: NDArray[np.uint64], instructions: NDArray[np.uint64]
    ) -> Mapping[str, Counts]:
        """Self cost of each function in the phases of training. A branch into a function is on its account."""
        sums: dict[str, list[int]] = {}
        trained = (counts[:, _TRAINED].sum(axis=1) for counts in (cycles, instructions))
        for start, n_cycles, n_instructions in zip(blocks["start"], *trained, strict=True):
            if n_instructions:
                total = sums.setdefault(self._function_at(int(start)), [0, 0])
                total[0] += int(n_cycles)
                total[1] += int(n_instructions)
        return {name: Counts(n_cycles, 0, n) for name, (n_cycles, n) in sums.items()}

    def _function_at(self, address: int) -> str:
        at = bisect.bisect_right(self._starts, address) - 1
        return self._functions[at][2] if at >= 0 and address < self._functions[at][1] else "?"
