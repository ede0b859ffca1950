# SPDX-License-Identifier: Apache-2.0
"""All cases, numbered as their functions are."""

from __future__ import annotations

from collections.abc import Sequence

from pow2_kernels.cases import POW2, Case
from pow2_kernels.packed import PACKED

CASES: Sequence[Case] = [*POW2, *PACKED]
