# SPDX-License-Identifier: Apache-2.0
"""The numbers a network is trained in, as plain values. Arithmetic: docs/numerics.md and the documents it names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Quantisation:
    """How integer precisions choose their scales and write their weights."""

    ranges: str = "ema"
    """``ema``: ranges of activations follow training; ``static``: as calibrated."""
    rounding: str = "stochastic"
    """``stochastic`` or ``nearest``: how a weight's step is rounded."""
    standardise: bool = True
    """Each structure's gradient (a filter, a row) is freed of its mean and divided by its deviation."""
    error_range: str = "fixed"
    """``fixed``: errors in [-1, 1]; ``ema``: their range follows training."""
    accumulators: str = "int32"
    """``int32``, or ``int16`` with a shift for each structure."""
    centre_head: bool = False
    """A float32 head reads its inputs less their mean over the calibration samples, varied as in the first epoch."""
    skip_zeros: bool = False
    """Dense layers on the network's input leave out what is zero in it: in int8_pow2, and in frozen layers of uint8 and
    mixed on AVR. Same bits, fewer cycles.
    """


@dataclass(frozen=True)
class DynamicUpdate:
    """Of each sample only the structures with the largest errors are trained, their share between the two bounds."""

    lambda_min: float
    lambda_max: float = 1.0
    exempt_head: bool = True


@dataclass(frozen=True)
class SparseUpdate:
    """A fixed part of the network is trained: biases of the last layers, and a share of chosen layers' weights."""

    biases_of_last: int = 0
    weights: Mapping[str, float] = field(default_factory=dict)


Update = DynamicUpdate | SparseUpdate | None
"""None: everything that is trainable."""


@dataclass(frozen=True)
class Precision:
    """Name of the precision (``training.precision``) and what belongs to it."""

    name: str = "float32"
    float_head: bool = False
    """The last layer computes in float32 whatever the rest does."""
    quantisation: Quantisation = Quantisation()
    update: Update = None
    seed: int = 1
    """Of the random numbers in stochastic rounding."""

    @property
    def is_float(self) -> bool:
        """All numbers are float32."""
        return self.name == "float32"


FLOAT32 = Precision()
