# SPDX-License-Identifier: Apache-2.0
"""Why a contract failed, in plain text: what was expected, what was observed, the loss curve. For test reports."""

from __future__ import annotations

from collections.abc import Sequence

from trainbed.curves import chart
from trainbed.errors import GuestError
from trainbed.result import Expectation, Result, StopReason, Verdict
from trainbed.summary import bound_text, observed_text

_WIDTH = 76
_HEIGHT = 8


def explain_result(result: Result) -> str:
    """Verdict, contract as a table (name, observed, bound) and loss curve."""
    parts = [_verdict(result)]
    if result.expectations:
        parts.append(_table(result.expectations))
    return "\n\n".join([*parts, *_curve(result.training.loss)])


def explain_expectation(expectation: Expectation, losses: Sequence[float]) -> str:
    """One line of a contract and the loss curve so far."""
    observed, bound = observed_text(expectation), bound_text(expectation)
    return "\n\n".join([f"{expectation.name}: observed {observed}, expected {bound}", *_curve(losses)])


def kept_state(error: BaseException | None) -> str:
    """Where the state of a guest that broke was kept, as the line that shows it; empty where none was."""
    if not isinstance(error, GuestError) or error.post_mortem is None:
        return ""
    return f"its state is kept: trainbed debug --post-mortem {error.post_mortem}"


def figures(result: Result) -> dict[str, str | float]:
    """What the report of a test run should carry; what was not measured is left out."""
    losses = result.training.loss
    found = {
        "scenario": result.scenario.name,
        "board": result.board,
        "backend": f"{result.backend.name} {result.backend.version}",
        "verdict": result.verdict.value,
        "first_loss": losses[0] if losses else None,
        "final_loss": losses[-1] if losses else None,
        "test_accuracy": result.test.accuracy,
        "balanced_accuracy": result.test.balanced_accuracy,
        "cost_class": result.cost.cost_class,
        "cost_model": result.cost.model,
        "cycles_per_sample": result.cost.cycles_per_sample.total,
        "instructions_per_sample": result.cost.instructions_per_sample.total,
        "energy_uj_per_sample": result.cost.energy_uj_per_sample,
        "training_memory_bytes": result.memory.training_bytes,
        "ram_bytes": result.memory.ram_bytes,
        "flash_bytes": result.memory.flash_bytes,
        "stack_bytes": result.memory.stack_bytes,
        "weights_sha256": result.weights.sha256,
        "firmware_sha256": result.firmware.sha256,
    }
    return {name: value for name, value in found.items() if value is not None}


def explain_losses(losses: Sequence[float]) -> str:
    """The loss curve of a training so far; empty without one."""
    return "".join(_curve(losses))


def _verdict(result: Result) -> str:
    where = f"{result.scenario.name}, on {result.board} ({result.backend.name} {result.backend.version})"
    if result.verdict is Verdict.PASSED:
        return f"contract fulfilled: {where}"
    if result.stop_reason is StopReason.DIVERGED:
        return f"training diverged at training sample {result.training.diverged_at}: {where}"
    return f"contract broken: {where}"


def _table(expectations: Sequence[Expectation]) -> str:
    rows = [("", "expectation", "observed", "bound")]
    rows += [("✓" if e.passed else "✗", e.name, observed_text(e), bound_text(e)) for e in expectations]
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    return "\n".join(
        f"{mark:{widths[0]}} {name:{widths[1]}}  {observed:>{widths[2]}}  {bound}"
        for mark, name, observed, bound in rows
    )


def _curve(losses: Sequence[float]) -> list[str]:
    lines = chart(losses, width=_WIDTH, height=_HEIGHT)
    return ["mean loss of each epoch\n" + "\n".join(lines)] if lines else []
