# SPDX-License-Identifier: Apache-2.0
"""The int8_pow2 kernels give the twin's bits: every remainder of four, saturation, roundings, both kinds of input."""

from __future__ import annotations

import numpy as np
import pytest
from pow2_kernels.case import source, to_bytes
from pow2_kernels.listing import CASES
from pow2_kernels.run import assert_same, missing_for_avr, on_avr, on_host

from trainbed.reference.pow2 import update
from trainbed.reference.pow2.numbers import Range, half_up, pack_rows, store, unpack_rows

_HOST_SEEDS, _AVR_SEEDS = range(25), range(4)
needs_avr = pytest.mark.skipif(missing_for_avr() is not None, reason=str(missing_for_avr()))


@pytest.mark.parametrize("index", range(len(CASES)), ids=lambda i: CASES[i].name)
def test_the_portable_kernel_gives_the_twins_bits(index: int) -> None:
    for seed in _HOST_SEEDS:
        before, after = CASES[index].sample(seed)
        assert_same(index, after, on_host(index, to_bytes(before)))


@needs_avr
@pytest.mark.parametrize(
    ("optimize", "assembly"),
    [("O2", True), ("Os", True)]
    + [
        pytest.param(o, a, marks=pytest.mark.slow)
        for o, a in [("O1", True), ("O3", True), ("O2", False), ("Os", False)]
    ],
)
def test_the_atmega2560_gives_the_twins_bits(optimize: str, assembly: bool) -> None:
    samples = [(i, *case.sample(seed)) for i, case in enumerate(CASES) for seed in _AVR_SEEDS]
    ran = on_avr([(i, to_bytes(before)) for i, before, _ in samples], optimize=optimize, assembly=assembly)
    for (index, _, after), (_, observed) in zip(samples, ran, strict=True):
        assert_same(index, after, observed)


@needs_avr
def test_a_product_of_a_dense_layer_costs_less_than_ten_cycles() -> None:
    short, long = (
        next(i for i, case in enumerate(CASES) if case.name.startswith(f"dense {n}x4 ")) for n in (300, 1030)
    )
    cycles = [c for c, _ in on_avr([(i, to_bytes(CASES[i].sample(1)[0])) for i in (short, long)])]
    # From SRAM, 32-bit sums: the weight costs a cycle less than from flash, the sum one more.
    assert (cycles[1] - cycles[0]) / (4 * 730) < 10.0


def test_sums_round_half_up_and_saturate() -> None:
    sums = np.array([127, 128, 383, 384, -128, -129, 32767, -32768, 1 << 30])
    assert store(sums, Range(8)).tolist() == [0, 1, 1, 2, 0, -1, 127, -127, 127]
    assert store(sums, Range(8, 0, 100)).tolist() == [0, 1, 1, 2, 0, 0, 100, 0, 100]
    assert half_up(np.array([5, -5]), 0).tolist() == [5, -5]


@pytest.mark.parametrize("n_out", [1, 2, 3, 4, 5, 8, 10])
def test_packing_loses_no_weight(n_out: int) -> None:
    weights = np.arange(n_out * 7).reshape(n_out, 7)
    assert np.array_equal(unpack_rows(pack_rows(weights), weights.shape), weights)
    assert pack_rows(weights)[: min(n_out, 4)].tolist() == [7 * o for o in range(min(n_out, 4))]


def test_stochastic_rounding_moves_a_weight_by_its_gradient_on_average() -> None:
    n_in, n_out, n_steps = 6, 5, 4000
    moved = np.zeros((n_out, n_in))
    x = np.array([0, 1, 17, 64, 127, 90], np.int8)
    e = np.array([-3000, 40, 0, 900, -1], np.int16)
    for step in range(n_steps):
        w, b = np.zeros((n_out, n_in), np.int8), np.zeros(n_out, np.int32)
        update.dense_update(x, e, w, b, rate=200, fraction=7, stream=update.Stream(99, step))
        moved += w
    q = (128 - e.astype(int) * 200) >> 8
    expected = q[:, None] * x[None, :] / 65536
    # At most half an LSB of deviation in a step: five standard errors.
    assert np.abs(moved / n_steps - expected).max() < 5 * 0.5 / n_steps**0.5


def test_two_random_numbers_of_a_step_are_independent() -> None:
    """What the variance of an output's change depends on: products of the rounding errors of two weights vanish."""
    errors = np.zeros((4000, 3, 4))
    x, e = np.full(4, 37, np.int8), np.full(3, -700, np.int16)
    for step in range(len(errors)):
        w, b = np.zeros((3, 4), np.int8), np.zeros(3, np.int32)
        update.dense_update(x, e, w, b, rate=300, fraction=7, stream=update.Stream(5, step))
        errors[step] = w - 37 * ((128 + 700 * 300) >> 8) / 65536
    flat = errors.reshape(len(errors), -1)
    correlation = np.corrcoef(flat.T) - np.eye(12)
    assert np.abs(correlation).max() < 5 / len(errors) ** 0.5


def test_every_case_is_in_the_source() -> None:
    assert source(CASES).count("TRN_NOINLINE void case_") == 2 * len(CASES)
