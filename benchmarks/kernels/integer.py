# SPDX-License-Identifier: Apache-2.0
"""What `run_int8.py` measures: 8-bit kernels with literal shapes, and the training step of conv311k made of them."""

from __future__ import annotations

from dataclasses import dataclass

FORWARD = (5 + 8 + 8) / 16
"""Cycles per product of a 2 x 2 block of four terms on the Cortex-M4: 4 loads and one to start, 8 times two bytes of
a word taken apart, 8 SMLAD. Weights and activations as they lie in memory: nothing is packed."""
FORWARD_ONE = (4 + 6 + 4) / 8
"""Of one pixel and two filters: 3 loads, 6 to take apart, 4 SMLAD."""
WEIGHTS = (5 + 3 + 6 + 8) / 16
"""Of 2 filters x 4 channels over two pixels: 4 loads, errors paired (3), inputs paired (6), 8 SMLAD."""
WINDOW = (8 + 3 + 6 + 4 + 16) / 24
"""A row of taps of 2 channels x 4 outputs: 6 loads in two groups, columns paired (3) and taken apart (6), 4 words of
weights from float registers, 16 products. Three columns of four outputs make no more than one SMLAD and one single
product for each."""
WINDOW_WEIGHTS = (5 + 2 + 6 + 8) / 12
"""The same rows over two pixels: 4 loads, 2 to pair, 6 to take apart, 8 products; the column before is still there."""
HALF_INPUT = (2 + 1 + 2 + 4 + 10 + 12) / 18
"""Stride 2: a square of 2 x 2 inputs of 2 channels: 2 loads of errors beside those of the column before, paired (2) and
taken apart (4), 10 words of weights from float registers, 12 products for 18 (four inputs meet nine taps)."""
HALF_WEIGHTS = (6 + 1 + 4 + 8 + 6) / 12
"""A row of taps of 2 channels over two pixels of stride 2: 4 columns and 2 errors loaded, paired (4), taken apart (8),
6 SMLAD."""
STEP = 3 + 4 + 12 + 13
"""A weight's standardised step: the sums of trn/int8/standardise.h."""
DOWN = (4 + 3 + 2 * 10 + 1) / 16
"""Input gradient of a dense layer: 8 columns x 2 rows: 5 loads in two groups, bytes of the rows paired (2 + 4 for four
columns), 8 SMLAD, the errors taken apart. A weight is used once, so nothing is shared but the errors."""
ACROSS = (5 + 4 + 4) / 4
"""Weight gradient of a dense layer, one sample: each product is a 32-bit sum loaded, added to and stored: four loads
(one cycle to start them), four products, four stores. No packing helps; only rows whose error is 0 are skipped."""


@dataclass(frozen=True)
class Case:
    """One kernel call; ``products`` counts nominal ones, padding included, as the rivals' figures do."""

    name: str
    call: str
    products: int
    floor: float = 0.0

    @property
    def symbol(self) -> str:
        """Name of the C function."""
        return "case_" + "".join(c if c.isalnum() else "_" for c in self.name)


OUT = "((trn_i8_output_t){&one, false, 0, 0, 255, NULL})"
RANGED = "((trn_i8_output_t){&one, false, 0, 0, 255, &range})"
CHANNELS = "((trn_i8_output_t){many, true, 0, 0, 255, NULL})"
ERROR = "((trn_i8_error_t){&one, x, 0, 256, NULL, false, NULL})"
PASS = "((trn_i8_error_t){NULL, x, 0, 256, NULL, false, NULL})"


