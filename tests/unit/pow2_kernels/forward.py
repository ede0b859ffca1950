# SPDX-License-Identifier: Apache-2.0
"""Cases of int8_pow2: layers forward."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pow2_kernels.case import Arrays, Case, Rng, biases, c_kind, c_range, codes, layer_of
from trainbed.codegen.literals import c_window
from trainbed.network.layers import Activation, Kind, Layer
from trainbed.reference.pow2 import layers
from trainbed.reference.pow2.numbers import Range, lift, pack_rows, raise_inputs, unpack_rows


def dense(
    n_in: int,
    n_out: int,
    range_: Range,
    *,
    flash: bool = False,
    unsigned: bool = False,
    narrow: bool = True,
    sparse: bool = False,
    lifted: bool = False,
) -> Case:
    """A dense layer forward; ``narrow`` cases keep their sums in 24 bits."""

    def make(rng: Rng) -> Arrays:
        limit = 127 if not narrow else max(1, min(127, (1 << 22) // (n_in * 256)))
        w = np.clip(codes(rng, n_out, n_in), -limit, limit) if not flash else weights
        b = biases(rng, n_out) if not flash else fixed_biases
        # Some inputs of sparse layers are nearly all zero: gaps beyond what a pair of the list can tell.
        zeros = float(rng.choice([0.8, 0.99])) if sparse else 0.3
        arrays = {"x": codes(rng, n_in, unsigned=unsigned, zeros=zeros)}
        if not flash:
            arrays |= {"w": pack_rows(w), "b": b}
        if sparse:
            arrays["list"] = np.zeros(2 * n_in, np.uint8)
        return arrays | {"y": np.full(n_out, 99, np.int8)}

    fixed_rng = np.random.default_rng(n_in * 100 + n_out)
    weights = codes(fixed_rng, n_out, n_in)
    if narrow:
        weights = (weights // max(1, n_in * 127 * 256 // (1 << 22))).astype(np.int8)
    fixed_biases = biases(fixed_rng, n_out)

    def after(a: Arrays) -> Arrays:
        w = weights if flash else unpack_rows(a["w"], (n_out, n_in))
        b = fixed_biases if flash else a["b"]
        sums = layers.dense_sums(a["x"][None], w, b)
        assert not narrow or np.abs(sums).max() < 1 << 23
        changed: Arrays = {"y": np.asarray(layers.store(sums, range_)[0])}
        if sparse:
            changed["list"] = _listed(a["x"], a["list"])
        return changed

    stored = pack_rows(lift(weights) if lifted else weights)
    kept_biases = raise_inputs(weights, fixed_biases) if lifted and not unsigned else fixed_biases
    constants: Arrays = {"w": stored, "b": kept_biases} if flash else {}
    w, b = ("(const int8_t *)(uintptr_t)w@", "(const int32_t *)(uintptr_t)b@") if flash else ("w", "b")
    kind = c_kind(flash=flash, unsigned=unsigned, narrow=narrow, lifted=lifted)
    verb, scratch = ("forward_sparse", "list, ") if sparse else ("forward", "")
    call = (
        f"trn_pow2_dense_{verb}((const int8_t *)x, {w}, {b}, y, {scratch}{n_in}, {n_out}, {c_range(range_)}, {kind});"
    )
    name = f"dense {n_in}x{n_out} {range_} flash={flash} unsigned={unsigned} narrow={narrow} {sparse=} {lifted=}"
    return Case(name, call, make, after, constants)


def _listed(x: NDArray[Any], before: NDArray[np.uint8]) -> NDArray[np.uint8]:
    pairs: list[int] = []
    gap = 0
    for value in x.view(np.uint8).tolist():
        if value or gap == 63:
            pairs += [4 * gap, value]
            gap = 0
        else:
            gap += 1
    out = before.copy()
    out[: len(pairs)] = pairs
    return out


def windowed(
    kind: Kind,
    in_shape: tuple[int, int, int],
    out_c: int,
    kernel: int,
    stride: int,
    range_: Range,
    *,
    same: bool,
    unsigned: bool = False,
    flash: bool = False,
    narrow: bool = False,
) -> Case:
    """A convolution forward, weights in the block or in flash; ``narrow`` cases keep their sums in 24 bits."""
    layer = layer_of(kind, in_shape, out_c, kernel, stride, same=same)
    shape = (kernel, kernel, out_c) if kind is Kind.DEPTHWISE_CONV2D else (out_c, kernel, kernel, in_shape[2])
    packs = kind is Kind.CONV2D
    n = kernel * kernel * (in_shape[2] if packs else 1)

    def numbers(rng: Rng) -> tuple[NDArray[Any], NDArray[np.int32]]:
        w, b = codes(rng, *shape), biases(rng, out_c)
        return (w // max(1, n * 127 * 256 >> 22)).astype(np.int8) if narrow else w, b // (2 if narrow else 1)

    fixed = numbers(np.random.default_rng(n * 100 + out_c))

    def stored(w: NDArray[Any]) -> NDArray[Any]:
        return pack_rows(w) if packs else w

    def make(rng: Rng) -> Arrays:
        arrays = {"x": codes(rng, *in_shape, unsigned=unsigned)}
        if not flash:
            w, b = numbers(rng)
            arrays |= {"w": stored(w), "b": b}
        return arrays | {"y": np.full(layer.out_shape, 99, np.int8)}

    def after(a: Arrays) -> Arrays:
        w, b = fixed if flash else (unpack_rows(a["w"], shape) if packs else a["w"], a["b"])
        sums = (layers.conv2d_sums if packs else layers.depthwise_sums)(a["x"][None], w, b, layer)
        assert not narrow or np.abs(sums).max() < 1 << 23
        return {"y": layers.store(sums, range_)[0]}

    constants: Arrays = {"w": stored(fixed[0]), "b": fixed[1]} if flash else {}
    w, b = ("(const int8_t *)(uintptr_t)w@", "(const int32_t *)(uintptr_t)b@") if flash else ("w", "b")
    numbers_of = f"{c_window(layer)}, {c_range(range_)}, {c_kind(flash=flash, unsigned=unsigned, narrow=narrow)}"
    call = f"trn_pow2_{kind.value}_forward((const int8_t *)x, {w}, {b}, y, {numbers_of});"
    name = f"{kind.value} {in_shape} {out_c} {kernel} {stride} {same=} {unsigned=} {flash=} {narrow=}"
    return Case(name, call, make, after, constants)


def pool(which: str, in_shape: tuple[int, int, int], kernel: int, stride: int, *, same: bool, unsigned: bool) -> Case:
    """Max or average pooling."""
    layer = layer_of(
        Kind.MAX_POOL if which == "max" else Kind.AVG_POOL, in_shape, in_shape[2], kernel, stride, same=same
    )

    def make(rng: Rng) -> Arrays:
        return {"x": codes(rng, *in_shape, unsigned=unsigned), "y": np.full(layer.out_shape, 99, np.int8)}

    def after(a: Arrays) -> Arrays:
        pooled = layers.max_pool if which == "max" else layers.avg_pool
        return {"y": pooled(a["x"][None], layer)[0]}

    inverse = "" if which == "max" else f", {layers.window_inverse(layer)}u"
    sign = "true" if unsigned else "false"
    call = f"trn_pow2_{which}_pool_forward((const int8_t *)x, y, {c_window(layer)}{inverse}, {sign});"
    return Case(f"{which} pool {in_shape} {kernel} {stride} same={same} unsigned={unsigned}", call, make, after)


def global_pool(in_shape: tuple[int, int, int]) -> Case:
    """Global average pooling."""
    layer = Layer("layer", Kind.GLOBAL_AVG_POOL, ("input",), in_shape, (1, 1, in_shape[2]), Activation.NONE, None)

    def make(rng: Rng) -> Arrays:
        return {"x": codes(rng, *in_shape), "y": np.full(in_shape[2], 99, np.int8)}

    def after(a: Arrays) -> Arrays:
        return {"y": layers.global_avg_pool(a["x"][None], layer).reshape(-1)}

    sizes = f"{in_shape[0] * in_shape[1]}, {in_shape[2]}, {layers.window_inverse(layer)}u, false"
    return Case(f"global pool {in_shape}", f"trn_pow2_global_avg_pool_forward(x, y, {sizes});", make, after)


def add(n: int, shift_a: int, shift_b: int, range_: Range) -> Case:
    """Sum of two tensors."""

    def make(rng: Rng) -> Arrays:
        return {"a": codes(rng, n), "b": codes(rng, n), "y": np.full(n, 99, np.int8)}

    def after(a: Arrays) -> Arrays:
        return {"y": layers.add(a["a"], a["b"], shift_a=shift_a, shift_b=shift_b, range_=range_)}

    call = f"trn_pow2_add_forward(a, b, y, {n}, {shift_a}, {shift_b}, {c_range(range_)});"
    return Case(f"add {n} {shift_a} {shift_b} {range_}", call, make, after)


def lookup(table: NDArray[np.int8], name: str) -> Case:
    """An activation by table, all codes of it."""

    def make(rng: Rng) -> Arrays:
        return {"x": np.arange(-128, 128).astype(np.int8)}

    def after(a: Arrays) -> Arrays:
        return {"x": layers.lookup(a["x"], table)}

    return Case(f"lookup {name}", "trn_pow2_lookup(x, x, table@, 256);", make, after, {"table": table})
