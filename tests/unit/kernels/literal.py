# SPDX-License-Identifier: Apache-2.0
"""Kernels with literal shapes, as generated code calls them: one C function per shape, a layer forward and backward.

Every function works on one flat float32 array: inputs, then outputs. So the same source runs on the host through ctypes
and on emulated cores, and one comparison serves all.
"""

from __future__ import annotations

import ctypes
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from kernels.shim import F32, LEAKY_RELU, NONE, RELU, SIGMOID, compile_c, scratch
from kernels.windows import Shape, backward_input, backward_weights, forward, numbers, shape_of
from numpy.typing import NDArray

from trainbed.network.layers import Activation
from trainbed.reference import ops
from trainbed.toolchain.compiler import WARNINGS

_ACTIVATIONS = {
    NONE: Activation.NONE,
    RELU: Activation.RELU,
    LEAKY_RELU: Activation.LEAKY_RELU,
    SIGMOID: Activation.SIGMOID,
}


@dataclass(frozen=True)
class Layer:
    """A layer to run: ``kind`` is the kernels' name; pointwise and dense use ``shape`` as a 1 x 1 convolution."""

    kind: str
    shape: Shape
    act: int
    accumulate: bool = False

    @property
    def sizes(self) -> dict[str, int]:
        """Parts of the flat array in order, in elements."""
        n_in, n_out, n_w = (int(np.prod(s)) for s in (self.shape.in_hwc, self.shape.out_hwc, self.shape.weights))
        out_c = self.shape.out_c
        return {
            "x": n_in,
            "w": n_w,
            "b": out_c,
            "e": n_out,
            "before": n_in,
            "y": n_out,
            "gw": n_w,
            "gb": out_c,
            "dx": n_in,
        }

    def source(self, name: str) -> str:
        """The C function."""
        at, lines = 0, []
        for part, size in self.sizes.items():
            lines.append(f"    float *{part} = a + {at};")
            at += size
        rows = ", ".join(map(str, self.shape.numbers))
        height, width, in_c = self.shape.in_hwc
        sizes = {
            "dense": f"{in_c}, {self.shape.out_c}",
            "pointwise": f"{height * width}, {in_c}, {self.shape.out_c}",
        }
        shape = sizes.get(self.kind, f"((trn_window_t){{{rows}}})")
        epilogue = f"((trn_epilogue_t){{{self.act}, before, NULL, {str(self.accumulate).lower()}}})"
        return (
            f"void {name}(float *a);\nvoid {name}(float *a)\n{{\n" + "\n".join(lines) + "\n"
            f"    trn_{self.kind}_forward(x, w, b, y, {shape}, {self.act});\n"
            f"    trn_{self.kind}_backward_weights(x, e, gw, gb, {shape});\n"
            f"    trn_{self.kind}_backward_input(w, e, dx, {shape}, {epilogue});\n}}\n"
        )

    def arrays(self, seed: int) -> tuple[F32, F32]:
        """The flat array before, and what the twin says it is after."""
        rng = np.random.default_rng(seed)
        shape = self.shape
        x, w, e = numbers(rng, *shape.in_hwc), numbers(rng, *shape.weights), numbers(rng, *shape.out_hwc)
        b = numbers(rng, shape.out_c) + np.float32(0.0)
        act = _ACTIVATIONS[self.act]
        before = np.asarray(ops.activation_forward(numbers(rng, *shape.in_hwc).reshape(1, -1), act)).reshape(
            shape.in_hwc
        )
        dx = numbers(rng, *shape.in_hwc)
        gw, gb = numbers(rng, *shape.weights) + np.float32(0.0), numbers(rng, shape.out_c) + np.float32(0.0)
        y = np.full(shape.out_hwc, 9, np.float32)
        given = [x, w, b, e, before, y, gw, gb, dx]
        y = np.asarray(ops.activation_forward(forward(shape, x, w, b).reshape(1, -1), act))
        one_gw, one_gb = backward_weights(shape, x, e)
        d = backward_input(shape, w, e)
        d = dx + d if self.accumulate else d
        dx = np.asarray(ops.activation_gradient(d.reshape(1, -1), before.reshape(1, -1), act))
        return _flat(given), _flat([x, w, b, e, before, y, gw + one_gw, gb + one_gb, dx])


