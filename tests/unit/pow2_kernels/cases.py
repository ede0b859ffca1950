# SPDX-License-Identifier: Apache-2.0
"""The int8_pow2 kernels with literal shapes, one C function per case on one block of bytes: inputs, then outputs.

The same source runs on the host and on an emulated AVR, and one comparison with the twin serves both.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trainbed.network.layers import Activation, Kind, Layer, Window
from trainbed.reference.pow2 import layers, loss, tables, update
from trainbed.reference.pow2.numbers import Range, lift, pack_rows, raise_inputs, unpack_rows

Arrays = dict[str, NDArray[Any]]
Rng = np.random.Generator

TYPES = {
    "int8": "int8_t",
    "uint8": "uint8_t",
    "int16": "int16_t",
    "uint16": "uint16_t",
    "int32": "int32_t",
    "float32": "float",
}
HEADERS = ("pow2/activation", "pow2/loss", "pow2/pool", "pow2/update", "int8/packed")


@dataclass(frozen=True)
class Case:
    """``make`` draws the arrays before, ``after`` says which of them the kernel changes and to what."""

    name: str
    statement: str
    make: Callable[[Rng], Arrays]
    after: Callable[[Arrays], Arrays]
    constants: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    """Tables in flash."""

    def sample(self, seed: int) -> tuple[Arrays, Arrays]:
        """Arrays before and after."""
        before = self.make(np.random.default_rng(seed))
        return before, before | self.after({name: array.copy() for name, array in before.items()})


def to_bytes(arrays: Arrays) -> bytes:
    """The block: each array at a multiple of 4."""
    return b"".join(array.tobytes() + bytes(-array.nbytes % 4) for array in arrays.values())


def function(index: int, case: Case) -> str:
    """The C function of a case."""
    lines, at = [], 0
    for name, array in case.make(np.random.default_rng(0)).items():
        kind = TYPES[array.dtype.name]
        lines.append(f"    {kind} *const {name} = ({kind} *)(void *)(block + {at});\n    (void){name};\n")
        at += -(-array.nbytes // 4) * 4
    flash = "".join(
        f"static TRN_FLASH {TYPES[table.dtype.name]} {name}_{index}[] = {{{_list(table)}}};\n"
        for name, table in case.constants.items()
    )
    statement = case.statement.replace("@", f"_{index}")
    signature = f"TRN_NOINLINE void case_{index}(uint8_t *block)"
    return f"{flash}{signature};\n{signature}\n{{\n{''.join(lines)}    {statement}\n}}\n"


def _list(table: NDArray[Any]) -> str:
    return ", ".join(map(str, table.reshape(-1).tolist()))


def source(cases: Sequence[Case]) -> str:
    """All of them."""
    head = "".join(f'#include "trn/{name}.h"\n' for name in HEADERS)
    return head + "\n" + "\n".join(function(i, case) for i, case in enumerate(cases))


# --- how arrays are drawn: small, full-scale and extreme codes -------------------------------------------------------


def codes(rng: Rng, *shape: int, unsigned: bool = False, zeros: float = 0.3) -> NDArray[Any]:
    """Codes of all sizes, some of them 0, some at the end of the range."""
    top = 255 if unsigned else 127
    values = rng.integers(0 if unsigned else -top, top + 1, shape)
    values = np.where(rng.random(shape) < 0.1, rng.choice([top, 1 if unsigned else -top], shape), values)
    return np.where(rng.random(shape) < zeros, 0, values).astype(np.uint8 if unsigned else np.int8)


def errors(rng: Rng, n: int) -> NDArray[np.int16]:
    """Errors of all sizes."""
    values = rng.integers(-32767, 32768, n) >> rng.integers(0, 14, n)
    return np.where(rng.random(n) < 0.1, rng.choice([-32767, 32767, 0], n), values).astype(np.int16)


def biases(rng: Rng, n: int) -> NDArray[np.int32]:
    """Biases at the scale of the sums."""
    return (rng.integers(-(1 << 22), (1 << 22) + 1, n) >> rng.integers(0, 20, n)).astype(np.int32)


# --- cases -----------------------------------------------------------------------------------------------------------


def _c_range(range_: Range) -> str:
    return f"(trn_pow2_range_t){{{range_.shift}, {range_.lo}, {range_.hi}}}"


def _c_kind(*, flash: bool, unsigned: bool, narrow: bool, lifted: bool = False) -> str:
    flags = ", ".join("true" if flag else "false" for flag in (flash, unsigned, narrow, lifted))
    return f"(trn_pow2_kind_t){{{flags}}}"


def c_window(layer: Layer) -> str:
    """A layer's trn_window_t."""
    w = layer.window
    assert w is not None
    numbers = (*layer.in_shape, *layer.out_shape, w.kernel_h, w.kernel_w, w.stride_h, w.stride_w, w.pad_top, w.pad_left)
    return f"(trn_window_t){{{', '.join(map(str, numbers))}}}"


