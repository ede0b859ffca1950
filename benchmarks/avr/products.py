# SPDX-License-Identifier: Apache-2.0
"""Cycles per product of every kind of layer on the ATmega2560 in both quantisations, beside the floor and plain C.

    PYTHONPATH=harness python benchmarks/avr/products.py [--write products.md]

Kernels are called one by one in simavr, whose instruction timing is the part's; weights in flash, sums proven to fit 24
bits. Products are those with taps inside the input.
"""

from __future__ import annotations

import argparse
import struct
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from elftools.elf.elffile import ELFFile

ROOT = Path(__file__).resolve().parents[2]
sys.path.append(str(ROOT / "tests" / "unit"))
from pow2_kernels.case import layer_of  # noqa: E402
from pow2_kernels.run import INCLUDE, bare_program  # noqa: E402

from trainbed.codegen.literals import c_window  # noqa: E402
from trainbed.network.layers import Kind, Layer  # noqa: E402

_HEADERS = ("pow2/activation", "pow2/loss", "pow2/pool", "int8/packed", "int8/pool", "loss")
_BLOCK = 0x200
_BYTES = 6000
_Y = 4000
"""Where outputs begin in the block; inputs are at its start."""
_SHIFT = "(trn_pow2_range_t){9, 0, 127}"
_FACTOR = "(trn_pow2_sink_t){true, {0, 0, 0}, {2958146, 0}, 1, 0, 0, 255, 0}"
_AVERAGE = "(trn_pow2_sink_t){true, {0, 0, 0}, {%d, 0}, %d, 0, 0, 255, 0}"
_NARROW = "(trn_pow2_kind_t){true, true, true, %s}"
_LIFTED, _SHARED, _OWN, _KEPT = 8.5, 9.5, 11.0, 8.0
"""LPM 3, multiplication 2, sign 1, addition 3, and the input's LD 2: of four outputs together, or of each. Without the
sign: of lifted weights. Without LPM: of weights that stay in registers.
"""
_BIAS, _STORE, _BY_SHIFT, _BY_FACTOR = 9.0, 2.0, 20.0, 57.0
"""What an output takes beside its products: three LPM (a copy, 2, where the bias stays in registers), ST, and the
instructions of TRN_AVR_SINK_BY_SHIFT or _BY_FACTOR with the clamp's shorter way.
"""


