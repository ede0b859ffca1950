# SPDX-License-Identifier: Apache-2.0
"""The page on AVR is what its script writes from what was measured, and holds what was asked of it."""

from __future__ import annotations

from benchmark_scripts import BENCHMARKS, benchmark_script

MEASURED = BENCHMARKS / "avr" / "measured"

report = benchmark_script("avr", "report")


def test_the_page_is_what_its_script_writes() -> None:
    assert report.PAGE.read_text(encoding="utf-8") == report.page()


def test_the_measured_figures_keep_their_bounds() -> None:
    text = {name: (MEASURED / name).read_text(encoding="utf-8") for name in ("table.md", "accuracy.md")}
    table = report.cells_of(text["table.md"])
    of_40 = [row for row in table if row[0] == "40"]
    cycles = [[int(row[n].replace(",", "")) for row in of_40] for n in (6, 9)]
    assert len(of_40) == 4
    assert max(cycles[0]) <= 330_000
    assert max(cycles[1]) <= 120_000
    accuracy = report.cells_of(text["accuracy.md"])
    assert [int(row[0]) for row in accuracy] == list(range(4, 33))
    assert {row[3] for row in accuracy} == {"1000 of 1000"}
    digits = report.kept("digits.json")
    assert {(row["board"], row["seed"]) for row in digits} == {
        (board, seed) for board in ("arduino_mega", "atmega4809_xplained") for seed in range(1, 6)
    }
    assert all(row["equal"] for row in digits)
    for board in ("arduino_mega", "atmega4809_xplained"):
        of = [row for row in digits if row["board"] == board]
        mean, plain = (sum(row[key] for row in of) / len(of) for key in ("accuracy", "float32"))
        assert mean >= 90
        assert mean >= plain - 4
        assert max(row["ram_bytes"] for row in of) <= 6144
    sensor = report.kept("sensor.json")
    assert all(row["accuracy"] == 100 and row["equal"] for row in sensor)
