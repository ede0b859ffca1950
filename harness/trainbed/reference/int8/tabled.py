# SPDX-License-Identifier: Apache-2.0
"""Sigmoid and tanh behind frozen 8-bit layers: the numbers of the sums' codes, those of the outputs, the table between.

The ends of the codes lie where the functions have run out of codes of their own: from 8 on a sigmoid is within 1/2 of a
code of 1, from 4 on a tanh within 1/10.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

from trainbed.network.layers import Activation
from trainbed.reference.int8.arithmetic import U8
from trainbed.reference.int8.elementwise import sigmoid_table, tanh_table
from trainbed.reference.int8.numbers import Numbers, numbers_of

_ENDS = {Activation.SIGMOID: 8.0, Activation.TANH: 4.0}


@dataclass(frozen=True, eq=False)
class Tabled:
    """Numbers of the codes ``before`` and ``after`` the function, and its table: uint8 ``[256]``."""

    before: Numbers
    after: Numbers
    codes: U8


@cache
def tabled(activation: Activation) -> Tabled | None:
    """The table of an activation; None: it has none."""
    end = _ENDS.get(activation)
    if end is None:
        return None
    before = numbers_of(np.array([-end, end], np.float32))
    if activation is Activation.SIGMOID:
        after, table = Numbers(np.float32(1 / 256), 0), sigmoid_table
    else:
        after, table = Numbers(np.float32(1 / 128), 128), tanh_table
    return Tabled(before, after, table(float(before.scale), before.zero))
