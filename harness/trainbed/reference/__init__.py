# SPDX-License-Identifier: Apache-2.0
"""The NumPy twin: what the float32 runtime computes, to the bit. ``Twin`` trains; ``ops`` holds the functions."""

from __future__ import annotations

from trainbed.reference.loss import CompensatedSum
from trainbed.reference.random import initial_weights, shuffle
from trainbed.reference.twin import BatchResult, Twin

__all__ = ["BatchResult", "CompensatedSum", "Twin", "initial_weights", "shuffle"]
