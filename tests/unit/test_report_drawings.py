# SPDX-License-Identifier: Apache-2.0
"""Pieces of the report: tiles, fronts, sweeps, what is missing."""

from __future__ import annotations

import itertools
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from results import a_result

from trainbed.cli import main
from trainbed.errors import InputError
from trainbed.report.drawing import style
from trainbed.report.memory import broken, squarified
from trainbed.report.page import write_report
from trainbed.report.sources import Run, Sweep, read_source, read_sources
from trainbed.report.sweeps import front_rows, pareto_front, sweep_drawings, sweep_table

SWEEP = """\
axes.board,axes.training.seed,axes.training.epochs,verdict,test.accuracy,cost.cycles_per_sample.total,memory.ram_bytes,cost.wall_s
nano,1,10,passed,0.80,1000,9000,1.1
nano,2,10,passed,0.84,1000,9000,1.2
nano,1,20,failed,0.90,1500,9000,1.3
nano,2,20,passed,,1500,9000,1.4
mps2,1,10,passed,0.70,1600,9000,1.5
"""


@given(st.lists(st.integers(1, 10_000), min_size=1, max_size=40))
def test_tiles_have_the_areas_they_stand_for_and_do_not_leave_the_frame(areas: list[int]) -> None:
    areas.sort(reverse=True)
    tiles = squarified(areas, 160.0, 62.0)
    for area, (x, y, w, h) in zip(areas, tiles, strict=True):
        assert w * h == pytest.approx(area / sum(areas) * 160.0 * 62.0, rel=1e-6)
        assert x >= -1e-6 and y >= -1e-6 and x + w <= 160.0 + 1e-6 and y + h <= 62.0 + 1e-6


def test_no_two_tiles_overlap() -> None:
    tiles = squarified([50, 30, 20, 20, 10, 5, 5, 1, 1], 100.0, 60.0)
    for i, (x, y, w, h) in enumerate(tiles):
        for u, v, p, q in tiles[:i]:
            apart = x >= u + p - 1e-9 or u >= x + w - 1e-9 or y >= v + q - 1e-9 or v >= y + h - 1e-9
            assert apart


@pytest.mark.parametrize(
    ("name", "width", "lines", "expected"),
    [
        ("update", 10, 1, ["update"]),
        ("conv2d_1_backward_weights", 18, 3, ["conv2d_1_backward_", "weights"]),
        ("conv2d_1_backward_weights", 9, 2, ["conv2d_1_", "backward…"]),
        ("memoryhandler", 6, 3, ["memory", "handle", "r"]),
        ("trn_app_handle", 8, 1, ["trn_app…"]),
    ],
)
def test_a_long_name_is_broken_at_an_underscore(name: str, width: int, lines: int, expected: list[str]) -> None:
    assert broken(name, width, lines) == expected


def test_the_front_is_what_nothing_beats_in_every_figure() -> None:
    points = [(1.0, 5.0), (2.0, 3.0), (2.0, 4.0), (3.0, 3.0), (4.0, 1.0), (4.0, 1.0)]
    assert pareto_front(points) == [0, 1, 4, 5]


@pytest.fixture
def sweep(tmp_path: Path) -> Sweep:
    (tmp_path / "sweep").mkdir()
    (tmp_path / "sweep" / "results.csv").write_text(SWEEP, encoding="utf-8")
    source = read_source(tmp_path / "sweep")
    assert isinstance(source, Sweep)
    return source


def test_axes_of_a_sweep_are_what_differs_and_is_no_result(sweep: Sweep) -> None:
    assert sweep.axes == ("axes.board", "axes.training.seed", "axes.training.epochs")
    assert front_rows(sweep, "cost.cycles_per_sample.total", "test.accuracy") == [1, 2]
    table = sweep_table(sweep)
    assert table.rows[1][:5] == ("nano", "2", "10", "passed", "84.0%")
    assert table.rows[3][4] == "–" and table.front == {1, 2}