@dataclass(frozen=True)
class Case:
    """``count`` products, inputs or outputs of a kernel call, and the fewest cycles each needs; ``outputs`` that take
    ``beside`` more each. ``values``: floats where outputs begin.
    """

    layer: str
    what: str
    numbers: str
    count: int
    floor: float
    statement: str
    constants: str = ""
    outputs: int = 0
    beside: float = 0.0
    values: tuple[float, ...] = ()

    @property
    def with_outputs(self) -> float:
        """The floor, and what the outputs take beside."""
        return self.floor + self.outputs * self.beside / max(self.count, 1)

    @property
    def block(self) -> bytes:
        """What the kernel finds in RAM."""
        block = bytearray(range(256)) * (_BYTES // 256)
        struct.pack_into(f"<{len(self.values)}f", block, _Y, *self.values)
        return bytes(block)


def _products(layer: Layer) -> int:
    """Products with a tap inside the input."""
    window = layer.window
    assert window is not None
    axes = (
        (layer.in_shape[0], layer.out_shape[0], window.kernel_h, window.stride_h, window.pad_top),
        (layer.in_shape[1], layer.out_shape[1], window.kernel_w, window.stride_w, window.pad_left),
    )
    taps = [sum(0 <= i * s + u - p < n for i in range(outs) for u in range(kernel)) for n, outs, kernel, s, p in axes]
    each = layer.out_shape[2] * (1 if layer.kind is Kind.DEPTHWISE_CONV2D else layer.in_shape[2])
    return taps[0] * taps[1] * each


def _weighted(kind: Kind, in_shape: tuple[int, int, int], out_c: int, kernel: int) -> list[Case]:
    layer = layer_of(kind, in_shape, out_c, kernel, 1, same=True)
    shape = f"{in_shape[0]}x{in_shape[1]}x{in_shape[2]} to {out_c}"
    title = f"{kind.value} {kernel}x{kernel}, {shape}" if kernel > 1 else f"{kind.value} {shape}"
    inputs, n_in = f"{c_window(layer)}", in_shape[0] * in_shape[1] * in_shape[2]
    n = out_c * kernel * kernel * (1 if kind is Kind.DEPTHWISE_CONV2D else in_shape[2])
    count, outputs = _products(layer), layer.out_size
    floor, bias = (_OWN, _BIAS) if kind is Kind.DEPTHWISE_CONV2D else (_SHARED, _BIAS)
    if kind is Kind.DEPTHWISE_CONV2D and kernel == 3:
        floor, bias = _KEPT, 2.0
    if kind is Kind.DENSE:
        title, inputs, n, count = f"dense {n_in} to {out_c}", f"{n_in}, {out_c}", n_in * out_c, n_in * out_c
        floor = _LIFTED
    constants = f"static TRN_FLASH int8_t w@[{n}] = {{1, -3, 5}};\nstatic TRN_FLASH int32_t b@[{out_c}] = {{7}};\n"
    at = "(const int8_t *)(uintptr_t)w@, (const int32_t *)(uintptr_t)b@"
    listed = "NULL, 0, " if kind is Kind.DENSE else ""
    narrow = _NARROW % ("true" if kind is Kind.DENSE else "false")
    y, signed = f"block + {_Y}", f"(const int8_t *)block, {at}, (int8_t *)block + {_Y}"
    calls = (
        ("power of two", _BY_SHIFT, f"trn_pow2_{kind.value}_forward({signed}, {inputs}, {_SHIFT}, {narrow});"),
        ("affine", _BY_FACTOR, f"trn_i8_packed_{kind.value}(block, {listed}{at}, {y}, {inputs}, {_FACTOR}, {narrow});"),
    )
    return [
        Case(title, "product", numbers, count, floor, call, constants, outputs, bias + code + _STORE)
        for numbers, code, call in calls
    ]


def _pools() -> list[Case]:
    """Max: LD 2, compare and move 2; average: LD 2, add 2, for an output a shift of 5 and ST 2. Of all inputs."""
    window = "(trn_window_t){8, 8, 8, 4, 4, 8, 2, 2, 2, 2, 0, 0}"
    y, n = f"block + {_Y}", 512
    signed = f"(const int8_t *)block, (int8_t *){y}"
    quarter, all_64 = _AVERAGE % (1 << 30, 8), _AVERAGE % (1 << 26, 4)
    rows = (
        ("max_pool 2x2", "power of two", f"trn_pow2_max_pool_forward({signed}, {window}, false);"),
        ("max_pool 2x2", "affine", f"trn_i8_max_pool_forward(block, {y}, NULL, {window});"),
        ("avg_pool 2x2", "power of two", f"trn_pow2_avg_pool_forward({signed}, {window}, 16384, false);"),
        ("avg_pool 2x2", "affine", f"trn_i8_packed_avg_pool(block, {y}, {window}, {quarter});"),
        ("global_avg_pool", "power of two", f"trn_pow2_global_avg_pool_forward({signed}, 64, 8, 1024, false);"),
        ("global_avg_pool", "affine", f"trn_i8_packed_global_avg_pool(block, {y}, 64, 8, {all_64});"),
    )
    return [
        Case(f"{name}, 8x8x8", "input", numbers, n, 4.0, call, "", outputs, beside)
        for (name, numbers, call), (outputs, beside) in zip(
            rows, ((128, 2.0), (128, 2.0), (128, 7.0), (128, 7.0), (8, 7.0), (8, 7.0)), strict=True
        )
    ]


def _activations() -> list[Case]:
    """A table: LD 2, LPM 3, ST 2, and 2 that lead to the entry. Softmax with its loss; the affine one is float."""
    table = "static TRN_FLASH int8_t w@[256] = {1};\n"
    look_up = f"trn_pow2_lookup((const int8_t *)block, (int8_t *)block + {_Y}, w@, 512);"
    exps = "static TRN_FLASH uint16_t w@[256] = {65535, 40000, 20000};\nstatic TRN_FLASH uint16_t b@[65] = {1};\n"
    floats = f"float *const f = (float *)(void *)(block + {_Y});\n    f[99] = "
    pow2 = f"{floats}trn_pow2_softmax_crossentropy((const int8_t *)block, f, NULL, f + 20, w@, b@, 10, 3);"
    affine = f"{floats}trn_categorical_crossentropy(f, f + 20, 10);"
    values = (1.3, -4.2, 0.4, 7.1, -0.8, -9.6, 2.2, 3.9, -1.5, 0.1, *[0.0] * 13, 1.0)
    return [
        Case("relu, relu6", "output", "both", 0, 0.0, ""),
        Case("sigmoid, tanh", "output", "both", 512, 9.0, look_up, table),
        Case("softmax and loss, 10", "output", "power of two", 10, 0.0, pow2, exps),
        Case("softmax and loss, 10", "output", "affine", 10, 0.0, affine, values=values),
    ]


def cases() -> list[Case]:
    """All of them."""
    return [
        *_weighted(Kind.DENSE, (1, 1, 784), 40, 1),
        *_weighted(Kind.DENSE, (1, 1, 64), 16, 1),
        *_weighted(Kind.CONV2D, (8, 8, 8), 8, 3),
        *_weighted(Kind.CONV2D, (12, 12, 1), 8, 3),
        *_weighted(Kind.CONV2D, (8, 8, 16), 16, 1),
        *_weighted(Kind.DEPTHWISE_CONV2D, (8, 8, 8), 8, 3),
        *_weighted(Kind.DEPTHWISE_CONV2D, (8, 8, 8), 8, 5),
        *_pools(),
        *_activations(),
    ]


def cycles(wanted: list[Case], *, optimize: str, assembly: bool) -> list[int]:
    """Cycles of each call."""
    source = "".join(f'#include "trn/{name}.h"\n' for name in _HEADERS)
    for number, case in enumerate(wanted):
        signature = f"TRN_NOINLINE void case_{number}(uint8_t *block)"
        text = f"{case.constants}{signature};\n{signature}\n{{\n    (void)block;\n    {case.statement}\n}}\n"
        source += text.replace("@", f"_{number}")
    calls = "".join(f"    case_{number}((uint8_t *){_BLOCK:#x});\n" for number in range(len(wanted)))
    with tempfile.TemporaryDirectory() as folder:
        path, elf = Path(folder) / "kernels.c", Path(folder) / "kernels.elf"
        path.write_text(f"{source}int main(void)\n{{\n{calls}    return 0;\n}}\n")
        flags = ["-mmcu=atmega2560", f"-{optimize}", "-std=gnu11", f"-DTRN_USE_ASM={int(assembly)}", "-I", str(INCLUDE)]
        subprocess.run(["avr-gcc", *flags, str(path), "-lm", "-o", str(elf)], check=True)
        with elf.open("rb") as file:
            symbols = ELFFile(file).get_section_by_name(".symtab")
            assert symbols is not None
            places = {symbol.name: symbol["st_value"] for symbol in symbols.iter_symbols()}
        size = len(wanted[0].block)
        sent = b"".join(struct.pack("<II", places[f"case_{n}"], size) + case.block for n, case in enumerate(wanted))
        ran = subprocess.run([bare_program(), "atmega2560", elf], input=sent, capture_output=True, check=True)
    return [struct.unpack_from("<Q", ran.stdout, n * (8 + size))[0] for n in range(len(wanted))]


def main() -> None:
    """Print the table, and write it where asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", type=Path)
    arguments = parser.parse_args()
    wanted = cases()
    columns = [cycles(wanted, optimize=o, assembly=a) for o, a in (("O2", True), ("Os", True), ("O2", False))]
    lines = [
        "| layer | quantisation | cycles per | floor | with what outputs take | -O2 | -Os | plain C, -O2 |",
        "|" + "---|" * 8,
    ]
    for case, *spent in zip(wanted, *columns, strict=True):
        each = [f"{n / case.count:.1f}" if case.count else "in the clamp" for n in spent]
        floors = (f"{floor:.1f}" if floor else "-" for floor in (case.floor, case.with_outputs))
        lines.append(f"| {' | '.join((case.layer, case.numbers, case.what, *floors, *each))} |")
    print("\n".join(lines))
    if arguments.write:
        arguments.write.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