def _flat(parts: Sequence[Any]) -> F32:
    return np.concatenate([np.asarray(p, np.float32).reshape(-1) for p in parts])


def _dense(n_in: int, n_out: int, act: int) -> Layer:
    return Layer("dense", shape_of((1, 1, n_in), (1, 1), (1, 1), same=True, out_c=n_out), act)


def _pointwise(hw: tuple[int, int], in_c: int, out_c: int, act: int) -> Layer:
    return Layer("pointwise", shape_of((*hw, in_c), (1, 1), (1, 1), same=True, out_c=out_c), act, accumulate=True)


def _conv(kind: str, hwc: tuple[int, int, int], kernel: int, stride: int, act: int, **more: Any) -> Layer:
    return Layer(kind, shape_of(hwc, (kernel, kernel), (stride, stride), same=more.pop("same", True), **more), act)


LAYERS: Sequence[Layer] = [
    _dense(1, 1, NONE),
    _dense(7, 3, RELU),
    _dense(33, 10, LEAKY_RELU),
    _dense(300, 1, RELU),
    _dense(23, 31, SIGMOID),
    _pointwise((8, 8), 3, 8, RELU),
    _pointwise((3, 3), 5, 7, RELU),
    _pointwise((2, 3), 17, 12, NONE),
    _conv("conv2d", (8, 8, 3), 3, 1, RELU, out_c=8),
    _conv("conv2d", (5, 7, 2), 3, 1, RELU, out_c=5),
    _conv("conv2d", (6, 9, 9), 3, 1, LEAKY_RELU, out_c=3, same=False),
    _conv("conv2d", (9, 8, 4), 3, 2, RELU, out_c=11),
    _conv("conv2d", (7, 7, 3), 2, 3, SIGMOID, out_c=9),
    _conv("conv2d", (4, 13, 8), 5, 1, RELU, out_c=2),
    _conv("depthwise_conv2d", (8, 8, 3), 3, 1, RELU, multiplier=1),
    _conv("depthwise_conv2d", (5, 6, 2), 3, 1, RELU, multiplier=2),
    _conv("depthwise_conv2d", (1, 13, 4), 3, 1, LEAKY_RELU, multiplier=1),
    _conv("depthwise_conv2d", (13, 1, 1), 3, 1, NONE, multiplier=1),
    _conv("depthwise_conv2d", (11, 11, 5), 3, 1, SIGMOID, multiplier=1, same=False),
    _conv("depthwise_conv2d", (9, 9, 3), 3, 2, RELU, multiplier=1),
    _conv("depthwise_conv2d", (8, 6, 2), 4, 1, RELU, multiplier=1),
    _conv("depthwise_conv2d", (9, 10, 3), 5, 2, RELU, multiplier=3),
    _conv("depthwise_conv2d", (4, 70, 1), 3, 1, RELU, multiplier=1),
    _conv("depthwise_conv2d", (3, 9, 130), 3, 1, RELU, multiplier=1),
]
"""Shapes with every remainder of the blocks, and those the benchmarks run."""

_HEAD = '#include "trn/conv2d.h"\n#include "trn/dense.h"\n#include "trn/depthwise.h"\n\n'


def _source() -> Path:
    path = scratch() / "literal.c"
    path.write_text(_HEAD + "\n".join(layer.source(f"layer_{i}") for i, layer in enumerate(LAYERS)))
    return path


@cache
def _host() -> ctypes.CDLL:
    return ctypes.CDLL(str(compile_c([_source()], scratch() / "literal.so", flags=["-O2", "-shared", "-fPIC"])))


def run_on_host(index: int, array: F32) -> F32:
    """The layer's effect on a copy of the array."""
    array = array.copy()
    getattr(_host(), f"layer_{index}")(ctypes.c_void_p(array.ctypes.data))
    return array


_LINK = """
MEMORY { FLASH (rx) : ORIGIN = 0, LENGTH = 1M  RAM (rw) : ORIGIN = 0x20000000, LENGTH = 1M }
SECTIONS { .text : { *(.text*) *(.rodata*) } > FLASH  .data : { *(.data*) *(.bss*) *(COMMON) } > RAM }
"""
CORES = {
    "M4F, ordered by hand": "-mcpu=cortex-m4 -mfloat-abi=hard -mfpu=fpv4-sp-d16 -DTRN_USE_ASM=1",
    "M4F, plain C": "-mcpu=cortex-m4 -mfloat-abi=hard -mfpu=fpv4-sp-d16 -DTRN_USE_ASM=0",
    "M0+, soft float": "-mcpu=cortex-m0plus -mfloat-abi=soft",
}
_RETURN, _DATA, _STACK = 0x000FF000, 0x20010000, 0x20100000