def window(size: int, in_c: int, out_c: int, kernel: int = 3, stride: int = 1) -> str:
    """A square convolution, padding same."""
    out = -(-size // stride)
    pad = max((out - 1) * stride + kernel - size, 0) // 2
    return (
        f"((trn_window_t){{{size}, {size}, {in_c}, {out}, {out}, {out_c}, {kernel}, {kernel}, "
        f"{stride}, {stride}, {pad}, {pad}}})"
    )


def _conv(size: int, in_c: int, out_c: int) -> list[Case]:
    s, n = window(size, in_c, out_c), size * size * 9 * in_c * out_c
    name = f"3x3 {size}x{size}x{in_c}->{out_c}"
    return [
        Case(f"conv2d forward {name}", f"trn_i8_conv2d_forward(x, w, b, y, {s}, 0, {OUT})", n, FORWARD),
        Case(f"conv2d forward, ranges {name}", f"trn_i8_conv2d_forward(x, w, b, y, {s}, 0, {RANGED})", n, FORWARD),
        Case(
            f"conv2d input {name}",
            f"trn_i8_conv2d_backward_input(w, e, dx, {s}, {ERROR}, TRN_I8_ALL, room)",
            n,
            FORWARD,
        ),
        Case(
            f"conv2d weights {name}",
            f"trn_i8_conv2d_backward_weights(x, e, gw, gb, {s}, 0, TRN_I8_ALL, {in_c})",
            n,
            WEIGHTS,
        ),
    ]


def _few(
    in_h: int, in_w: int, in_c: int, out_c: int, kernel: tuple[int, int], stride: tuple[int, int] = (1, 1)
) -> list[Case]:
    """Rectangular kernels and strides, no input gradient where channels do not fill a word: these are first layers."""
    out = [-(-size // step) for size, step in zip((in_h, in_w), stride, strict=True)]
    pad = [max((o - 1) * t + k - size, 0) // 2 for o, t, k, size in zip(out, stride, kernel, (in_h, in_w), strict=True)]
    values = (in_h, in_w, in_c, *out, out_c, *kernel, *stride, *pad)
    s = f"((trn_window_t){{{', '.join(map(str, values))}}})"
    n = out[0] * out[1] * out_c * kernel[0] * kernel[1] * in_c
    name = f"{kernel[0]}x{kernel[1]}/{stride[1]} {in_h}x{in_w}x{in_c}->{out_c}"
    return [
        Case(f"conv2d forward {name}", f"trn_i8_conv2d_forward(x, w, b, y, {s}, 0, {OUT})", n, FORWARD),
        Case(
            f"conv2d weights {name}",
            f"trn_i8_conv2d_backward_weights(x, e, gw, gb, {s}, 0, TRN_I8_ALL, {in_c})",
            n,
            WEIGHTS,
        ),
        *(
            [
                Case(
                    f"conv2d input {name}",
                    f"trn_i8_conv2d_backward_input(w, e, dx, {s}, {ERROR}, TRN_I8_ALL, room)",
                    n,
                    FORWARD,
                )
            ]
            if in_c % 4 == 0
            else []
        ),
    ]


def _pointwise(pixels: int, in_c: int, out_c: int) -> list[Case]:
    s, n, name = f"{pixels}, {in_c}, {out_c}", pixels * in_c * out_c, f"{pixels}px {in_c}->{out_c}"
    return [
        Case(f"pointwise forward {name}", f"trn_i8_pointwise_forward(x, w, b, y, {s}, 0, {OUT})", n, FORWARD),
        Case(
            f"pointwise forward, per channel, z {name}",
            f"trn_i8_pointwise_forward(x, w, b, y, {s}, zero, {CHANNELS})",
            n,
            FORWARD,
        ),
        Case(
            f"pointwise input {name}",
            f"trn_i8_pointwise_backward_input(w, e, dx, {s}, {ERROR}, TRN_I8_ALL, room)",
            n,
            FORWARD,
        ),
        Case(
            f"pointwise weights {name}",
            f"trn_i8_pointwise_backward_weights(x, e, gw, gb, {s}, 0, TRN_I8_ALL, {in_c})",
            n,
            WEIGHTS,
        ),
    ]


def _depthwise(size: int, channels: int, stride: int = 1) -> list[Case]:
    s, n = window(size, channels, channels, 3, stride), (-(-size // stride)) ** 2 * 9 * channels
    name, row = f"3x3/{stride} {size}x{size}x{channels}", WINDOW if stride == 1 else 0.0
    back, weights = (WINDOW, WINDOW_WEIGHTS) if stride == 1 else (HALF_INPUT, HALF_WEIGHTS)
    return [
        Case(f"depthwise forward {name}", f"trn_i8_depthwise_conv2d_forward(x, w, b, y, {s}, 0, {OUT})", n, row),
        Case(
            f"depthwise input {name}",
            f"trn_i8_depthwise_conv2d_backward_input(w, e, dx, {s}, {ERROR}, TRN_I8_ALL)",
            n,
            back,
        ),
        Case(
            f"depthwise weights {name}",
            f"trn_i8_depthwise_conv2d_backward_weights(x, e, gw, gb, {s}, 0, TRN_I8_ALL)",
            n,
            weights,
        ),
    ]


def _dense(n_in: int, n_out: int) -> list[Case]:
    s, n, name = f"{n_in}, {n_out}", n_in * n_out, f"{n_in}->{n_out}"
    return [
        Case(f"dense forward {name}", f"trn_i8_dense_forward(x, w, b, y, {s}, 0, {OUT})", n, FORWARD_ONE),
        Case(f"dense input {name}", f"trn_i8_dense_backward_input(w, e, dx, {s}, {ERROR}, TRN_I8_ALL)", n, DOWN),
        Case(
            f"dense weights {name}",
            f"trn_i8_dense_backward_weights(x, e, gw, gb, {s}, 0, TRN_I8_ALL, {n_in})",
            n,
            ACROSS,
        ),
    ]


POOL = "((trn_window_t){16, 16, 16, 8, 8, 16, 2, 2, 2, 2, 0, 0})"
CASES: list[Case] = [
    *_conv(16, 4, 16),
    *_conv(8, 16, 16),
    *_conv(16, 16, 16),
    *_conv(8, 32, 32),
    *_few(28, 28, 1, 8, (3, 3)),
    *_few(1, 512, 2, 12, (1, 16), (1, 4)),
    *_few(1, 52, 3, 8, (1, 5), (1, 2)),
    *_few(1, 24, 8, 12, (1, 5), (1, 2)),
    *_pointwise(64, 16, 16),
    *_pointwise(256, 16, 32),
    *_pointwise(64, 32, 32),
    *_pointwise(64, 64, 64),
    *_depthwise(16, 32),
    *_depthwise(16, 32, 2),
    *_dense(256, 64),
    *_dense(16, 3),
    Case("max pool forward 2x2 16x16x16, per input", f"trn_i8_max_pool_forward(x, y, places, {POOL})", 4096),
    Case("max pool backward 2x2 16x16x16, per input", f"trn_i8_max_pool_backward(places, e, dx, {POOL}, {PASS})", 4096),
    Case("global avg pool 8x8x16, per input", f"trn_i8_global_avg_pool_forward(x, y, 64, 16, 0, {OUT})", 1024),
    Case(
        "global avg pool backward 8x8x16, per input", f"trn_i8_global_avg_pool_backward(e, dx, 64, 16, {ERROR})", 1024
    ),
    Case(
        "add, per element",
        "trn_i8_add_forward(x, y, y, 4096, 0, 0, ((trn_i8_add_scale_t){2000000, 1500000, 22}), " + OUT + ")",
        4096,
    ),
    Case("norms 8x8x16, per element", "trn_i8_norms(e, gb, 64, 16)", 1024),
    Case(
        "standardised step 16 x 144, per weight",
        "scale = trn_i8_update_standardised(w, (trn_i8_sums_t){gw, false}, NULL, "
        "((trn_i8_tensor_t){16, 144, 144, {1, 144, 0, 1, 0, 1}}), "
        "0.01f, 0.01f, "
        "TRN_I8_SCALE_FOLLOWS, 1.0f, ((trn_i8_rounding_t){true, 77}), steps)",
        2304,
        STEP,
    ),
    Case(
        "plain step 16 x 144, per weight",
        "trn_i8_update_plain(w, (trn_i8_sums_t){gw, false}, NULL, "
        "((trn_i8_tensor_t){16, 144, 144, {1, 144, 0, 1, 0, 1}}), rates, true, "
        "((trn_i8_rounding_t){true, 77}))",
        2304,
    ),
]


def _forward(cases: list[Case]) -> Case:
    first = cases[0]
    return Case("mobilenetv2-w0.35 " + first.name, first.call, first.products, first.floor)


CASES += [_forward(_depthwise(size, channels)) for size, channels in ((32, 48), (16, 96), (8, 144), (4, 336))]
CASES += [
    _forward(_pointwise(*shape))
    for shape in (
        (1024, 8, 48),
        (1024, 48, 8),
        (256, 16, 96),
        (256, 96, 16),
        (64, 144, 24),
        (16, 56, 336),
        (16, 336, 56),
    )
]
"""Shapes of MobileNetV2, width 0.35, at 128 x 128 x 3."""

_FLOAT = window(8, 16, 16)
FLOAT: list[Case] = [
    Case(
        "float32 conv2d forward 3x3 8x8x16->16", f"trn_conv2d_forward(fx, fw, fb, fy, {_FLOAT}, TRN_ACT_RELU)", 147456
    ),
    Case("float32 conv2d weights 3x3 8x8x16->16", f"trn_conv2d_backward_weights(fx, fy, fg, fb, {_FLOAT})", 147456),
    Case(
        "float32 conv2d input 3x3 8x8x16->16",
        f"trn_conv2d_backward_input(fw, fy, fd, {_FLOAT}, ((trn_epilogue_t){{TRN_ACT_RELU, fx, NULL, false}}))",
        147456,
    ),
]
"""The float32 kernels on one shape: what 8 bits are compared with where there is no float unit."""
CASES += FLOAT

_S1, _S2 = window(16, 4, 16), window(8, 16, 16)


def _error(y: str) -> str:
    return f"((trn_i8_error_t){{&one, {y}, 0, 256, NULL, false, NULL}})"


_UPDATES = [("1", 16, 36), ("2", 16, 144), ("3", 16, 16), ("4", 3, 16)]
CONV311K: dict[str, str] = {
    "forward": f"""
trn_i8_conv2d_forward(x, w1, b1, y1, {_S1}, 0, {RANGED});
trn_i8_max_pool_forward(y1, y2, places, {POOL});
trn_i8_conv2d_forward(y2, w2, b1, y3, {_S2}, 0, {RANGED});
trn_i8_pointwise_forward(y3, w3, b1, y4, 64, 16, 16, 0, {RANGED});
trn_i8_global_avg_pool_forward(y4, y5, 64, 16, 0, {OUT});
trn_i8_dense_sums(y5, w4, b1, logits, 16, 3, 0);""",
    "loss": """
trn_i8_dequantise_sums(logits, z, 3, 0.01f);
z[3] = trn_categorical_crossentropy(z, t, 3);
trn_crossentropy_gradient(z, t, d, 3, 1.0f);
trn_i8_quantise_error(d, e4, 3, 127.0f);""",
    "input": f"""
trn_i8_dense_backward_input(w4, e4, e3, 16, 3, ((trn_i8_error_t){{&one, NULL, 0, 0, NULL, false, NULL}}), TRN_I8_ALL);
trn_i8_global_avg_pool_backward(e3, d4, 64, 16, {_error("y4")});
trn_i8_pointwise_backward_input(w3, d4, d3, 64, 16, 16, {_error("y3")}, TRN_I8_ALL, room);
trn_i8_conv2d_backward_input(w2, d3, d2, {_S2},
    ((trn_i8_error_t){{&one, NULL, 0, 0, NULL, false, NULL}}), TRN_I8_ALL, room);
trn_i8_max_pool_backward(places, d2, d1, {POOL}, ((trn_i8_error_t){{NULL, y1, 0, 256, NULL, false, NULL}}));""",
    "weights": f"""
trn_i8_dense_backward_weights(y5, e4, g4, gb, 16, 3, 0, TRN_I8_ALL, 16);
trn_i8_pointwise_backward_weights(y3, d4, g3, gb, 64, 16, 16, 0, TRN_I8_ALL, 16);
trn_i8_conv2d_backward_weights(y2, d3, g2, gb, {_S2}, 0, TRN_I8_ALL, 16);
trn_i8_conv2d_backward_weights(x, d1, g1, gb, {_S1}, 0, TRN_I8_ALL, 4);""",
    "update": "".join(
        f"""
scale = trn_i8_update_standardised(w{i}, (trn_i8_sums_t){{g{i}, false}}, NULL,
    ((trn_i8_tensor_t){{{n}, {size}, {size}, {{1, {size}, 0, 1, 0, 1}}}}), scale, 0.01f, TRN_I8_SCALE_FOLLOWS, 1.0f,
    ((trn_i8_rounding_t){{true, {i}}}), steps);
trn_i8_update_bias(b1, gb, {n}, rates, rates, true, ((trn_i8_rounding_t){{true, {i}}}), {n * size});"""
        for i, n, size in _UPDATES
    ),
}
"""The parts of a training sample; `update` once per minibatch of 8."""
PRODUCTS_311K = {"forward": 311344, "input": 147456 + 16384 + 48, "weights": 311344}

_HEAD = """
#include "trn/conv2d.h"
#include "trn/int8/add.h"
#include "trn/int8/conv2d.h"
#include "trn/int8/convert.h"
#include "trn/int8/dense.h"
#include "trn/int8/depthwise.h"
#include "trn/int8/pointwise.h"
#include "trn/int8/pool.h"
#include "trn/int8/standardise.h"
#include "trn/loss.h"

#define BIG 131072
#define WORDS __attribute__((aligned(8)))
uint8_t x[BIG] WORDS, y[BIG] WORDS, places[8192] WORDS;
int8_t w[65536] WORDS, e[BIG] WORDS, dx[BIG] WORDS, room[65536] WORDS;
int32_t b[512], gb[512], gw[16384];
trn_i8_scale_t one = {1000000, 0}, many[512];
trn_i8_range_t range = TRN_I8_RANGE_EMPTY;
int32_t zero = 0;
trn_i8_step_t steps[64];
float rates[64], scale = 0.01f;
int8_t w1[576] WORDS, w2[2304] WORDS, w3[256] WORDS, w4[48] WORDS, e4[4] WORDS, e3[16] WORDS;
int8_t d1[4096] WORDS, d2[1024] WORDS, d3[1024] WORDS, d4[1024] WORDS;
uint8_t y1[4096] WORDS, y2[1024] WORDS, y3[1024] WORDS, y4[1024] WORDS, y5[16] WORDS;
int32_t b1[16], logits[4], g1[576], g2[2304], g3[256], g4[48];
float z[4], t[4] = {0.0f, 1.0f, 0.0f, 0.0f}, d[4];
float fx[1024], fw[2304], fb[16], fy[1024], fg[2304], fd[1024];
void fill(void);
void fill(void)
{
    uint32_t s = 1;
    for (int i = 0; i < BIG; i++) {
        s = s * 1664525u + 1013904223u;
        x[i] = (uint8_t)((s >> 24) > 100 ? s >> 24 : 0);
        y[i] = (uint8_t)(s >> 16);
        e[i] = (int8_t)((int)((s >> 8) & 0xFF) - 128 < -127 ? 0 : (int)((s >> 8) & 0xFF) - 128);
        w[i & 65535] = (int8_t)(s >> 25);
    }
    for (int i = 0; i < 512; i++) {
        many[i] = one;
    }
    for (int i = 0; i < 2304; i++) {
        w2[i] = w[i];
        w1[i % 576] = w[i];
        w3[i & 255] = w[i];
        w4[i % 48] = w[i];
        g2[i] = (int32_t)e[i] * 1000;
        gw[i] = g2[i];
    }
    for (int i = 0; i < 2304; i++) {
        fw[i] = (float)w[i] * 0.01f;
        fx[i & 1023] = (float)x[i] * 0.01f;
    }
    for (int i = 0; i < 64; i++) {
        rates[i] = 1e-5f;
    }
    range = (trn_i8_range_t)TRN_I8_RANGE_EMPTY;
}
"""


def source_of(cases: list[Case]) -> str:
    """C source with a function for each case and for each part of conv311k."""
    functions = [(case.symbol, case.call + ";") for case in cases]
    functions += [(f"conv311k_{part}", body) for part, body in CONV311K.items()]
    return _HEAD + "\n".join(f"void {name}(void);\nvoid {name}(void)\n{{\n{body}\n}}\n" for name, body in functions)
