# SPDX-License-Identifier: Apache-2.0
"""8-bit kernels against the twin over odd shapes, strides, zero points, masks, extreme codes and scales."""

from __future__ import annotations

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from kernels.integer import Case, Program
from kernels.integer_cases import Options, Parameters, elements, layer, pools, steps
from kernels.windows import shape_of, shapes

_options = st.builds(
    Options,
    zero_x=st.sampled_from([0, 0, 1, 128, 255]),
    zero_y=st.sampled_from([0, 0, 3, 255]),
    relu=st.sampled_from(["none", "relu", "relu6"]),
    per_channel=st.booleans(),
    tracked=st.booleans(),
    accumulate=st.booleans(),
    mask=st.sampled_from(["none", "y", "bits"]),
    listed=st.booleans(),
    channels=st.sampled_from([None, None, 1, 3, 4, 6]),
    factor=st.sampled_from([1.0, 1.0, 1e-9, 100.0, 1e6]),
    extreme=st.booleans(),
)


@st.composite
def _layers(draw: st.DrawFn) -> Case:
    kind = draw(st.sampled_from(["conv2d", "conv2d", "depthwise_conv2d", "pointwise", "dense"]))
    options, seed = draw(_options), draw(st.integers(0, 2**32 - 1))
    if kind in ("conv2d", "depthwise_conv2d"):
        return layer(kind, draw(shapes(depthwise=kind != "conv2d")), options, seed)
    hw = (1, 1) if kind == "dense" else (draw(st.integers(1, 4)), draw(st.integers(1, 9)))
    channels = draw(st.sampled_from([1, 2, 3, 4, 8, 12, 16, 17, 33, 64]))
    out_c = draw(st.sampled_from([1, 2, 3, 4, 7, 8, 12]))
    return layer(kind, shape_of((*hw, channels), (1, 1), (1, 1), same=True, out_c=out_c), options, seed)


@st.composite
def _others(draw: st.DrawFn) -> Case:
    seed = draw(st.integers(0, 2**32 - 1))
    which = draw(st.sampled_from(["pool", "elements", "steps"]))
    if which == "pool":
        return pools(draw(shapes(pool=True)), draw(_options), seed)
    if which == "elements":
        return elements(draw(st.integers(1, 20)), draw(st.integers(1, 9)), draw(_options), seed)
    layout = draw(st.sampled_from(["rows", "part", "channels"]))
    n_elements = draw(st.sampled_from([3, 6, 9, 24]) if layout == "part" else st.sampled_from([1, 2, 5, 9, 40]))
    parameters = Parameters(
        draw(st.integers(1, 6)),
        n_elements,
        layout,
        narrow=draw(st.booleans()),
        stochastic=draw(st.booleans()),
        scaling=draw(st.sampled_from(["fixed", "follows", "grows"])),
        follow=draw(st.sampled_from([1.0, 0.5, 0.0009765625])),
        size=draw(st.sampled_from([8, 1000, 100000, 2**31])),
        lr=draw(st.sampled_from([0.0009765625, 0.0625, 4.0, 1000.0])),
    )
    return steps(parameters, seed)


@settings(max_examples=4, deadline=None, suppress_health_check=list(HealthCheck))
@given(cases=st.lists(_layers() | _others(), min_size=16, max_size=16))
def test_an_8_bit_kernel_of_any_shape_leaves_what_the_twin_says(cases: list[Case]) -> None:
    program = Program(f"drawn{next(_numbers)}", cases)
    for index in range(len(cases)):
        program.check_on_host(index, ("-O1",))


_numbers = iter(range(1_000_000))
