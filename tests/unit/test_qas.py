# SPDX-License-Identifier: Apache-2.0
"""What quantisation-aware scaling promises, of the C kernels on the host and of the twin: the float step, in codes."""

from __future__ import annotations

import ctypes
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kernels.shim import compile_c, scratch
from numpy.typing import NDArray

from trainbed.reference.int8 import update

_SOURCE = """\
#include "trn/int8/update.h"

void qas(int8_t *w, int32_t *g, const float *rates, int32_t n, int32_t length, int stochastic, uint32_t key);
void qas(int8_t *w, int32_t *g, const float *rates, int32_t n, int32_t length, int stochastic, uint32_t key)
{
    const trn_i8_tensor_t tensor = {n, length, length, {1, length, length, 1, length, 1}};
    trn_i8_update_plain(w, (trn_i8_sums_t){g, false}, NULL, tensor, rates, true,
                        (trn_i8_rounding_t){stochastic != 0, key});
}
"""


@pytest.fixture(scope="module")
def kernel() -> ctypes.CDLL:
    source = Path(scratch()) / "qas.c"
    source.write_text(_SOURCE)
    return ctypes.CDLL(str(compile_c([source], source.with_suffix(".so"), flags=["-O2", "-shared", "-fPIC"])))


def _step(
    kernel: ctypes.CDLL, w: NDArray[np.int8], g: NDArray[np.int64], rates: NDArray[np.float32], *, key: int | None
) -> NDArray[np.int8]:
    """One step by the C kernel, held against the twin; ``key`` None rounds to nearest."""
    found, sums = w.copy(), g.astype(np.int32)
    pointers: list[Any] = [array.ctypes.data_as(ctypes.c_void_p) for array in (found, sums, rates)]
    kernel.qas(*pointers, *w.shape, int(key is not None), ctypes.c_uint32(key or 0))
    index = np.arange(w.size).reshape(w.shape)
    told = update.update_plain(w, g, index, rates=rates, stochastic=key is not None, key=key or 0)
    assert (found == told).all()
    assert not sums.any()  # gradients are left at 0
    return found


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    lr=st.floats(1e-4, 0.5),
    s_x=st.floats(1e-3, 0.1),
    s_e=st.floats(1e-6, 1e-2),
    most=st.integers(1, 2**24),
    key=st.none() | st.integers(0, 2**32 - 1),
)
def test_a_step_times_its_scale_is_the_float_step_within_the_rounding(
    kernel: ctypes.CDLL, seed: int, lr: float, s_x: float, s_e: float, most: int, key: int | None
) -> None:
    """As real numbers s_w w' = s_w w - lr s_e s_x g, the step of float32 SGD: no scale of the weights is in it."""
    rng = np.random.default_rng(seed)
    s_w = np.exp(rng.uniform(np.log(1e-4), np.log(0.2), 7))
    w = rng.integers(-127, 128, (7, 33)).astype(np.int8)
    g = rng.integers(-most, most + 1, (7, 33))
    rates = (lr * s_e * s_x / s_w).astype(np.float32)
    stepped = _step(kernel, w, g, rates, key=key) * s_w[:, None]
    wanted = w * s_w[:, None] - lr * s_e * s_x * g
    held = np.clip(wanted, -127 * s_w[:, None], 127 * s_w[:, None])
    rounding = 0.5 if key is None else 1.0
    # A factor's 24 bits and the unit of 2**-16 codes come on top of the rounding to codes.
    allowed = s_w[:, None] * (rounding + 2.0**-15) + np.abs(lr * s_e * s_x * g) * 2.0**-22
    assert (np.abs(stepped - held) <= allowed).all()


def test_the_mean_magnitude_does_not_drift_in_thousands_of_steps_of_zero_mean(kernel: ctypes.CDLL) -> None:
    """Steps of a tenth of a code either way, each undone later: cutting off pulls all weights to zero within 500."""
    rng = np.random.default_rng(8)
    w = rng.integers(-100, 101, (8, 500)).astype(np.int8)
    rates = np.full(8, 0.01, np.float32)
    before, cut = np.abs(w.astype(float)).mean(), w.astype(float)
    now = w
    for pair in range(1500):
        g = rng.choice(np.array([-10, 10], np.int64), w.shape)
        for half, direction in enumerate((1, -1)):
            now = _step(kernel, now, direction * g, rates, key=2 * pair + half + 1)
            cut = np.trunc(cut - direction * g * 0.01)  # what C makes of a float on its way to int8
    walk = (now.astype(float) - w).std()
    # Each step's rounding has a variance of 0.09: 3000 of them a deviation of 16.4, of which the edges hold some back.
    assert 14 < walk < 17
    assert (now.astype(float) - w).mean() == pytest.approx(0, abs=4 * walk / w.size**0.5)
    inner = np.abs(w) <= 60  # four deviations from where codes saturate and from nothing
    outer = inner & (np.abs(w) >= 55)
    assert np.abs(now.astype(float))[outer].mean() == pytest.approx(np.abs(w.astype(float))[outer].mean(), abs=2.5)
    assert np.abs(now.astype(float)).mean() == pytest.approx(before, abs=2.5)
    assert np.abs(cut).mean() < 1


@given(st.integers(-127, 127), st.integers(-(2**31) + 1, 2**31 - 1), st.floats(2.0**-30, 127), st.integers(0, 99))
def test_a_code_that_would_pass_the_end_of_its_range_stays_there(
    kernel: ctypes.CDLL, w: int, g: int, rate: float, key: int
) -> None:
    (found,) = _step(
        kernel, np.array([[w]], np.int8), np.array([[g]], np.int64), np.array([rate], np.float32), key=key
    ).flat
    wanted = w - g * float(np.float32(rate))
    assert -127 <= found <= 127
    if abs(wanted) >= 128:
        assert found == np.sign(wanted) * 127
    assert g == 0 or found == w or (found > w) == (g < 0)  # never the other way round
