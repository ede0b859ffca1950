# SPDX-License-Identifier: Apache-2.0
"""What a source of data hands over, before it is fitted to a network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Raw:
    """Samples from one source.

    ``x_*``: uint8, int16 or float32 ``[n, ...]``; the value of a code q is ``q * scale + offset``. ``y_*``: whole
    numbers ``[n]`` (labels) or float32 ``[n]`` or ``[n, n_outputs]`` (target values). ``origin`` names the source in
    error messages. ``single_output``: target value of each label where the network has one output; None: the label's
    own value.
    """

    origin: str
    x_train: NDArray[Any]
    y_train: NDArray[Any]
    x_test: NDArray[Any]
    y_test: NDArray[Any]
    scale: float = 1.0
    offset: float = 0.0
    single_output: tuple[float, ...] | None = None


def is_labels(y: NDArray[Any]) -> bool:
    """True for class labels: whole numbers, one per sample."""
    return y.ndim == 1 and np.issubdtype(y.dtype, np.integer)
