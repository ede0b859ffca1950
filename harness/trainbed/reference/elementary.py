# SPDX-License-Identifier: Apache-2.0
"""exp, log, sigmoid, tanh and softmax from basic float32 operations (docs/numerics.md, "Activations")."""

from __future__ import annotations

import numpy as np

from trainbed.reference.arrays import F32, ONE, ZERO

_EXP = tuple(
    np.float32(c)
    for c in (1.9875691500e-4, 1.3981999507e-3, 8.3334519073e-3, 4.1665795894e-2, 1.6666665459e-1, 5.0000001201e-1)
)
_LOG = tuple(
    np.float32(c)
    for c in (
        7.0376836292e-2,
        -1.1514610310e-1,
        1.1676998740e-1,
        -1.2420140846e-1,
        1.4249322787e-1,
        -1.6668057665e-1,
        2.0000714765e-1,
        -2.4999993993e-1,
        3.3333331174e-1,
    )
)
_TANH = tuple(
    np.float32(c) for c in (-5.70498872745e-3, 2.06390887954e-2, -5.37397155531e-2, 1.33314422036e-1, -3.33332819422e-1)
)
_LOG2_E = np.float32(1.44269504088896341)
_LN2_HIGH = np.float32(0.693359375)
_LN2_LOW = np.float32(-2.12194440e-4)
_SQRT_HALF = np.float32(0.707106781186547524)
_HALF = np.float32(0.5)


def horner(x: F32, coefficients: tuple[np.float32, ...]) -> F32:
    """Polynomial in ``x``, highest coefficient first: ``p <- p*x + c``."""
    p = np.full_like(x, coefficients[0])
    for c in coefficients[1:]:
        p = p * x + c
    return p


def exp_neg(x: F32) -> F32:
    """e**x for x <= 0, any shape. Below -87 the result is +0; NaN stays NaN.

    Greatest error measured over every 7th float32 of [-87, -1e-10]: 0.983 ULP of the exact value. Source: Cephes expf.
    """
    x = np.asarray(x, np.float32)
    inside = x >= np.float32(-87.0)
    safe = np.where(inside, x, ZERO)
    n = np.trunc(safe * _LOG2_E - _HALF)
    r = safe - n * _LN2_HIGH
    r = r - n * _LN2_LOW
    q = (horner(r, _EXP) * (r * r) + r) + ONE
    power = ((n.astype(np.int32) + np.int32(127)) << np.int32(23)).view(np.float32)
    return np.where(inside, q * power, np.where(np.isnan(x), x, ZERO))


def log(x: F32) -> F32:
    """Natural logarithm of normal x > 0, any shape; infinity and NaN return themselves.

    Greatest error measured: 0.830 ULP (every float32 of [0.5, 2]; every 61st of all normal ones). Source: Cephes logf.
    """
    x = np.asarray(x, np.float32)
    finite = np.isfinite(x)
    bits = np.where(finite, x, ONE).view(np.int32)
    k = ((bits >> np.int32(23)) - np.int32(126)).astype(np.float32)
    m = ((bits & np.int32(0x007FFFFF)) | np.int32(0x3F000000)).view(np.float32)
    small = m < _SQRT_HALF
    k = np.where(small, k - ONE, k)
    m = np.where(small, (m + m) - ONE, m - ONE)
    z = m * m
    y = (horner(m, _LOG) * m) * z
    y = y + k * _LN2_LOW
    y = y - _HALF * z
    y = m + y
    return np.where(finite, y + k * _LN2_HIGH, x)


def sigmoid(x: F32) -> F32:
    """1 / (1 + e**-x), any shape.

    Greatest error measured over every 7th float32: 1.50 ULP for x >= 0, 2.37 ULP for -87 <= x < 0.
    """
    e = exp_neg(-np.abs(x))
    d = ONE + e
    y: F32 = np.where(x >= ZERO, ONE / d, e / d)
    return y


def tanh(x: F32) -> F32:
    """Hyperbolic tangent, any shape.

    Greatest error measured over every 13th float32 of [1e-20, 20]: 1.50 ULP. Source: Cephes tanhf.
    """
    magnitude = np.abs(x)
    small = magnitude < np.float32(0.625)
    safe = np.where(small, x, ZERO)
    s = safe * safe
    near = (horner(s, _TANH) * s) * safe + safe
    e = exp_neg(np.float32(-2.0) * magnitude)
    t = (ONE - e) / (ONE + e)
    y: F32 = np.where(small, near, np.where(x < ZERO, -t, t))
    return y


def softmax_parts(z: F32) -> tuple[F32, F32, F32]:
    """``z [B, n]`` to the greatest ``m [B]`` (the first wins), ``e**(z - m) [B, n]`` and their sum ``s [B]``."""
    m = z[:, 0]
    for k in range(1, z.shape[1]):
        m = np.where(z[:, k] > m, z[:, k], m)
    e = exp_neg(z - m[:, None])
    s = np.zeros(z.shape[0], np.float32)
    for k in range(z.shape[1]):
        s = s + e[:, k]
    return m, e, s


def softmax(z: F32) -> F32:
    """Softmax over the last axis of ``[B, n]``."""
    _, e, s = softmax_parts(z)
    p: F32 = e * (ONE / s)[:, None]
    return p
