# SPDX-License-Identifier: Apache-2.0
"""docs/numerics.md as plain loops over single float32 numbers, slow and obvious; the twin has to have their bits.

Written from the document alone and sharing no code with the twin.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from trainbed.network.layers import Window

F = np.float32
Array = Any


def bits(array: Array) -> Array:
    """The bits of float32 values; every NaN counts as the same NaN."""
    array = np.ascontiguousarray(array, np.float32)
    return np.where(np.isnan(array), np.int32(0x7FC00000), array.view(np.int32))


def same_bits(a: Array, b: Array) -> bool:
    """True when shapes and bits are equal."""
    return bool(a.shape == b.shape and (bits(a) == bits(b)).all())


def inside(window: Window, i: int, j: int, hw: tuple[int, int]) -> list[tuple[int, int, int, int]]:
    """Taps (u, v, row, column) of output pixel (i, j) that fall inside the input, in order."""
    taps = []
    for u in range(window.kernel_h):
        for v in range(window.kernel_w):
            row, column = i * window.stride_h + u - window.pad_top, j * window.stride_w + v - window.pad_left
            if 0 <= row < hw[0] and 0 <= column < hw[1]:
                taps.append((u, v, row, column))
    return taps


def conv2d_forward(x: Array, w: Array, b: Array, window: Window, out_hw: tuple[int, int]) -> Array:
    y = np.zeros((*out_hw, w.shape[0]), F)
    for i, j, o in np.ndindex(*y.shape):
        acc = b[o]
        for u, v, row, column in inside(window, i, j, x.shape[:2]):
            for c in range(x.shape[2]):
                acc = acc + w[o, u, v, c] * x[row, column, c]
        y[i, j, o] = acc
    return y


def conv2d_backward_weights(x: Array, e: Array, window: Window, shape: tuple[int, ...]) -> tuple[Array, Array]:
    gw, gb = np.zeros(shape, F), np.zeros(shape[0], F)
    for o in range(shape[0]):
        for i, j in np.ndindex(*e.shape[:2]):
            gb[o] = gb[o] + e[i, j, o]
            for u, v, row, column in inside(window, i, j, x.shape[:2]):
                for c in range(shape[3]):
                    gw[o, u, v, c] = gw[o, u, v, c] + x[row, column, c] * e[i, j, o]
    return gw, gb


def reached(window: Window, a: int, b: int, out_hw: tuple[int, int]) -> list[tuple[int, int, int, int]]:
    """(u, v, i, j): outputs that read input pixel (a, b), in order of u, v."""
    outputs = []
    for u in range(window.kernel_h):
        for v in range(window.kernel_w):
            row, column = a + window.pad_top - u, b + window.pad_left - v
            if row % window.stride_h or column % window.stride_w:
                continue
            i, j = row // window.stride_h, column // window.stride_w
            if 0 <= i < out_hw[0] and 0 <= j < out_hw[1]:
                outputs.append((u, v, i, j))
    return outputs


def conv2d_backward_input(w: Array, e: Array, window: Window, in_hw: tuple[int, int]) -> Array:
    d = np.zeros((*in_hw, w.shape[3]), F)
    for a, b, c in np.ndindex(*d.shape):
        acc = F(0)
        for u, v, i, j in reached(window, a, b, e.shape[:2]):
            for o in range(w.shape[0]):
                acc = acc + w[o, u, v, c] * e[i, j, o]
        d[a, b, c] = acc
    return d


def depthwise_forward(x: Array, w: Array, b: Array, window: Window, out_hw: tuple[int, int]) -> Array:
    y = np.zeros((*out_hw, w.shape[2]), F)
    m = w.shape[2] // x.shape[2]
    for i, j, o in np.ndindex(*y.shape):
        acc = b[o]
        for u, v, row, column in inside(window, i, j, x.shape[:2]):
            acc = acc + w[u, v, o] * x[row, column, o // m]
        y[i, j, o] = acc
    return y


def depthwise_backward_weights(x: Array, e: Array, window: Window, shape: tuple[int, ...]) -> tuple[Array, Array]:
    gw, gb = np.zeros(shape, F), np.zeros(shape[2], F)
    m = shape[2] // x.shape[2]
    for o in range(shape[2]):
        for i, j in np.ndindex(*e.shape[:2]):
            gb[o] = gb[o] + e[i, j, o]
            for u, v, row, column in inside(window, i, j, x.shape[:2]):
                gw[u, v, o] = gw[u, v, o] + x[row, column, o // m] * e[i, j, o]
    return gw, gb


def depthwise_backward_input(w: Array, e: Array, window: Window, in_shape: tuple[int, int, int]) -> Array:
    d = np.zeros(in_shape, F)
    m = w.shape[2] // in_shape[2]
    for a, b, c in np.ndindex(*d.shape):
        acc = F(0)
        for u, v, i, j in reached(window, a, b, e.shape[:2]):
            for k in range(m):
                acc = acc + w[u, v, c * m + k] * e[i, j, c * m + k]
        d[a, b, c] = acc
    return d


def dense_forward(x: Array, w: Array, b: Array) -> Array:
    y = b.copy()
    for o, k in np.ndindex(*w.shape):
        y[o] = y[o] + w[o, k] * x[k]
    return y


def dense_backward_input(w: Array, e: Array) -> Array:
    d = np.zeros(w.shape[1], F)
    for k in range(w.shape[1]):
        for o in range(w.shape[0]):
            d[k] = d[k] + w[o, k] * e[o]
    return d


def max_pool(x: Array, window: Window, out_hw: tuple[int, int]) -> tuple[Array, Array]:
    y, index = np.zeros((*out_hw, x.shape[2]), F), np.zeros((*out_hw, x.shape[2]), np.uint8)
    for i, j, c in np.ndindex(*y.shape):
        best, at = x[i * window.stride_h, j * window.stride_w, c], 0
        for u, v, row, column in inside(window, i, j, x.shape[:2]):
            if x[row, column, c] > best:
                best, at = x[row, column, c], u * window.kernel_w + v
        y[i, j, c], index[i, j, c] = best, at
    return y, index


def max_pool_backward(index: Array, e: Array, window: Window, in_shape: tuple[int, int, int]) -> Array:
    d = np.zeros(in_shape, F)
    for c in range(in_shape[2]):
        for i, j in np.ndindex(*e.shape[:2]):
            u, v = divmod(int(index[i, j, c]), window.kernel_w)
            at = (i * window.stride_h + u, j * window.stride_w + v, c)
            d[at] = d[at] + e[i, j, c]
    return d


def avg_pool(x: Array, window: Window, out_hw: tuple[int, int]) -> Array:
    y = np.zeros((*out_hw, x.shape[2]), F)
    for i, j, c in np.ndindex(*y.shape):
        acc = F(0)
        for _, _, row, column in inside(window, i, j, x.shape[:2]):
            acc = acc + x[row, column, c]
        y[i, j, c] = acc * F(1.0 / (window.kernel_h * window.kernel_w))
    return y


def avg_pool_backward(e: Array, window: Window, in_shape: tuple[int, int, int]) -> Array:
    d = np.zeros(in_shape, F)
    factor = F(1.0 / (window.kernel_h * window.kernel_w))
    for c in range(in_shape[2]):
        for i, j in np.ndindex(*e.shape[:2]):
            for _, _, row, column in inside(window, i, j, in_shape[:2]):
                d[row, column, c] = d[row, column, c] + e[i, j, c] * factor
    return d


def exp_neg(x: Array) -> Array:
    if not x >= F(-87):
        return x if math.isnan(x) else F(0)
    n = int(x * F(1.44269504088896341) - F(0.5))
    r = x - F(n) * F(0.693359375)
    r = r - F(n) * F(-2.12194440e-4)
    p = F(1.9875691500e-4)
    for c in (1.3981999507e-3, 8.3334519073e-3, 4.1665795894e-2, 1.6666665459e-1, 5.0000001201e-1):
        p = p * r + F(c)
    q = (p * (r * r) + r) + F(1)
    return q * np.array((n + 127) << 23, np.int32).view(np.float32)[()]


def log(x: Array) -> Array:
    if not math.isfinite(x):
        return x
    fraction, k = math.frexp(float(x))
    m: Array = F(fraction)
    if m < F(0.707106781186547524):
        k, m = k - 1, (m + m) - F(1)
    else:
        m = m - F(1)
    z = m * m
    p = F(7.0376836292e-2)
    for c in (
        -1.1514610310e-1,
        1.1676998740e-1,
        -1.2420140846e-1,
        1.4249322787e-1,
        -1.6668057665e-1,
        2.0000714765e-1,
        -2.4999993993e-1,
        3.3333331174e-1,
    ):
        p = p * m + F(c)
    y = (p * m) * z
    y = y + F(k) * F(-2.12194440e-4)
    y = y - F(0.5) * z
    y = m + y
    return y + F(k) * F(0.693359375)


def sigmoid(x: Array) -> Array:
    e = exp_neg(-abs(x))
    d = F(1) + e
    return F(1) / d if x >= 0 else e / d


def tanh(x: Array) -> Array:
    if abs(x) < F(0.625):
        s = x * x
        p = F(-5.70498872745e-3)
        for c in (2.06390887954e-2, -5.37397155531e-2, 1.33314422036e-1, -3.33332819422e-1):
            p = p * s + F(c)
        return (p * s) * x + x
    e = exp_neg(F(-2) * abs(x))
    t = (F(1) - e) / (F(1) + e)
    return -t if x < 0 else t


def softmax(z: Array) -> tuple[Array, Array, Array]:
    """Outputs, greatest sum, sum of exponentials."""
    m = z[0]
    for value in z[1:]:
        if value > m:
            m = value
    e = [exp_neg(value - m) for value in z]
    s = F(0)
    for value in e:
        s = s + value
    r = F(1) / s
    return np.array([value * r for value in e], F), m, s


def categorical_crossentropy(z: Array, t: Array) -> tuple[Array, Array]:
    p, m, s = softmax(z)
    total = F(0)
    for k in range(len(z)):
        total = total + t[k] * (log(s) - (z[k] - m))
    return total, p


def binary_crossentropy(z: Array, t: Array) -> tuple[Array, Array]:
    total = F(0)
    for k in range(len(z)):
        positive = z[k] if z[k] > 0 else F(0)
        total = total + ((positive - z[k] * t[k]) + log(F(1) + exp_neg(-abs(z[k]))))
    return total * F(1.0 / len(z)), np.array([sigmoid(v) for v in z], F)


def mse(p: Array, t: Array) -> Array:
    total = F(0)
    for k in range(len(p)):
        total = total + (p[k] - t[k]) * (p[k] - t[k])
    return total * F(1.0 / len(p))
