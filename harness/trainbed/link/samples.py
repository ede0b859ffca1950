# SPDX-License-Identifier: Apache-2.0
"""A set of samples as the link carries it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trainbed.errors import DataError
from trainbed.link.codes import TFormat, XFormat

_X_FORMATS = {
    np.dtype(np.float32): XFormat.F32,
    np.dtype(np.uint8): XFormat.U8,
    np.dtype(np.int16): XFormat.I16,
}


@dataclass(frozen=True, eq=False)
class SampleSet:
    """Samples in the form in which they travel.

    ``x``: float32, uint8 or int16 ``[n, n_inputs]``. Either ``labels``: uint16 ``[n]``, or ``values``: float32
    ``[n, n_outputs]``. Raises DataError when these do not fit together.
    """

    x: NDArray[Any]
    labels: NDArray[np.uint16] | None = None
    values: NDArray[np.float32] | None = None

    def __post_init__(self) -> None:
        if self.x.ndim != 2 or self.x.dtype not in _X_FORMATS:
            raise DataError(f"inputs are {_shape(self.x)}; float32, uint8 or int16 [n, n_inputs] is needed")
        if (self.labels is None) == (self.values is None):
            raise DataError("a sample set has either labels or values")
        if self.labels is not None and (self.labels.dtype != np.uint16 or self.labels.shape != (len(self),)):
            raise DataError(f"labels are {_shape(self.labels)}; uint16 [{len(self)}] is needed")
        if self.values is not None and (
            self.values.dtype != np.float32 or self.values.ndim != 2 or len(self.values) != len(self)
        ):
            raise DataError(f"values are {_shape(self.values)}; float32 [{len(self)}, n] is needed")

    def __len__(self) -> int:
        """Number of samples."""
        return int(self.x.shape[0])

    @property
    def x_format(self) -> XFormat:
        """How the inputs travel."""
        return _X_FORMATS[self.x.dtype]

    @property
    def t_format(self) -> TFormat:
        """How the targets travel."""
        return TFormat.LABEL if self.labels is not None else TFormat.VALUES

    @property
    def sample_bytes(self) -> int:
        """Bytes of one sample: x, then t, padded to a multiple of 4."""
        x_bytes = int(self.x.shape[1]) * self.x.dtype.itemsize
        t_bytes = 2 if self.values is None else 4 * int(self.values.shape[1])
        return (x_bytes + t_bytes + 3) // 4 * 4

    def encode(self, indices: NDArray[Any]) -> bytes:
        """Samples ``indices`` (whole numbers ``[k]``) as they travel: k * sample_bytes bytes."""
        rows = np.zeros((len(indices), self.sample_bytes), dtype=np.uint8)
        x = _bytes(self.x[indices])
        target = self.labels if self.labels is not None else self.values
        assert target is not None  # by __post_init__
        t = _bytes(target[indices].reshape(len(indices), -1))
        rows[:, : x.shape[1]] = x
        rows[:, x.shape[1] : x.shape[1] + t.shape[1]] = t
        return rows.tobytes()


def _bytes(rows: NDArray[Any]) -> NDArray[np.uint8]:
    """[k, n] of any dtype -> [k, n * itemsize] little-endian bytes."""
    little = np.ascontiguousarray(rows, dtype=rows.dtype.newbyteorder("<"))
    return little.view(np.uint8).reshape(len(rows), -1)


def _shape(array: NDArray[Any]) -> str:
    return f"{array.dtype} {list(array.shape)}"
