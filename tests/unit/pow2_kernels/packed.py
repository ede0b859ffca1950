# SPDX-License-Identifier: Apache-2.0
"""Frozen layers of uint8 on the kernels of AVR: zero points, taps outside the input, factors near and far."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pow2_kernels.case import Arrays, Case, Rng, codes, layer_of
from trainbed.codegen.literals import c_window
from trainbed.network.layers import Kind
from trainbed.planner.int8.packed import PackedSums, leaves_taps_out, packed_sums
from trainbed.reference.int8 import depthwise, pool, products
from trainbed.reference.int8.arithmetic import Output, Scale
from trainbed.reference.int8.numbers import scale_of
from trainbed.reference.pow2.numbers import lift, pack_rows


def _literal(scale: tuple[int, int], *, near: int, out: Output, x_zero: int) -> str:
    numbers = f"{{{scale[0]}, {scale[1]}}}, {near}, {out.zero}, {out.lo}, {out.hi}, {x_zero}"
    return f"(trn_pow2_sink_t){{true, {{0, 0, 0}}, {numbers}}}"


def _output(scale: tuple[int, int], zero: int, lo: int) -> Output:
    return Output(Scale(np.array([scale[0]], np.int64), np.array([scale[1]], np.int64)), zero, lo, 255)


def _numbers(
    shape: tuple[int, ...], n_out: int, *, narrow: bool, seed: int
) -> tuple[NDArray[np.int8], NDArray[np.int32]]:
    rng = np.random.default_rng(seed)
    w = codes(rng, *shape)
    n = w.size // n_out
    w = (w // max(1, n * 127 * 256 >> 22)).astype(np.int8) if narrow else w
    return w, rng.integers(-9999, 10000, n_out).astype(np.int32)


def layer(
    kind: Kind,
    in_shape: tuple[int, int, int],
    out_c: int,
    kernel: int = 1,
    stride: int = 1,
    *,
    zero: int,
    factor: float,
    z_y: int = 0,
    lo: int = 0,
    narrow: bool = True,
    how: str = "",
) -> Case:
    """A frozen layer. ``how``: ``row``s from a ring, ``inplace``, ``listed`` inputs, or ``sums`` as they are."""
    at = layer_of(kind, in_shape, out_c, kernel, stride, same=True)
    window, out_hw = at.window, at.out_shape[:2]
    assert window is not None
    n_in = math.prod(in_shape)
    shape = {
        Kind.DENSE: (out_c, n_in),
        Kind.CONV2D: (out_c, kernel, kernel, in_shape[2]),
        Kind.DEPTHWISE_CONV2D: (kernel, kernel, out_c),
    }[kind]
    w, b = _numbers(shape, out_c, narrow=narrow, seed=n_in + out_c)
    known = packed_sums(at, w, b, zero=zero)
    assert known.narrow == narrow
    scale = scale_of(np.float32(factor))
    out = _output(scale, z_y, lo)
    near = known.near(*scale)
    shape_y = (out_c,) if kind is Kind.DENSE else at.out_shape

    def make(rng: Rng) -> Arrays:
        arrays: Arrays = {"x": codes(rng, *in_shape, unsigned=True, zeros=0.8 if how == "listed" else 0.3)}
        if how in ("listed", "inplace"):
            arrays["scratch"] = np.zeros(2 * n_in, np.uint8)
        if how == "inplace":
            return arrays
        return arrays | {"y": np.full(shape_y, 99, np.int32 if how == "sums" else np.uint8)}

    def sums(x: NDArray[Any]) -> NDArray[Any]:
        if kind is Kind.DENSE:
            return products.dense_sums(x.reshape(1, -1), w, b, zero=zero)[0]
        forward = products.conv2d_sums if kind is Kind.CONV2D else depthwise.depthwise_sums
        return forward(x[None], w, b, window, out_hw, zero=zero)[0]

    def after(a: Arrays) -> Arrays:
        found = sums(a["x"])
        assert np.abs(found).max() <= known.bound
        y = found.astype(np.int32) if how == "sums" else out.codes(found)
        if how == "inplace":
            kept = np.zeros((window.pad_top + 1, *in_shape[1:]), np.uint8)
            for row in range(in_shape[0]):
                kept[row % len(kept)] = a["x"][row]
            a["scratch"][: kept.size] = kept.reshape(-1)
            return {"x": y, "scratch": a["scratch"]}
        if how == "listed":
            pairs = np.array([(4 * gap, value) for gap, value in _pairs(a["x"].reshape(-1))], np.uint8).reshape(-1)
            a["scratch"][: len(pairs)] = pairs
            return {"y": y, "scratch": a["scratch"]}
        return {"y": y}

    w_at, b_at = "(const int8_t *)(uintptr_t)w@", "(const int32_t *)(uintptr_t)b@"
    to = _literal(scale, near=near, out=out, x_zero=zero if leaves_taps_out(at) else 0)
    of = f"(trn_pow2_kind_t){{true, true, {_c_bool(narrow)}, {_c_bool(kind is Kind.DENSE)}}}"
    name = f"trn_i8_packed_{'sums' if how == 'sums' else kind.value}"
    if kind is Kind.DENSE:
        listed = f"scratch, trn_pow2_list((const int8_t *)x, scratch, {n_in})" if how == "listed" else "NULL, 0"
        numbers = of if how == "sums" else f"{to}, {of}"
        call = f"{name}(x, {listed}, {w_at}, {b_at}, y, {n_in}, {out_c}, {numbers});"
    elif how == "row":
        row = out_hw[1] * out_c
        each = f"{name}_row(x, {w_at}, {b_at}, y + i * {row}, {c_window(at)}, {to}, {of}, i, {in_shape[0]});"
        call = f"for (trn_size_t i = 0; i < {out_hw[0]}; i++) {{ {each} }}"
    elif how == "inplace":
        call = f"{name}_inplace(x, {w_at}, {b_at}, {c_window(at)}, {to}, {of}, scratch);"
    else:
        call = f"{name}(x, {w_at}, {b_at}, y, {c_window(at)}, {to}, {of});"
    title = f"packed {kind.value} {in_shape} {out_c} {kernel} {stride} {zero=} {scale=} {near=} {narrow=} {how}"
    stored = w if kind is Kind.DEPTHWISE_CONV2D else pack_rows(lift(w) if kind is Kind.DENSE else w)
    return Case(title, call, make, after, {"w": stored, "b": known.bias})


def _c_bool(value: bool) -> str:
    return "true" if value else "false"


def _pairs(values: NDArray[Any]) -> list[tuple[int, int]]:
    pairs, gap = [], 0
    for value in values.tolist():
        if value or gap == 63:
            pairs.append((gap, value))
            gap = 0
        else:
            gap += 1
    return pairs


def average(in_shape: tuple[int, int, int], kernel: int, stride: int, *, zero: int) -> Case:
    """Averages over windows."""
    at = layer_of(Kind.AVG_POOL, in_shape, in_shape[2], kernel, stride, same=False)
    window = at.window
    assert window is not None
    scale = scale_of(np.float32(1 / kernel**2))
    near = PackedSums(np.zeros(1, np.int32), 255 * kernel**2).near(*scale)
    out = _output(scale, zero, 0)

    def make(rng: Rng) -> Arrays:
        return {"x": codes(rng, *in_shape, unsigned=True), "y": np.full(at.out_shape, 99, np.uint8)}

    def after(a: Arrays) -> Arrays:
        return {"y": out.codes(pool.avg_pool_sums(a["x"][None], window, at.out_shape[:2], zero=zero)[0])}

    to = _literal(scale, near=near, out=out, x_zero=zero)
    call = f"trn_i8_packed_avg_pool(x, y, {c_window(at)}, {to});"
    return Case(f"packed average {in_shape} {kernel} {stride} {zero=} {near=}", call, make, after)


def sink(factor: float, bound: int, *, zero: int, narrow: bool) -> Case:
    """Sums to codes: all sizes of sums, those on either side of every half, the largest."""
    n = 200
    scale = scale_of(np.float32(factor))
    near = PackedSums(np.zeros(1, np.int32), bound).near(*scale)
    out = _output(scale, zero, 0)

    def make(rng: Rng) -> Arrays:
        real = scale[0] * 2.0 ** (scale[1] - 32)
        halves = np.floor((rng.integers(-zero, 256 - zero, n) + 0.5) / real) + rng.integers(-1, 3, n)
        sums = np.where(rng.random(n) < 0.7, halves, rng.integers(-bound, bound + 1, n) >> rng.integers(0, 20, n))
        sums[:4] = [bound, -bound, 0, -1]
        return {"sums": np.clip(sums, -bound, bound).astype(np.int32), "y": np.full(n, 99, np.uint8)}

    def after(a: Arrays) -> Arrays:
        return {"y": out.codes(a["sums"].astype(np.int64))}

    to = _literal(scale, near=near, out=out, x_zero=0)
    each = f"y[i] = (uint8_t)trn_pow2_sink(sums[i], {to}, {'true' if narrow else 'false'});"
    return Case(
        f"sink {factor} {bound} {zero=} {near=}", f"for (trn_size_t i = 0; i < {n}; i++) {{ {each} }}", make, after
    )


_DENSE, _CONV, _DEPTHWISE = Kind.DENSE, Kind.CONV2D, Kind.DEPTHWISE_CONV2D
PACKED: Sequence[Case] = [
    *(
        layer(_DENSE, (1, 1, 50), n, zero=z, factor=0.0007, z_y=z_y)
        for n, z, z_y in [(1, 0, 0), (2, 7, 9), (3, 255, 128), (5, 128, 0)]
    ),
    layer(_DENSE, (1, 1, 50), 4, zero=3, factor=0.7, z_y=120),
    layer(_DENSE, (1, 1, 1600), 6, zero=100, factor=0.0001, narrow=False, lo=20, z_y=20),
    layer(_DENSE, (1, 1, 150), 7, zero=0, factor=0.0009, how="listed"),
    *(layer(_DENSE, (1, 1, 50), n, zero=z, factor=1, how="sums") for n, z in [(1, 4), (4, 0), (7, 200)]),
    *(
        layer(_CONV, (5, 6, c), n, kernel, stride, zero=z, factor=0.003, z_y=z_y)
        for c, n, kernel, stride, z, z_y in [
            (1, 3, 3, 1, 0, 0),
            (3, 5, 3, 2, 77, 3),
            (2, 4, 1, 1, 9, 128),
            (2, 6, 5, 1, 130, 0),
        ]
    ),
    layer(_CONV, (4, 5, 3), 7, 3, zero=0, factor=0.4, z_y=20, lo=20),
    layer(_CONV, (6, 5, 5), 9, 3, 2, zero=60, factor=0.02, z_y=20),
    layer(_CONV, (2, 3, 200), 2, 3, zero=131, factor=0.0001, narrow=False),  # outside, more than 255 terms a row
    *(
        layer(_DEPTHWISE, (5, 6, c), n, 3, stride, zero=z, factor=0.011, z_y=z_y)
        for c, n, stride, z, z_y in [
            (1, 1, 1, 0, 0),
            (5, 5, 1, 66, 1),
            (4, 4, 2, 255, 255),
            (2, 6, 1, 3, 17),
            (3, 6, 1, 0, 0),
        ]
    ),
    *(layer(_DEPTHWISE, (6, 4, 3), 3, 3, zero=z, factor=0.02, how=how) for z in (0, 90) for how in ("row", "inplace")),
    *(
        layer(_DEPTHWISE, (hw, hw + 1, 4), 4, 3, stride, zero=z, factor=factor, z_y=z_y, lo=z_y)
        for hw, stride, z, factor, z_y in [
            (4, 1, 0, 0.3, 0),
            (6, 2, 0, 0.002, 128),
            (2, 1, 77, 0.05, 0),
            (5, 2, 9, 0.01, 3),
        ]
    ),
    average((6, 6, 3), 2, 2, zero=0),
    average((5, 6, 5), 2, 1, zero=200),
    average((4, 8, 2), 4, 4, zero=9),
    average((7, 6, 2), 3, 2, zero=131),
    average((13, 12, 1), 12, 1, zero=5),
    *(
        sink(f, bound, zero=z, narrow=True)
        for f, bound, z in [(0.4999, 1 << 15, 0), (0.013, 200_000, 131), (0.004, (1 << 23) - 1, 255)]
    ),
    *(
        sink(f, bound, zero=z, narrow=True)
        for f, bound, z in [(0.00003, (1 << 23) - 1, 128), (0.0019, (1 << 23) - 1, 7)]
    ),
    *(sink(f, bound, zero=z, narrow=False) for f, bound, z in [(3.7, 5000, 99), (0.000001, (1 << 31) - 1, 100)]),
]
