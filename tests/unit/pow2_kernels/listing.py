# SPDX-License-Identifier: Apache-2.0
"""All cases, numbered as their functions are."""

from __future__ import annotations

from collections.abc import Sequence

from pow2_kernels.case import Case
from pow2_kernels.forward import add, dense, global_pool, lookup, pool, windowed
from pow2_kernels.packed import PACKED
from pow2_kernels.training import backward_input, binary, dense_update, derivative, mse, softmax
from trainbed.network.layers import Activation, Kind
from trainbed.reference.pow2 import tables
from trainbed.reference.pow2.numbers import Range

WIDE, RELU = Range(9), Range(8, 0, 127)
_POW2: Sequence[Case] = [
    *(
        dense(n_in, n_out, WIDE)
        for n_in, n_out in [(1, 1), (3, 2), (5, 3), (8, 4), (17, 5), (64, 6), (31, 7), (64, 16), (16, 10)]
    ),
    *(dense(40, n_out, RELU, flash=True) for n_out in (1, 2, 3, 4, 10)),
    *(dense(40, n_out, RELU, flash=True, unsigned=True, narrow=False) for n_out in (3, 4)),
    *(dense(200, n_out, Range(13), flash=True, unsigned=True, sparse=True) for n_out in (1, 2, 3, 4, 9)),
    *(
        dense(n_in, n_out, range_, flash=True, unsigned=u, narrow=narrow, sparse=sparse, lifted=True)
        for n_in, n_out, range_, u, narrow, sparse in [
            (40, 1, RELU, True, True, False),
            (40, 6, Range(8), False, True, False),
            (63, 11, Range(12), True, True, False),
            (63, 11, Range(12), False, True, False),
            (600, 4, Range(14), False, True, False),
            (700, 3, Range(16), True, False, False),
            (700, 6, Range(16), False, False, False),
            (300, 7, Range(14), True, True, True),
            (300, 2, Range(14), True, False, True),
        ]
    ),
    *(dense(300, n_out, Range(15), narrow=False) for n_out in (1, 2, 3, 4, 6)),
    *(dense(77, n_out, Range(11), unsigned=True, sparse=True, narrow=False) for n_out in (2, 7)),
    dense(1030, 4, Range(17), narrow=False),
    dense(20, 3, Range(0), narrow=False),
    dense(20, 5, Range(16, 0, 96), narrow=False),
    windowed(Kind.CONV2D, (5, 6, 1), 3, 3, 1, RELU, same=True, unsigned=True),
    windowed(Kind.CONV2D, (6, 5, 3), 5, 3, 2, WIDE, same=True),
    windowed(Kind.CONV2D, (7, 7, 4), 4, 2, 3, WIDE, same=False),
    windowed(Kind.CONV2D, (4, 4, 2), 9, 1, 1, Range(6), same=True),
    windowed(Kind.CONV2D, (3, 3, 2), 2, 5, 1, Range(12), same=True),
    windowed(Kind.CONV2D, (1, 2, 600), 1, 2, 1, Range(15), same=True),  # rows beyond what the kernels of AVR take
    *(
        windowed(Kind.CONV2D, (5, 4, 3), n_out, 3, 1, range_, same=True, unsigned=unsigned, flash=True, narrow=narrow)
        for n_out, range_, unsigned, narrow in [
            (1, WIDE, False, True),
            (2, RELU, True, True),
            (3, WIDE, True, False),
            (4, Range(7), False, True),
            (10, Range(11), True, True),
        ]
    ),
    *(  # blocks of four and what is left, rows of up to eight inputs and beyond, every whole byte of shift and none
        windowed(Kind.CONV2D, in_shape, n_out, kernel, stride, range_, same=same, unsigned=u, flash=True, narrow=True)
        for in_shape, n_out, kernel, stride, range_, same, u in [
            ((6, 5, 1), 8, 3, 1, Range(9, 0, 96), True, True),
            ((5, 7, 2), 5, 3, 2, Range(16), True, False),
            ((4, 5, 9), 12, 1, 1, Range(12, 0, 127), True, False),
            ((5, 4, 13), 3, 2, 1, Range(13), True, True),
            ((5, 6, 4), 7, 5, 2, Range(10), True, False),
            ((3, 2, 1), 2, 5, 1, Range(17), True, False),
        ]
    ),
    windowed(Kind.DEPTHWISE_CONV2D, (5, 6, 3), 3, 3, 1, WIDE, same=True),
    windowed(Kind.DEPTHWISE_CONV2D, (6, 5, 2), 4, 3, 2, RELU, same=False),
    windowed(Kind.DEPTHWISE_CONV2D, (1, 2, 260), 260, 2, 1, WIDE, same=True),
    *(
        windowed(Kind.DEPTHWISE_CONV2D, (5, 4, c), n_out, 3, stride, WIDE, same=True, unsigned=u, flash=True, narrow=n)
        for c, n_out, stride, u, n in [
            (1, 1, 1, False, True),
            (2, 2, 2, True, False),
            (3, 3, 1, True, True),
            (4, 4, 1, False, True),
            (9, 9, 1, False, False),
            (2, 6, 1, True, True),
            (2, 10, 1, False, True),
        ]
    ),
    *(  # taps outside to the left, to the right, on both sides, on none; most channels a row can hold, and one more
        windowed(Kind.DEPTHWISE_CONV2D, (*hw, c), c, 3, stride, range_, same=same, unsigned=u, flash=True, narrow=True)
        for hw, c, stride, range_, same, u in [
            ((4, 6), 5, 1, Range(9, 0, 96), True, True),
            ((6, 6), 2, 2, Range(10), True, False),
            ((5, 5), 3, 2, Range(16), True, True),
            ((2, 2), 4, 2, Range(11), True, False),
            ((5, 6), 2, 1, Range(12, 0, 127), False, False),
            ((3, 4), 31, 1, WIDE, True, True),
            ((3, 4), 32, 1, WIDE, True, True),
            ((1, 4), 2, 1, WIDE, True, True),
        ]
    ),
    pool("max", (6, 6, 2), 2, 2, same=False, unsigned=False),
    pool("max", (5, 5, 1), 3, 2, same=True, unsigned=True),
    pool("avg", (6, 6, 2), 2, 2, same=False, unsigned=False),
    pool("avg", (5, 6, 3), 2, 1, same=False, unsigned=True),
    pool("avg", (4, 4, 65), 2, 2, same=False, unsigned=False),
    pool("avg", (5, 5, 2), 2, 2, same=True, unsigned=False),
    pool("avg", (9, 9, 1), 8, 1, same=False, unsigned=False),
    pool("avg", (7, 7, 22), 7, 7, same=False, unsigned=False),
    pool("avg", (7, 6, 3), 3, 2, same=False, unsigned=True),
    pool("avg", (3, 3, 1), 1, 1, same=False, unsigned=True),
    global_pool((5, 3, 4)),
    global_pool((8, 8, 3)),
    global_pool((4, 4, 25)),
    add(9, 0, 2, Range(1)),
    add(10, 3, 0, Range(3, 0, 127)),
    lookup(tables.sigmoid_codes(4), "sigmoid"),
    lookup(tables.tanh_codes(5), "tanh"),
    *(derivative(a, 127) for a in (Activation.NONE, Activation.RELU, Activation.SIGMOID, Activation.TANH)),
    derivative(Activation.RELU6, 96),
    softmax(10, 3),
    softmax(3, 0),
    softmax(2, 7),
    softmax(130, 4),
    binary(1, 4),
    binary(3, 3),
    mse(1, 7),
    mse(11, 3),
    mse(10, 13),
    backward_input(16, 10, 7),
    backward_input(5, 3, 6),
    backward_input(9, 17, 8),
    dense_update(64, 16, 204, 7),
    dense_update(16, 10, 1638, 3),
    dense_update(7, 3, 65535, 0),
    dense_update(5, 6, 1, 8, unsigned=True),
    dense_update(4, 5, 30000, -2),
    dense_update(9, 2, 300, 9, unsigned=True),
]

CASES: Sequence[Case] = [*_POW2, *PACKED]
