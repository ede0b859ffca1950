# SPDX-License-Identifier: Apache-2.0
"""8-bit layers as cases: random codes, a C body that runs the kernels, and the twin's results."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from kernels.integer import Array, Case
from kernels.windows import Shape

from trainbed.reference.int8 import depthwise, elementwise, gradients, pool, products, update
from trainbed.reference.int8.arithmetic import Output, Scale, error_codes, make_scale, range_of


@dataclass(frozen=True)
class Options:
    """What varies beside the shape."""

    zero_x: int = 0
    zero_y: int = 0
    relu: str = "relu"
    per_channel: bool = False
    tracked: bool = True
    accumulate: bool = False
    mask: str = "y"
    listed: bool = False
    channels: int | None = None
    factor: float = 1.0
    extreme: bool = False


_LIMITS = {"none": 0, "relu": None, "relu6": None}


def codes(rng: np.random.Generator, shape: tuple[int, ...], kind: Any, *, extreme: bool = False) -> Array:
    """Codes over the whole range, or at its ends."""
    low, high = (0, 255) if kind is np.uint8 else (-127, 127)
    if extreme:
        return rng.choice(np.array([low, high]), shape).astype(kind)
    return rng.integers(low, high + 1, shape).astype(kind)


def scale_array(scale: Scale) -> Array:
    """trn_i8_scale_t, one or several."""
    return np.stack([scale.multiplier, scale.shift], axis=-1).astype(np.int32)


def _range(case: Case, name: str, sums: Array) -> None:
    case.add(name, np.array([2**31 - 1, -(2**31)], np.int32), np.array(range_of(sums), np.int32))


def _spread(sums: Array, share: float) -> float:
    """A factor that maps sums to codes, some of them beyond the ends."""
    return share / max(1.0, float(np.abs(sums).max()))


def output_of(case: Case, sums: Array, o: Options, rng: np.random.Generator, name: str = "out") -> tuple[str, Array]:
    """Adds scale and range; the C expression of a trn_i8_output_t and the codes."""
    channels = sums.shape[-1]
    factor = _spread(sums, 300 * o.factor)
    scale = make_scale(factor * rng.uniform(0.5, 1.0, channels) if o.per_channel else factor)
    lo = 0 if o.relu == "none" else o.zero_y
    hi = min(255, o.zero_y + 200) if o.relu == "relu6" else 255
    case.add(f"{name}_scale", scale_array(scale))
    if o.tracked:
        _range(case, f"{name}_range", sums)
    members = [f"(const trn_i8_scale_t *){name}_scale", str(o.per_channel).lower(), str(o.zero_y), str(lo), str(hi)]
    members.append(f"(trn_i8_range_t *){name}_range" if o.tracked else "NULL")
    y = Output(scale, zero=o.zero_y, lo=lo, hi=hi).codes(sums)
    return f"((trn_i8_output_t){{{', '.join(members)}}})", y


def error_of(
    case: Case,
    sums: Array,
    o: Options,
    rng: np.random.Generator,
    *,
    identity: bool = False,
    name: str = "dx",
    own: Array | None = None,
) -> str:
    """Adds dx, its mask, scale and range; the C expression of a trn_i8_error_t. ``sums [H, W, C]``, ``own``: y."""
    scale = None if identity else make_scale(_spread(sums, 200 * o.factor))
    y = codes(rng, sums.shape, np.uint8)
    y[rng.random(sums.shape) < 0.3] = o.zero_x
    y = y if own is None else own
    hi = 180 if o.relu == "relu6" else 256
    passes = None if o.mask == "none" else elementwise.passes(y, lo=o.zero_x, hi=hi)
    before = codes(rng, sums.shape, np.int8)
    after = error_codes(sums, scale, before=before if o.accumulate else None, passes=passes)
    case.add(name, before, after)
    members = ["NULL" if scale is None else f"(const trn_i8_scale_t *){name}_scale"]
    if scale is not None:
        case.add(f"{name}_scale", scale_array(scale))
    if o.mask == "y":
        case.add(f"{name}_y", y)
    members += [f"{name}_y" if o.mask == "y" else "NULL", str(o.zero_x), str(hi)]
    if o.mask == "bits":
        bits = elementwise.mask_bits(passes)
        case.add(f"{name}_bits", bits)
    members += [f"{name}_bits" if o.mask == "bits" else "NULL", str(o.accumulate).lower()]
    if o.tracked:
        _range(case, f"{name}_range", sums)
    members.append(f"(trn_i8_range_t *){name}_range" if o.tracked else "NULL")
    return f"((trn_i8_error_t){{{', '.join(members)}}})"


def structures_of(case: Case, n: int, o: Options, rng: np.random.Generator) -> tuple[str, int, Array]:
    """Adds a list of structures; its C expression, how many take part, and the mask."""
    mask = np.ones(n, np.bool_)
    if not o.listed:
        return "TRN_I8_ALL", n, mask
    mask = rng.random(n) < 0.6
    mask[rng.integers(n)] = True
    chosen = np.flatnonzero(mask).astype(np.uint16)
    case.add("chosen", chosen)
    return f"((trn_i8_structures_t){{chosen, {len(chosen)}}})", len(chosen), mask


def window_of(shape: Shape) -> str:
    """The C expression of a trn_window_t."""
    return f"((trn_window_t){{{', '.join(map(str, shape.numbers))}}})"


def _weights(case: Case, rng: np.random.Generator, gw: Array, gb: Array, o: Options, rows: str) -> None:
    """Gradients before and after: ``gw [O, N]`` or, for depthwise, ``[N, O]`` (``rows`` "last")."""
    start = rng.integers(-9999, 9999, gw.shape)
    case.add("gw", start.astype(np.int32), (start + gw).astype(np.int32))
    bias = rng.integers(-9999, 9999, gb.shape)
    case.add("gb", bias.astype(np.int32), (bias + gb).astype(np.int32))
    by_row = (lambda a: a.T) if rows == "last" else (lambda a: a)
    narrow = rng.integers(-32767, 32768, gw.shape).astype(np.int16)
    n = by_row(gw).shape[0]
    shift = rng.integers(0, 5, n).astype(np.uint8)
    left, new = gradients.deposit(by_row(narrow), shift, by_row(gw))
    if o.listed:
        asked = by_row(gw).any(axis=1) | (gb != 0)
        left = np.where(asked[:, None], left, by_row(narrow))
        new = np.where(asked, new, shift)
    case.add("gw16", narrow, np.ascontiguousarray(by_row(left)))
    case.add("shift16", shift, new.astype(np.uint8))
    bias16 = rng.integers(-9999, 9999, gb.shape)
    case.add("gb16", bias16.astype(np.int32), (bias16 + gb).astype(np.int32))


def layer(kind: str, shape: Shape, o: Options, seed: int) -> Case:
    """Forward, input gradient and weight gradients of conv2d, pointwise, dense (as 1 x 1) or depthwise_conv2d."""
    rng = np.random.default_rng(seed)
    case = Case(f"{kind} {shape.in_hwc}->{shape.out_hwc} {shape.window} {o}")
    x = codes(rng, shape.in_hwc, np.uint8, extreme=o.extreme)
    w = codes(rng, shape.weights, np.int8, extreme=o.extreme)
    e = codes(rng, shape.out_hwc, np.int8, extreme=o.extreme)
    b = rng.integers(-20000, 20000, shape.out_c).astype(np.int32)
    for name, array in (("x", x), ("w", w), ("e", e), ("b", b)):
        case.add(name, array)
    window, in_hw = shape.window, shape.in_hwc[:2]
    in_c, out_c = shape.in_hwc[2], shape.out_c
    expression, n, mask = structures_of(case, out_c, o, rng)
    chosen = products.only(e[None], mask)
    n_c = in_c if o.channels is None or kind == "depthwise_conv2d" else min(o.channels, in_c)
    if kind == "depthwise_conv2d":
        sums = depthwise.depthwise_sums(x[None], w, b, window, shape.out_hw, zero=o.zero_x)[0]
        d = depthwise.depthwise_input_sums(w, chosen, window, in_hw, multiplier=shape.multiplier)[0]
        gw, gb = depthwise.depthwise_weight_sums(x[None], chosen, window, zero=o.zero_x)
        gradient = gw[0].reshape(-1, out_c)
        n_scratch = window.kernel_h * window.kernel_w
    else:
        sums = products.conv2d_sums(x[None], w, b, window, shape.out_hw, zero=o.zero_x)[0]
        d = products.conv2d_input_sums(w, chosen, window, in_hw)[0]
        gw, gb = products.conv2d_weight_sums(x[None], chosen, window, zero=o.zero_x, channels=n_c)
        gradient = gw[0].reshape(out_c, -1)
        n_scratch = gradient.shape[1]
    out, y = output_of(case, sums, o, rng)
    case.add("y", np.full(y.shape, 99, np.uint8), y)
    error = error_of(case, d, o, rng)
    _weights(case, rng, gradient, gb[0], o, "last" if kind == "depthwise_conv2d" else "first")
    case.scratch("scratch16", 8 * n_scratch)
    height, width = in_hw
    s = {"dense": f"{in_c}, {out_c}", "pointwise": f"{height * width}, {in_c}, {out_c}"}.get(kind, window_of(shape))
    z = o.zero_x
    which, extra = expression, "" if kind == "depthwise_conv2d" else f", {n_c}"
    case.body.append(f"trn_i8_{kind}_forward(x, w, b, y, {s}, {z}, {out});")
    input_scratch = ""
    if kind in ("conv2d", "pointwise"):
        n_bytes = (n * window.kernel_h * window.kernel_w * in_c + 3) // 4 * 4
        n_bytes += 0 if n == out_c else (n * shape.out_hw[0] * shape.out_hw[1] + 3) // 4 * 4
        size = f"TRN_I8_CONV2D_INPUT_SCRATCH({window_of(shape)}, {n})"
        if kind == "pointwise":
            size = f"TRN_I8_POINTWISE_INPUT_SCRATCH({s}, {n})"
        case.body.append(f'_Static_assert({size} == {n_bytes}, "scratch");' if kind == "pointwise" else "")
        case.scratch("scratch", n_bytes)
        input_scratch = ", (int8_t *)scratch"
    case.body.append(f"trn_i8_{kind}_backward_input(w, e, dx, {s}, {error}, {which}{input_scratch});")
    case.body.append(f"trn_i8_{kind}_backward_weights(x, e, gw, gb, {s}, {z}, {which}{extra});")
    case.body.append(
        f"trn_i8_{kind}_backward_weights16(x, e, gw16, shift16, gb16, {s}, {z}, {which}{extra}, (int32_t *)scratch16);"
    )
    if kind == "dense":
        case.add("sums", np.zeros(out_c, np.int32), sums.reshape(-1).astype(np.int32))
        case.body.append(f"trn_i8_dense_sums(x, w, b, sums, {s}, {z});")
    same = shape.multiplier == 1 and shape.out_hwc == shape.in_hwc and (window.stride_h, window.stride_w) == (1, 1)
    if kind == "depthwise_conv2d" and same:
        case.add("inplace", x, y)
        case.scratch("kept", ((window.pad_top + 1) * width * in_c + 3) // 4 * 4)
        again = out.replace("out_range", "again_range")
        if o.tracked:
            _range(case, "again_range", sums)
        case.body.append(f"trn_i8_depthwise_conv2d_inplace(inplace, w, b, {s}, {z}, {again}, (uint8_t *)kept);")
    if kind == "depthwise_conv2d":
        case.add("by_rows", np.full(y.shape, 99, np.uint8), y)
        one = out.replace("out_range", "row_range")
        if o.tracked:
            _range(case, "row_range", sums)
        ring, row = f"i, {height}", f"by_rows + i * {y[0].size}"
        case.body.append(f"for (trn_size_t i = 0; i < {shape.out_hw[0]}; i++) {{")
        case.body.append(f"    trn_i8_depthwise_conv2d_row(x, w, b, {row}, {s}, {z}, {one}, {ring});")
        case.body.append("}")
    if kind == "pointwise" and not o.listed:
        tiled = error_of(case, d, o, rng, name="dx_tiled")
        for tile in (4, 8)[: 1 if o.accumulate else 2]:
            case.scratch(f"tile{tile}", (tile * out_c + 3) // 4 * 4)
            size = f"TRN_I8_POINTWISE_TILES_SCRATCH({out_c}, {tile})"
            case.body.append(f'_Static_assert({size} == {(tile * out_c + 3) // 4 * 4}, "scratch");')
            arguments = f"w, e, dx_tiled, {s}, {tiled}, {tile}, (int8_t *)tile{tile}"
            case.body.append(f"trn_i8_pointwise_backward_input_tiles({arguments});")
    return case


def pools(shape: Shape, o: Options, seed: int) -> Case:
    """Max and average pooling, both ways."""
    rng = np.random.default_rng(seed)
    case = Case(f"pool {shape.in_hwc} {shape.window} {o}")
    x, e = codes(rng, shape.in_hwc, np.uint8), codes(rng, shape.out_hwc, np.int8)
    if o.extreme:
        x = rng.integers(0, 3, x.shape).astype(np.uint8)
    case.add("x", x)
    case.add("e", e)
    window, in_hw, s = shape.window, shape.in_hwc[:2], window_of(shape)
    y, index = pool.max_pool(x[None], window, shape.out_hw)
    case.add("y", np.zeros_like(y[0]), y[0])
    case.add("index", np.zeros_like(index[0]), index[0])
    case.add("y2", np.zeros_like(y[0]), y[0])
    taken = pool.max_pool_input_sums(index, e[None], window, in_hw)[0]
    error = error_of(case, taken, o, rng, identity=True, own=x)
    sums = pool.avg_pool_sums(x[None], window, shape.out_hw, zero=o.zero_x)[0]
    out, mean = output_of(case, sums, o, rng)
    case.add("mean", np.zeros_like(mean), mean)
    back = error_of(case, pool.avg_pool_input_sums(e[None], window, in_hw)[0], o, rng, name="da")
    sums = pool.global_avg_pool_sums(x[None], zero=o.zero_x)[0]
    all_out, total = output_of(case, sums, o, rng, "all")
    case.add("total", np.zeros_like(total), total)
    one = codes(rng, (shape.in_hwc[2],), np.int8)
    case.add("one", one)
    spread = error_of(case, pool.global_avg_pool_input_sums(one[None], in_hw)[0], o, rng, name="dg")
    n = f"{in_hw[0] * in_hw[1]}, {shape.in_hwc[2]}"
    case.body += [
        f"trn_i8_max_pool_forward(x, y, index, {s});",
        f"trn_i8_max_pool_forward(x, y2, NULL, {s});",
        f"trn_i8_max_pool_backward(index, e, dx, {s}, {error});",
        f"trn_i8_avg_pool_forward(x, mean, {s}, {o.zero_x}, {out});",
        f"trn_i8_avg_pool_backward(e, da, {s}, {back});",
        f"trn_i8_global_avg_pool_forward(x, total, {n}, {o.zero_x}, {all_out});",
        f"trn_i8_global_avg_pool_backward(one, dg, {n}, {spread});",
    ]
    return case


def elements(n_pixels: int, channels: int, o: Options, seed: int) -> Case:
    """Addition, errors passed on, masks, tables, conversions, norms, selection."""
    rng = np.random.default_rng(seed)
    case = Case(f"elements {n_pixels}x{channels} {o}")
    shape, n = (n_pixels, channels), n_pixels * channels
    a, b = codes(rng, shape, np.uint8, extreme=o.extreme), codes(rng, shape, np.uint8, extreme=o.extreme)
    e = codes(rng, shape, np.int8, extreme=o.extreme)
    for name, array in (("a", a), ("b", b), ("e", e)):
        case.add(name, array)
    zero_b = int(rng.integers(256))
    scale = elementwise.make_add_scale(float(rng.uniform(0, 2)), float(rng.uniform(0.01, 3.99)))
    sums = elementwise.add_sums(a, b, scale, zero_a=o.zero_x, zero_b=zero_b)
    out, _ = output_of(case, sums, o, rng)
    lo, hi = (0 if o.relu == "none" else o.zero_y), (min(255, o.zero_y + 200) if o.relu == "relu6" else 255)
    limits = Output(make_scale(1.0), zero=o.zero_y, lo=lo, hi=hi)
    y = elementwise.add(a, b, scale, zero_a=o.zero_x, zero_b=zero_b, output=limits)
    case.add("y", np.zeros_like(y), y)
    c_scale = f"((trn_i8_add_scale_t){{{scale.a}, {scale.b}, {scale.shift}}})"
    case.body.append(f"trn_i8_add_forward(a, b, y, {n}, {o.zero_x}, {zero_b}, {c_scale}, {out});")
    error = error_of(case, e.astype(np.int64), o, rng)
    case.body.append(f"trn_i8_pass_error(e, dx, {n}, {error});")
    by_channel = make_scale(rng.uniform(0.01, 1.0, channels))
    scaled = elementwise.scale_channels(e, by_channel)
    case.add("ratios", scale_array(by_channel))
    case.add("scaled", np.zeros_like(scaled), scaled)
    case.body.append(f"trn_i8_scale_channels(e, scaled, {n_pixels}, {channels}, (const trn_i8_scale_t *)ratios);")
    bits = elementwise.mask_bits(elementwise.passes(a, lo=o.zero_x, hi=200))
    case.add("bits", np.zeros_like(bits), bits)
    case.body.append(f"trn_i8_mask_bits(a, bits, {n}, {o.zero_x}, 200);")
    sizes = gradients.norms(e[None])[0]
    case.add("norms", np.zeros(channels, np.int32), sizes.astype(np.int32))
    case.body.append(f"trn_i8_norms(e, norms, {n_pixels}, {channels});")
    k = int(rng.integers(1, channels + 1))
    best = np.flatnonzero(gradients.select(sizes, k)).astype(np.uint16)
    case.add("best", np.zeros_like(best), best)
    case.body.append(f"trn_i8_select(norms, {channels}, {k}, best);")
    for name, table, slope in (
        ("sigmoid", elementwise.sigmoid_table(0.05, o.zero_x), elementwise.sigmoid_sums),
        ("tanh", elementwise.tanh_table(0.03, o.zero_x), elementwise.tanh_sums),
    ):
        s_x = "0.05f" if name == "sigmoid" else "0.03f"
        case.add(f"{name}_table", np.zeros_like(table), table)
        case.add(f"{name}_y", np.zeros_like(a), table[a])
        case.body.append(f"trn_i8_{name}_table({name}_table, {s_x}, {o.zero_x});")
        case.body.append(f"trn_i8_table_forward(a, {name}_y, {n}, {name}_table);")
        back = error_of(case, slope(e, table[a]), o, rng, name=f"d_{name}")
        case.body.append(f"trn_i8_{name}_backward(e, {name}_y, d_{name}, {n}, {back});")
    values = (rng.standard_normal(n) * 3).astype(np.float32)
    values[:3] = [np.inf, -np.inf, np.nan][: min(3, n)]
    case.add("values", values)
    q = elementwise.quantise(values, inv_s=40.0, zero=o.zero_x)
    case.add("q", np.zeros_like(q), q)
    case.body.append(f"trn_i8_quantise(values, q, {n}, 40.0f, {o.zero_x});")
    q_error = elementwise.quantise_error(values, inv_s=127.0)
    case.add("q_error", np.zeros_like(q_error), q_error)
    case.body.append(f"trn_i8_quantise_error(values, q_error, {n}, 127.0f);")
    for name, source, want in (
        ("dequantise", "a", elementwise.dequantise(a, s=0.013, zero=o.zero_x)),
        ("dequantise_error", "e", elementwise.dequantise(e, s=0.013)),
    ):
        case.add(f"{name}d", np.zeros(n, np.float32), want.reshape(-1))
        zero = f", {o.zero_x}" if name == "dequantise" else ""
        case.body.append(f"trn_i8_{name}({source}, {name}d, {n}, 0.013f{zero});")
    whole = rng.integers(-(2**31), 2**31, n).astype(np.int32)
    case.add("whole", whole)
    case.add("z", np.zeros(n, np.float32), elementwise.dequantise(whole, s=0.013))
    case.body.append(f"trn_i8_dequantise_sums(whole, z, {n}, 0.013f);")
    return case


@dataclass(frozen=True)
class Parameters:
    """A weight tensor and its step. ``layout``: rows, part (of the input channels) or channels (depthwise)."""

    structures: int
    elements: int
    layout: str = "rows"
    narrow: bool = False
    stochastic: bool = True
    scaling: str = "follows"
    follow: float = 1.0
    size: int = 100000
    lr: float = 0.05


_TENSORS = {
    "rows": "((trn_i8_tensor_t){{{s}, {n}, {n}, {{1, {n}, 0, 1, 0, 1}}}})",
    "part": "((trn_i8_tensor_t){{{s}, {w}, {n}, {{{taps}, {n_c}, {in_c}, 1, {n_c}, 1}}}})",
    "channels": "((trn_i8_tensor_t){{{s}, 1, 1, {{1, {n}, 0, {s}, 0, {s}}}}})",
}
_TAPS = 3


def steps(p: Parameters, seed: int) -> Case:
    """Standardised and plain steps of one tensor, and of its bias."""
    rng = np.random.default_rng(seed)
    case = Case(f"steps {p}")
    s, n = p.structures, p.elements
    part = p.layout == "part"
    n_c, in_c = (n // _TAPS, n // _TAPS + 2) if part else (0, 0)
    width = _TAPS * in_c if part else n
    w = codes(rng, (s, width), np.int8)
    index = np.arange(s * width).reshape(s, width)
    taken = np.ones(width, np.bool_)
    if part:
        taken = np.tile(np.arange(in_c) < n_c, _TAPS)
        n = _TAPS * n_c
    if p.layout == "channels":
        index = np.arange(s)[:, None] + s * np.arange(n)[None, :]
    kind, bound = (np.int16, 32768) if p.narrow else (np.int32, p.size)
    g = rng.integers(-bound + 1, bound, (s, n)).astype(kind)
    g[0] = 7  # a structure without signal
    shift = rng.integers(0, 4, s).astype(np.uint8) if p.narrow else np.zeros(s, np.uint8)
    key = int(rng.integers(2**32))
    scale = np.float32(0.01)
    stored = (lambda a: np.ascontiguousarray(a.T)) if p.layout == "channels" else (lambda a: a)
    tensor = _TENSORS[p.layout].format(s=s, n=n, w=width, taps=_TAPS, n_c=n_c, in_c=in_c)
    rounding = f"((trn_i8_rounding_t){{{str(p.stochastic).lower()}, {key}u}})"
    constants = f"TRN_I8_SCALE_{p.scaling.upper()}"
    chance = {"stochastic": p.stochastic, "key": key}

    new, following = update.update_standardised(
        w[:, taken],
        g.astype(np.int64),
        index[:, taken],
        scale=scale,
        lr=p.lr,
        scaling=p.scaling,
        follow=p.follow,
        **chance,
    )
    rates = (rng.uniform(0.1, 3.0, s) / p.size).astype(np.float32)
    plain = update.update_plain(w[:, taken], g.astype(np.int64), index[:, taken], rates=rates, shift=shift, **chance)
    for name, result, call in (
        (
            "standard",
            new,
            "*scale_{0} = trn_i8_update_standardised({0}, {1}, {2}, {3}, 0.01f, {4}f, {5}, {6}f, {7}, "
            "(trn_i8_step_t *)room);",
        ),
        ("plain", plain, "trn_i8_update_plain({0}, {1}, {2}, {3}, rates, true, {7});"),
    ):
        after = w.copy()
        after[:, taken] = result
        case.add(name, stored(w), stored(after))
        case.add(f"g_{name}", stored(g), stored(np.zeros_like(g)))
        if p.narrow:
            case.add(f"shift_{name}", shift, np.zeros_like(shift))
        sums = f"((trn_i8_sums_t){{g_{name}, {str(p.narrow).lower()}}})"
        shifts = f"shift_{name}" if p.narrow else "NULL"
        case.body.append(call.format(name, sums, shifts, tensor, p.lr, constants, p.follow, rounding))
    case.add("scale_standard", np.zeros(1, np.float32), np.array([following], np.float32))
    case.add("rates", rates)
    case.scratch("room", 20 * s)
    b = rng.integers(-(2**29), 2**29, s).astype(np.int32)
    gb = rng.integers(-(2**30), 2**30, s).astype(np.int32)
    ratios = rng.uniform(0.2, 3.0, s).astype(np.float32)
    after = update.update_bias(b, gb.astype(np.int64), np.arange(s) + 50, rates=rates, ratios=ratios, **chance)
    case.add("bias", b, after)
    case.add("g_bias", gb, np.zeros_like(gb))
    case.add("ratios", ratios)
    case.body.append(f"trn_i8_update_bias(bias, g_bias, {s}, rates, ratios, true, {rounding}, 50);")
    return case