def test_a_sweep_is_drawn_over_its_axes_and_figure_against_figure(sweep: Sweep, tmp_path: Path) -> None:
    text = write_report([sweep], tmp_path / "page").read_text(encoding="utf-8")
    plots = sorted(path.stem for path in (tmp_path / "page" / "figures").glob("*.svg"))
    assert plots == [
        "sweep0-cost-cycles-per-sample-total-by-training-epochs",
        "sweep0-memory-ram-bytes-by-training-epochs",
        "sweep0-test-accuracy-by-training-epochs",
        "sweep0-test-accuracy-over-cost-cycles-per-sample-total",
        "sweep0-test-accuracy-over-memory-ram-bytes",
    ]
    assert all(f'id="plot-{name}"' in text for name in plots)
    assert "Pareto front: 2 runs" in text


@pytest.mark.parametrize("cycles", [(1200, 38_000), (700, 950_000), (400, 460)])
@pytest.mark.parametrize("accuracies", [(0.825, 1.0), (0.9125, 0.9375)])
def test_ticks_say_what_they_stand_for_and_stand_apart(
    tmp_path: Path, cycles: tuple[int, int], accuracies: tuple[float, float]
) -> None:
    table = "axes.training.epochs,test.accuracy,cost.cycles_per_sample.total\n"
    for n, (count, accuracy) in enumerate(zip(cycles, accuracies, strict=True)):
        table += f"{10 + n},{accuracy},{count}\n"
    (tmp_path / "results.csv").write_text(table, encoding="utf-8")
    source = read_source(tmp_path)
    assert isinstance(source, Sweep)
    with style():
        drawing = sweep_drawings(source, 0)[0]
        assert drawing is not None
        drawing.figure.canvas.draw()
        (axes,) = drawing.figure.axes
        boxes = [label.get_window_extent() for label in axes.get_xticklabels() if label.get_text()]
        assert len(boxes) > 1
        assert all(a.x1 < b.x0 for a, b in itertools.pairwise(boxes))
        for value, label in zip(axes.get_yticks(), axes.get_yticklabels(), strict=True):
            assert float(label.get_text().rstrip("%")) == pytest.approx(100 * value)


def test_groups_are_told_by_a_legend_outside_the_plot(sweep: Sweep) -> None:
    with style():
        scatter, *_ = drawings = sweep_drawings(sweep, 0)
    assert scatter is not None
    (legend,) = scatter.figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["board nano", "board mps2"]
    assert all(axes.get_legend() is None for one in drawings if one is not None for axes in one.figure.axes)


def test_a_result_alone_makes_a_page_that_says_what_is_missing(tmp_path: Path) -> None:
    run = Run("<b>alone</b>", tmp_path, a_result())
    text = write_report([run], tmp_path / "page", files=False).read_text(encoding="utf-8")
    assert "&lt;b&gt;alone&lt;/b&gt;: no plan.json beside its result.json" in text
    assert "<b>alone</b>" not in text
    assert 'id="plot-loss"' in text and 'id="plot-arena-0"' not in text


def test_runs_of_one_name_are_told_apart_by_their_folders(tmp_path: Path) -> None:
    for folder in ("a/run", "b/run"):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "result.json").write_text(a_result().to_json(), encoding="utf-8")
    sources = read_sources([tmp_path / "a" / "run", tmp_path / "b" / "run" / "result.json"])
    assert [source.label for source in sources] == ["a/run", "b/run"]
    twice = read_sources([tmp_path / "a" / "run", tmp_path / "a" / "run"])
    assert len({source.label for source in twice}) == 2


@pytest.mark.parametrize("package", ["matplotlib", "jinja2"])
def test_a_missing_package_is_named_with_the_line_that_installs_it(
    package: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "result.json").write_text(a_result().to_json(), encoding="utf-8")
    monkeypatch.setitem(sys.modules, package, None)
    assert main(["report", str(tmp_path), "--out", str(tmp_path / "page")]) == 4
    assert f"{package} is missing" in (error := capsys.readouterr().err)
    assert "pip install 'trainbed[report]'" in error
    assert not (tmp_path / "page").exists()


def test_a_damaged_plan_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "result.json").write_text(a_result().to_json(), encoding="utf-8")
    (tmp_path / "plan.json").write_text("{", encoding="utf-8")
    with pytest.raises(InputError, match=r"plan\.json: cannot be read"):
        read_source(tmp_path)
