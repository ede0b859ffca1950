# SPDX-License-Identifier: Apache-2.0
"""Kernels with literal shapes give the bits of the twin on the host and on every emulated core."""

from __future__ import annotations

import pytest
from kernels.literal import CORES, LAYERS, avr_compiles, run_on_core, run_on_host
from kernels.shim import assert_same_bits

_names = [f"{layer.kind} {layer.shape.in_hwc}" for layer in LAYERS]


@pytest.mark.parametrize("index", range(len(LAYERS)), ids=_names)
def test_a_literal_shape_gives_the_bits_of_the_twin_on_the_host(index: int) -> None:
    given, want = LAYERS[index].arrays(index)
    assert_same_bits(run_on_host(index, given), want)


@pytest.mark.parametrize("core", list(CORES))
@pytest.mark.parametrize("index", range(len(LAYERS)), ids=_names)
def test_a_literal_shape_gives_the_bits_of_the_twin_on_each_core(core: str, index: int) -> None:
    given, want = LAYERS[index].arrays(index)
    assert_same_bits(run_on_core(core, index, given), want)


@pytest.mark.slow
@pytest.mark.parametrize("optimize", ["O1", "O3", "Os"])
def test_the_level_of_optimization_changes_no_bit(optimize: str) -> None:
    for index, layer in enumerate(LAYERS):
        given, want = layer.arrays(index)
        assert_same_bits(run_on_core("M4F, ordered by hand", index, given, optimize=optimize), want)


def test_the_kernels_compile_without_warning_where_int_has_16_bits() -> None:
    avr_compiles()
