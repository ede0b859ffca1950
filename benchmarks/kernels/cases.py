# SPDX-License-Identifier: Apache-2.0
"""What `run.py` measures: kernels with literal shapes, and whole training steps made of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

BLOCK = (1 + 4 + 4 + 2 * 16) / 16
"""Cycles per product of a 4 x 4 block: eight loads, the first of a group one cycle more, a multiply and an add each."""
VECTOR = (1 + 1 + 8 + 2 * 8) / 8
"""Of a 1 x 8 block: at batch 1 a weight serves one product only."""
OUTER = (1 + 1 + 8 + 2 * 8 + 1 + 8) / 8
"""Of g += e x, eight at a time with x in registers: a load, a multiply, an add and a share of one wide store."""
SLIDING = (9 + 3 * (1 + 10) + 2 * 72) / 72
"""Of a 3 x 3 depthwise window over eight pixels of a row: nine weights and thirty inputs for 72 products."""
SUM = (1 + 2 * 8 + 2 * 8) / 8
"""Of one sum down memory, eight terms at a time: nothing is used twice."""

FORWARD = 4
"""Cycles per output: to an integer register, compared, zeroed if below 0 (relu), stored."""
WEIGHTS = 1 + 1 + 1
"""Per weight: the old gradient loaded, added, stored."""
INPUT = 1 + 3
"""Per input: the activation loaded, compared, the gradient moved if it passes, stored."""


@dataclass(frozen=True)
class Case:
    """One kernel call. ``taps``: products that exist, or elements. ``each``: cycles per tap no code can go below.

    ``results`` are written, each at the cost of ``result`` cycles at least.
    """

    name: str
    call: str
    taps: int
    each: float
    results: int = 0
    result: int = 0

    @property
    def floor(self) -> float:
        """Cycles per tap, results included."""
        return self.each + self.results * self.result / self.taps

    @property
    def symbol(self) -> str:
        """Name of the C function."""
        return "case_" + "".join(c if c.isalnum() else "_" for c in self.name)


@dataclass(frozen=True)
class Step:
    """A training step; ``required`` and ``aim`` are cycles per sample, update included."""

    name: str
    symbol: str
    forward: str
    backward: str
    update: str
    required: int
    aim: int
    batch: int = 8


def _taps(size: int, kernel: int) -> int:
    """Taps inside the input along one axis, stride 1, padding same, summed over the outputs."""
    reach = kernel // 2
    return sum(min(size - 1, i + reach) - max(0, i - reach) + 1 for i in range(size))


def _window(size: int, in_c: int, out_c: int, kernel: int = 3) -> str:
    pad = kernel // 2
    return (
        f"((trn_window_t){{{size}, {size}, {in_c}, {size}, {size}, {out_c}, {kernel}, {kernel}, 1, 1, {pad}, {pad}}})"
    )


RELU = "((trn_epilogue_t){TRN_ACT_RELU, y, NULL, false})"


def _layer(
    name: str, shape: str, arguments: str, *, taps: int, each: tuple[float, float, float], sizes: tuple[int, int, int]
) -> list[Case]:
    """Forward, weights and input of a layer; ``sizes``: elements of y, w and x."""
    kernel = {"conv2d": "conv2d", "depthwise": "depthwise_conv2d"}.get(name, name)
    calls = (
        f"trn_{kernel}_forward(x, w, b, y, {arguments}, TRN_ACT_RELU)",
        f"trn_{kernel}_backward_weights(x, e, gw, gb, {arguments})",
        f"trn_{kernel}_backward_input(w, e, dx, {arguments}, {RELU})",
    )
    rows = zip(("forward", "weights", "input"), calls, each, sizes, (FORWARD, WEIGHTS, INPUT), strict=True)
    return [Case(f"{name} {verb} {shape}", call, taps, per_tap, n, result) for verb, call, per_tap, n, result in rows]


def _conv(size: int, in_c: int, out_c: int) -> list[Case]:
    return _layer(
        "conv2d",
        f"3x3 {size}x{size}x{in_c}->{out_c}",
        _window(size, in_c, out_c),
        taps=_taps(size, 3) ** 2 * in_c * out_c,
        each=(BLOCK, BLOCK, BLOCK),
        sizes=(size * size * out_c, 9 * in_c * out_c, size * size * in_c),
    )


def _depthwise(size: int, channels: int) -> list[Case]:
    n = size * size * channels
    return _layer(
        "depthwise",
        f"3x3 {size}x{size}x{channels}",
        _window(size, channels, channels),
        taps=_taps(size, 3) ** 2 * channels,
        each=(SLIDING, SLIDING, SLIDING),
        sizes=(n, 9 * channels, n),
    )


def _pointwise(pixels: int, in_c: int, out_c: int) -> list[Case]:
    return _layer(
        "pointwise",
        f"{pixels}px {in_c}->{out_c}",
        f"{pixels}, {in_c}, {out_c}",
        taps=pixels * in_c * out_c,
        each=(BLOCK, BLOCK, BLOCK),
        sizes=(pixels * out_c, in_c * out_c, pixels * in_c),
    )


def _dense(n_in: int, n_out: int) -> list[Case]:
    return _layer(
        "dense",
        f"{n_in}->{n_out}",
        f"{n_in}, {n_out}",
        taps=n_in * n_out,
        each=(VECTOR if n_out > 1 else SUM, OUTER, VECTOR),
        sizes=(n_out, 0, n_in),
    )


def _pool(size: int, channels: int) -> list[Case]:
    half = size // 2
    s = f"((trn_window_t){{{size}, {size}, {channels}, {half}, {half}, {channels}, 2, 2, 2, 2, 0, 0}})"
    taps, shape = size * size * channels, f"2x2 {size}x{size}x{channels}"
    return [
        Case(f"max pool forward {shape}", f"trn_max_pool_forward(x, y, places, {s})", taps, (1 + 4 + 3 * 5 + 2) / 4),
        Case(f"max pool backward {shape}", f"trn_max_pool_backward(places, e, dx, {s}, {RELU})", taps, 1 + 1 + INPUT),
        Case(f"avg pool forward {shape}", f"trn_avg_pool_forward(x, y, {s}, 0.25f)", taps, (1 + 4 + 4 + 1 + 2) / 4),
        Case(f"avg pool backward {shape}", f"trn_avg_pool_backward(e, dx, {s}, 0.25f, {RELU})", taps, 1 + INPUT),
    ]


CASES: Sequence[Case] = [
    *_conv(8, 3, 8),
    *_conv(16, 16, 16),
    *_conv(8, 1, 8),
    *_conv(4, 8, 16),
    *_depthwise(8, 3),
    *_depthwise(16, 32),
    *_pointwise(64, 3, 8),
    *_pointwise(64, 64, 64),
    *_dense(512, 1),
    *_dense(64, 32),
    *_dense(32, 10),
    *_pool(8, 8),
    # loads, operations and stores of one parameter, a share of the first cycle of each group of eight
    Case("sgd, per parameter", "trn_sgd_step(w, gw, 2400, 0.1f)", 2400, 2 + 2 + 2 + 2 / 8),
    Case("sgd momentum, per parameter", "trn_sgd_momentum_step(w, gw, m, 2400, 0.1f, 0.9f)", 2400, 3 + 4 + 3 + 3 / 8),
    # a root and a division of 14 cycles each, which only integer work runs beside
    Case("adam, per parameter", "trn_adam_step(&adam, 0.01f, w, gw, m, v, 2400)", 2400, 1 + 4 + 10 + 2 * 14 + 3),
    Case("pass gradient with relu, per element", f"trn_pass_gradient(e, dx, 512, {RELU})", 512, 1 + INPUT + 2 / 8),
]


def _adam(*layers: int) -> str:
    return "\n".join(f"trn_adam_step(&adam, lr_t, w{i}, g{i}, m{i}, v{i}, {n});" for i, n in enumerate(layers))


_CONV_LOSS = "loss += trn_mse(z, t, 1, 1.0f); trn_mse_gradient(z, t, e, 1, 1.0f, 0.125f, TRN_ACT_SIGMOID);"
STEPS: Sequence[Step] = [
    Step(
        "conv2d 8x8x3->8 + dense 1, mse, adam",
        "step_conv",
        f"trn_conv2d_forward(x, w0, w0 + 216, y, {_window(8, 3, 8)}, TRN_ACT_RELU);\n"
        "trn_dense_forward(y, w1, w1 + 512, z, 512, 1, TRN_ACT_SIGMOID);\n" + _CONV_LOSS,
        "trn_dense_backward_weights(y, e, g1, g1 + 512, 512, 1);\n"
        f"trn_dense_backward_input(w1, e, dx, 512, 1, {RELU});\n"
        f"trn_conv2d_backward_weights(x, dx, g0, g0 + 216, {_window(8, 3, 8)});",
        "const float lr_t = trn_adam_begin_step(&adam);\n" + _adam(224, 513),
        180_000,
        110_000,
    ),
    Step(
        "depthwise 3 + pointwise 3->8 + dense 1, mse, adam",
        "step_depthwise",
        f"trn_depthwise_conv2d_forward(x, w0, w0 + 27, y, {_window(8, 3, 3)}, TRN_ACT_RELU);\n"
        "trn_pointwise_forward(y, w1, w1 + 24, y1, 64, 3, 8, TRN_ACT_RELU);\n"
        "trn_dense_forward(y1, w2, w2 + 512, z, 512, 1, TRN_ACT_SIGMOID);\n" + _CONV_LOSS,
        "trn_dense_backward_weights(y1, e, g2, g2 + 512, 512, 1);\n"
        "trn_dense_backward_input(w2, e, dx, 512, 1, ((trn_epilogue_t){TRN_ACT_RELU, y1, NULL, false}));\n"
        "trn_pointwise_backward_weights(y, dx, g1, g1 + 24, 64, 3, 8);\n"
        f"trn_pointwise_backward_input(w1, dx, dx1, 64, 3, 8, {RELU});\n"
        f"trn_depthwise_conv2d_backward_weights(x, dx1, g0, g0 + 27, {_window(8, 3, 3)});",
        "const float lr_t = trn_adam_begin_step(&adam);\n" + _adam(30, 32, 513),
        70_000,
        40_000,
    ),
    *(
        Step(
            f"MLP 64-32-10, softmax cross-entropy, {name}",
            f"step_mlp_{name}",
            "trn_dense_forward(x, w0, w0 + 2048, y, 64, 32, TRN_ACT_RELU);\n"
            "trn_dense_forward(y, w1, w1 + 320, z, 32, 10, TRN_ACT_NONE);\n"
            "loss += trn_categorical_crossentropy(z, t, 10); trn_crossentropy_gradient(z, t, e, 10, 0.125f);",
            "trn_dense_backward_weights(y, e, g1, g1 + 320, 32, 10);\n"
            f"trn_dense_backward_input(w1, e, dx, 32, 10, {RELU});\n"
            "trn_dense_backward_weights(x, dx, g0, g0 + 2048, 64, 32);",
            update,
            required,
            aim,
        )
        for name, update, required, aim in (
            ("sgd", "trn_sgd_step(w0, g0, 2080, 0.1f);\ntrn_sgd_step(w1, g1, 330, 0.1f);", 30_000, 24_000),
            ("adam", "const float lr_t = trn_adam_begin_step(&adam);\n" + _adam(2080, 330), 45_000, 45_000),
        )
    ),
]

_HEAD = """
#include "trn/add.h"
#include "trn/conv2d.h"
#include "trn/dense.h"
#include "trn/depthwise.h"
#include "trn/loss.h"
#include "trn/optimizer.h"
#include "trn/pool.h"

#define BIG 16384
float x[BIG], w[36864], b[64], y[BIG], y1[BIG], e[BIG], dx[BIG], dx1[BIG], gw[36864], gb[64];
float z[64], t[64], m[4096], v[4096], loss;
uint8_t places[BIG];
float w0[4096], w1[4096], w2[4096], g0[4096], g1[4096], g2[4096];
float m0[4096], m1[4096], m2[4096], v0[4096], v1[4096], v2[4096];
trn_adam_t adam = {0.01f, 0.9f, 0.999f, 1e-7f, 1.0f, 1.0f};
"""


def source_of(cases: Sequence[Case], steps: Sequence[Step]) -> str:
    """C source with a function for each case and three for each step."""
    functions = [(case.symbol, case.call + ";") for case in cases]
    for step in steps:
        functions += [(f"{step.symbol}_{part}", str(getattr(step, part))) for part in ("forward", "backward", "update")]
    return _HEAD + "\n".join(f"void {name}(void);\nvoid {name}(void)\n{{\n{body}\n}}\n" for name, body in functions)
