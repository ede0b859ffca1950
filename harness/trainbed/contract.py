# SPDX-License-Identifier: Apache-2.0
"""The contract: holds a result against what its scenario expects."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trainbed.result import Expectation, Result, StopReason, Verdict
from trainbed.scenario.schema import Bound, ExpectKeys


def judge(expect: ExpectKeys, result: Result, *, reference_ulp: int | None = None) -> Result:
    """The result with its expectations and verdict filled in.

    ``reference_ulp``: largest distance of a trained weight from the host twin's (see ulp_distance); None: not compared.
    Passed means that training ran to its end and every expectation holds; an empty contract asks for the end only.
    """
    expectations = evaluate(expect, result, reference_ulp=reference_ulp)
    passed = result.stop_reason is StopReason.COMPLETED and all(e.passed for e in expectations)
    return replace(result, expectations=expectations, verdict=Verdict.PASSED if passed else Verdict.FAILED)


def evaluate(expect: ExpectKeys, result: Result, *, reference_ulp: int | None = None) -> tuple[Expectation, ...]:
    """Each expectation that was given, in the order of the schema. What was not measured is not passed."""
    return tuple(_expectations(expect, result, reference_ulp))


def loss_decrease(losses: tuple[float, ...]) -> float | None:
    """``1 - last / first`` of the epochs' mean losses; None when there is no finite loss to compare."""
    if not losses or not math.isfinite(losses[0]) or not math.isfinite(losses[-1]):
        return None
    return 1.0 - losses[-1] / losses[0] if losses[0] > 0.0 else 0.0


def ulp_distance(a: NDArray[np.float32], b: NDArray[np.float32]) -> int | None:
    """Largest distance between two float32 arrays in units in the last place; +0 and -0 are 1 apart, equal bits are 0.

    None when the shapes differ, or when a NaN stands in one of them but not, bit for bit, in the other.
    """
    if a.shape != b.shape:
        return None
    bits_a, bits_b = a.view(np.uint32).reshape(-1), b.view(np.uint32).reshape(-1)
    differ = bits_a != bits_b
    if not differ.any():
        return 0
    if np.isnan(a.reshape(-1)[differ]).any() or np.isnan(b.reshape(-1)[differ]).any():
        return None
    return int(np.abs(_ordinal(bits_a[differ]) - _ordinal(bits_b[differ])).max())


def _ordinal(bits: NDArray[np.uint32]) -> NDArray[np.int64]:
    """Place of a float32 on the number line: -0 is -1, +0 is 0."""
    magnitude = (bits & np.uint32(0x7FFFFFFF)).astype(np.int64)
    return np.asarray(np.where(bits >> np.uint32(31), -1 - magnitude, magnitude), dtype=np.int64)


def _expectations(expect: ExpectKeys, result: Result, reference_ulp: int | None) -> Iterator[Expectation]:
    decrease = expect.loss_decreases
    if decrease is not None:
        observed = loss_decrease(result.training.loss)
        passed = observed is not None and observed >= decrease.by
        yield Expectation("loss_decreases", passed, observed, {"by": decrease.by})
    yield from _bounded("final_loss", expect.final_loss, result.training.loss[-1] if result.training.loss else None)
    yield from _bounded("test_accuracy", expect.test_accuracy, result.test.accuracy)
    yield from _bounded("balanced_accuracy", expect.balanced_accuracy, result.test.balanced_accuracy)
    agreement = expect.matches_reference
    if agreement is not None:
        allowed = 0 if isinstance(agreement, str) else agreement.ulp
        bound: Any = agreement if isinstance(agreement, str) else {"ulp": agreement.ulp}
        passed = reference_ulp is not None and reference_ulp <= allowed
        yield Expectation("matches_reference", passed, reference_ulp, bound)
    yield from _bounded("training_memory_bytes", expect.training_memory_bytes, result.memory.training_bytes)
    yield from _bounded("ram_bytes", expect.ram_bytes, result.memory.ram_bytes)
    yield from _bounded("flash_bytes", expect.flash_bytes, result.memory.flash_bytes)
    yield from _bounded("stack_bytes", expect.stack_bytes, result.memory.stack_bytes)
    yield from _bounded("cycles_per_sample", expect.cycles_per_sample, result.cost.cycles_per_sample.total)
    yield from _bounded("cycles_per_inference", expect.cycles_per_inference, result.cost.cycles_per_inference)
    yield from _bounded("energy_uj_per_sample", expect.energy_uj_per_sample, result.cost.energy_uj_per_sample)


def _bounded(name: str, bound: Bound | None, observed: float | None) -> Iterator[Expectation]:
    if bound is None:
        return
    if observed is not None and not math.isfinite(observed):
        observed = None
    passed = (
        observed is not None
        and (bound.min is None or observed >= bound.min)
        and (bound.max is None or observed <= bound.max)
    )
    edges = {edge: _plain(value) for edge, value in (("min", bound.min), ("max", bound.max)) if value is not None}
    yield Expectation(name, passed, observed, edges)


def _plain(value: float) -> int | float:
    """A bound as one writes it: 9724, not 9724.0."""
    return int(value) if value.is_integer() else value
