# SPDX-License-Identifier: Apache-2.0
"""Curves, the live view and the summary: what a reader sees."""

from __future__ import annotations

import io
import math
from dataclasses import replace

import pytest
from results import a_result
from rich.console import Console

from trainbed.backends.base import Cost
from trainbed.contract import judge
from trainbed.curves import chart, sparkline
from trainbed.progress import LiveView, PlainView, make_view
from trainbed.result import StopReason, TrainingFacts
from trainbed.scenario.schema import ExpectKeys
from trainbed.summary import print_summary
from trainbed.trainer import Diverged, EpochDone


def epoch(number: int, loss: float) -> EpochDone:
    return EpochDone(epoch=number, loss=loss, accuracy=0.5, samples_trained=48, device_cycles=0)


def test_a_sparkline_runs_from_the_first_value_to_the_last() -> None:
    assert sparkline([8, 7, 6, 5, 4, 3, 2, 1], 8) == "█▇▆▅▄▃▂▁"
    assert sparkline([1, 2], 40) == "▁█"
    assert sparkline([3, 3, 3], 3) == "▁▁▁"
    assert sparkline([1, math.nan, 2], 3) == "▁×█"
    assert sparkline([], 10) == ""
    assert len(sparkline(list(range(1000)), 60)) == 60


def test_a_chart_puts_high_values_on_top_and_the_last_at_the_right() -> None:
    lines = chart([4.0, 3.0, 2.0, 1.0], width=24, height=4, ascii_only=True)
    assert lines[0][11] == "*"
    assert lines[0].lstrip().startswith("4")
    assert lines[3].lstrip().startswith("1")
    assert lines[3].rstrip().endswith("*")
    assert lines[-1].split() == ["1", "4"]


def test_a_chart_is_logarithmic_over_decades_and_linear_otherwise() -> None:
    assert chart([1.0, 0.1, 0.01], width=40, height=4)[2].split()[0] == "0.1"
    assert chart([3.0, 2.0, 1.0], width=40, height=4)[2].split()[0] == "2"


def test_a_chart_of_nothing_is_nothing() -> None:
    assert chart([], width=60, height=8) == []
    assert chart([math.nan, math.inf], width=60, height=8) == []
    assert len(chart([math.nan, 1.0], width=60, height=8)) == 10
    assert len(chart([1.0], width=60, height=8)) == 10


def test_a_log_has_a_line_for_the_first_and_the_last_epoch_and_few_between() -> None:
    stream = io.StringIO()
    with make_view(250, Console(file=stream)) as view:
        assert isinstance(view, PlainView)
        for number in range(250):
            view.show(epoch(number, 1 / (number + 1)))
    lines = stream.getvalue().splitlines()
    assert len(lines) <= 20
    assert lines[0].startswith("epoch   1/250  loss 1.00000  accuracy  50.0%")
    assert lines[-1].startswith("epoch 250/250  loss 0.00400")
    assert "\x1b" not in stream.getvalue()


def test_a_short_run_logs_every_epoch_and_where_it_diverged() -> None:
    stream = io.StringIO()
    view = PlainView(3, stream)
    view.show(epoch(0, 0.5))
    view.show(Diverged(epoch=1, position=7, sample=3, step=9))
    assert stream.getvalue().splitlines()[-1] == "diverged in epoch 2, at sample 7 of its order"
    assert len(stream.getvalue().splitlines()) == 2


def test_a_terminal_shows_loss_accuracy_speed_and_the_curve() -> None:
    console = Console(file=io.StringIO(), force_terminal=True, width=80)
    with make_view(4, console) as view:
        assert isinstance(view, LiveView)
        for number, loss in enumerate((0.8, 0.4, 0.2)):
            view.show(epoch(number, loss))
        view.show(Cost(cost_class="modelled", model="m", instructions=50_000_000, busy_s=0.25))
        block = view._block().plain.splitlines()
    assert block[2].startswith("epoch 3/4  loss 0.20000  accuracy  50.0%")
    assert "200 MIPS emulated" in block[2]
    assert block[3] == "█▃▁"


def printed(result: object, **options: object) -> str:
    stream = io.StringIO()
    print_summary(result, Console(file=stream, width=100, **options))  # type: ignore[arg-type]
    return stream.getvalue()


def test_the_summary_tells_accuracy_cost_with_its_class_memory_and_contract() -> None:
    contract = ExpectKeys.model_validate(
        {"test_accuracy": {"min": 0.7}, "ram_bytes": {"max": 10}, "matches_reference": "exact"}
    )
    text = printed(judge(contract, a_result(), reference_ulp=0))
    for part in (
        "3 epochs, loss 0.50000 to 0.10000, accuracy 90.0%",
        "accuracy 75.0%",
        "cost per trained sample: modelled (cortex-m4/1)",
        "training 9 720 B, RAM 71 196 B, flash 14 068 B",
        "324 B used, bound 328 B",
        "equal to the bit",
        "✗  ram_bytes",
        "failed: ram_bytes",
    ):
        assert part in text
    assert [line.split()[-1] for line in text.splitlines() if line.startswith("core cycles")] == ["350.5"]


def test_the_summary_of_a_run_that_diverged_says_where() -> None:
    facts = TrainingFacts(loss=(1.0, math.nan), accuracy=None, diverged_at=96)
    text = printed(judge(ExpectKeys(), replace(a_result(), stop_reason=StopReason.DIVERGED, training=facts)))
    assert "failed: diverged at training sample 96" in text


def test_what_was_not_measured_is_called_so() -> None:
    contract = ExpectKeys.model_validate({"stack_bytes": {"max": 10}})
    result = replace(a_result(), memory=replace(a_result().memory, stack_bytes=None))
    text = printed(judge(contract, result))
    assert "not measured" in text


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_a_terminal_without_unicode_gets_plain_characters(encoding: str) -> None:
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding=encoding, errors="strict")
    print_summary(
        judge(ExpectKeys.model_validate({"ram_bytes": {"max": 10}}), a_result()), Console(file=stream, width=80)
    )
    stream.flush()
    assert b"FAILED" in raw.getvalue()
    assert b"*" in raw.getvalue()
