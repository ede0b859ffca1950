# SPDX-License-Identifier: Apache-2.0
"""benchmarks/quantised/results.md: generated from results/, and what was asked of conv311k."""

from __future__ import annotations

import copy

import pytest

from benchmark_scripts import BENCHMARKS, benchmark_script

journal, tables = (benchmark_script("quantised", name) for name in ("journal", "tables"))

PAGE = BENCHMARKS / "quantised" / "results.md"


def test_the_page_of_integer_training_is_what_the_results_make_it(request: pytest.FixtureRequest) -> None:
    text = tables.page(journal.kept("accuracy"), journal.kept("costs"))
    if request.config.getoption("--update"):
        PAGE.write_text(text, encoding="utf-8")
    assert PAGE.read_text(encoding="utf-8") == text


def test_the_kept_costs_of_conv311k_hold_every_bound() -> None:
    rows = tables.bound_rows(journal.kept("costs"))
    assert len(rows) == 8
    assert [row[0] for row in rows if row[-1] != "yes"] == []


def test_a_bound_that_is_missed_or_not_measured_is_said() -> None:
    costs = copy.deepcopy(journal.kept("costs"))
    costs["conv311k/arduino_nano_33_ble/uint8"]["cycles"]["total"] = 1_500_001.0
    del costs["conv311k/teensy40/uint8"]
    rows = {row[0]: row for row in tables.bound_rows(costs)}
    assert rows["Cortex-M4F, uint8, cycles"][-1] == "**no**"
    assert rows["Cortex-M7, uint8, cycles"][1:] == ("not measured", "at most 1,000,000", "-")


def test_accuracies_are_means_over_the_seeds_that_were_run() -> None:
    kept = {f"digits/uint8/{seed}": {"accuracy": accuracy, "share": None} for seed, accuracy in ((1, 0.9), (10, 0.98))}
    row = tables.accuracy_rows(kept, tables.published())[0]
    assert row[1:4] == ("-", "-", "94.00 (2)")
