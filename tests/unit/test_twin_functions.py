# SPDX-License-Identifier: Apache-2.0
"""exp, log, sigmoid and tanh of the runtime: documented bits, error within the bounds of their docstrings."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import twin_loops as loops

from trainbed.reference import ops

Function = Callable[[Any], Any]


def floats(low: float, high: float, *, step: int) -> Iterator[Any]:
    """Every ``step``-th float32 between two positive bounds, in blocks."""
    first, last = np.array([low, high], np.float32).view(np.int32).tolist()
    block = step << 18
    for start in range(first, last + 1, block):
        yield np.arange(start, min(start + block, last + 1), step, dtype=np.int32).view(np.float32)


def ulp_error(got: Any, exact: Any) -> float:
    """Greatest distance in units in the last place of the exact value."""
    assert got.dtype == np.float32
    ulp = np.exp2(np.floor(np.log2(np.maximum(np.abs(exact), 2.0**-126))) - 23)
    return float((np.abs(got.astype(np.float64) - exact) / ulp).max())


def exact_sigmoid(x: Any) -> Any:
    e = np.exp(-np.abs(x))
    return np.where(x < 0, e / (1 + e), 1 / (1 + e))


RANGES = [  # function, float64 reference, low, high, sign, step, bound in ULP as the docstring states it
    ("exp_neg", ops.exp_neg, np.exp, 1e-10, 87.0, -1, 991, 0.99),
    ("log", ops.log, np.log, 2.0**-126, 3.4e38, 1, 9973, 0.84),
    ("log near 1", ops.log, np.log, 0.5, 2.0, 1, 97, 0.84),
    ("sigmoid", ops.sigmoid, exact_sigmoid, 1e-10, 90.0, 1, 991, 1.51),
    ("sigmoid of negative", ops.sigmoid, exact_sigmoid, 1e-10, 87.0, -1, 991, 2.4),
    ("tanh", ops.tanh, np.tanh, 1e-20, 20.0, 1, 1009, 1.51),
    ("tanh of negative", ops.tanh, np.tanh, 1e-20, 20.0, -1, 1009, 1.51),
]


@pytest.mark.parametrize("case", RANGES, ids=[case[0] for case in RANGES])
def test_a_function_stays_within_its_stated_error(case: Any) -> None:
    _, function, reference, low, high, sign, step, bound = case
    worst = 0.0
    with np.errstate(under="ignore"):
        for x in floats(low, high, step=step):
            x = x * np.float32(sign)
            worst = max(worst, ulp_error(function(x), reference(x.astype(np.float64))))
    assert 0.3 < worst <= bound


@pytest.mark.slow
def test_the_exponential_stays_within_its_stated_error_against_mpmath() -> None:
    mpmath = pytest.importorskip("mpmath", reason="mpmath (dev extra) is not installed")
    x = -np.random.default_rng(0).uniform(0, 87, 3000).astype(np.float32)
    with mpmath.workdps(40):
        exact = np.array([float(mpmath.exp(mpmath.mpf(float(v)))) for v in x])
    assert ulp_error(ops.exp_neg(x), exact) <= 0.99


SAMPLES = np.concatenate(
    [
        np.random.default_rng(1).uniform(-95, 95, 500),
        np.random.default_rng(2).standard_normal(500),
        [
            0.0,
            -0.0,
            0.625,
            -0.625,
            87.0,
            -87.0,
            87.00001,
            -87.00001,
            6.0,
            1e-30,
            -1e-30,
            1e30,
            -1e30,
            np.inf,
            -np.inf,
            np.nan,
        ],
    ]
).astype(np.float32)


@pytest.mark.parametrize(
    ("function", "plain", "domain"),
    [
        (ops.exp_neg, loops.exp_neg, SAMPLES <= 0),
        (ops.log, loops.log, (SAMPLES > 1e-30) | np.isnan(SAMPLES)),
        (ops.sigmoid, loops.sigmoid, ~np.isnan(SAMPLES)),
        (ops.tanh, loops.tanh, ~np.isnan(SAMPLES)),
    ],
    ids=["exp_neg", "log", "sigmoid", "tanh"],
)
def test_a_function_has_the_bits_of_the_documented_operations(function: Function, plain: Function, domain: Any) -> None:
    x = SAMPLES[domain | np.isnan(SAMPLES)]
    with np.errstate(all="ignore"):
        assert loops.same_bits(function(x), np.array([plain(v) for v in x], np.float32))


def test_the_ends_of_the_range_are_exact() -> None:
    f = np.float32
    assert ops.exp_neg(np.array([0.0, -88.0, -np.inf], f)).tolist() == [1.0, 0.0, 0.0]
    assert ops.sigmoid(np.array([-200.0, 0.0, 200.0], f)).tolist() == [0.0, 0.5, 1.0]
    assert ops.tanh(np.array([-50.0, 0.0, 50.0, np.inf], f)).tolist() == [-1.0, 0.0, 1.0, 1.0]
    assert ops.log(np.array([1.0, np.inf], f)).tolist() == [0.0, np.inf]
    for function in (ops.exp_neg, ops.log, ops.sigmoid, ops.tanh):
        assert np.isnan(function(np.array([np.nan], f))).all()


def test_softmax_sums_to_one_and_does_not_care_for_a_common_offset() -> None:
    z = np.random.default_rng(0).standard_normal((20, 10)).astype(np.float32) * np.float32(8)
    p = ops.softmax(z)
    assert np.allclose(p.astype(float).sum(axis=1), 1.0, atol=1e-6)
    assert np.allclose(ops.softmax(z + np.float32(64.0)), p, rtol=1e-4, atol=1e-7)
    assert ops.softmax(np.array([[1000.0, -1000.0]], np.float32)).tolist() == [[1.0, 0.0]]
