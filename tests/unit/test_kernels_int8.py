# SPDX-License-Identifier: Apache-2.0
"""8-bit kernels with literal shapes leave behind what the twin says, on the host and on emulated cores."""

from __future__ import annotations

import pytest
from kernels.integer import Case, Program
from kernels.integer_cases import Options, Parameters, elements, layer, pools, steps
from kernels.literal import avr_compiles
from kernels.windows import shape_of


def _layers() -> list[Case]:
    rows = [
        ("conv2d", (8, 8, 16), 3, 1, Options(), {"out_c": 16}),
        ("conv2d", (16, 16, 4), 3, 1, Options(zero_x=7, relu="relu6"), {"out_c": 16}),
        (
            "conv2d",
            (5, 7, 3),
            3,
            1,
            Options(9, 20, "none", per_channel=True, mask="bits", accumulate=True, listed=True, channels=2),
            {"out_c": 5},
        ),
        ("conv2d", (9, 8, 4), 3, 2, Options(relu="relu6", mask="none", tracked=False, extreme=True), {"out_c": 11}),
        ("conv2d", (7, 7, 3), 2, 3, Options(factor=1e4), {"out_c": 9, "same": False}),
        ("conv2d", (6, 6, 8), 5, 1, Options(zero_x=255, listed=True), {"out_c": 12}),
        ("depthwise_conv2d", (8, 8, 8), 3, 1, Options(), {"multiplier": 1}),
        ("depthwise_conv2d", (6, 9, 12), 3, 1, Options(5, 128, "relu6", per_channel=True), {"multiplier": 1}),
        ("depthwise_conv2d", (5, 6, 2), 3, 1, Options(zero_x=3, listed=True), {"multiplier": 2}),
        ("depthwise_conv2d", (9, 9, 4), 3, 2, Options(zero_x=3, extreme=True), {"multiplier": 1}),
        ("conv2d", (7, 9, 1), 3, 1, Options(zero_x=5), {"out_c": 5}),
        ("conv2d", (5, 13, 2), 4, 2, Options(zero_x=128), {"out_c": 6}),
        ("depthwise_conv2d", (4, 7, 6), 3, 1, Options(zero_x=3, factor=100.0), {"multiplier": 1}),
        ("depthwise_conv2d", (3, 4, 2), 3, 1, Options(mask="none"), {"multiplier": 1}),
        ("depthwise_conv2d", (8, 8, 8), 3, 2, Options(), {"multiplier": 1}),
        ("depthwise_conv2d", (6, 10, 6), 3, 2, Options(3, 9, "relu6", accumulate=True), {"multiplier": 1}),
        ("depthwise_conv2d", (8, 7, 2), 3, 2, Options(mask="none", factor=100.0), {"multiplier": 1, "same": False}),
        ("depthwise_conv2d", (4, 4, 4), 3, 2, Options(5, factor=1e4), {"multiplier": 1}),
        ("conv2d", (9, 11, 8), 3, 2, Options(zero_x=3, accumulate=True), {"out_c": 5, "same": False}),
        ("conv2d", (6, 13, 4), 5, 2, Options(listed=True), {"out_c": 12}),
        ("conv2d", (5, 19, 5), 3, 1, Options(zero_x=7), {"out_c": 3}),
        ("conv2d", (7, 12, 3), 5, 1, Options(zero_x=7), {"out_c": 6}),
        ("pointwise", (8, 8, 16), 1, 1, Options(), {"out_c": 16}),
        ("pointwise", (4, 4, 32), 1, 1, Options(zero_x=128, per_channel=True, accumulate=True), {"out_c": 8}),
        ("pointwise", (3, 3, 5), 1, 1, Options(zero_x=3, listed=True, extreme=True), {"out_c": 7}),
        ("dense", (1, 1, 33), 1, 1, Options(zero_x=3), {"out_c": 10}),
        ("dense", (1, 1, 16), 1, 1, Options(zero_x=3, listed=True, channels=8), {"out_c": 3}),
        ("dense", (1, 1, 1), 1, 1, Options(relu="none", factor=1e6), {"out_c": 1}),
    ]
    cases = []
    for i, (kind, hwc, kernel, stride, options, more) in enumerate(rows):
        same = bool(more.pop("same", True))
        shape = shape_of(hwc, (kernel, kernel), (stride, stride), same=same, **more)
        cases.append(layer(kind, shape, options, i))
    return cases


CASES = [
    *_layers(),
    pools(shape_of((8, 8, 16), (2, 2), (2, 2), same=False, multiplier=1), Options(), 1),
    pools(
        shape_of((7, 9, 3), (3, 2), (2, 1), same=False, multiplier=1),
        Options(zero_x=3, zero_y=128, relu="none", extreme=True, accumulate=True),
        2,
    ),
    pools(shape_of((9, 7, 8), (2, 2), (2, 2), same=False, multiplier=1), Options(accumulate=True), 3),
    pools(shape_of((8, 13, 4), (3, 3), (3, 3), same=False, multiplier=1), Options(zero_x=3, relu="relu6"), 4),
    elements(9, 7, Options(zero_x=3, zero_y=128, relu="none"), 1),
    elements(8, 8, Options(relu="relu6", mask="bits", extreme=True), 2),
    steps(Parameters(16, 144), 1),
    steps(Parameters(5, 9, "channels", scaling="grows", lr=0.9), 2),
    steps(Parameters(3, 15, "part", stochastic=False, scaling="fixed", lr=2.0), 3),
    steps(Parameters(7, 33, narrow=True, follow=0.25), 4),
    steps(Parameters(2, 2, size=2**31), 5),
    steps(Parameters(4, 1, size=3), 6),
    steps(Parameters(3, 602, lr=5.0), 7),
    steps(Parameters(3, 18, "part", lr=1e-7), 8),
    steps(Parameters(4, 7, narrow=True, lr=1e-9), 9),
    steps(Parameters(2, 5, size=3, lr=20.0), 10),
]
PROGRAM = Program("integer", CASES)
_names = [f"{i} {case.name[:40]}" for i, case in enumerate(CASES)]


@pytest.mark.parametrize("index", range(len(CASES)), ids=_names)
def test_an_8_bit_kernel_leaves_what_the_twin_says_on_the_host(index: int) -> None:
    PROGRAM.check_on_host(index)


@pytest.mark.parametrize("core", ["M4F, ordered by hand", "M0+, soft float"])
def test_an_8_bit_kernel_leaves_what_the_twin_says_on_each_core(core: str) -> None:
    for index in range(len(CASES)):
        PROGRAM.check_on_core(core, index)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("core", "optimize"), [("M7", "O2"), ("M3", "O2"), ("M4F, ordered by hand", "O3"), ("M4F, ordered by hand", "Os")]
)
def test_neither_core_nor_optimization_changes_a_bit_of_an_8_bit_kernel(core: str, optimize: str) -> None:
    for index in range(len(CASES)):
        PROGRAM.check_on_core(core, index, optimize=optimize)


def test_8_bit_kernels_compile_without_warning_where_int_has_16_bits() -> None:
    avr_compiles(PROGRAM.source())


def test_a_kernel_that_leaves_other_bits_is_noticed() -> None:
    case = CASES[0]
    memory = case.memory()[1]
    case.check(memory)
    memory[case.places()["y"] + 5] ^= 1
    with pytest.raises(AssertionError, match="y differs in 1 of 1024"):
        case.check(memory)
    memory[case.places()["y"] + 5] ^= 1
    memory[case.places()["y"] + 1024] ^= 1
    with pytest.raises(AssertionError, match="wrote 1 bytes behind y"):
        case.check(memory)