def layer_of(kind: Kind, in_shape: tuple[int, int, int], out_c: int, kernel: int, stride: int, *, same: bool) -> Layer:
    """A layer with a window, padded as TensorFlow does."""
    height, width, _ = in_shape
    if same:
        rows, columns = -(-height // stride), -(-width // stride)
        top = max((rows - 1) * stride + kernel - height, 0) // 2
        left = max((columns - 1) * stride + kernel - width, 0) // 2
    else:
        rows, columns, top, left = (height - kernel) // stride + 1, (width - kernel) // stride + 1, 0, 0
    window = Window(kernel, kernel, stride, stride, top, left)
    return Layer("layer", kind, ("input",), in_shape, (rows, columns, out_c), Activation.NONE, window)


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
    kind = _c_kind(flash=flash, unsigned=unsigned, narrow=narrow, lifted=lifted)
    verb, scratch = ("forward_sparse", "list, ") if sparse else ("forward", "")
    call = (
        f"trn_pow2_dense_{verb}((const int8_t *)x, {w}, {b}, y, {scratch}{n_in}, {n_out}, {_c_range(range_)}, {kind});"
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
    numbers_of = f"{c_window(layer)}, {_c_range(range_)}, {_c_kind(flash=flash, unsigned=unsigned, narrow=narrow)}"
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

    call = f"trn_pow2_add_forward(a, b, y, {n}, {shift_a}, {shift_b}, {_c_range(range_)});"
    return Case(f"add {n} {shift_a} {shift_b} {range_}", call, make, after)


def lookup(table: NDArray[np.int8], name: str) -> Case:
    """An activation by table, all codes of it."""

    def make(rng: Rng) -> Arrays:
        return {"x": np.arange(-128, 128).astype(np.int8)}

    def after(a: Arrays) -> Arrays:
        return {"x": layers.lookup(a["x"], table)}

    return Case(f"lookup {name}", "trn_pow2_lookup(x, x, table@, 256);", make, after, {"table": table})


def derivative(activation: Activation, hi: int) -> Case:
    """Errors through an activation."""
    n = 40

    def make(rng: Rng) -> Arrays:
        y = codes(rng, n)
        y = y if activation in (Activation.TANH, Activation.NONE) else np.abs(y)
        return {"e": errors(rng, n), "y": np.minimum(y, hi).astype(np.int8)}

    def after(a: Arrays) -> Arrays:
        return {"e": update.derivative(a["e"], a["y"], activation, hi=hi)}

    call = f"trn_pow2_derivative(e, y, {n}, TRN_ACT_{activation.value.upper()}, {hi});"
    return Case(f"derivative {activation.value}", call, make, after)


def softmax(n: int, fraction: int) -> Case:
    """Softmax with categorical cross-entropy."""

    def make(rng: Rng) -> Arrays:
        t = np.zeros(n, np.float32)
        t[rng.integers(n)] = 1
        z = codes(rng, n)
        z = z if rng.random() < 0.7 else (z // 16).astype(np.int8)
        return _head(z, t)

    call = f"*loss = trn_pow2_softmax_crossentropy(z, t, e, p, exps@, logs@, {n}, {fraction});"
    constants: Arrays = {"exps": tables.exps(fraction), "logs": tables.logs()}
    return Case(f"softmax {n} {fraction}", call, make, _after_head(loss.softmax_crossentropy, fraction), constants)


def binary(n: int, fraction: int) -> Case:
    """Sigmoid with binary cross-entropy."""

    def make(rng: Rng) -> Arrays:
        t = rng.choice(np.array([0, 1, 0.5, 0.3, 1 / 3, 1e-6], np.float32), n)
        return _head(codes(rng, n), t)

    constants: Arrays = {"sigmoids": tables.sigmoids(fraction), "softplus": tables.softplus(fraction)}
    call = (
        f"*loss = trn_pow2_binary_crossentropy(z, t, e, p, sigmoids@, softplus@, {n}, {fraction}, "
        f"{(32768 + n // 2) // n}u, {float(np.float32(1 / n))!r}f);"
    )
    return Case(f"binary {n} {fraction}", call, make, _after_head(loss.binary_crossentropy, fraction), constants)


def mse(n: int, fraction: int) -> Case:
    """Mean squared error."""

    def make(rng: Rng) -> Arrays:
        t = np.concatenate([rng.normal(0, 2, n), [0, 1, -1, 0.5, -0.00006103515625, 1e-30, 300, -300]])[:n]
        return _head(codes(rng, n), rng.permutation(t).astype(np.float32))

    call = (
        f"*loss = trn_pow2_mse(z, t, e, p, {n}, {fraction}, {2.0**-fraction!r}f, {(32768 + n // 2) // n}u, "
        f"{float(np.float32(1 / n))!r}f);"
    )
    return Case(f"mse {n} {fraction}", call, make, _after_head(loss.mse, fraction))


def _head(z: NDArray[Any], t: NDArray[np.float32]) -> Arrays:
    n = len(z)
    return {"z": z, "t": t, "e": np.zeros(n, np.int16), "p": np.zeros(n, np.float32), "loss": np.zeros(1, np.float32)}


def _after_head(head: Callable[..., loss.Head], fraction: int) -> Callable[[Arrays], Arrays]:
    def after(a: Arrays) -> Arrays:
        of = head(a["z"][None], a["t"][None], fraction=fraction)
        return {"e": of.errors[0], "p": of.outputs[0], "loss": of.losses}

    return after


def backward_input(n_in: int, n_out: int, shift: int) -> Case:
    """Errors through a dense layer."""

    def make(rng: Rng) -> Arrays:
        return {"w": pack_rows(codes(rng, n_out, n_in)), "e": errors(rng, n_out), "dx": np.full(n_in, 99, np.int16)}

    def after(a: Arrays) -> Arrays:
        return {"dx": update.dense_backward_input(unpack_rows(a["w"], (n_out, n_in)), a["e"], shift=shift)}

    call = f"trn_pow2_dense_backward_input(w, e, dx, {n_in}, {n_out}, {shift});"
    return Case(f"backward input {n_in}x{n_out} {shift}", call, make, after)


def dense_update(n_in: int, n_out: int, rate: int, fraction: int, *, unsigned: bool = False) -> Case:
    """A gradient step of a dense layer."""

    def make(rng: Rng) -> Arrays:
        return {
            "x": codes(rng, n_in, unsigned=unsigned),
            "e": errors(rng, n_out),
            "w": pack_rows(codes(rng, n_out, n_in)),
            "b": biases(rng, n_out),
            "noise": np.zeros(n_in, np.uint8),
            "key": np.array([rng.integers(1 << 31), 7], np.int32),
        }

    def after(a: Arrays) -> Arrays:
        stream = update.Stream(int(a["key"][0]), int(a["key"][1]))
        again = update.Stream(int(a["key"][0]), int(a["key"][1]))
        w = unpack_rows(a["w"], (n_out, n_in)).copy()
        update.dense_update(a["x"], a["e"], w, a["b"], rate=rate, fraction=fraction, stream=stream)
        return {"w": pack_rows(w), "b": a["b"], "noise": (again.draw(n_in) >> 8).astype(np.uint8)}

    sign = "true" if unsigned else "false"
    numbers = f"{n_in}, {n_out}, {rate}u, {fraction}, {sign}"
    call = (
        "uint16_t stream = trn_pow2_begin_stream((uint32_t)key[0], (uint32_t)key[1]);\n"
        f"    trn_pow2_dense_update((const int8_t *)x, e, w, b, noise, &stream, {numbers});"
    )
    return Case(f"update {n_in}x{n_out} {rate} {fraction} unsigned={unsigned}", call, make, after)


WIDE, RELU = Range(9), Range(8, 0, 127)
POW2: Sequence[Case] = [
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
