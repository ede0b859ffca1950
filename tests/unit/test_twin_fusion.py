# SPDX-License-Identifier: Apache-2.0
"""The twin's fused multiply-add rounds once: checked against exact rational arithmetic."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from trainbed.reference.fusion import fused_multiply_add

FLOATS = st.floats(width=32, allow_nan=False, allow_infinity=False)


def rounded(value: Fraction) -> np.float32:
    """The float32 nearest to an exact number, ties to even."""
    if value == 0:
        return np.float32(0)
    sign, magnitude = (-1 if value < 0 else 1), abs(value)
    exponent = max(magnitude.numerator.bit_length() - magnitude.denominator.bit_length() - 1, -127)
    while Fraction(2) ** (exponent + 1) <= magnitude:
        exponent += 1
    unit = Fraction(2) ** (max(exponent, -126) - 23)
    steps = round(magnitude / unit)  # Python rounds ties to even
    result = steps * unit
    return np.float32(sign * np.inf) if result >= Fraction(2) ** 128 else np.float32(sign * float(result))


@given(a=FLOATS, b=FLOATS, c=FLOATS)
@example(a=float.fromhex("0x1.000002p0"), b=float.fromhex("0x1.000002p0"), c=float.fromhex("0x1p-60"))
@example(a=float.fromhex("0x1.000002p12"), b=float.fromhex("0x1.8p12"), c=float.fromhex("-0x1p-60"))
@example(a=float.fromhex("0x1.8p-75"), b=float.fromhex("0x1.000002p-75"), c=float.fromhex("0x1p-149"))
def test_a_fused_operation_is_the_exact_value_rounded_once(a: float, b: float, c: float) -> None:
    x, y, z = (np.array([value], np.float32) for value in (a, b, c))
    with np.errstate(all="ignore"):
        got = fused_multiply_add(x, y, z)[0]
    want = rounded(Fraction(a) * Fraction(b) + Fraction(c))
    assert got == want


def test_ties_of_the_second_rounding_are_broken_by_what_the_first_one_lost() -> None:
    """1 + 2^-24 is half-way between two float32; a product's last bit, far below float64's, decides."""
    tie = np.float32(1 + 2**-12)
    product = float(tie) * float(tie)  # 1 + 2^-11 + 2^-24: a tie
    for sign in (1, -1):
        c = np.array([sign * 2.0**-100], np.float32)
        got = fused_multiply_add(np.array([tie]), np.array([tie]), c)[0]
        assert got == rounded(Fraction(product) + Fraction(float(c[0])))
    above = fused_multiply_add(np.array([tie]), np.array([tie]), np.array([2.0**-100], np.float32))[0]
    below = fused_multiply_add(np.array([tie]), np.array([tie]), np.array([-(2.0**-100)], np.float32))[0]
    assert above > below


@pytest.mark.parametrize("special", [np.inf, -np.inf, np.nan])
def test_what_is_not_finite_stays_so(special: float) -> None:
    with np.errstate(all="ignore"):
        got = fused_multiply_add(np.float32([special, 1]), np.float32([1, 2]), np.float32([1, special]))
    assert not np.isfinite(got).any()


def test_a_product_that_float32_cannot_hold_comes_back_by_the_sum() -> None:
    big = np.float32(2.0**127)
    assert fused_multiply_add(np.array([big]), np.float32([2]), np.array([-big]))[0] == big
