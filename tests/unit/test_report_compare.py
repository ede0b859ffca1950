# SPDX-License-Identifier: Apache-2.0
"""trainbed compare: figures of two runs or sweeps, and bounds on them."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from results import a_result

from trainbed.cli import main
from trainbed.errors import InputError
from trainbed.report.compare import Change, compare_sources, parse_bounds
from trainbed.result import Expectation, PerSample, Result


def keep(folder: Path, result: Result) -> Path:
    folder.mkdir(parents=True)
    (folder / "result.json").write_text(result.to_json(), encoding="utf-8")
    return folder


def with_cycles(total: float) -> Result:
    result = a_result()
    cycles = PerSample(100.0, total - 150.5, 50.5, total)
    return replace(result, cost=replace(result.cost, cycles_per_sample=cycles))


@pytest.fixture
def before(tmp_path: Path) -> Path:
    return keep(tmp_path / "before", a_result())


@pytest.mark.parametrize(
    ("edge", "text", "start", "after", "holds"),
    [
        ("max", "k=+2%", 100.0, 102.0, True),
        ("max", "k=+2%", 100.0, 102.01, False),
        ("max", "k=+2%", 100.0, 50.0, True),
        ("max", "k=-5%", 100.0, 95.0, True),
        ("max", "k=-5%", 100.0, 96.0, False),
        ("max", "k=+16", 100.0, 116.0, True),
        ("max", "k=+16", 100.0, 117.0, False),
        ("max", "k=70000", 100.0, 70000.0, True),
        ("max", "k=70000", 100.0, 70001.0, False),
        ("max", "k=+0.1", 0.2, 0.3, True),  # 0.1 + 0.2 is not 0.3 in binary
        ("min", "k=-1%", 0.9, 0.891, True),
        ("min", "k=-1%", 0.9, 0.88, False),
        ("min", "k=0.75", 0.9, 0.75, True),
        ("min", "k=0.75", 0.9, 0.74, False),
        ("max", "k=+2%", -100.0, -98.0, True),
        ("max", "k=+2%", -100.0, -97.0, False),
        ("max", "k=+2%", None, 1.0, False),
        ("max", "k=+2%", 1.0, None, False),
        ("max", "k=5", None, 5.0, True),
    ],
)
def test_a_bound_holds_to_its_edge_and_not_beyond(
    edge: str, text: str, start: float | None, after: float | None, holds: bool
) -> None:
    (bound,) = parse_bounds([text] if edge == "max" else [], [text] if edge == "min" else [])
    assert bound.holds(Change("k", start, after)) is holds


@pytest.mark.parametrize("text", ["flash", "flash=", "flash=many", "flash=+2%%", "=+2%", "flash=2%"])
def test_what_is_no_bound_is_refused(text: str) -> None:
    with pytest.raises(InputError, match=r"--max .*(expected KEY|needs a sign)"):
        parse_bounds([text], [])


def test_growth_past_a_bound_fails_and_within_it_passes(before: Path, tmp_path: Path) -> None:
    after = keep(tmp_path / "after", with_cycles(360.0))  # 2.7 % more
    assert main(["compare", str(before), str(after), "--max", "cycles_per_sample.total=+3%"]) == 0
    assert main(["compare", str(before), str(after), "--max", "cycles_per_sample.total=+2%"]) == 1
    assert main(["compare", str(before), str(after)]) == 0


def test_only_what_changed_is_shown(before: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    after = keep(tmp_path / "after", with_cycles(360.0))
    assert main(["compare", str(before), str(after)]) == 0
    printed = capsys.readouterr().out
    (line,) = [line for line in printed.splitlines() if "cycles_per_sample.total" in line]
    assert line.split() == ["cost.cycles_per_sample.total", "350.5", "360", "+9.5", "+2.71", "%"]
    assert "cost.cycles_per_sample.forward" not in printed and "memory." not in printed
    assert main(["compare", str(before), str(before)]) == 0
    assert "nothing changed" in capsys.readouterr().out


def test_json_holds_every_figure_and_the_bounds(
    before: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    after = keep(tmp_path / "after", with_cycles(360.0))
    code = main(["compare", str(before), str(after), "--json", "--max", "flash_bytes=+0%", "--max", "total=1"])
    assert code == 2  # three totals
    assert "write it in full" in capsys.readouterr().err
    assert main(["compare", str(before), str(after), "--json", "--max", "flash_bytes=+0%"]) == 0
    plain = json.loads(capsys.readouterr().out)
    figures = {figure["key"]: figure for figure in plain["runs"][0]["figures"]}
    assert figures["cost.cycles_per_sample.total"]["difference"] == 9.5
    assert figures["training.final_loss"]["before"] == figures["training.final_loss"]["after"] == 0.1 + 2**-50
    assert not [key for key in figures if "wall_s" in key or "mips" in key]
    assert plain["bounds"] == [
        {
            "bound": "--max flash_bytes=+0%",
            "key": "memory.flash_bytes",
            "run": "",
            "before": 14068,
            "after": 14068,
            "passed": True,
        }
    ]


def test_markdown_starts_with_the_verdict(before: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    after = keep(tmp_path / "after", with_cycles(360.0))
    arguments = ["compare", str(before), str(after), "--markdown", "--max", "cycles_per_sample.total=+2%"]
    assert main(arguments) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("**✗ out of bounds: ")
    assert "- ✗ --max cycles_per_sample.total=+2%: 350.5 to 360, +2.71 %" in lines
    assert "| `cost.cycles_per_sample.total` | 350.5 | 360 | +9.5 | +2.71 % |" in lines


def test_a_broken_expectation_and_another_kind_of_count_are_told(before: Path, tmp_path: Path) -> None:
    result = a_result()
    other = replace(
        result,
        cost=replace(result.cost, cost_class="instructions", model=""),
        expectations=(Expectation("test_accuracy", False, 0.2, {"min": 0.7}),),
    )
    (pair,) = compare_sources(before, keep(tmp_path / "after", other)).pairs
    assert ("expectations.test_accuracy", "-", "broken") in pair.words
    assert any("two kinds: modelled cortex-m4/1 and instructions" in note for note in pair.notes)


def test_an_unknown_figure_is_refused_with_the_nearest(before: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", str(before), str(before), "--max", "cycle_per_sample.total=+2%"]) == 2
    assert "did you mean 'cycles_per_sample.total'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("result.json", "{}", "schema"),
        ("result.json", "[1", "not a result of trainbed"),
        ("results.csv", "board,verdict\n", "no rows"),
        ("notes.txt", "x", "neither result.json of a run nor results.csv"),
    ],
)
def test_what_is_no_run_is_refused(
    before: Path, tmp_path: Path, name: str, content: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / name).write_text(content, encoding="utf-8")
    assert main(["compare", str(before), str(tmp_path / "bad")]) == 2
    assert message in capsys.readouterr().err


SWEEP = """\
axes.training.seed,axes.network.layers.0.dense.units,verdict,test.accuracy,cost.cycles_per_sample.total,cost.wall_s
1,8,passed,0.9,1000,1.5
2,8,passed,0.8,1000,1.6
1,16,passed,0.95,1900,1.7
"""


def sweep(folder: Path, text: str) -> Path:
    folder.mkdir()
    (folder / "results.csv").write_text(text, encoding="utf-8")
    return folder


def test_sweeps_are_compared_row_by_row_whatever_their_order(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    head, *rows = SWEEP.splitlines()
    after = "\n".join([head, *reversed(rows)]).replace("1,16,passed,0.95,1900", "1,16,passed,0.95,2100") + "\n"
    one, other = sweep(tmp_path / "one", SWEEP), sweep(tmp_path / "other", after)
    assert main(["compare", str(one), str(other), "--max", "cycles_per_sample.total=+11%"]) == 0
    capsys.readouterr()
    assert main(["compare", str(one), str(other), "--max", "cycles_per_sample.total=+10%"]) == 1
    printed = capsys.readouterr().out
    assert "1 900 to 2 100, +10.53 % (training.seed=1, network.layers.0.dense.units=16)" in printed
    assert "training.seed=2" not in printed


def test_a_missing_row_fails_where_there_are_bounds(tmp_path: Path) -> None:
    one, other = sweep(tmp_path / "one", SWEEP), sweep(tmp_path / "other", SWEEP.rsplit("1,16", 1)[0])
    comparison = compare_sources(one, other, parse_bounds(["cycles_per_sample.total=+0%"], []))
    assert comparison.only_before == ("training.seed=1, network.layers.0.dense.units=16",)
    assert not comparison.passed
    assert compare_sources(one, other).passed


def test_a_run_is_not_compared_with_a_sweep(before: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="a run can be compared with a run, a sweep with a sweep"):
        compare_sources(before, sweep(tmp_path / "sweep", SWEEP))
