# SPDX-License-Identifier: Apache-2.0
"""Block costs kept on disk, keyed by the code they were worked out for.

Decoding a thousand blocks takes 60 ms and capstone 0.1 s to import; a run of the same firmware under the same model
needs neither.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

from trainbed.backends.timing.cache import cache_directory, write_atomically
from trainbed.backends.timing.model import BlockCost, CoreCost, MemoryCost, TimingModel

# address, size, core cycles, taken, target, divider busy, first float, branch, instructions, memory
_ROW = struct.Struct("<IIIHHHHHHIIHHII")
_NO_FLOAT = 0xFFFF
_MAGIC = b"trnblk05"


class BlockCostCache:
    """Costs of the blocks of one firmware under one model.

    ``code`` lists (address, bytes) of the executable memory; an empty one is never cached.
    """

    def __init__(self, model: TimingModel, code: Sequence[tuple[int, bytes]]) -> None:
        self._model = model
        self._costs: dict[tuple[int, int], BlockCost] = {}
        self._regions = [(begin, begin + len(content)) for begin, content in code]
        self._dirty = False
        self._file = _file_for(model, code)
        if self._file is not None:
            self._costs = _load(self._file)

    def known(self) -> list[tuple[int, int, BlockCost]]:
        """(address, size, cost) of every block known."""
        return [(address, size, cost) for (address, size), cost in self._costs.items()]

    def cost(self, code: bytes, address: int, *, before: bytes = b"") -> BlockCost:
        """The cost of a block, decoded now if it is new; see `TimingModel.cost`."""
        key = (address, len(code))
        cost = self._costs.get(key)
        if cost is None:
            cost = self._costs[key] = self._model.cost(code, address, before=before)
            self._dirty = True
        return cost

    def forget(self) -> None:
        """The code has changed: drop everything and write nothing any more."""
        self._costs.clear()
        self._dirty = False
        self._file = None

    def save(self) -> None:
        """Writes new costs to disk. A cache that cannot be written costs time, not the run."""
        if not self._dirty or self._file is None:
            return
        rows = [
            _ROW.pack(
                address, size, cost.core.cycles, cost.core.taken, cost.core.target, cost.core.divider_busy,
                _NO_FLOAT if cost.core.first_float is None else cost.core.first_float,
                _branch_bits(cost.core),
                cost.instructions,
                cost.memory.through, cost.memory.branched, cost.memory.miss_through, cost.memory.miss_branched,
                cost.memory.off_through, cost.memory.off_branched,
            )
            for (address, size), cost in sorted(self._costs.items())
        ]  # fmt: skip
        body = b"".join(rows)
        try:
            write_atomically(self._file, _MAGIC + hashlib.sha256(body).digest() + body)
        except OSError:
            return
        self._dirty = False


def _branch_bits(core: CoreCost) -> int:
    return core.mispredicted << 3 | core.indirect << 2 | core.open_end << 1 | core.joins


def _from_bits(bits: int) -> tuple[int, bool, bool, bool]:
    return bits >> 3, bool(bits & 4), bool(bits & 2), bool(bits & 1)


def _file_for(model: TimingModel, code: Sequence[tuple[int, bytes]]) -> Path | None:
    digest = hashlib.sha256(model.name.encode())
    digest.update(_rules())
    filled = False
    for begin, content in sorted(code):
        content = content.rstrip(b"\0").rstrip(b"\xff")
        filled = filled or bool(content)
        digest.update(struct.pack("<QQ", begin, len(content)))
        digest.update(content)
    if not filled:
        return None
    return cache_directory("blocks") / f"{digest.hexdigest()[:32]}.bin"


@lru_cache(maxsize=1)
def _rules() -> bytes:
    """The source of the models: a changed rule must not meet costs the old one worked out."""
    return b"\0".join(path.read_bytes() for path in sorted(Path(__file__).parent.glob("*.py")))


def _load(file: Path) -> dict[tuple[int, int], BlockCost]:
    try:
        content = file.read_bytes()
    except OSError:
        return {}
    head = len(_MAGIC)
    body = content[head + 32 :]
    if content[:head] != _MAGIC or content[head : head + 32] != hashlib.sha256(body).digest() or len(body) % _ROW.size:
        return {}
    costs = {}
    for row in _ROW.iter_unpack(body):
        address, size, cycles, taken, target, busy, first, bits, instructions, *memory = row
        core = CoreCost(cycles, taken, target, busy, None if first == _NO_FLOAT else first, *_from_bits(bits))
        costs[address, size] = BlockCost(core, MemoryCost(*memory), instructions)
    return costs