CORES_WITHOUT_FLOAT = {
    "M7": "-mcpu=cortex-m7 -mfloat-abi=hard -mfpu=fpv5-sp-d16",
    "M3": "-mcpu=cortex-m3 -mfloat-abi=soft",
}
"""More cores for kernels that do not depend on a float unit."""


@cache
def _image(source: Path, core: str, optimize: str) -> tuple[dict[str, int], list[tuple[int, bytes]]]:
    from elftools.elf.elffile import ELFFile

    folder = scratch()
    (folder / "literal.ld").write_text(_LINK)
    cores = CORES | CORES_WITHOUT_FLOAT
    elf = folder / f"{source.stem}-{list(cores).index(core)}-{optimize}.elf"
    flags = [*cores[core].split(), "-mthumb", f"-{optimize}", "-nostartfiles", "-T", str(folder / "literal.ld")]
    compile_c(
        [source], elf, compiler="arm-none-eabi-gcc", flags=[*flags, "-Wl,--no-warn-rwx-segments", "-Wl,-e,0", "-lm"]
    )
    with elf.open("rb") as file:
        image = ELFFile(file)
        symbols: Any = image.get_section_by_name(".symtab")
        functions = {s.name: s["st_value"] for s in symbols.iter_symbols() if s["st_info"]["type"] == "STT_FUNC"}
        segments = [
            (s["p_vaddr"], s.data()) for s in image.iter_segments() if s["p_type"] == "PT_LOAD" and s["p_filesz"]
        ]
    return functions, segments


def run_on_core(core: str, index: int, array: F32, *, optimize: str = "O2") -> F32:
    """The same on an emulated core: a bare call, no board."""
    return np.asarray(run_image(_source(), core, optimize, f"layer_{index}", array))


def run_image(source: Path, core: str, optimize: str, symbol: str, array: NDArray[Any]) -> NDArray[Any]:
    """What a function makes of a copy of the array it is given the address of, on an emulated core."""
    from unicorn import UC_ARCH_ARM, UC_MODE_MCLASS, UC_MODE_THUMB, UC_PROT_EXEC, UC_PROT_READ, arm_const
    from unicorn.unicorn_py3.unicorn import Uc

    functions, segments = _image(source, core, optimize)
    models = {
        "M4": arm_const.UC_CPU_ARM_CORTEX_M4,
        "M7": arm_const.UC_CPU_ARM_CORTEX_M7,
        "M3": arm_const.UC_CPU_ARM_CORTEX_M3,
        "M0": arm_const.UC_CPU_ARM_CORTEX_M0,
    }
    uc: Any = Uc(UC_ARCH_ARM, UC_MODE_THUMB | UC_MODE_MCLASS)
    uc.ctl_set_cpu_model(models[core[:2]])
    uc.mem_map(0, 1 << 20, UC_PROT_READ | UC_PROT_EXEC)
    uc.mem_map(0x20000000, 1 << 20)
    for address, content in segments:
        uc.mem_write(address, content)
    uc.mem_write(_DATA, array.tobytes())
    uc.reg_write(arm_const.UC_ARM_REG_SP, _STACK)
    uc.reg_write(arm_const.UC_ARM_REG_R0, _DATA)
    uc.reg_write(arm_const.UC_ARM_REG_LR, _RETURN | 1)
    uc.emu_start(functions[symbol] | 1, _RETURN)
    return np.frombuffer(bytes(uc.mem_read(_DATA, array.nbytes)), array.dtype).copy()


def avr_compiles(source: Path | None = None) -> None:
    """Compiles these functions, or those of another file, for the ATmega2560, where int has 16 bits."""
    command = [
        "avr-gcc",
        "-mmcu=atmega2560",
        "-O2",
        "-std=c11",
        *WARNINGS,
        "-I",
        str(Path(__file__).resolve().parents[3] / "firmware/include"),
    ]
    done = subprocess.run(
        [*command, "-c", str(source or _source()), "-o", str(scratch() / "literal-avr.o")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-4000:]
