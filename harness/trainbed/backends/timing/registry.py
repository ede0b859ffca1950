# SPDX-License-Identifier: Apache-2.0
"""Names of the cores and memories trainbed has a cycle model for."""

from __future__ import annotations

from collections.abc import Callable

from trainbed.backends.timing.cortex_m0 import CortexM0, CortexM0Plus
from trainbed.backends.timing.cortex_m4 import CortexM4
from trainbed.backends.timing.cortex_m7 import CortexM7
from trainbed.backends.timing.memory import Nrf52840Flash, Nrf52840FlashUncached
from trainbed.backends.timing.model import CoreModel, MemoryModel, TimingModel
from trainbed.errors import InputError

_CORES: dict[str, Callable[[], CoreModel]] = {
    "cortex-m0": CortexM0,
    "cortex-m0plus": CortexM0Plus,
    "cortex-m4": CortexM4,
    "cortex-m7": CortexM7,
}
_MEMORIES: dict[str, Callable[[], MemoryModel]] = {
    "nrf52840": Nrf52840Flash,
    "nrf52840-uncached": Nrf52840FlashUncached,
}


class UnknownModel(InputError, ValueError):
    """No cycle model has that name."""


def core_names() -> tuple[str, ...]:
    """Cores a model exists for."""
    return tuple(_CORES)


def memory_names() -> tuple[str, ...]:
    """Memories a model exists for."""
    return tuple(_MEMORIES)


def model_for(core: str, memory: str | None = None, *, data_reads_apart: bool = False) -> TimingModel:
    """The cycle model of a core and its memory; see `TimingModel`.

    Raises:
        UnknownModel: no model of that name.
    """
    if core not in _CORES:
        raise UnknownModel(f"no cycle model for core {core!r}; there is one for {', '.join(_CORES)}")
    if memory is not None and memory not in _MEMORIES:
        raise UnknownModel(f"no memory model {memory!r}; there is one for {', '.join(_MEMORIES)}")
    return TimingModel(_CORES[core](), None if memory is None else _MEMORIES[memory](), data_reads_apart)
