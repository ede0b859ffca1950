# SPDX-License-Identifier: Apache-2.0
"""The contract passes what holds, fails what does not, and never passes what was not measured."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from results import a_result

from trainbed.contract import evaluate, judge, loss_decrease, ulp_distance
from trainbed.result import NOT_COUNTED, Result, StopReason, TrainingFacts, Verdict
from trainbed.scenario.schema import ExpectKeys


def expect(**keys: Any) -> ExpectKeys:
    return ExpectKeys.model_validate(keys)


@pytest.mark.parametrize(
    ("name", "observed"),
    [
        ("final_loss", 0.1 + 2**-50),
        ("test_accuracy", 0.75),
        ("balanced_accuracy", 0.625),
        ("training_memory_bytes", 9720),
        ("ram_bytes", 71196),
        ("flash_bytes", 14068),
        ("stack_bytes", 324),
        ("cycles_per_sample", 350.5),
        ("energy_uj_per_sample", 22.3),
    ],
)
def test_every_bound_holds_at_its_edge_and_fails_beyond_it(name: str, observed: float) -> None:
    for bound, passed in (
        ({"max": observed}, True),
        ({"min": observed}, True),
        ({"min": observed, "max": observed}, True),
        ({"max": math.nextafter(observed, 0)}, False),
        ({"min": math.nextafter(observed, math.inf)}, False),
    ):
        (found,) = evaluate(expect(**{name: bound}), a_result())
        assert (found.name, found.passed, found.observed, found.bound) == (name, passed, observed, bound)


def test_every_key_of_the_schema_is_judged() -> None:
    bounds: dict[str, Any] = {name: {"max": 1e9} for name in ExpectKeys.key_names()}
    bounds |= {"loss_decreases": {"by": 0.1}, "matches_reference": "exact"}
    found = evaluate(expect(**bounds), a_result(), reference_ulp=0)
    assert [e.name for e in found] == list(ExpectKeys.key_names())
    assert all(e.passed for e in found)


def test_the_loss_must_fall_by_as_much_as_was_asked() -> None:
    (found,) = evaluate(expect(loss_decreases={"by": 0.79}), a_result())
    assert found.passed
    assert found.observed == 1 - (0.1 + 2**-50) / 0.5
    (found,) = evaluate(expect(loss_decreases={"by": 0.81}), a_result())
    assert not found.passed
    assert found.bound == {"by": 0.81}


@pytest.mark.parametrize(
    ("losses", "decrease"),
    [
        ((1.0, 0.25), 0.75),
        ((1.0,), 0.0),
        ((1.0, 2.0), -1.0),
        ((0.0, 0.0), 0.0),
        ((), None),
        ((1.0, math.nan), None),
        ((math.inf, 1.0), None),
    ],
)
def test_the_decrease_of_a_loss(losses: tuple[float, ...], decrease: float | None) -> None:
    assert loss_decrease(losses) == decrease


def _without_counts(result: Result) -> Result:
    cost = replace(result.cost, cost_class="instructions", cycles_per_sample=NOT_COUNTED, energy_uj_per_sample=None)
    memory = replace(result.memory, stack_bytes=None, ram_bytes=None, flash_bytes=None)
    return replace(result, cost=cost, memory=memory, test=replace(result.test, accuracy=None))


@pytest.mark.parametrize(
    "name", ["cycles_per_sample", "energy_uj_per_sample", "stack_bytes", "ram_bytes", "flash_bytes", "test_accuracy"]
)
def test_what_was_not_measured_does_not_pass(name: str) -> None:
    (found,) = evaluate(expect(**{name: {"min": 0}}), _without_counts(a_result()))
    assert (found.passed, found.observed) == (False, None)


def test_a_loss_that_is_not_finite_passes_no_bound() -> None:
    diverged = replace(a_result(), training=TrainingFacts(loss=(1.0, math.nan), accuracy=None))
    for bound in ({"max": 1e30}, {"min": -1e30}):
        (found,) = evaluate(expect(final_loss=bound), diverged)
        assert (found.passed, found.observed) == (False, None)


@pytest.mark.parametrize(
    ("wanted", "ulp", "passed"),
    [
        ("exact", 0, True),
        ("exact", 1, False),
        ("exact", None, False),
        ({"ulp": 2}, 2, True),
        ({"ulp": 2}, 3, False),
        ({"ulp": 2}, None, False),
    ],
)
def test_the_weights_must_be_as_near_the_twin_s_as_was_asked(wanted: Any, ulp: int | None, passed: bool) -> None:
    (found,) = evaluate(expect(matches_reference=wanted), a_result(), reference_ulp=ulp)
    assert (found.passed, found.observed, found.bound) == (passed, ulp, wanted)


def test_a_run_passes_when_all_holds_and_it_ran_to_its_end() -> None:
    good = expect(test_accuracy={"min": 0.7}, ram_bytes={"max": 80_000})
    judged = judge(good, a_result())
    assert (judged.verdict, len(judged.expectations)) == (Verdict.PASSED, 2)
    assert judge(expect(), a_result()).verdict is Verdict.PASSED
    assert judge(expect(test_accuracy={"min": 0.7}, ram_bytes={"max": 80}), a_result()).verdict is Verdict.FAILED
    for reason in StopReason:
        ended = judge(good, replace(a_result(), stop_reason=reason)).verdict
        assert (ended is Verdict.PASSED) == (reason is StopReason.COMPLETED)


def _f32(*bits: int) -> np.ndarray[Any, np.dtype[np.float32]]:
    return np.array(bits, np.uint32).view(np.float32)


@pytest.mark.parametrize(
    ("a", "b", "distance"),
    [
        (_f32(0x3F800000), _f32(0x3F800000), 0),
        (_f32(0x3F800000), _f32(0x3F800003), 3),
        (_f32(0x3F800000, 0x40000000), _f32(0x3F800001, 0x3FFFFFFE), 2),
        (_f32(0x00000000), _f32(0x80000000), 1),
        (_f32(0x00000001), _f32(0x80000001), 3),
        (_f32(0x7F7FFFFF), _f32(0x7F800000), 1),
        (_f32(0xFF7FFFFF), _f32(0x7F7FFFFF), 2 * 0x7F7FFFFF + 1),
        (_f32(0x7FC00000), _f32(0x7FC00000), 0),
        (_f32(0x7FC00000), _f32(0x7FC00001), None),
        (_f32(0x7FC00000), _f32(0x3F800000), None),
        (_f32(1, 2), _f32(1), None),
    ],
)
def test_the_distance_of_weights_in_units_in_the_last_place(a: Any, b: Any, distance: int | None) -> None:
    assert ulp_distance(a, b) == distance
    assert ulp_distance(b, a) == distance


@given(st.floats(width=32, allow_nan=False, allow_infinity=False), st.integers(0, 5))
def test_the_distance_counts_steps_of_nextafter(start: float, steps: int) -> None:
    a = np.array([start], np.float32)
    b = a.copy()
    for _ in range(steps):
        b = np.nextafter(b, np.float32(-np.inf))
    found = ulp_distance(a, b)
    assert found is not None
    crossed = start >= 0 and float(b[0]) < 0  # nextafter knows one zero, the bits have two
    assert steps <= found <= steps + int(crossed or start == 0)
