# SPDX-License-Identifier: Apache-2.0
"""Cycle models: what a basic block costs on a core, and what its memory adds.

``model_for("cortex-m4", "nrf52840")`` gives a `TimingModel`. A core lives in one file (``cortex_m4.py``), a memory in
another (``memory.py``), and both read the same decoded instructions (``thumb.py``).
"""

from __future__ import annotations

from trainbed.backends.timing.model import BlockCost, CoreCost, CoreModel, MemoryCost, MemoryModel, TimingModel
from trainbed.backends.timing.registry import core_names, memory_names, model_for

__all__ = [
    "BlockCost",
    "CoreCost",
    "CoreModel",
    "MemoryCost",
    "MemoryModel",
    "TimingModel",
    "core_names",
    "memory_names",
    "model_for",
]
